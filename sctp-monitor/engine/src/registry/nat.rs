//! Address translation between two watched NICs.
//!
//! A gateway that translates sees the INIT with the initiator's own address, and the INIT ACK go to the address that
//! replaced it. Ports, tags and the other endpoint are the same. Both flows belong to one path, which is named by the
//! initiator's own address. Without the handshake nothing ties the two halves together: they stay two associations,
//! each of them one-sided.

use sctp_monitor_common::abi::FlowKey;

use crate::{model::Direction, path::flows::Flows, registry::association::Association};

/// Whether a flow shows the same packets as another one of the association, on the other side of a translator whose both
/// sides are watched. It must not count twice.
pub(super) fn is_copy(flows: &Flows, key: &FlowKey, association: &Association, direction: Direction) -> bool {
    let path = association.path_of(direction, key.src.to_ip(), key.dst.to_ip());
    association
        .path(&path)
        .and_then(|path| path.flow(direction))
        .and_then(|known| flows.get(known))
        .is_some_and(|known| known.view.key != *key)
}
