//! What an endpoint listed of its addresses in the handshake, and how that lies to what others listed.

use std::net::IpAddr;

use crate::{
    model::{AddressSource, AssociationId, Side},
    registry::{association::Association, associations::Associations, handshake::Endpoint},
};

/// The list of one endpoint.
#[derive(Debug, Clone)]
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
#[derive(Debug, Clone)]
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
    fn is_foreign_to(&self, other: &Self) -> bool {
        !other.listed.contains(&self.source) && other.source != self.source
    }

    /// What an association before had listed of this endpoint, whichever side it was then.
    pub(super) fn compare(&mut self, old: &Association) {
        let same = |list: &&AddressList| list.source == self.source;
        if let Some(list) = old.lists.iter().find(same) {
            self.before.clone_from(&list.listed);
        }
    }

    /// The first other endpoint with this port that lists some of these addresses, though it is not the same by its source.
    pub(super) fn find_other(&mut self, port: u16, associations: &Associations) {
        if self.listed.is_empty() {
            return;
        }
        self.other = associations
            .iter()
            .filter(|other| other.is_established())
            .find_map(|other| {
                let lists = other.lists.iter().filter(|list| {
                    other.port(list.side) == port && list.is_foreign_to(self) && self.is_foreign_to(list)
                });
                lists.into_iter().find_map(|list| {
                    let both = self.listed.iter().filter(|address| list.listed.contains(address));
                    let shared: Vec<_> = both.copied().collect();
                    (!shared.is_empty()).then_some(OtherEndpoint {
                        association: other.id,
                        source: list.source,
                        shared,
                    })
                })
            });
    }
}

impl Association {
    fn port(&self, side: Side) -> u16 {
        match side {
            Side::Local => self.local_port,
            Side::Remote => self.remote_port,
        }
    }

    /// Whether an endpoint lists an address still.
    pub(crate) fn lists_still(&self, side: Side, address: &IpAddr) -> bool {
        self.addresses(side).source(address) == Some(AddressSource::Listed)
    }
}
