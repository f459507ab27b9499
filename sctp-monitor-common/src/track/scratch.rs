//! The packet at hand, and the walk that finds out what is in it.

use bytemuck::{Pod, Zeroable};
use network_types::sctp::SctpHdr;

use crate::{
    abi::FlowRecord,
    wire::{
        Chunk, ChunkKind, ReadPacket, SctpPacket,
        chunk::{KIND_SLOTS, Visit, walk},
        data::Data,
    },
};

/// The packet at hand: where it is, and what the walks over its chunks found.
///
/// The programs keep it in a map: what the verifier loads from there it knows nothing about, so the many ways through
/// the headers, and through a walk, become one state after it. On the stack, or in registers, every header length,
/// every chunk count and every order of chunks would be followed to the end of the program.
#[repr(C, align(8))]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub struct Scratch {
    /// Offset of the common header.
    pub(super) at: u32,
    /// Offset after the last byte of the SCTP packet.
    pub(super) end: u32,
    /// Bytes by the IP header.
    pub(super) total_length: u32,
    /// Verification tag.
    pub(super) tag: u32,
    /// Bit `1 << kind` for every kind in the packet.
    pub(super) kinds: u32,
    /// How the walk ended, a [`WalkEnd`].
    pub(super) walk_end: u32,
    /// DATA and I-DATA chunks.
    pub(super) data_count: u32,
    /// Bytes of user data.
    pub(super) data_bytes: u32,
    /// TSNs of the packet that are higher than all before, and the last of them.
    pub(super) new_tsns: u32,
    pub(super) last_new_tsn: u32,
    /// TSNs of the packet that had been seen before, the first and the last of them.
    pub(super) old_tsns: u32,
    pub(super) first_old_tsn: u32,
    pub(super) last_old_tsn: u32,
    /// The first of the new TSNs.
    pub(super) first_new_tsn: u32,
    /// The highest TSN of the association direction before the packet.
    pub(super) previous_highest: u32,
    /// TSNs that were not seen before, though later ones were, and the last of them.
    pub(super) late_tsns: u32,
    pub(super) last_late_tsn: u32,
    /// What its tag makes of it, a [`TagCheck`](super::TagCheck).
    pub(super) tag_check: u32,
    /// The last chunk of each kind, valid where `kinds` has its bit.
    pub(super) last: [Chunk; KIND_SLOTS],
}

impl Scratch {
    #[inline(always)]
    pub(super) fn begin(&mut self, packet: &SctpPacket) {
        self.at = packet.at as u32;
        self.end = packet.end as u32;
        self.total_length = packet.total_length;
        self.tag = packet.tag;
        self.kinds = 0;
        self.data_count = 0;
        self.data_bytes = 0;
        self.new_tsns = 0;
        self.old_tsns = 0;
        self.late_tsns = 0;
    }

    #[inline(always)]
    pub(super) fn chunks_at(&self) -> usize {
        self.at as usize + SctpHdr::LEN
    }

    #[inline(always)]
    pub(super) fn end(&self) -> usize {
        self.end as usize
    }

    /// Bytes of the IP header and all that stands before the first chunk.
    #[inline(always)]
    pub(super) fn headers(&self) -> u32 {
        let chunks = self.end.wrapping_sub(self.at + SctpHdr::LEN as u32);
        self.total_length.wrapping_sub(chunks)
    }

    /// The last chunk of a kind that the packet has.
    #[inline(always)]
    pub(super) fn last(&self, kind: ChunkKind) -> &Chunk {
        &self.last[kind as usize % KIND_SLOTS]
    }

    #[inline(always)]
    pub(super) fn has(&self, kind: ChunkKind) -> bool {
        self.kinds & bit(kind) != 0
    }

    /// Whether the packet's tag is the receiver's own, reflected.
    #[inline(always)]
    pub(super) fn reflects_tag(&self) -> bool {
        (self.has(ChunkKind::Abort) && self.last(ChunkKind::Abort).reflects_tag())
            || (self.has(ChunkKind::ShutdownComplete)
                && self.last(ChunkKind::ShutdownComplete).reflects_tag())
    }
}

/// The kinds of chunks in a packet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found(pub(super) u32);

impl Found {
    #[inline(always)]
    pub(super) fn of(scratch: &Scratch) -> Self {
        Self(scratch.kinds)
    }

    #[inline(always)]
    pub(super) fn any(self, kinds: u32) -> bool {
        self.0 & kinds != 0
    }
}

#[inline(always)]
pub(super) const fn bit(kind: ChunkKind) -> u32 {
    1 << kind as u32
}

#[inline(always)]
pub(super) fn count_chunks<R: ReadPacket>(
    reader: &R,
    max_chunks: usize,
    record: &mut FlowRecord,
    scratch: &mut Scratch,
) {
    let (at, end) = (scratch.chunks_at(), scratch.end());
    let mut count = CountChunks { record, scratch };
    let end = walk(reader, at, end, max_chunks, &mut count);
    scratch.walk_end = end as u32;
    record.data_chunks = record.data_chunks.wrapping_add(u64::from(scratch.data_count));
    record.data_bytes = record.data_bytes.wrapping_add(u64::from(scratch.data_bytes));
}

struct CountChunks<'a> {
    record: &'a mut FlowRecord,
    scratch: &'a mut Scratch,
}

impl Visit for CountChunks<'_> {
    #[inline(always)]
    fn visit(&mut self, chunk: &Chunk) {
        let scratch = &mut *self.scratch;
        scratch.kinds |= 1 << chunk.slot();
        scratch.last[chunk.slot()] = *chunk;
        if chunk.is_data() {
            scratch.data_count += 1;
            scratch.data_bytes += Data::payload_length(chunk);
        }
        if !chunk.is(ChunkKind::Data) {
            let count = &mut self.record.chunks[chunk.slot()];
            *count = count.wrapping_add(1);
        }
    }
}
