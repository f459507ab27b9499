//! What was, as those who ask are told it.

use std::num::NonZeroU32;

use sctp_monitor_engine::model::{AssociationId, Direction, PathId, PathState, Schema, Timestamp};
use serde::{Deserialize, Serialize};

/// What somebody wants to know of what was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Wanted {
    /// Only what was from this time on.
    pub since: Option<Timestamp>,
    /// Only events after the one with this number.
    pub after: u64,
    /// Whether it wants to know how paths did.
    pub paths: bool,
    /// Only paths of this association.
    pub association: Option<AssociationId>,
}

/// What was. `E` is an event, as the side that has it writes or reads it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record<E> {
    /// The version of the schema.
    pub schema: Schema,
    /// The time of the answer.
    pub time: Timestamp,
    /// The number of the last event, to ask for those after it.
    pub last: u64,
    /// The number of events that are no longer kept.
    pub forgotten: u64,
    /// From when on all events are kept: the agent's start, or the time of the oldest event that is left.
    pub kept_from: Timestamp,
    /// Events, the oldest first: lines of `run --format json`.
    pub events: Vec<E>,
    /// How paths did.
    pub paths: Vec<PathRecord>,
}

/// How a path did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PathRecord {
    /// Whose path it is.
    pub association: AssociationId,
    /// The path.
    #[serde(flatten)]
    pub path: PathId,
    /// The oldest first.
    pub samples: Vec<Sample>,
}

/// How a path did at a moment, and since the moment before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// When it was.
    pub time: Timestamp,
    /// Its state.
    pub state: PathState,
    /// What crossed it since the moment before; `None` if it was not looked at then.
    pub crossed: Option<Crossed>,
    /// Times that were measured on packets forward.
    pub forward: Measured,
    /// Times that were measured on packets return.
    #[serde(rename = "return")]
    pub return_: Measured,
}

/// What crossed a path in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crossed {
    /// The time, in milliseconds of a clock that nobody sets.
    pub over_ms: NonZeroU32,
    /// Forward.
    pub forward: Amount,
    /// Return.
    #[serde(rename = "return")]
    pub return_: Amount,
}

/// What crossed a path in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Amount {
    /// Bytes per second.
    pub rate: u32,
    /// DATA chunks.
    pub data: u32,
    /// DATA chunks whose TSN had been seen before.
    pub retransmissions: u32,
}

/// Times that were measured since the moment before, of one direction; `None` if none was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Measured {
    /// The last round trip of a HEARTBEAT, in microseconds.
    pub heartbeat_rtt_us: Option<NonZeroU32>,
    /// Time from DATA to SACK, smoothed, in microseconds.
    pub data_to_sack_us: Option<NonZeroU32>,
}

impl Sample {
    /// Times that were measured on packets of a direction.
    #[must_use]
    pub const fn measured(&self, direction: Direction) -> Measured {
        match direction {
            Direction::Forward => self.forward,
            Direction::Return => self.return_,
        }
    }
}

impl Crossed {
    /// What crossed the path in a direction.
    #[must_use]
    pub const fn amount(&self, direction: Direction) -> Amount {
        match direction {
            Direction::Forward => self.forward,
            Direction::Return => self.return_,
        }
    }
}
