//! Values that make no sense, told by their key.

use std::{fmt::Display, time::Duration};

/// A value that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} cannot be {value}: it must be {allowed}")]
pub struct ConfigError {
    /// The name of the key.
    pub key: &'static str,
    /// The value that was given.
    pub value: String,
    /// What is allowed, in words.
    pub allowed: &'static str,
}

pub(super) fn within(
    key: &'static str,
    is_within: bool,
    value: impl Display,
    allowed: &'static str,
) -> Result<(), ConfigError> {
    if is_within {
        return Ok(());
    }
    Err(ConfigError {
        key,
        value: value.to_string(),
        allowed,
    })
}

/// No state of a path lasts this long without anyone looking: a longer time is a slip of the pen.
pub(super) const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);
pub(super) const NO_LONGER: &str = "30 days at most";
pub(super) const LONGER_THAN_ZERO: &str = "longer than zero, and 30 days at most";
