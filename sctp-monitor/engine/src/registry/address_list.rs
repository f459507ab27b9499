//! What an endpoint listed of its addresses in the handshake.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{
    model::{AssociationId, Side},
    registry::handshake::Endpoint,
};

/// The list of one endpoint.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AddressList {
    pub(crate) side: Side,
    /// Where the packet with the list came from.
    pub(crate) source: IpAddr,
    /// The addresses in it; empty if there is no list.
    pub(crate) listed: Vec<IpAddr>,
    /// What the association before, on the same ports, had listed; empty if that is not known.
    pub(crate) before: Vec<IpAddr>,
    /// Another endpoint with the same port that lists some of these addresses.
    pub(crate) other: Option<OtherEndpoint>,
}

/// An endpoint that claims another one's addresses.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct OtherEndpoint {
    pub(crate) association: AssociationId,
    pub(crate) source: IpAddr,
    pub(crate) shared: Vec<IpAddr>,
}

impl AddressList {
    pub(super) fn new(side: Side, endpoint: &Endpoint) -> Self {
        Self {
            side,
            source: endpoint.source(),
            listed: endpoint.listed.clone(),
            before: Vec::new(),
            other: None,
        }
    }

    /// Whether the packet's source is not in it.
    pub(crate) fn omits_source(&self) -> bool {
        !self.listed.is_empty() && !self.listed.contains(&self.source)
    }

    /// Whether the endpoint is seen by an address that its list does not have: only then may somebody else be what it says.
    pub(super) fn is_foreign_to(&self, other: &Self) -> bool {
        !other.listed.contains(&self.source) && other.source != self.source
    }
}
