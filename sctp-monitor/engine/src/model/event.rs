//! What the engine reports: events, each with its reason in words and in figures.

use std::{fmt, net::IpAddr, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{
    AssociationId, AssociationRef, Direction, EndReason, Finding, IncidentView, Offers, Origin, PathId,
    PathState, Reason, Schema, Side, Timestamp, units,
};

/// Something changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// Of the whole line.
    pub schema: Schema,
    /// When the engine found out.
    pub time: Timestamp,
    /// The association it is about; an incident may have many.
    #[serde(flatten)]
    pub association: Option<AssociationRef>,
    /// What changed.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventKind {
    /// An association is known.
    AssociationUp {
        /// How it became known.
        origin: Origin,
        /// Addresses of the local endpoint.
        #[serde(rename = "local_addresses")]
        local: Vec<IpAddr>,
        /// Addresses of the remote endpoint.
        #[serde(rename = "remote_addresses")]
        remote: Vec<IpAddr>,
        /// What the endpoints offered, if the handshake was seen.
        #[serde(flatten)]
        offers: Option<Offers>,
        /// The association that the handshake restarted.
        restarts: Option<AssociationId>,
        /// Only one direction was seen.
        one_sided: bool,
    },
    /// An endpoint asked for the end of an association by SHUTDOWN.
    #[serde(rename = "association_shutting_down")]
    ShuttingDown {
        /// The one that asked.
        by: Side,
    },
    /// An endpoint reported an error by ERROR.
    AssociationError {
        /// The one that reported it.
        by: Side,
        /// The error causes.
        causes: Vec<String>,
    },
    /// An endpoint has other addresses (RFC 5061), or better is known of them.
    AddressesChanged {
        /// The one whose addresses they are.
        side: Side,
        /// Those that it has now.
        added: Vec<IpAddr>,
        /// Those that it has no longer.
        removed: Vec<IpAddr>,
        /// Where it wants its DATA, if it said so.
        primary: Option<IpAddr>,
    },
    /// A translator between two watched NICs gives an endpoint another address.
    Translated {
        /// The one whose address it is.
        side: Side,
        /// Its own address; paths are named by it.
        address: IpAddr,
        /// As the other endpoint sees it.
        seen_as: IpAddr,
    },
    /// An association is over.
    AssociationDown {
        /// Why.
        #[serde(flatten, with = "units::ended")]
        #[schemars(with = "units::ended::Ended<EndReason>")]
        reason: EndReason,
    },
    /// A path changed its state.
    PathStateChanged {
        /// The path.
        #[serde(flatten)]
        path: PathId,
        /// Its state before.
        from: PathState,
        /// Its state now.
        to: PathState,
        /// Why.
        #[serde(flatten, with = "units::told")]
        #[schemars(with = "units::told::Told<Reason>")]
        reason: Reason,
    },
    /// New DATA goes over another path than before.
    DataMoved {
        /// Whose DATA.
        direction: Direction,
        /// The path that it left.
        from: PathId,
        /// The path that it took.
        to: PathId,
        /// From the last DATA that was acknowledged on the old path to the first on the new one.
        #[serde(rename = "gap_ms", with = "units::optional_ms")]
        #[schemars(with = "Option<f64>")]
        gap: Option<Duration>,
    },
    /// Something is wrong, or no longer.
    Finding {
        /// Whether it is new.
        status: Status,
        /// What it is.
        #[serde(flatten)]
        finding: Finding,
    },
    /// Failures with one cause.
    Incident {
        /// Whether it is new.
        status: Status,
        /// What they have in common.
        #[serde(flatten)]
        incident: IncidentView,
    },
}

/// What happened to a finding or an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It began.
    Opened,
    /// More is known of it.
    Updated,
    /// It is over.
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
