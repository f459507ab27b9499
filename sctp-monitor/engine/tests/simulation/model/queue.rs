//! A queue in front of a link of limited rate, which other traffic fills as well.

use std::time::Duration;

use sctp_monitor_engine::model::Timestamp;

use super::dice::Dice;

/// The narrowest place of a direction of a path.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bottleneck {
    pub(crate) bytes_per_second: f64,
    /// Bytes that may wait.
    pub(crate) room: f64,
    /// Drops early: with a probability that grows from nothing at a quarter of the room to a tenth at the end, by
    /// the smoothed backlog (RED).
    pub(crate) early: bool,
    /// The share of the rate that others send, in bursts.
    pub(crate) others: f64,
}

#[derive(Debug)]
pub(crate) struct Queue {
    link: Bottleneck,
    backlog: f64,
    average: f64,
    at: Timestamp,
    /// Others send until then, or from then on.
    others_send: bool,
    others_until: Timestamp,
    dice: Dice,
}

impl Queue {
    pub(crate) fn new(link: Bottleneck, now: Timestamp, dice: Dice) -> Self {
        Self {
            link,
            backlog: 0.0,
            average: 0.0,
            at: now,
            others_send: false,
            others_until: now,
            dice,
        }
    }

    /// How long a packet waits until it has left; `None` if it is dropped.
    pub(crate) fn enter(&mut self, bytes: f64, now: Timestamp) -> Option<Duration> {
        self.run_until(now);
        self.average += (self.backlog - self.average) * 0.02;
        let fill = self.average / self.link.room;
        let early = self.link.early && self.dice.chance(((fill - 0.25) / 7.5).max(0.0));
        if early || self.backlog + bytes > self.link.room {
            return None;
        }
        self.backlog += bytes;
        Some(Duration::from_secs_f64(self.backlog / self.link.bytes_per_second))
    }

    /// What others send comes, and what waits goes.
    fn run_until(&mut self, now: Timestamp) {
        while self.at < now {
            if self.others_until <= self.at {
                self.others_send = !self.others_send;
                // Half of the time.
                self.others_until = self.at + self.dice.exponential(BURST);
            }
            let step = if self.link.others > 0.0 {
                now.min(self.others_until)
            } else {
                now
            };
            let seconds = step.since(self.at).as_secs_f64();
            let share = if self.others_send {
                2.0 * self.link.others
            } else {
                0.0
            };
            let change = (share - 1.0) * self.link.bytes_per_second * seconds;
            self.backlog = (self.backlog + change).clamp(0.0, self.link.room);
            self.at = step.max(self.at + Duration::from_nanos(1));
        }
    }
}

/// How long others send, on average, and how long they do not.
const BURST: Duration = Duration::from_millis(300);
