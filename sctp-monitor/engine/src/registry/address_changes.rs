//! Changes of an association's addresses: by ASCONF and its ASCONF ACK (RFC 5061), and by a handshake that lists them.

use std::net::IpAddr;

use sctp_monitor_common::{
    abi::FlowKey,
    wire::{Chunk, control::asconf_lookup_address},
};

use crate::{
    model::{AssociationId, Direction, Side, Timestamp},
    path::flows::Flows,
    registry::{
        Registry,
        asconf::{AddressRequest, AddressesChanged},
        association::Association,
        packet::ControlPacket,
    },
};

impl Registry {
    pub(super) fn on_asconf(&mut self, packet: &ControlPacket<'_>, chunk: &Chunk) {
        let (key, frame) = (packet.key(), &packet.frame);
        // An address that is to be added may be the source; then the chunk names one that is known.
        let found = self.associations.by_proved_tag(key, packet.tag).or_else(|| {
            let src = asconf_lookup_address(frame, chunk)?;
            self.associations
                .by_proved_tag(&FlowKey { src, ..*key }, packet.tag)
        });
        let Some((id, by)) = found.map(|(known, direction)| (known.id, Side::sending(direction))) else {
            return;
        };
        if let Some(request) = AddressRequest::read(by, key.src.to_ip(), frame, chunk)
            && let Some(association) = self.associations.get_mut(id)
        {
            association.address_requests.retain(|known| known.by() != by);
            association.address_requests.push(request);
        }
    }

    pub(super) fn on_asconf_ack(&mut self, flows: &mut Flows, packet: &ControlPacket<'_>, chunk: &Chunk) {
        let (frame, now) = (&packet.frame, packet.time);
        let Some((association, direction)) = self.associations.by_proved_tag_mut(packet.key(), packet.tag)
        else {
            return;
        };
        let by = Side::sending(direction).other();
        let asked = association
            .address_requests
            .iter()
            .position(|request| request.is_answered_by(by, frame, chunk));
        let Some(asked) = asked else {
            return;
        };
        let request = association.address_requests.remove(asked);
        let changed = request.carry_out(frame, chunk, association.addresses_mut(by), now);
        let id = association.id;
        self.associations
            .on_addresses_changed(flows, id, by, changed, now);
    }

    /// What an INIT or INIT ACK lists of an association that was joined before it was understood.
    pub(super) fn correct_addresses(
        &mut self,
        flows: &mut Flows,
        id: AssociationId,
        side: Side,
        listed: &[IpAddr],
        now: Timestamp,
    ) {
        let Some(association) = self.associations.get_mut(id) else {
            return;
        };
        let mut changed = AddressesChanged::default();
        let known: Vec<_> = association.addresses(side).iter().copied().collect();
        for address in known {
            if !listed.contains(&address) && !is_in_use(association, side, &address) {
                association.addresses_mut(side).forget_learned(&address);
                changed.removed.push(address);
            }
        }
        for address in listed {
            let known = association.addresses(side).contains(address);
            association.addresses_mut(side).list(*address);
            if !known {
                changed.added.push(*address);
            }
        }
        self.associations
            .on_addresses_changed(flows, id, side, changed, now);
    }
}

/// Whether packets cross a path of this address.
fn is_in_use(association: &Association, side: Side, address: &IpAddr) -> bool {
    association.paths().any(|(id, path)| {
        side.of(id) == *address
            && Direction::BOTH
                .into_iter()
                .any(|direction| path.flow(direction).is_some())
    })
}
