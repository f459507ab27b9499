//! A flow's first packet.

use super::{
    links::{reverse_of, tag_of},
    scratch::Found,
    table::FlowTable,
    trust::{remote, trust_of_new},
};
use crate::{
    abi::{Counter, FlowKey, FlowOpened, Interface, NO_SLOT, Rare, RareKind, RingHeader, RingKind, SlotRef},
    wire::{Chunk, ReadPacket, Readable, Reading},
};

/// Gives a flow a slot, and ties it to the opposite direction of its address pair.
#[inline(always)]
pub(super) fn open_flow<P: Readable, T: FlowTable>(
    frame: &P,
    key: &FlowKey,
    interface: Interface,
    table: &mut T,
) -> Result<u32, Counter> {
    let reverse_slot = table.find(&key.reversed());
    let first = first_kind(frame, table);
    let now_ns = table.now_ns();
    let rare = Rare {
        kind: RareKind::NewFlow as u32,
        slot: NO_SLOT,
        trust: trust_of_new(first, reverse_slot, interface, table),
        remote: remote(key, interface),
        now_ns,
    };
    let slot = table.open(key, &rare)?;
    let now_ticks = table.now_ticks();
    let tag = tag_of_direction(reverse_slot, table);
    if let Some(record) = table.record(slot) {
        record.open(key, slot, now_ns, now_ticks);
        record.pair = SlotRef::to(reverse_slot);
        record.tag = tag;
    }
    if let Some(reverse) = table.record(reverse_slot) {
        reverse.pair = SlotRef::to(slot);
    }
    if table.has_room(rare.trust) {
        announce(key, slot, now_ns, table);
    }
    Ok(slot)
}

/// Tells user space of the flow, which would find its record only when it looks through all.
#[inline(always)]
fn announce<T: FlowTable>(key: &FlowKey, slot: u32, now_ns: u64, table: &mut T) {
    let opened = FlowOpened {
        header: RingHeader {
            kind: RingKind::FlowOpened as u32,
            slot,
            time_ns: now_ns,
        },
        key: *key,
        tag: table.scratch().tag,
    };
    table.emit(&opened, true);
}

/// The kind of the packet's first chunk; nothing if it has none.
#[inline(always)]
pub(super) fn first_kind<P: Readable, T: FlowTable>(frame: &P, table: &mut T) -> Found {
    let at = table.scratch().chunks_at();
    match frame.read_by(ChunkType(at)) {
        Some(chunk_type) => Found(1 << Chunk::new(at, chunk_type, 0, 0).slot()),
        None => Found(0),
    }
}

/// Reads the type of the chunk at an offset.
struct ChunkType(usize);

impl Reading for ChunkType {
    type Output = Option<u8>;

    #[inline(always)]
    fn read<R: ReadPacket>(self, reader: &R) -> Self::Output {
        reader.read_u8(self.0)
    }
}

/// The tag that a flow's association has in its direction, if the opposite flow leads to another one of it; 0 otherwise.
/// With it, not even the first packet of a flow is believed if it is forged.
#[inline(always)]
fn tag_of_direction<T: FlowTable>(reverse_slot: u32, table: &mut T) -> u32 {
    let other_slot = reverse_of(reverse_slot, table);
    tag_of(other_slot, table)
}
