//! Lines that a writer lost, as everybody is told.

use std::{fmt, io};

use sctp_monitor_engine::model::Timestamp;

use super::plural;
use crate::clock::Clock;

/// Lines that a writer lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// How many.
    pub lines: u64,
    /// The time of day at which what the first of them told happened.
    pub since: Timestamp,
    /// Why; of several reasons, the last one.
    pub reason: LossReason,
}

impl Loss {
    /// One line.
    #[must_use]
    pub fn one(since: Timestamp, reason: LossReason) -> Self {
        Self {
            lines: 1,
            since,
            reason,
        }
    }

    /// Counts these too.
    pub fn add(&mut self, more: &Self) {
        self.lines += more.lines;
        self.since = self.since.min(more.since);
        self.reason = more.reason.clone();
    }
}

/// A writer lost lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportLost {
    /// The writer: `stdout`, or the path of a file.
    pub writer: String,
    /// What it lost.
    pub loss: Loss,
}

impl fmt::Display for ReportLost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { writer, loss } = self;
        let lines = plural(loss.lines, "line");
        let since = Clock::default().wall(loss.since).strftime("%H:%M:%S%.3fZ");
        write!(
            f,
            "report to {writer}: {lines} lost since {since}: {}",
            loss.reason
        )
    }
}

/// Why a line was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LossReason {
    /// The writer was too slow, or hung.
    QueueFull,
    /// What the system said when it was written.
    System(String),
}

impl From<&io::Error> for LossReason {
    fn from(error: &io::Error) -> Self {
        Self::System(error.to_string())
    }
}

impl fmt::Display for LossReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::QueueFull => f.write_str("queue full"),
            Self::System(words) => f.write_str(words),
        }
    }
}
