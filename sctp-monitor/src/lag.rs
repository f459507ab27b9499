//! Whether the loop keeps up with its own plan, and what an operator is told when it does not.
//!
//! Each turn of the loop says when the next one is due; what a turn finds late, it reports late. A turn that is some
//! milliseconds late is a busy machine's. The agent is behind when those that are later than that add up to a limit
//! within a second: that is one long stall as well as a loop whose every turn takes too long, which an average would hide
//! or cry at. It keeps up again when it was not late for some seconds, so that a loop at the limit is told of once.

use std::{fmt, time::Duration};

use schemars::JsonSchema;
use sctp_monitor_engine::{
    model::{Short, Status, Timestamp, units::ms},
    session::Pace,
};
use serde::{Deserialize, Serialize};

/// Measures the loop.
#[derive(Debug, Default)]
pub struct LagGauge {
    /// Since the last look.
    recent: Window,
    lag: Lag,
    episode: Option<Episode>,
}

/// How late the turns of the agent's loop were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Lag {
    /// By how much the most delayed turn of about the last second was late.
    #[serde(rename = "recent_ms", with = "ms")]
    #[schemars(with = "f64")]
    pub recent: Duration,
    /// By how much the most delayed turn since the agent started was late.
    #[serde(rename = "max_ms", with = "ms")]
    #[schemars(with = "f64")]
    pub max: Duration,
    /// Duration of the longest turn of about the last second.
    #[serde(rename = "turn_recent_ms", with = "ms")]
    #[schemars(with = "f64")]
    pub turn_recent: Duration,
    /// Duration of the longest turn since the agent started.
    #[serde(rename = "turn_max_ms", with = "ms")]
    #[schemars(with = "f64")]
    pub turn_max: Duration,
    /// How often `agent_behind` was reported as opened.
    pub behind: u64,
}

/// The agent itself is late, or is on time again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgentBehind {
    /// Whether it began, goes on or has ended.
    pub status: Status,
    /// When the first late turn was due.
    pub since: Timestamp,
    /// How late the agent is, in figures.
    pub lateness: Lateness,
}

/// How late the agent has been since `agent_behind` was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Lateness {
    /// By how much the most delayed turn was late.
    #[serde(rename = "late_ms", with = "ms")]
    #[schemars(with = "f64")]
    pub late: Duration,
    /// Duration of the longest turn.
    #[serde(rename = "turn_ms", with = "ms")]
    #[schemars(with = "f64")]
    pub turn: Duration,
}

impl AgentBehind {
    /// What to check next.
    #[must_use]
    pub fn check() -> &'static str {
        "CPU time of this process (`top`): other load on its CPU, a CPU quota (cgroup, container), a paused virtual machine; then \
         the number of flows"
    }
}

impl fmt::Display for AgentBehind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (late, turn) = (Short(self.lateness.late), Short(self.lateness.turn));
        match self.status {
            Status::Opened | Status::Updated => write!(
                f,
                "the agent is late by {late} (the longest turn of its loop took {turn}); failures are reported late"
            ),
            Status::Closed => write!(
                f,
                "the agent is on time again; it was late by at most {late} (the longest turn of its loop took {turn})"
            ),
        }
    }
}

impl LagGauge {
    /// A turn that was due at `due` began and ended.
    pub fn on_turn(&mut self, due: Timestamp, began: Timestamp, ended: Timestamp) {
        let (late, turn) = (began.since(due), ended.since(began));
        if late > TOLERATED {
            self.recent.total_late += late;
            self.recent.since.get_or_insert(due);
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
        let Some(episode) = &mut self.episode else {
            if !is_behind {
                return None;
            }
            self.lag.behind += 1;
            let episode = self.episode.insert(Episode {
                since: recent.since.unwrap_or(now),
                late_at: now,
                told_at: now,
                worst: recent,
            });
            return Some(episode.tell(Status::Opened));
        };
        episode.worst.late = episode.worst.late.max(recent.late);
        episode.worst.turn = episode.worst.turn.max(recent.turn);
        if is_behind {
            episode.late_at = now;
        }
        if now.since(episode.late_at) >= CALM {
            let over = episode.tell(Status::Closed);
            self.episode = None;
            return Some(over);
        }
        if now.since(episode.told_at) < AGAIN {
            return None;
        }
        episode.told_at = now;
        Some(episode.tell(Status::Updated))
    }

    /// How late the loop was.
    #[must_use]
    pub fn lag(&self) -> Lag {
        self.lag
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Window {
    /// All that late turns were late.
    total_late: Duration,
    /// When the first of them was due.
    since: Option<Timestamp>,
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
    fn tell(&self, status: Status) -> AgentBehind {
        AgentBehind {
            status,
            since: self.since,
            lateness: Lateness {
                late: self.worst.late,
                turn: self.worst.turn,
            },
        }
    }
}

/// A turn is late from here on: the session takes it for a stall.
const TOLERATED: Duration = match Pace::LIVE.stall {
    Some(stall) => stall.saturating_sub(Pace::LIVE.sweep),
    None => Duration::MAX,
};

/// All that late turns are late within a second before the agent is behind: a detection that should take 200 ms then
/// takes twice as long.
const LIMIT: Duration = Duration::from_millis(250);

/// Not late for so long: it keeps up again.
const CALM: Duration = Duration::from_secs(5);

/// Between two reports while it lasts.
const AGAIN: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    const SWEEP: Duration = Pace::LIVE.sweep;

    /// A loop in virtual time.
    struct Loop {
        gauge: LagGauge,
        due: Timestamp,
        now: Timestamp,
        polled_at: Timestamp,
        told: Vec<AgentBehind>,
    }

    impl Loop {
        fn new() -> Self {
            Self {
                gauge: LagGauge::default(),
                due: Timestamp::default(),
                now: Timestamp::default(),
                polled_at: Timestamp::default(),
                told: Vec::new(),
            }
        }

        /// Turns for so long, at this distance, each taking half of it.
        fn turn(&mut self, within: Duration, distance: Duration) {
            let end = self.now + within;
            while self.now < end {
                self.gauge.on_turn(self.due, self.now, self.now + distance / 2);
                self.due = self.now + SWEEP;
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
        looped.turn(Duration::from_secs(30), SWEEP);
        looped.turn(Duration::from_secs(30), 3 * SWEEP);
        assert_eq!(looped.told, []);
        let lag = looped.gauge.lag();
        assert_eq!((lag.max, lag.recent, lag.behind), (2 * SWEEP, 2 * SWEEP, 0));
        assert_eq!(lag.turn_max, 3 * SWEEP / 2);
    }

    #[test]
    fn a_loop_that_takes_too_long_is_behind_until_it_was_on_time_for_a_while() {
        let mut looped = Loop::new();
        looped.turn(Duration::from_secs(5), SWEEP);
        looped.turn(Duration::from_secs(25), 10 * SWEEP);
        assert_eq!(
            looped.statuses(),
            [Status::Opened, Status::Updated, Status::Updated]
        );
        looped.turn(Duration::from_secs(10), SWEEP);
        let over = looped.told.last().unwrap();
        assert_eq!(over.status, Status::Closed);
        assert_eq!((over.lateness.late, over.lateness.turn), (9 * SWEEP, 5 * SWEEP));
        assert_eq!(looped.told.len(), 4);
        let lag = looped.gauge.lag();
        assert_eq!((lag.behind, lag.max, lag.recent), (1, 9 * SWEEP, Duration::ZERO));
    }

    #[test]
    fn one_long_stall_is_told() {
        let mut looped = Loop::new();
        looped.turn(Duration::from_secs(2), SWEEP);
        looped.now = looped.now + Duration::from_secs(3);
        looped.turn(Duration::from_secs(20), SWEEP);
        assert_eq!(looped.statuses(), [Status::Opened, Status::Closed]);
        assert_eq!(looped.told[0].lateness.late, Duration::from_secs(3));
        assert_eq!(
            looped.told[0].since,
            Timestamp::default() + Duration::from_secs(2)
        );
    }

    #[test]
    fn a_loop_at_the_limit_is_told_of_once() {
        let mut looped = Loop::new();
        for _ in 0..30 {
            looped.turn(Duration::from_secs(1), 10 * SWEEP);
            looped.turn(Duration::from_secs(2), SWEEP);
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
