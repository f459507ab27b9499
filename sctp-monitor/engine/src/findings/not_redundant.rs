//! One failure would end the association.
//!
//! A warning: nothing has failed, but there is no redundancy.

use std::{collections::BTreeSet, net::IpAddr};

use crate::{
    config::{Config, Vantage},
    findings::seen::Surroundings,
    model::{Evidence, NotRedundant, Origin, Severity, Shared, Side, Sides, words::Ethernet},
    registry::association::Association,
};

impl NotRedundant {
    pub(crate) const SEVERITY: Severity = Severity::Warning;

    /// What to check next.
    pub(crate) fn check() -> String {
        "a second address, NIC or next hop for this association".to_owned()
    }

    /// What all paths share.
    pub(super) fn words(&self, sides: Sides) -> String {
        let shared: Vec<_> = self.shared.iter().map(|shared| shared.words(sides)).collect();
        format!("not redundant: all paths need {}", shared.join(" and "))
    }
}

impl Shared {
    fn words(&self, sides: Sides) -> String {
        let of_side = |side, address| match sides {
            Sides::SideA => sides.address(side, address),
            Sides::ThisHost | Sides::Initiator => format!("the {}", sides.address(side, address)),
        };
        match self {
            Self::LocalAddress(address) => of_side(Side::Local, *address),
            Self::RemoteAddress(address) => of_side(Side::Remote, *address),
            Self::Interface(name) => format!("the interface {name}"),
            Self::NextHop(address) => format!("the next hop {}", Ethernet(*address)),
            Self::Subnet(address) => format!("the subnet of {address}"),
        }
    }
}

/// What all paths share, once there was time for all of them to show.
pub(super) fn rule(association: &Association, around: Surroundings<'_>, config: &Config) -> Option<Evidence> {
    let settled = match association.origin() {
        Origin::Handshake => config.settled_after,
        // An address shows with its next heartbeat.
        Origin::MidLife => config.unconfirmed_after,
    };
    if around.now.since(association.known_since()) < settled {
        return None;
    }
    let shared = shared(association, around, config.vantage);
    (!shared.is_empty()).then_some(Evidence::NotRedundant(NotRedundant { shared }))
}

/// What all paths that carry anything have in common.
fn shared(association: &Association, around: Surroundings<'_>, vantage: Vantage) -> Vec<Shared> {
    let mut shared = Vec::new();
    let used: Vec<_> = association
        .paths()
        .filter(|(_, path)| path.any_flow().is_some())
        .collect();
    if used.is_empty() {
        return shared;
    }
    let flows = || {
        used.iter()
            .filter_map(|(_, path)| around.flows.get(path.any_flow()?))
    };
    let local = only(association.addresses(Side::Local).iter().copied());
    let subnet_of = |side| only(association.addresses(side).iter().copied().map(subnet));
    // What the only path in use needs says nothing of the others.
    let comparable = vantage == Vantage::Endpoint && used.len() > 1;
    let interface = only(flows().map(|flow| flow.view.interface.if_index()))
        .filter(|_| comparable)
        .and_then(|index| around.nics.name(index));
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
    } else if let Some(subnet) = subnet_of(Side::Local) {
        shared.push(Shared::Subnet(subnet));
    }
    if let Some(remote) = only(association.addresses(Side::Remote).iter().copied()) {
        shared.push(Shared::RemoteAddress(remote));
    } else if let Some(subnet) = subnet_of(Side::Remote).filter(|_| vantage == Vantage::Gateway) {
        // How a host's own paths lie apart, its NICs say; between the hosts, both sides are as far away.
        shared.push(Shared::Subnet(subnet));
    }
    shared.dedup();
    shared
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
