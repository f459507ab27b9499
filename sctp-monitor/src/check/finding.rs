//! One line of the report.

use std::fmt;

use serde::Serialize;

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How severe it is.
    pub level: Level,
    /// The subject, in a word.
    pub topic: &'static str,
    /// The fact, in words.
    pub says: String,
    /// What to do about it.
    pub advice: Option<String>,
    /// The verifier's log, for programmers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub detail: Vec<String>,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// All is well.
    Ok,
    /// `run` works, with a drawback.
    Limitation,
    /// It could not be found out.
    Unknown,
    /// `run` does not work.
    Problem,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Limitation => "limitation",
            Self::Unknown => "unknown",
            Self::Problem => "PROBLEM",
        })
    }
}

impl Finding {
    pub(super) fn ok(topic: &'static str, says: impl Into<String>) -> Self {
        Self::new(Level::Ok, topic, says)
    }

    pub(super) fn new(level: Level, topic: &'static str, says: impl Into<String>) -> Self {
        Self {
            level,
            topic,
            says: says.into(),
            advice: None,
            detail: Vec::new(),
        }
    }

    pub(super) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}
