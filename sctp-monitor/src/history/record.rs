//! What was, as those who ask are told it.

use sctp_monitor_engine::model::{AssociationId, PathId, PathState, Schema, Timestamp};
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
    /// The last round trip of a HEARTBEAT since the moment before, in microseconds; 0 if there was none.
    pub heartbeat_rtt_us: u32,
    /// Time from DATA to SACK, smoothed, in microseconds; 0 if it was not measured.
    pub data_to_sack_us: u32,
    /// Bytes per second, forward.
    pub forward: u32,
    /// Bytes per second, return.
    #[serde(rename = "return")]
    pub return_: u32,
    /// DATA chunks in both directions.
    pub data: u32,
    /// DATA chunks whose TSN had been seen before.
    pub retransmissions: u32,
}
