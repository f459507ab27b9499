//! Address translation between two watched NICs.
//!
//! A gateway that translates sees the INIT with the initiator's own address, and the INIT ACK go to the address that
//! replaced it. Ports, tags and the other endpoint are the same. Both flows belong to one path, which is named by the
//! initiator's own address. Without the handshake nothing ties the two halves together: they stay two associations,
//! each of them one-sided.

use sctp_monitor_common::abi::FlowKey;

use crate::{
    engine::Engine,
    model::{AssociationId, Direction, EventKind, Side, Timestamp},
};

impl Engine {
    /// Says which addresses of an association are translated.
    pub(crate) fn report_translations(&mut self, id: AssociationId, now: Timestamp) {
        let Some(association) = self.associations.get(&id) else {
            return;
        };
        let events: Vec<_> = [Side::Local, Side::Remote]
            .into_iter()
            .flat_map(|side| {
                let translations = association.addresses(side).translations().iter();
                translations.map(move |translation| EventKind::Translated {
                    side,
                    address: translation.address,
                    seen_as: translation.seen_as,
                })
            })
            .collect();
        for event in events {
            self.report(id, event, now);
        }
    }

    /// Whether a flow shows the same packets as another one, on the other side of a translator whose both sides are
    /// watched. It must not count twice.
    pub(crate) fn is_copy(&self, key: &FlowKey, id: AssociationId, direction: Direction) -> bool {
        let Some(association) = self.associations.get(&id) else {
            return false;
        };
        let (src, dst) = (key.src.to_ip(), key.dst.to_ip());
        let path = association.path_of(direction, src, dst);
        association
            .paths
            .get(&path)
            .and_then(|path| path.flow(direction))
            .and_then(|known| self.flows.get(&known))
            .is_some_and(|known| known.view.key != *key)
    }
}
