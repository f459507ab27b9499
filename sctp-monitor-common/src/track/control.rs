//! Packets with control chunks: user space gets them as bytes, because they carry lists, or change the association.

use super::{
    scratch::{Found, bit},
    table::FlowTable,
    tag_check::TagCheck,
};
use crate::{
    abi::{ControlHeader, FlowKey, Interface, NO_SLOT, RingHeader, RingKind},
    wire::{Chunk, ChunkKind, ReadPacket, Readable, Reading},
};

/// A packet of a flow that got no slot. What it does to its association still reaches user space, if it begins with
/// a control chunk; that costs no walk.
#[inline(always)]
pub(super) fn untracked<P: Readable, T: FlowTable>(
    frame: &P,
    key: &FlowKey,
    interface: Interface,
    table: &mut T,
) {
    table.scratch().tag_check = TagCheck::Untagged as u32;
    let at = table.scratch().chunks_at();
    if let Some(chunk_type) = frame.read_by(ChunkType(at)) {
        let first = Chunk::new(at, chunk_type, 0, 0);
        if Found(1 << first.slot()).any(CONTROL) {
            emit_control(frame, key, interface, NO_SLOT, false, table);
        }
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

/// Hands the packet to user space.
#[inline(always)]
pub(super) fn emit_control<P: Readable, T: FlowTable>(
    frame: &P,
    key: &FlowKey,
    interface: Interface,
    slot: u32,
    tag_mismatch: bool,
    table: &mut T,
) {
    let time_ns = table.now_ns();
    let (at, end) = (table.scratch().at, table.scratch().end);
    let packet_length = end.saturating_sub(at);
    let header = ControlHeader {
        header: RingHeader {
            kind: RingKind::Control as u32,
            slot,
            time_ns,
        },
        key: *key,
        interface,
        packet_length,
        captured_length: packet_length,
        tag_mismatch: u32::from(tag_mismatch),
        reserved: 0,
    };
    table.emit_control(frame, at as usize, &header);
}

/// Chunks that reach user space as bytes: they carry lists, or change the association.
pub(super) const CONTROL: u32 = bit(ChunkKind::Init)
    | bit(ChunkKind::InitAck)
    | bit(ChunkKind::Abort)
    | bit(ChunkKind::Shutdown)
    | bit(ChunkKind::ShutdownAck)
    | bit(ChunkKind::Error)
    | bit(ChunkKind::CookieEcho)
    | bit(ChunkKind::CookieAck)
    | bit(ChunkKind::ShutdownComplete)
    | bit(ChunkKind::AsconfAck)
    | bit(ChunkKind::Asconf);
