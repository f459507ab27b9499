//! What the engine reports: events, each with its reason in words and in figures.

use std::{fmt, net::IpAddr, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{
    Answered, AssociationId, AssociationRef, Direction, End, ErrorCause, Finding, FromElsewhere,
    IncidentView, Offers, Origin, PathId, PathState, ProbeObstacle, Reason, Schema, Side, SteeringCause,
    SteeringCounts, SteeringEnd, SteeringMode, SteeringObstacle, Timestamp, UnfinishedHandshake, units,
};

/// A change of an association, a path, a finding or an incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// The version of the line's schema.
    pub schema: Schema,
    /// When the engine found the change.
    pub time: Timestamp,
    /// The association that the event is about; `None` for an incident, which may have many.
    #[serde(flatten)]
    pub association: Option<AssociationRef>,
    /// What changed.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// The kinds of events, each with its figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventKind {
    /// An association is established.
    AssociationUp {
        /// Whether the handshake was seen.
        origin: Origin,
        /// Addresses of the local endpoint.
        #[serde(rename = "local_addresses")]
        local: Vec<IpAddr>,
        /// Addresses of the remote endpoint.
        #[serde(rename = "remote_addresses")]
        remote: Vec<IpAddr>,
        /// Streams and extensions that each endpoint offered, if the handshake was seen.
        #[serde(flatten)]
        offers: Option<Offers>,
        /// The association that this handshake restarted, if it did.
        restarts: Option<AssociationId>,
        /// Whether only one direction was seen.
        one_sided: bool,
    },
    /// An endpoint sent SHUTDOWN.
    #[serde(rename = "association_shutting_down")]
    ShuttingDown {
        /// The endpoint that asks for the end.
        by: Side,
        /// SHUTDOWN itself was not seen; the other endpoint's SHUTDOWN ACK was.
        by_ack: bool,
        /// The address that the chunk came from.
        source: IpAddr,
        /// The address that it went to.
        destination: IpAddr,
    },
    /// SHUTDOWN was sent again and again, and SHUTDOWN COMPLETE was not seen.
    ShutdownUnfinished {
        /// The endpoint that sent SHUTDOWN.
        by: Side,
        /// SHUTDOWNs that it sent.
        shutdowns: u64,
        /// SHUTDOWN ACKs between addresses of the association.
        acks: u64,
        /// The address that SHUTDOWN ACKs came from which is in no list of the association, if they did.
        acked_from: Option<IpAddr>,
        /// Time from the first to the last SHUTDOWN.
        #[serde(rename = "lasting_ms", with = "units::ms")]
        #[schemars(with = "f64")]
        lasting: Duration,
    },
    /// An endpoint sent ERROR.
    AssociationError {
        /// The endpoint that sent ERROR.
        by: Side,
        /// The address that it came from.
        source: IpAddr,
        /// The address that it went to.
        destination: IpAddr,
        /// The error causes in the chunk (RFC 9260 section 3.3.10).
        causes: Vec<ErrorCause>,
        /// The packet that it answers, if one was seen just before that may have brought the causes about.
        answers: Option<Answered>,
        /// How often it was sent since it was last reported; at least 1.
        times: u64,
    },
    /// A chunk that would change the association, between addresses of which one is not the association's, was seen. It
    /// changes nothing.
    AnsweredFromElsewhere(FromElsewhere),
    /// An association that had ended goes on: DATA with its tags is sent and acknowledged.
    AssociationGoesOn {
        /// Time since its end was seen.
        #[serde(rename = "ended_ago_ms", with = "units::ms")]
        #[schemars(with = "f64")]
        ended_ago: Duration,
    },
    /// A handshake did not lead to an association, so far.
    HandshakeUnfinished(UnfinishedHandshake),
    /// An ABORT was seen that belongs to no association and no handshake that is known.
    AbortUnknown {
        /// The address that it came from.
        source: IpAddr,
        /// The address that it went to.
        destination: IpAddr,
        /// The port that it came from.
        source_port: u16,
        /// The port that it went to.
        destination_port: u16,
        /// Its verification tag.
        #[serde(with = "units::tag")]
        #[schemars(with = "String")]
        tag: u32,
        /// The T bit is set.
        t_bit: bool,
        /// The error causes in it.
        causes: Vec<ErrorCause>,
        /// The packet that it answers, if one was seen just before.
        answers: Option<Answered>,
    },
    /// The addresses of an endpoint changed (RFC 5061), or more of them became known.
    AddressesChanged {
        /// The endpoint whose addresses changed.
        side: Side,
        /// Addresses that were added.
        added: Vec<IpAddr>,
        /// Addresses that were removed.
        removed: Vec<IpAddr>,
        /// The address to which the endpoint asks for DATA (Set Primary IP Address, RFC 5061), if it does.
        primary: Option<IpAddr>,
    },
    /// NAT between two watched NICs changes an address of an endpoint.
    Translated {
        /// The endpoint whose address is translated.
        side: Side,
        /// The endpoint's own address; paths are named by it.
        address: IpAddr,
        /// The address that the other endpoint sees.
        seen_as: IpAddr,
    },
    /// The capture lacks packets of the association, or seems to. What is not in it counts as no failure.
    CaptureLacks {
        /// The direction of the DATA that shows it.
        direction: Direction,
        /// What is not in the capture.
        missing: Missing,
    },
    /// An association has ended.
    AssociationDown {
        /// Why the association has ended.
        #[serde(flatten)]
        end: End,
    },
    /// A path changed its state.
    PathStateChanged {
        /// The path.
        #[serde(flatten)]
        path: PathId,
        /// The state before.
        from: PathState,
        /// The state from now on.
        to: PathState,
        /// The evidence for the new state.
        #[serde(flatten, with = "units::told")]
        #[schemars(with = "units::told::Told<Reason>")]
        reason: Reason,
    },
    /// A path is not probed, or nothing is concluded from its probes, though probing is on.
    NotProbed {
        /// The path.
        #[serde(flatten)]
        path: PathId,
        /// What stands in the way.
        #[serde(flatten)]
        obstacle: ProbeObstacle,
    },
    /// New DATA takes another path than before.
    DataMoved {
        /// The direction of the DATA.
        direction: Direction,
        /// The path that DATA took before.
        from: PathId,
        /// The path that DATA takes now.
        to: PathId,
        /// Time from the last acknowledged DATA on the old path to the first DATA on the new one.
        #[serde(rename = "gap_ms", with = "units::optional_ms")]
        #[schemars(with = "Option<f64>")]
        gap: Option<Duration>,
    },
    /// DATA and SACKs of a path leave on another path of the association from now on, or would, were it no dry run.
    SteeringStarted {
        /// The path that the host chose.
        #[serde(flatten)]
        path: PathId,
        /// The path on which they leave.
        onto: PathId,
        /// Whether they are moved, or only counted.
        mode: SteeringMode,
        /// Why.
        cause: SteeringCause,
    },
    /// The path on which they left failed too: they leave on a third one from now on.
    SteeringChanged {
        /// The path that the host chose.
        #[serde(flatten)]
        path: PathId,
        /// The path on which they left.
        from: PathId,
        /// The path on which they leave.
        onto: PathId,
        /// Whether they are moved, or only counted.
        mode: SteeringMode,
    },
    /// Packets of a path leave as the host sends them again.
    SteeringEnded {
        /// The path that the host chose.
        #[serde(flatten)]
        path: PathId,
        /// The path on which they left.
        onto: PathId,
        /// Whether they were moved, or only counted.
        mode: SteeringMode,
        /// Why it ended.
        end: SteeringEnd,
        /// What became of the packets since it started.
        #[serde(flatten)]
        counts: SteeringCounts,
        /// Time since it started.
        #[serde(rename = "lasting_ms", with = "units::ms")]
        #[schemars(with = "f64")]
        lasting: Duration,
    },
    /// A path failed, and its packets are not moved to another path though steering is on.
    SteeringRefused {
        /// The path.
        #[serde(flatten)]
        path: PathId,
        /// Why not.
        obstacle: SteeringObstacle,
    },
    /// A finding began, changed or ended.
    Finding {
        /// Whether the finding began, changed or ended.
        status: Status,
        /// The finding.
        #[serde(flatten)]
        finding: Finding,
    },
    /// An incident began, changed or ended.
    Incident {
        /// Whether the incident began, changed or ended.
        status: Status,
        /// The incident.
        #[serde(flatten)]
        incident: IncidentView,
    },
}

/// What a capture does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// DATA that was acknowledged.
    Data,
    /// The SACK for DATA that nobody retransmitted, as it seems.
    Sack,
}

/// What happened to a finding or an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The finding or incident began.
    Opened,
    /// The figures or the members changed.
    Updated,
    /// The finding or incident has ended.
    Closed,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Opened => "opened",
            Self::Updated => "updated",
            Self::Closed => "closed",
        })
    }
}
