//! One SCTP packet, entered into the record of its flow.

use super::{
    chunks::ReadChunks,
    control::{CONTROL, on_control, untracked},
    data::{DATA, on_data},
    heartbeat::{on_heartbeat, on_heartbeat_ack},
    open::open_flow,
    probe::Verdict,
    proof::host_vouches,
    sack::{SACK, on_sack},
    scratch::{Found, bit},
    table::FlowTable,
    tag_check::{TagCheck, count_unproven},
};
use crate::{
    abi::{Counter, FlowKey, Interface, NO_SLOT, SteerMark},
    wire::{ChunkKind, ReadPacket, Readable, Reading, SctpPacket, chunk::WalkEnd},
};

/// Enters one SCTP packet into the records.
#[inline(always)]
pub(super) fn track<P: Readable, T: FlowTable>(
    frame: &P,
    packet: &SctpPacket,
    interface: Interface,
    max_chunks: usize,
    table: &mut T,
) -> Verdict {
    if packet.first_fragment {
        table.count(Counter::FirstFragment);
    }
    table.scratch().begin(packet);
    table.scratch().mark = table.mark();
    let key = FlowKey::from(packet);
    let mut slot = table.find(&key);
    if slot == NO_SLOT {
        slot = match open_flow(frame, &key, interface, table) {
            Ok(slot) => slot,
            Err(counter) => {
                table.count(counter);
                untracked(frame, &key, interface, table);
                return Verdict::Pass;
            }
        };
    }
    let now_ticks = table.now_ticks();
    let Some((record, links, scratch)) = table.flow_and_scratch(slot) else {
        return Verdict::Pass;
    };
    record.follow(links);
    frame.read_by(ReadChunks {
        record: &mut *record,
        scratch: &mut *scratch,
        max_chunks,
    });
    let is_copy = scratch.mark == SteerMark::Second as u32;
    if !is_copy {
        record.data_chunks = record.data_chunks.wrapping_add(u64::from(scratch.data_count));
        record.data_bytes = record.data_bytes.wrapping_add(u64::from(scratch.data_bytes));
    }
    // Each segment after the first has headers of its own, and the first one's length counts them once.
    let more = u64::from(scratch.segments.saturating_sub(1));
    record.packets = record.packets.wrapping_add(1 + more);
    let bytes = u64::from(scratch.total_length) + more * u64::from(scratch.headers());
    record.bytes = record.bytes.wrapping_add(bytes);
    let mut tag_check = TagCheck::of(record, scratch);
    let found = Found::of(scratch);
    if links.wants_proof() && interface.is_egress() && host_vouches(found) && scratch.tag != 0 {
        record.prove(scratch.tag);
        tag_check = TagCheck::Own;
    }
    scratch.tag_check = tag_check as u32;
    scratch.seen_before = record.last_seen_ticks;
    scratch.interface_before = record.interface;
    let wants_proof = links.wants_proof();
    // A packet with another tag says neither when nor where the flow was last seen.
    if tag_check == TagCheck::Own || record.tag == 0 {
        record.last_seen_ticks = now_ticks;
        if record.interface != interface {
            record.interface = interface;
            record.next_hop = next_hop(frame, packet, interface);
            record.in_udp = u16::from(packet.in_udp);
        }
    }
    count_oddities(scratch.walk_end, found, table);
    let may_prove = tag_check == TagCheck::Foreign && wants_proof;
    // What a copy says was said already.
    if (tag_check == TagCheck::Own || may_prove) && !is_copy {
        apply(frame, slot, interface, max_chunks, table);
    }
    if table.scratch().tag_check != TagCheck::Own as u32 {
        count_unproven(slot, table);
    }
    if found.any(CONTROL) {
        on_control(frame, interface, slot, table);
    }
    Verdict::of(table)
}

/// What the packet says about the association, its tag being right, or about its tag.
#[inline(always)]
fn apply<P: Readable, T: FlowTable>(
    frame: &P,
    slot: u32,
    interface: Interface,
    max_chunks: usize,
    table: &mut T,
) {
    let found = Found::of(table.scratch());
    if found.any(DATA) {
        on_data(frame, slot, max_chunks, table);
    }
    if found.any(SACK) {
        on_sack(frame, slot, table);
    }
    if found.any(bit(ChunkKind::Heartbeat)) {
        on_heartbeat(frame, slot, interface, table);
    }
    if found.any(bit(ChunkKind::HeartbeatAck)) {
        on_heartbeat_ack(frame, slot, interface, table);
    }
}

/// The Ethernet address of the packet's next hop; see [`FlowRecord::next_hop`](crate::abi::FlowRecord::next_hop).
#[inline(always)]
fn next_hop<P: Readable>(frame: &P, packet: &SctpPacket, interface: Interface) -> [u8; 6] {
    if !packet.ethernet {
        return [0; 6];
    }
    // The destination comes first.
    let from = if interface.is_egress() { 0 } else { 6 };
    frame.read_by(EthernetAddress(from)).unwrap_or_default()
}

/// Reads the Ethernet address at an offset.
struct EthernetAddress(usize);

impl Reading for EthernetAddress {
    type Output = Option<[u8; 6]>;

    #[inline(always)]
    fn read<R: ReadPacket>(self, reader: &R) -> Self::Output {
        reader.read(self.0)
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
