//! What the registry has decided, in the order in which it did: who routes it on carries it out in this order.

use std::net::IpAddr;

use sctp_monitor_common::abi::{FlowKey, FlowLinks};
use serde::{Deserialize, Serialize};

use crate::model::{AssociationId, AssociationRef, Event, PathId};

/// One decision.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Change {
    /// An event to report.
    Report(Box<Event>),
    /// The programs are to be told of the association of the flow in this slot.
    Link { slot: u32, links: FlowLinks },
    /// The flow in this slot is forgotten.
    Release { slot: u32, key: FlowKey },
    /// The association is established: its paths are judged from now on.
    Established(AssociationId),
    /// The association is over, and so is whatever was wrong with it.
    Ended(AssociationRef),
    /// A responder refused a handshake by an ABORT from this address.
    Refused {
        initiator: IpAddr,
        responder: IpAddr,
        by: IpAddr,
    },
    /// The path is no longer one of the association's, and so nothing is wrong with it.
    PathRemoved(AssociationRef, PathId),
}
