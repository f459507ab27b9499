//! The packet at hand, and the walk that finds out what is in it.

use bytemuck::{Pod, Zeroable};
use network_types::sctp::SctpHdr;

use crate::{
    abi::{Interface, PROBE_INFO_LEN},
    wire::{Chunk, ChunkKind, SctpPacket, chunk::KIND_SLOTS},
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
    /// Bit `1 << kind` for every kind in the packet, [`DATA_CUT`] and [`HAS_PPID`].
    pub(super) kinds: u32,
    /// How the walk ended, a [`WalkEnd`].
    pub(super) walk_end: u32,
    /// DATA and I-DATA chunks.
    pub(super) data_count: u32,
    /// Bytes of user data.
    pub(super) data_bytes: u32,
    /// The highest TSN of the association direction before the packet.
    pub(super) previous_highest: u32,
    /// TSNs of the packet that are higher than all before.
    pub(super) new: Tsns,
    /// TSNs of the packet that had been seen before.
    pub(super) old: Tsns,
    /// TSNs that were not seen before, though later ones were.
    pub(super) late: Tsns,
    /// What its tag makes of it, a [`TagCheck`](super::TagCheck).
    pub(super) tag_check: u32,
    /// The last payload protocol identifier, if [`HAS_PPID`] is set.
    pub(super) ppid: u32,
    /// Packets that leave the NIC for this one.
    pub(super) segments: u32,
    /// Whether `probe` was read, 1 or 0.
    pub(super) probe_is_read: u32,
    /// The last chunk of each kind, valid where `kinds` has its bit.
    pub(super) last: [Chunk; KIND_SLOTS],
    /// The TSNs of its chunks, if there is room for all and [`DATA_CUT`] is not set.
    pub(super) tsns: [u32; TSNS],
    /// A chunk that may be a probe of the agent's, or an answer to one: its headers and what is read of its value.
    pub(super) probe: [u32; PROBE_WORDS],
    /// Whether the packet is consumed, 1 or 0.
    pub(super) is_consumed: u32,
    /// When the flow was last seen before the packet.
    pub(super) seen_before: u64,
    /// Where the flow was last seen before the packet.
    pub(super) interface_before: Interface,
    /// What `tc_steer` made of it, a [`SteerMark`](crate::abi::SteerMark) if it made anything.
    pub(super) mark: u32,
}

/// Words that are read of a probe: the chunk's header, the parameter's, and the Heartbeat Info.
pub(super) const PROBE_WORDS: usize = 2 + PROBE_INFO_LEN / 4;

/// Some TSNs of a packet: how many, the first and the last of them.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(super) struct Tsns {
    pub(super) count: u32,
    pub(super) first: u32,
    pub(super) last: u32,
}

/// A bit that is no kind's: a DATA chunk is cut.
pub(super) const DATA_CUT: u32 = 1 << 31;
/// A bit that is no kind's: a payload protocol identifier was read.
pub(super) const HAS_PPID: u32 = 1 << 30;

const _: () = assert!(ChunkKind::ALL.len() <= 30);

/// TSNs that there is room for. The programs look at no more chunks in a packet, captures do.
pub(super) const TSNS: usize = 32;

impl Scratch {
    #[inline(always)]
    pub(super) fn begin(&mut self, packet: &SctpPacket) {
        self.at = packet.at as u32;
        self.end = packet.end as u32;
        self.total_length = packet.total_length;
        self.tag = packet.tag;
        self.kinds = 0;
        self.is_consumed = 0;
        self.data_count = 0;
        self.data_bytes = 0;
        self.new.count = 0;
        self.old.count = 0;
        self.late.count = 0;
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
