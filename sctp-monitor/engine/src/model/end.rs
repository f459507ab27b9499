//! Why an association is over.

use std::{net::IpAddr, time::Duration};

use schemars::JsonSchema;
use sctp_monitor_common::wire::ChunkKind;
use serde::{Deserialize, Serialize};

use crate::model::{AssociationId, ErrorCause, Side, Sides, units};

/// The end of an association, in words and in figures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct End {
    /// In words, for people.
    #[serde(rename = "reason")]
    pub text: String,
    /// The end with its figures, for programs.
    #[serde(rename = "end")]
    pub reason: EndReason,
}

impl End {
    /// With words by the names of the endpoints.
    #[must_use]
    pub fn new(reason: EndReason, sides: Sides) -> Self {
        Self {
            text: reason.words(sides),
            reason,
        }
    }
}

/// Why an association has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EndReason {
    /// SHUTDOWN COMPLETE was seen.
    Shutdown {
        /// The endpoint that asked for it by SHUTDOWN; null if that was not seen.
        by: Option<Side>,
    },
    /// ABORT was seen.
    Abort(Abort),
    /// A new handshake between the same addresses and ports restarted it.
    Restarted,
    /// A new association uses the same ports and an address of each endpoint.
    Replaced,
    /// Its packets were found to belong to another association.
    PartOf {
        /// The other association.
        association: AssociationId,
    },
    /// No packet was seen for a long time.
    Silent {
        /// Time since the last packet.
        #[serde(rename = "silent_for_ms", with = "units::ms")]
        #[schemars(with = "f64")]
        silent_for: Duration,
    },
    /// The agent was told not to watch the last NIC any more that its packets cross.
    NotWatched {
        /// The NIC.
        interface: String,
    },
    /// It was removed because the flow table fills up; it was silent and never confirmed.
    CrowdedOut {
        /// Time since the last packet.
        #[serde(rename = "silent_for_ms", with = "units::ms")]
        #[schemars(with = "f64")]
        silent_for: Duration,
    },
}

/// An ABORT.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Abort {
    /// The endpoint that sent it.
    pub by: Side,
    /// The address that it came from.
    pub source: IpAddr,
    /// The address that it went to.
    pub destination: IpAddr,
    /// The T bit is set: the sender knows no such association, and reflects the tag of the packet that it answers (RFC 9260
    /// section 8.4).
    pub t_bit: bool,
    /// The error causes in it.
    pub causes: Vec<ErrorCause>,
    /// The packet that it answers, if one was seen just before.
    pub answers: Option<Answered>,
    /// What its sender retransmitted in vain before, if that is why it gave up.
    pub gave_up: Option<GaveUp>,
}

/// A packet that another one answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Answered {
    /// A chunk in it.
    #[serde(with = "units::chunk_name")]
    #[schemars(with = "String")]
    pub chunk: ChunkKind,
    /// The address that it came from.
    pub source: IpAddr,
    /// The address that it went to.
    pub destination: IpAddr,
    /// Time from this packet to the answer.
    #[serde(rename = "answered_after_ms", with = "units::ms")]
    #[schemars(with = "f64")]
    pub after: Duration,
}

/// What an endpoint retransmitted in vain before it gave up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GaveUp {
    /// DATA chunks that were retransmitted since a SACK last acknowledged anything.
    pub retransmissions: u64,
    /// Time since the last packet of the other endpoint.
    #[serde(rename = "silent_for_ms", with = "units::ms")]
    #[schemars(with = "f64")]
    pub silent_for: Duration,
}

/// A chunk that would change an association, between addresses of which one is not the association's: it changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FromElsewhere {
    /// The chunk.
    #[serde(with = "units::chunk_name")]
    #[schemars(with = "String")]
    pub chunk: ChunkKind,
    /// The address that it came from.
    pub source: IpAddr,
    /// The address that it went to.
    pub destination: IpAddr,
    /// The one of them that is in no list of the association.
    pub unlisted: IpAddr,
    /// The T bit is set.
    pub t_bit: bool,
    /// The error causes in an ABORT.
    pub causes: Vec<ErrorCause>,
    /// The packet that it answers, if one was seen just before.
    pub answers: Option<Answered>,
}
