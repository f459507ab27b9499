//! Whether the loop keeps up with its own plan, and what an operator is told when it does not.
//!
//! A sweep is planned at a fixed interval; what it finds late, it reports late. One or two late sweeps are a busy
//! machine's. The agent is behind when the late ones of one second add up to [`LIMIT`]: that is one long stall as well as
//! a loop whose every turn takes too long, and no average hides the first or cries at the second's beginning. It keeps up
//! again when it was not late for some seconds, so that a loop at the limit is told of once.

use std::{fmt, time::Duration};

use sctp_monitor_engine::model::{Short, Status, Timestamp};

/// Measures the loop.
#[derive(Debug)]
pub struct LagGauge {
    interval: Duration,
    late_from: Duration,
    turned_at: Option<Timestamp>,
    /// Since the last look.
    recent: Window,
    lag: Lag,
    episode: Option<Episode>,
}

/// How late the loop was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lag {
    /// The most that a sweep was late, within about the last second.
    pub recent: Duration,
    /// The same since the agent began.
    pub max: Duration,
    /// The longest that a sweep took, within about the last second.
    pub turn_recent: Duration,
    /// The same since the agent began.
    pub turn_max: Duration,
    /// How often the agent fell behind.
    pub behind: u64,
}

/// The agent is behind, or keeps up again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgentBehind {
    /// Whether it begins, lasts or is over.
    pub status: Status,
    /// When it began.
    pub since: Timestamp,
    /// How often a sweep is planned.
    pub interval: Duration,
    /// The most that a sweep was late since it began.
    pub late: Duration,
    /// The longest that a sweep took since it began.
    pub turn: Duration,
}

impl AgentBehind {
    /// What an operator should look at.
    #[must_use]
    pub fn next(&self) -> &'static str {
        "CPU time of this process: other load on its CPU, a CPU quota (cgroup, container), a paused virtual machine; then \
         the number of flows"
    }
}

impl fmt::Display for AgentBehind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (late, turn, interval) = (Short(self.late), Short(self.turn), Short(self.interval));
        match self.status {
            Status::Opened | Status::Updated => write!(
                f,
                "the agent is behind: a sweep came {late} late (one is planned every {interval}, the longest took {turn}); failures \
                 are reported late"
            ),
            Status::Closed => write!(
                f,
                "the agent keeps up again: a sweep came {late} late at most (one is planned every {interval}, the longest took {turn})"
            ),
        }
    }
}

impl LagGauge {
    /// For sweeps at this interval, which count as late from `late_from` after the one before.
    #[must_use]
    pub fn new(interval: Duration, late_from: Duration) -> Self {
        Self {
            interval,
            late_from,
            turned_at: None,
            recent: Window::default(),
            lag: Lag::default(),
            episode: None,
        }
    }

    /// A sweep began and ended.
    pub fn on_sweep(&mut self, began: Timestamp, ended: Timestamp) {
        let since_last = self.turned_at.map_or(Duration::ZERO, |last| began.since(last));
        let late = since_last.saturating_sub(self.interval);
        let turn = ended.since(began);
        self.turned_at = Some(began);
        if since_last > self.late_from {
            self.recent.total_late += late;
        }
        self.recent.late = self.recent.late.max(late);
        self.recent.turn = self.recent.turn.max(turn);
        self.lag.max = self.lag.max.max(late);
        self.lag.turn_max = self.lag.turn_max.max(turn);
    }

    /// What is to be reported now, if anything. To be asked about every second.
    pub fn poll(&mut self, now: Timestamp) -> Option<AgentBehind> {
        let recent = std::mem::take(&mut self.recent);
        self.lag.recent = recent.late;
        self.lag.turn_recent = recent.turn;
        let is_behind = recent.total_late >= LIMIT;
        let interval = self.interval;
        let Some(episode) = &mut self.episode else {
            if !is_behind {
                return None;
            }
            self.lag.behind += 1;
            let episode = self.episode.insert(Episode {
                since: now,
                late_at: now,
                told_at: now,
                worst: recent,
            });
            return Some(episode.tell(Status::Opened, interval));
        };
        episode.worst.late = episode.worst.late.max(recent.late);
        episode.worst.turn = episode.worst.turn.max(recent.turn);
        if is_behind {
            episode.late_at = now;
        }
        if now.since(episode.late_at) >= CALM {
            let over = episode.tell(Status::Closed, interval);
            self.episode = None;
            return Some(over);
        }
        if now.since(episode.told_at) < AGAIN {
            return None;
        }
        episode.told_at = now;
        Some(episode.tell(Status::Updated, interval))
    }

    /// How late the loop was.
    #[must_use]
    pub fn lag(&self) -> Lag {
        self.lag
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Window {
    /// All that late sweeps were late.
    total_late: Duration,
    late: Duration,
    turn: Duration,
}

/// A time in which the agent is behind.
#[derive(Debug)]
struct Episode {
    since: Timestamp,
    /// When it was late for the last time.
    late_at: Timestamp,
    told_at: Timestamp,
    worst: Window,
}

impl Episode {
    fn tell(&self, status: Status, interval: Duration) -> AgentBehind {
        AgentBehind {
            status,
            since: self.since,
            interval,
            late: self.worst.late,
            turn: self.worst.turn,
        }
    }
}

/// All that late sweeps are late within a second before the agent is behind: a detection that should take 200 ms then
/// takes twice as long.
const LIMIT: Duration = Duration::from_millis(250);

/// Not late for so long: it keeps up again.
const CALM: Duration = Duration::from_secs(5);

/// Between two reports while it lasts.
const AGAIN: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    const SWEEP: Duration = Duration::from_millis(20);

    /// A loop in virtual time.
    struct Loop {
        gauge: LagGauge,
        now: Timestamp,
        polled_at: Timestamp,
        told: Vec<AgentBehind>,
    }

    impl Loop {
        fn new() -> Self {
            Self {
                gauge: LagGauge::new(SWEEP, 4 * SWEEP),
                now: Timestamp::default(),
                polled_at: Timestamp::default(),
                told: Vec::new(),
            }
        }

        /// Sweeps for so long, at this distance, each taking half of it.
        fn sweep(&mut self, within: Duration, distance: Duration) {
            let end = self.now + within;
            while self.now < end {
                self.gauge.on_sweep(self.now, self.now + distance / 2);
                if self.now.since(self.polled_at) >= Duration::from_secs(1) {
                    self.polled_at = self.now;
                    self.told.extend(self.gauge.poll(self.now));
                }
                self.now = self.now + distance;
            }
        }

        fn statuses(&self) -> Vec<Status> {
            self.told.iter().map(|behind| behind.status).collect()
        }
    }

    #[test]
    fn a_loop_on_time_is_not_behind_and_neither_is_one_on_a_busy_machine() {
        let mut looped = Loop::new();
        looped.sweep(Duration::from_secs(30), SWEEP);
        looped.sweep(Duration::from_secs(30), 3 * SWEEP);
        assert_eq!(looped.told, []);
        let lag = looped.gauge.lag();
        assert_eq!((lag.max, lag.recent, lag.behind), (2 * SWEEP, 2 * SWEEP, 0));
        assert_eq!(lag.turn_max, 3 * SWEEP / 2);
    }

    #[test]
    fn a_loop_that_takes_too_long_is_behind_until_it_was_on_time_for_a_while() {
        let mut looped = Loop::new();
        looped.sweep(Duration::from_secs(5), SWEEP);
        looped.sweep(Duration::from_secs(25), 10 * SWEEP);
        assert_eq!(
            looped.statuses(),
            [Status::Opened, Status::Updated, Status::Updated]
        );
        looped.sweep(Duration::from_secs(10), SWEEP);
        let over = looped.told.last().unwrap();
        assert_eq!(over.status, Status::Closed);
        assert_eq!((over.late, over.turn), (9 * SWEEP, 5 * SWEEP));
        assert_eq!(looped.told.len(), 4);
        let lag = looped.gauge.lag();
        assert_eq!((lag.behind, lag.max, lag.recent), (1, 9 * SWEEP, Duration::ZERO));
    }

    #[test]
    fn one_long_stall_is_told() {
        let mut looped = Loop::new();
        looped.sweep(Duration::from_secs(2), SWEEP);
        looped.now = looped.now + Duration::from_secs(3);
        looped.sweep(Duration::from_secs(20), SWEEP);
        assert_eq!(looped.statuses(), [Status::Opened, Status::Closed]);
        assert_eq!(looped.told[0].late, Duration::from_secs(3));
    }

    #[test]
    fn a_loop_at_the_limit_is_told_of_once() {
        let mut looped = Loop::new();
        for _ in 0..30 {
            looped.sweep(Duration::from_secs(1), 10 * SWEEP);
            looped.sweep(Duration::from_secs(2), SWEEP);
        }
        let begun = looped
            .statuses()
            .iter()
            .filter(|status| **status == Status::Opened)
            .count();
        assert_eq!(begun, 1);
        assert!(looped.told.len() <= 10, "{}", looped.told.len());
    }
}
