//! A flow's first packet.

use super::{
    links::{reverse_of, tag_of},
    table::FlowTable,
};
use crate::{
    abi::{Counter, FlowKey, FlowOpened, RingHeader, RingKind, SlotRef},
    wire::SctpPacket,
};

/// Gives a flow a slot, and ties it to the opposite direction of its address pair.
#[inline(always)]
pub(super) fn open_flow<T: FlowTable>(
    key: &FlowKey,
    packet: &SctpPacket,
    table: &mut T,
) -> Result<u32, Counter> {
    let slot = table.open(key)?;
    let now_ns = table.now_ns();
    let now_ticks = table.now_ticks();
    let reverse_slot = table.find(&key.reversed());
    let tag = tag_of_direction(reverse_slot, table);
    if let Some(record) = table.record(slot) {
        record.open(key, slot, now_ns, now_ticks);
        record.pair = SlotRef::to(reverse_slot);
        record.tag = tag;
    }
    if let Some(reverse) = table.record(reverse_slot) {
        reverse.pair = SlotRef::to(slot);
    }
    let header = RingHeader {
        kind: RingKind::FlowOpened as u32,
        slot,
        time_ns: now_ns,
    };
    table.emit(
        &FlowOpened {
            header,
            key: *key,
            tag: packet.tag,
        },
        true,
    );
    Ok(slot)
}

/// The tag that a flow's association has in its direction, if the opposite flow leads to another one of it; 0 otherwise.
/// With it, not even the first packet of a flow is believed if it is forged.
#[inline(always)]
fn tag_of_direction<T: FlowTable>(reverse_slot: u32, table: &mut T) -> u32 {
    let other_slot = reverse_of(reverse_slot, table);
    tag_of(other_slot, table)
}
