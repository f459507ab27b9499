//! The states of a path, and how an association became known.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The state of a path, as RFC 6458 section 6.1.2 and RFC 7829 name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PathState {
    /// No answer has been seen on the path yet.
    Unconfirmed,
    /// The path works.
    Active,
    /// An answer is overdue.
    PotentiallyFailed,
    /// The path has failed.
    Inactive,
}

impl fmt::Display for PathState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Unconfirmed => "unconfirmed",
            Self::Active => "active",
            Self::PotentiallyFailed => "potentially_failed",
            Self::Inactive => "inactive",
        })
    }
}

/// How an association became known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The handshake was seen; the addresses are those of INIT and INIT ACK.
    Handshake,
    /// The handshake was not seen; the addresses are those of its packets.
    #[serde(rename = "mid-life")]
    MidLife,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Handshake => "handshake",
            Self::MidLife => "mid-life",
        })
    }
}
