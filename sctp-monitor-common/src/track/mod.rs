//! What one packet does to the records.
//!
//! Pure over a [`FlowTable`]: the same function runs in the XDP and TC programs over BPF maps, and in user space over
//! memory. It never decides that a packet must not pass. [`dispatch`] leads from a frame to it.
//!
//! The order is forced by the verifier and by aliasing: one record is borrowed at a time, and the walk over the chunks
//! only collects what is needed, so that its states stay few. What a chunk means is decided after the walk.

mod control;
mod data;
mod dispatch;
mod heartbeat;
mod icmp;
mod links;
mod open;
mod rate;
mod sack;
mod scratch;
mod tag_check;

use bytemuck::Pod;

use self::{
    control::{CONTROL, emit_control, untracked},
    data::{DATA, on_data},
    heartbeat::{heartbeat_info, on_heartbeat, on_heartbeat_ack},
    open::open_flow,
    sack::{SACK, on_sack_chunk},
    scratch::{Found, bit, count_chunks, count_oddities},
    tag_check::count_unproven,
};
pub use self::{
    dispatch::{Options, Tables, dispatch, observe},
    rate::RateLimit,
    scratch::Scratch,
    tag_check::{TAG_CHECKS, TagCheck},
};
use crate::{
    abi::{ControlHeader, Counter, FlowKey, FlowLinks, FlowRecord, IcmpErrorSeen, Interface, NO_SLOT},
    wire::{ChunkKind, ReadPacket, SctpPacket},
};

/// Where flows are kept, and where records for user space go.
///
/// At most one record is borrowed at a time, so an implementation may hand out pointers into shared memory.
pub trait FlowTable {
    /// The slot of a flow, or [`NO_SLOT`]. Not an `Option`: LLVM copies the slot before it looks at the variant, and
    /// the verifier lets nobody read a register that was never written.
    fn find(&mut self, key: &FlowKey) -> u32;

    /// Takes a free slot for a new flow and enters it under its key. The record is zero.
    ///
    /// # Errors
    /// The counter that says why there is no slot.
    fn open(&mut self, key: &FlowKey) -> Result<u32, Counter>;

    /// The record in a slot; `None` past the end of the table.
    fn record(&mut self, slot: u32) -> Option<&mut FlowRecord>;

    /// The same, with what user space says of the flow.
    fn flow(&mut self, slot: u32) -> Option<(&mut FlowRecord, &FlowLinks)>;

    /// Memory for the packet at hand. It holds whatever was left there.
    fn scratch(&mut self) -> &mut Scratch;

    /// Both, and the memory for the packet at hand.
    fn flow_and_scratch(&mut self, slot: u32) -> Option<(&mut FlowRecord, &FlowLinks, &mut Scratch)>;

    /// CLOCK_MONOTONIC (or the capture's clock), nanoseconds, never 0.
    fn now_ns(&mut self) -> u64;

    /// The coarse clock: a jiffy in the kernel, a nanosecond in captures.
    fn now_ticks(&mut self) -> u64;

    /// Adds one to a counter.
    fn count(&mut self, counter: Counter);

    /// Hands a record to user space, and wakes it up if the record is urgent.
    fn emit<T: Pod>(&mut self, record: &T, urgent: bool);

    /// Hands `header.captured_length` bytes of the packet, from offset `at`, to user space.
    fn emit_control<R: ReadPacket>(&mut self, reader: &R, at: usize, header: &ControlHeader);

    /// Hands an ICMP error to user space, unless there are too many.
    fn emit_icmp_error(&mut self, error: &IcmpErrorSeen);
}

/// Chunks that the programs walk in one packet. A packet of 1,500 bytes holds at most 92 DATA chunks of one byte, and
/// stacks bundle a handful. Set SCTP_MONITOR_MAX_CHUNKS when building to change it; below 32 does not build.
pub const MAX_CHUNKS: usize = match option_env!("SCTP_MONITOR_MAX_CHUNKS") {
    Some(text) => match usize::from_str_radix(text, 10) {
        Ok(value) => value,
        Err(_) => panic!("SCTP_MONITOR_MAX_CHUNKS must be a number"),
    },
    None => 32,
};

const _: () = assert!(MAX_CHUNKS >= 32, "SCTP_MONITOR_MAX_CHUNKS must be 32 or more");

/// Flows of one direction of an association that are looked through for a heartbeat or a timed TSN: four addresses on
/// either side.
pub const MAX_SIBLINGS: usize = 16;

/// Enters one SCTP packet into the records.
#[inline(always)]
fn track<R: ReadPacket, T: FlowTable>(
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
