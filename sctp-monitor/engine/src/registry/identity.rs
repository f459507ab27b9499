//! Whether packets, and a new association, are between the endpoints of an association, by the addresses.

use std::net::IpAddr;

use sctp_monitor_common::abi::FlowKey;

use crate::{
    model::{AddressSource, Direction, Origin, PathId, Side},
    registry::{addresses::Addresses, association::Association},
};

impl Association {
    /// How many of a packet's two addresses are known on the side where it has them, if it goes this way.
    pub(crate) fn addresses_known(&self, direction: Direction, src: IpAddr, dst: IpAddr) -> u32 {
        let from = self.addresses(Side::sending(direction));
        let to = self.addresses(Side::sending(direction).other());
        u32::from(from.recognizes(&src)) + u32::from(to.recognizes(&dst))
    }

    /// The address of a packet that goes this way which is in neither list, if the lists are known.
    pub(crate) fn unlisted(&self, direction: Direction, key: &FlowKey) -> Option<IpAddr> {
        let from = Side::sending(direction);
        let sides = [(from, key.src.to_ip()), (from.other(), key.dst.to_ip())];
        let unlisted = |(side, address): &(Side, IpAddr)| !self.addresses(*side).recognizes(address);
        let found = sides.into_iter().find(unlisted).map(|(_, address)| address);
        found.filter(|_| self.origin == Origin::Handshake)
    }

    /// Whether a packet that goes this way has an address that was given up.
    pub(crate) fn is_given_up(&self, direction: Direction, src: IpAddr, dst: IpAddr) -> bool {
        let side = Side::sending(direction);
        self.addresses(side).is_given_up(&src) || self.addresses(side.other()).is_given_up(&dst)
    }

    /// The path of a packet that goes this way, by the endpoints' own addresses.
    pub(crate) fn path_of(&self, direction: Direction, src: IpAddr, dst: IpAddr) -> PathId {
        let (local, remote) = match direction {
            Direction::Forward => (src, dst),
            Direction::Return => (dst, src),
        };
        PathId {
            local: self.local.own(local),
            remote: self.remote.own(remote),
        }
    }

    /// Whether each side of a new association on the same ports has an address of this one: on what is listed, if
    /// anything is, since an address may be learned wrongly.
    pub(crate) fn overlaps(&self, new: &Self) -> bool {
        self.both_sides(new, |known, new| {
            let any_listed = known
                .iter()
                .any(|address| known.source(address) == Some(AddressSource::Listed));
            known.iter().any(|address| {
                let counts = !any_listed || known.source(address) == Some(AddressSource::Listed);
                counts && new.contains(address)
            })
        })
    }

    /// Whether a new association on the same ports is between the same endpoints: of each, one of the two lists has
    /// all addresses of the other. A restart may not bring new addresses (RFC 9260 section 5.2.2), but what was known
    /// of the old association may have been less.
    pub(crate) fn is_restarted_by(&self, new: &Self) -> bool {
        let within =
            |small: &Addresses, large: &Addresses| small.iter().all(|address| large.contains(address));
        self.both_sides(new, |old, new| within(old, new) || within(new, old))
    }

    /// Whether something holds for the addresses of either endpoint, in this association and in another one. Between
    /// the hosts, what was local in one may be remote in the other: it depends on who began, if that was seen.
    fn both_sides(&self, other: &Self, holds: impl Fn(&Addresses, &Addresses) -> bool) -> bool {
        let ports = self.ports(Direction::Forward);
        let straight = ports == other.ports(Direction::Forward)
            && holds(&self.local, &other.local)
            && holds(&self.remote, &other.remote);
        let crossed = ports == other.ports(Direction::Return)
            && holds(&self.local, &other.remote)
            && holds(&self.remote, &other.local);
        straight || crossed
    }
}
