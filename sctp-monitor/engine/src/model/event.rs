//! What the engine reports: events, each with its reason in words and in figures.

use crate::model::{AssociationId, AssociationRef, EndReason, Origin, PathId, PathState, Reason};

use std::{fmt, net::IpAddr, time::Duration};

use crate::model::{Direction, Finding, IncidentView, Offers, Side, Timestamp};

/// Something changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// When the engine found out.
    pub time: Timestamp,
    /// The association it is about; an incident may have many.
    pub association: Option<AssociationRef>,
    /// What changed.
    pub kind: EventKind,
}

/// What changed.
#[derive(Debug, Clone, PartialEq)]
pub enum EventKind {
    /// An association is known.
    AssociationUp {
        /// How it became known.
        origin: Origin,
        /// Addresses of the local endpoint.
        local: Vec<IpAddr>,
        /// Addresses of the remote endpoint.
        remote: Vec<IpAddr>,
        /// What the endpoints offered, if the handshake was seen.
        offers: Option<Offers>,
        /// The association that the handshake restarted.
        restarts: Option<AssociationId>,
        /// Only one direction was seen.
        one_sided: bool,
    },
    /// An endpoint asked for the end of an association by SHUTDOWN.
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
        reason: EndReason,
    },
    /// A path changed its state.
    PathStateChanged {
        /// The path.
        path: PathId,
        /// Its state before.
        from: PathState,
        /// Its state now.
        to: PathState,
        /// Why.
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
        gap: Option<Duration>,
    },
    /// Something is wrong, or no longer.
    Finding {
        /// Whether it is new.
        status: Status,
        /// What it is.
        finding: Finding,
    },
    /// Failures with one cause.
    Incident {
        /// Whether it is new.
        status: Status,
        /// What they have in common.
        incident: IncidentView,
    },
}

/// What happened to a finding or an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
