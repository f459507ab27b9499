//! What would break an association, though nothing is broken yet.

use std::{collections::BTreeSet, net::IpAddr};

use crate::{
    config::Vantage,
    engine::Engine,
    model::{Evidence, NotRedundant, Object, Origin, SecondaryUnconfirmed, Shared, Timestamp},
    registry::association::Association,
};

impl Engine {
    /// Addresses that would not take over, and what all paths share.
    pub(crate) fn weaknesses(&self, association: &Association, now: Timestamp) -> Vec<(Object, Evidence)> {
        // Where one direction passes elsewhere, other paths may do so too.
        if association.is_one_sided() {
            return Vec::new();
        }
        let mut found = self.unconfirmed(association, now);
        let known_for = now.since(association.known_since);
        let settled = match association.origin {
            Origin::Handshake => self.config.settled_after,
            // An address shows with its next heartbeat.
            Origin::MidLife => self.config.unconfirmed_after,
        };
        if known_for >= settled {
            let shared = self.shared(association);
            if !shared.is_empty() {
                found.push((
                    Object::Association,
                    Evidence::NotRedundant(NotRedundant { shared }),
                ));
            }
        }
        found
    }

    fn unconfirmed(&self, association: &Association, now: Timestamp) -> Vec<(Object, Evidence)> {
        if association.remote.len() < 2 {
            return Vec::new();
        }
        let unconfirmed_for = |remote: &IpAddr| {
            let paths = association
                .paths
                .iter()
                .filter(|(path, _)| path.remote == *remote);
            let waits: Option<Vec<_>> = paths.map(|(_, path)| path.unconfirmed_for(now)).collect();
            waits?.into_iter().max()
        };
        association
            .remote
            .iter()
            .filter_map(|remote| Some((*remote, unconfirmed_for(remote)?)))
            .filter(|(_, known_for)| *known_for >= self.config.unconfirmed_after)
            .map(|(remote, known_for)| {
                (
                    Object::Remote(remote),
                    Evidence::SecondaryUnconfirmed(SecondaryUnconfirmed { known_for }),
                )
            })
            .collect()
    }

    /// What all paths that carry anything have in common.
    fn shared(&self, association: &Association) -> Vec<Shared> {
        let mut shared = Vec::new();
        let used: Vec<_> = association
            .paths
            .iter()
            .filter(|(_, path)| path.sent.or(path.received).is_some())
            .collect();
        if used.is_empty() {
            return shared;
        }
        let flows = || {
            used.iter()
                .filter_map(|(_, path)| self.flows.get(&path.sent.or(path.received)?))
        };
        let local = only(association.local.iter().copied());
        // What the only path in use needs says nothing of the others.
        let comparable = self.config.vantage == Vantage::Endpoint && used.len() > 1;
        let interface = only(flows().map(|flow| flow.view.interface.if_index()))
            .filter(|_| comparable)
            .and_then(|index| self.nic_name(index));
        let next_hop = only(flows().map(|flow| flow.view.next_hop))
            .flatten()
            .filter(|_| comparable);
        // One local address has one NIC, one next hop and one subnet anyway.
        if let Some(local) = local {
            shared.push(Shared::LocalAddress(local));
        } else if let Some(name) = interface {
            shared.push(Shared::Interface(name));
        } else if let Some(next_hop) = next_hop {
            shared.push(Shared::NextHop(next_hop));
        } else if let Some(subnet) = only(association.local.iter().copied().map(subnet)) {
            shared.push(Shared::Subnet(subnet));
        }
        if let Some(remote) = only(association.remote.iter().copied()) {
            shared.push(Shared::RemoteAddress(remote));
        }
        shared
    }
}

/// The value, if all are the same.
fn only<T: Ord>(values: impl Iterator<Item = T>) -> Option<T> {
    let mut values: BTreeSet<T> = values.collect();
    if values.len() == 1 {
        values.pop_first()
    } else {
        None
    }
}

/// The first address of the usual subnet: 24 bits of IPv4, 64 bits of IPv6.
fn subnet(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            [a, b, c, 0].into()
        }
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            [a, b, c, d, 0, 0, 0, 0].into()
        }
    }
}
