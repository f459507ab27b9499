//! Lines that a writer lost, as everybody is told.

use std::{fmt, io};

use schemars::JsonSchema;
use sctp_monitor_engine::model::{
    Timestamp,
    words::{plural, time_of_day},
};
use serde::{Deserialize, Serialize};

/// Lines that a writer lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Loss {
    /// The number of lost lines.
    pub lines: u64,
    /// The time of the first lost event.
    pub since: Timestamp,
    /// Why the last of them was lost.
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReportLost {
    /// The writer: `stdout`, `web`, or the path of a file.
    pub writer: String,
    /// The lost lines.
    #[serde(flatten)]
    pub loss: Loss,
}

impl fmt::Display for ReportLost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { writer, loss } = self;
        let lines = plural(loss.lines, "line");
        let since = time_of_day(loss.since);
        write!(
            f,
            "report to {writer}: {lines} lost since {since}Z: {}",
            loss.reason
        )
    }
}

/// Why a line was lost: in JSON `queue full`, or the system's error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "String", into = "String")]
#[schemars(with = "String")]
pub enum LossReason {
    /// The writer was too slow, or hung.
    QueueFull,
    /// The system's error when the line was written.
    System(String),
}

impl From<&io::Error> for LossReason {
    fn from(error: &io::Error) -> Self {
        Self::System(error.to_string())
    }
}

impl From<String> for LossReason {
    fn from(words: String) -> Self {
        if words == QUEUE_FULL {
            Self::QueueFull
        } else {
            Self::System(words)
        }
    }
}

impl From<LossReason> for String {
    fn from(reason: LossReason) -> Self {
        reason.to_string()
    }
}

impl fmt::Display for LossReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::QueueFull => f.write_str(QUEUE_FULL),
            Self::System(words) => f.write_str(words),
        }
    }
}

const QUEUE_FULL: &str = "queue full";
