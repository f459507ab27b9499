//! Between the hosts: which endpoint of an association is the local one.
//!
//! The initiator, if the handshake was seen. Else two captures of the same hosts must come to the same answer, whatever packet
//! each begins with: the lowest of all addresses decides, and where both endpoints have it, the port. What was reported stays.

use std::mem::swap;

use crate::{
    config::Vantage,
    model::{AssociationId, Direction, Offers, Origin, PathId, Side, Sides, Timestamp},
    path::flows::Flows,
    registry::{Registry, association::Association, associations::Associations, links::remove_tags},
};

impl Registry {
    /// What tells the endpoints apart of an association whose handshake was not seen.
    pub(super) fn sides_mid_life(&self) -> Sides {
        match self.config.vantage {
            Vantage::Endpoint => Sides::ThisHost,
            Vantage::Gateway => Sides::SideA,
        }
    }

    /// Enough is known of an association: reports it.
    pub(super) fn establish(&mut self, flows: &mut Flows, id: AssociationId, now: Timestamp) {
        let is_turned = |known: &Association| {
            known.is_opening()
                && known.sides == Sides::SideA
                && known.lowest(Side::Remote) < known.lowest(Side::Local)
        };
        if self.associations.get(id).is_some_and(is_turned) {
            self.associations.turn(flows, id);
        }
        self.associations.establish(id, now);
    }

    /// The handshake was seen of an association that was joined mid-life, and in which the initiator sends in this direction.
    /// Between the hosts the initiator is the local endpoint from now on, unless it was reported already. Gives the direction in
    /// which it sends now.
    pub(super) fn begun_by(
        &mut self,
        flows: &mut Flows,
        id: AssociationId,
        direction: Direction,
    ) -> Direction {
        let known = self.associations.get_mut(id);
        let is_open = |known: &&mut Association| known.is_opening() && known.origin == Origin::MidLife;
        let Some(known) = known.filter(is_open).filter(|known| known.sides == Sides::SideA) else {
            return direction;
        };
        known.sides = Sides::Initiator;
        if direction == Direction::Return {
            self.associations.turn(flows, id);
        }
        Direction::Forward
    }
}

impl Associations {
    /// Makes the remote endpoint of an association the local one.
    fn turn(&mut self, flows: &mut Flows, id: AssociationId) {
        let Some(association) = self.by_id.get_mut(&id) else {
            return;
        };
        remove_tags(&mut self.tags, association);
        association.turn();
        for direction in Direction::BOTH {
            if let Some(tag) = association.tag(direction) {
                self.tags.insert(association.ports(direction), tag, id, direction);
            }
        }
        for slot in association.slots() {
            if let Some(member) = flows.get_mut(slot).and_then(|flow| flow.member.as_mut()) {
                member.direction = member.direction.reversed();
                member.path = member.path.reversed();
            }
        }
    }
}

impl Association {
    /// The lowest address of an endpoint, and its port.
    fn lowest(&self, side: Side) -> Option<(std::net::IpAddr, u16)> {
        let port = match side {
            Side::Local => self.local_port,
            Side::Remote => self.remote_port,
        };
        Some((*self.addresses(side).iter().min()?, port))
    }

    /// Calls its local endpoint the remote one. Nothing was reported of it yet.
    fn turn(&mut self) {
        swap(&mut self.local_port, &mut self.remote_port);
        swap(&mut self.local_tag, &mut self.remote_tag);
        swap(&mut self.local, &mut self.remote);
        self.vouched.reverse();
        self.sayable.reverse();
        self.flows.reverse();
        self.primary.reverse();
        self.in_vain.reverse();
        self.offers = self.offers.map(Offers::reversed);
        self.confirmed_by_handshake = self.confirmed_by_handshake.map(PathId::reversed);
        for primary in &mut self.primary {
            primary.turn();
        }
        for list in &mut self.lists {
            list.side = list.side.other();
        }
        for request in &mut self.address_requests {
            request.turn();
        }
        let paths = std::mem::take(&mut self.paths).into_iter();
        let turned = paths.map(|(id, mut path)| {
            path.turn();
            (id.reversed(), path)
        });
        self.paths = turned.collect();
    }
}
