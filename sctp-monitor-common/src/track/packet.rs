//! One SCTP packet, entered into the record of its flow.

use super::{
    control::{CONTROL, emit_control, untracked},
    data::{DATA, on_data},
    heartbeat::{heartbeat_info, on_heartbeat, on_heartbeat_ack},
    open::open_flow,
    sack::{SACK, on_sack_chunk},
    scratch::{Found, bit, count_chunks},
    table::FlowTable,
    tag_check::{TagCheck, count_unproven},
};
use crate::{
    abi::{Counter, FlowKey, Interface, NO_SLOT},
    wire::{ChunkKind, ReadPacket, SctpPacket, chunk::WalkEnd},
};

/// Enters one SCTP packet into the records.
#[inline(always)]
pub(super) fn track<R: ReadPacket, T: FlowTable>(
    reader: &R,
    packet: &SctpPacket,
    interface: Interface,
    max_chunks: usize,
    table: &mut T,
) {
    if packet.first_fragment {
        table.count(Counter::FirstFragment);
    }
    table.scratch().begin(packet);
    let key = FlowKey::from(packet);
    let mut slot = table.find(&key);
    if slot == NO_SLOT {
        slot = match open_flow(reader, &key, packet, interface, table) {
            Ok(slot) => slot,
            Err(counter) => {
                table.count(counter);
                return untracked(reader, &key, interface, table);
            }
        };
    }
    let now_ticks = table.now_ticks();
    let Some((record, links, scratch)) = table.flow_and_scratch(slot) else {
        return;
    };
    record.follow(links);
    count_chunks(reader, max_chunks, record, scratch);
    // Each segment after the first has headers of its own, and the first one's length counts them once.
    let more = u64::from(reader.segments().saturating_sub(1));
    record.packets = record.packets.wrapping_add(1 + more);
    let bytes = u64::from(scratch.total_length) + more * u64::from(scratch.headers());
    record.bytes = record.bytes.wrapping_add(bytes);
    record.last_seen_ticks = now_ticks;
    if record.interface != interface {
        record.interface = interface;
    }
    scratch.tag_check = TagCheck::of(record, scratch) as u32;
    let found = Found::of(scratch);
    count_oddities(scratch.walk_end, found, table);
    if table.scratch().tag_check == TagCheck::Own as u32 {
        apply(reader, slot, found, max_chunks, table);
    } else {
        count_unproven(slot, table);
    }
    if found.any(CONTROL) {
        let tag_mismatch = table.scratch().tag_check == TagCheck::Foreign as u32;
        emit_control(reader, &key, interface, slot, tag_mismatch, table);
    }
}

/// What the packet says about the association, its tag being right.
#[inline(always)]
fn apply<R: ReadPacket, T: FlowTable>(reader: &R, slot: u32, found: Found, max_chunks: usize, table: &mut T) {
    if found.any(DATA) {
        on_data(reader, slot, max_chunks, table);
    }
    if found.any(SACK) {
        on_sack_chunk(reader, slot, table);
    }
    if found.any(bit(ChunkKind::Heartbeat)) {
        match heartbeat_info(reader, ChunkKind::Heartbeat, table) {
            Some(info) => on_heartbeat(slot, info, found.any(bit(ChunkKind::Pad)), table),
            None => table.count(Counter::ChunkTruncated),
        }
    }
    if found.any(bit(ChunkKind::HeartbeatAck)) {
        match heartbeat_info(reader, ChunkKind::HeartbeatAck, table) {
            Some(info) => on_heartbeat_ack(slot, info, table),
            None => table.count(Counter::ChunkTruncated),
        }
    }
}

#[inline(always)]
fn count_oddities<T: FlowTable>(end: u32, found: Found, table: &mut T) {
    if end != WalkEnd::Complete as u32 {
        let counter = if end == WalkEnd::NoChunks as u32 {
            Counter::NoChunks
        } else if end == WalkEnd::HeaderTruncated as u32 {
            Counter::ChunkHeaderTruncated
        } else if end == WalkEnd::LengthTooShort as u32 {
            Counter::ChunkLengthTooShort
        } else if end == WalkEnd::LengthPastEnd as u32 {
            Counter::ChunkLengthPastEnd
        } else {
            Counter::ChunksTooMany
        };
        table.count(counter);
    }
    if found.any(bit(ChunkKind::Other)) {
        table.count(Counter::ChunkUnknown);
    }
}
