//! A flow's record: what the programs know of it.
//!
//! A flow is one direction of an address pair, ports included. Its record is laid out by cache lines of 64 bytes:
//! a DATA packet touches the first two, a HEARTBEAT the third as well, what is rarer the others.
//!
//! Only the programs write a record while its slot belongs to a flow; what user space has to say stands in
//! [`FlowLinks`], after it. Several CPUs share a record without locks: most fields are written for packets of one
//! direction only, which one CPU processes at a time, and readers must stand a value that is one packet old.

use core::sync::atomic::{Ordering, compiler_fence};

use bytemuck::{Pod, Zeroable};

use super::{
    FlowKey, FlowLinks, HEARTBEAT_SLOTS, OutstandingHeartbeat, Rate, Rtt, SenderState, SlotRef, TimedTsn,
    Trust,
};
use crate::wire::{Address, ChunkKind, chunk::KIND_SLOTS};

/// What is known of a flow. Everything is zero in a free slot; `key` is set once and then stays.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
pub struct FlowRecord {
    // Line 0: every packet.
    /// SCTP packets as they are on the wire, with whatever tag.
    pub packets: u64,
    /// Their bytes, by the IP header.
    pub bytes: u64,
    /// DATA and I-DATA chunks.
    pub data_chunks: u64,
    /// Bytes of user data in them, by their length fields.
    pub data_bytes: u64,
    /// When the last packet with the flow's tag passed, in ticks of the programs' coarse clock. A tick is a jiffy in the kernel
    /// and a nanosecond in captures; `first_seen_ticks` and `first_seen_ns` tie it to the monotonic clock.
    pub last_seen_ticks: u64,
    /// The verification tag of this flow's packets; 0 while unknown.
    pub tag: u32,
    /// Packets with another tag.
    pub tag_mismatches: u32,
    /// The opposite direction of the same address pair, as far as the programs know. Its slot may have passed to another flow
    /// since: it counts only if that one's `pair` is this flow. What the agent links comes first.
    pub pair: SlotRef,
    /// One more than the receiver window that the last SACK on this flow advertises; 0 if there was none that counts. See
    /// [`Self::a_rwnd`].
    pub window: u32,
    /// Payload protocol identifier of the last DATA chunk.
    pub ppid: u32,
    /// Where the last packet with the flow's tag was seen.
    pub interface: Interface,

    // Line 1: DATA and SACK.
    /// The DATA chunk that is waited for on this flow.
    pub timed: TimedTsn,
    /// When a SACK last acknowledged a TSN that only this flow carried, in ticks; 0 for never.
    pub acked_ticks: u64,
    /// The highest TSN that this flow was the first to carry.
    pub highest_sent: u32,
    /// DATA chunks on this flow whose TSN had been seen before, on whatever flow.
    pub retransmissions: u32,
    /// TSN state of this direction of the association, if the flow's links say that it stands here.
    pub sender: SenderState,

    // Line 2: heartbeats.
    /// Heartbeats on this flow that wait for their ack.
    pub outstanding: [OutstandingHeartbeat; HEARTBEAT_SLOTS],
    /// Time from a heartbeat on this flow to its ack.
    pub heartbeat_rtt: Rtt,

    // Line 3.
    /// Time from the DATA packet that obliges the peer to acknowledge (see `second_at_ns`) to the SACK that covers it; from a
    /// single packet with the peer's delayed ack.
    pub data_rtt: Rtt,
    /// When the first packet passed, CLOCK_MONOTONIC.
    pub first_seen_ns: u64,
    /// The same moment on the coarse clock.
    pub first_seen_ticks: u64,
    /// Heartbeats on this flow that were acknowledged.
    pub heartbeats_answered: u32,
    /// Those of them whose ack came from another address than the one probed.
    pub answered_elsewhere: u32,
    /// The tag of the last mismatching packet.
    pub mismatched_tag: u32,
    /// Packets with an INIT and without a tag: they speak for nobody yet.
    pub untagged: u32,

    // Lines 4 and 5.
    /// Chunks by [`ChunkKind`], except DATA, which is in `data_chunks`. Wraps.
    pub chunks: [u32; KIND_SLOTS],

    // Line 6.
    /// The flow's own key, so that a sweep finds flows whose ring record was lost.
    pub key: FlowKey,
    /// Where the last ack came from that came from another address; all zero if none did.
    pub ack_source: Address,
    /// Its own slot.
    pub slot: u32,
    /// When a heartbeat on this flow was last acknowledged, CLOCK_MONOTONIC; 0 for never.
    pub answered_at_ns: u64,

    // Line 7: what DATA and SACK touch now and then.
    /// When the second packet from the timed chunk on was sent, CLOCK_MONOTONIC: the one that obliges the peer to
    /// acknowledge (RFC 9260 section 6.2). 0 if there was none yet.
    pub second_at_ns: u64,
    /// The first TSN of the newest run of TSNs that this flow was the first to carry; it ends at `highest_sent`.
    pub run_start: u32,
    /// TSNs of that run that were retransmitted, on whatever flow: lost after this hook saw them.
    pub lost: u32,
    /// TSNs of that run that came late: lost before the place where the program stands.
    pub late: u32,
    /// TSNs of that run that were retransmitted although they had arrived: the peer reports them as duplicates.
    pub spurious: u32,
    /// Chunks whose wait ended with a SACK that acknowledges what only this flow carried.
    pub acknowledgements: u32,
    /// Packets with new DATA that the last of them took, itself included.
    pub acknowledged_packets: u32,
    /// Bytes of a packet, by the IP header, that carries just the last lost chunk.
    pub lost_bytes: u32,
    /// The last TSN of the packet that `second_at_ns` is about.
    pub second_tsn: u32,
    /// The last TSN of a packet of which it is watched whether it passes, for its size; see `sized_bytes`.
    pub sized_tsn: u32,
    /// Acknowledgements whose SACK came the opposite way on the same address pair.
    pub acknowledged_here: u32,
    /// Bytes of the packet, by the IP header, that ends with `sized_tsn`; 0 if none is watched. One that is retransmitted is
    /// watched no longer: which of them arrives is not known.
    pub sized_bytes: u16,
    /// Bytes of the packet that was last seen to pass so, by the IP header.
    pub passed_bytes: u16,
    /// Packets that were seen to pass so. Wraps.
    pub passed: u16,
    /// Whether the last of `acknowledgements` is of the timed chunk and times it: 1, or 0 if it is of a later one only.
    pub is_timed: u16,
    /// How often a packet with the flow's tag did what only an endpoint can, since the tag is believed; see
    /// [`FlowLinks::tag`]. Counted until user space vouches for the tag.
    pub proofs: u16,
    /// Whether SCTP came in UDP (RFC 6951) when the flow's tag was first seen on its interface: 1, or 0.
    pub in_udp: u16,
    /// Room for more; 0.
    pub reserved: [u16; 2],

    // Line 8: what is rare.
    /// What the last packet with another tag that asks for an answer would be answered by: the TSN of its DATA, or the fingerprint of
    /// its HEARTBEAT; 0 for nothing.
    pub mismatched_mark: u32,
    /// From a lone packet's first transmission to its second, microseconds: the sender's time-out (a chunk that
    /// nothing follows cannot be reported missing). 0 if there was none yet.
    pub resent_after_us: u32,
    /// The Ethernet address of the next hop when the flow's tag was first seen on its interface: of its receiver if it leaves, of
    /// its sender if it arrives. All zero if there is none.
    pub next_hop: [u8; 6],
    /// Whether this host ever sent an INIT over the flow: 1, or 0. Nobody can make it do so.
    pub host_opens: u16,
    /// What was rare in the current second, by [`Trust`].
    pub rare: [Rate; Trust::SLOTS],
    /// The tag of the packet that has `mismatched_mark`.
    pub marked_tag: u32,
    /// Probes of an agent at the peer's host by which it [would copy](super::Announcement::would_copy) the association's packets. Wraps.
    pub would_copy: u32,
    /// Those by which it does. Wraps.
    pub copies: u32,
    /// Room for more; 0.
    pub room: u32,
}

impl FlowRecord {
    /// A record for a flow that starts now.
    #[inline(always)]
    pub fn open(&mut self, key: &FlowKey, slot: u32, now_ns: u64, now_ticks: u64) {
        self.key = *key;
        self.slot = slot;
        // Whoever sees a time sees the key.
        compiler_fence(Ordering::Release);
        self.first_seen_ns = now_ns;
        self.first_seen_ticks = now_ticks;
        self.last_seen_ticks = now_ticks;
    }

    /// Whether user space knows that the tag is another one: what the record holds of the association is not to be used.
    #[inline(always)]
    #[must_use]
    pub const fn is_outdated(&self, links: &FlowLinks) -> bool {
        links.tag != 0 && self.tag != links.tag
    }

    /// Takes over the tag that user space tells, and forgets what packets with another one left behind. Counters go on:
    /// whoever reads them knows what they were (see [`FlowRecord::since`]).
    #[inline(always)]
    pub fn follow(&mut self, links: &FlowLinks) {
        if self.is_outdated(links) {
            self.adopt(links.tag);
        }
    }

    /// Another tag is the flow's: forgets what packets with the old one left behind.
    #[inline(always)]
    pub fn adopt(&mut self, tag: u32) {
        self.tag = tag;
        self.proofs = 0;
        self.interface = self.interface.to_be_seen_again();
        self.timed.stop();
        self.sender.forget();
        self.sized_bytes = 0;
        self.run_start = 0;
        self.highest_sent = 0;
        self.window = 0;
        self.acked_ticks = 0;
        self.answered_at_ns = 0;
        self.heartbeat_rtt.forget();
        self.data_rtt.forget();
        for heartbeat in &mut self.outstanding {
            heartbeat.sent_at_ns = 0;
        }
    }

    /// A packet with this tag, which is not the flow's, asks for an answer that is known by this mark.
    #[inline(always)]
    pub fn mark(&mut self, tag: u32, mark: u32) {
        self.mismatched_mark = mark;
        self.marked_tag = tag;
    }

    /// A packet with this tag, on this flow, did what only an endpoint can.
    #[inline(always)]
    pub fn prove(&mut self, tag: u32) {
        if self.tag != tag {
            self.adopt(tag);
        }
        self.proofs = self.proofs.saturating_add(1);
    }

    /// Whether the flow's tag was proved, or user space vouches for it.
    #[inline(always)]
    #[must_use]
    pub const fn is_proved(&self, links: &FlowLinks) -> bool {
        !links.wants_proof() || self.proofs > 0
    }

    /// The record with what it has counted since it was as `before`: what was before is another association's.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let mut since = *self;
        for (count, before) in [
            (&mut since.packets, before.packets),
            (&mut since.bytes, before.bytes),
            (&mut since.data_chunks, before.data_chunks),
            (&mut since.data_bytes, before.data_bytes),
        ] {
            *count = count.wrapping_sub(before);
        }
        for (count, before) in [
            (&mut since.tag_mismatches, before.tag_mismatches),
            (&mut since.retransmissions, before.retransmissions),
            (&mut since.heartbeats_answered, before.heartbeats_answered),
            (&mut since.answered_elsewhere, before.answered_elsewhere),
            (&mut since.untagged, before.untagged),
            (&mut since.lost, before.lost),
            (&mut since.late, before.late),
            (&mut since.spurious, before.spurious),
            (&mut since.acknowledgements, before.acknowledgements),
            (&mut since.acknowledged_here, before.acknowledged_here),
        ] {
            *count = count.wrapping_sub(before);
        }
        since.passed = since.passed.wrapping_sub(before.passed);
        for (count, before) in since.chunks.iter_mut().zip(before.chunks) {
            *count = count.wrapping_sub(before);
        }
        since
    }

    /// The receiver window that the last SACK on this flow advertises, if there was one that counts.
    #[must_use]
    pub fn a_rwnd(&self) -> Option<u32> {
        self.window.checked_sub(1)
    }

    /// Whether SACKs for this direction of the association were seen, as far as this record tells.
    #[must_use]
    pub fn shows_sacks(&self) -> bool {
        self.sender.sack_seen() || self.acknowledgements > 0
    }

    /// Watches whether a packet passes, unless a larger one is watched.
    #[inline(always)]
    pub fn watch_size(&mut self, tsn: u32, bytes: u32) {
        let bytes = if bytes > u32::from(u16::MAX) {
            u16::MAX
        } else {
            bytes as u16
        };
        if bytes > self.sized_bytes {
            self.sized_tsn = tsn;
            self.sized_bytes = bytes;
        }
    }

    /// The watched packet has passed.
    #[inline(always)]
    pub fn sized_passes(&mut self) {
        self.passed_bytes = self.sized_bytes;
        self.passed = self.passed.wrapping_add(1);
        self.sized_bytes = 0;
    }

    /// Whether the flow waits for an answer, so that time alone may change what is thought of it.
    #[must_use]
    pub fn waits_for_answer(&self) -> bool {
        self.timed.is_armed() || self.outstanding.iter().any(|heartbeat| heartbeat.sent_at_ns != 0)
    }

    /// Whether this flow was the first to carry a TSN, as far as its newest run tells.
    #[inline(always)]
    #[must_use]
    pub fn carried_first(&self, tsn: u32) -> bool {
        tsn.wrapping_sub(self.run_start) <= self.highest_sent.wrapping_sub(self.run_start)
    }

    /// Chunks of a kind that this flow carried. All but DATA and I-DATA wrap at 2^32.
    #[must_use]
    pub fn chunk_count(&self, kind: ChunkKind) -> u64 {
        let i_data = self.chunks[ChunkKind::IData as usize];
        match kind {
            // The low half is all that is known of I-DATA: a mix of both kinds is told apart modulo 2^32.
            ChunkKind::Data => self.data_chunks.wrapping_sub(u64::from(i_data)),
            other => u64::from(self.chunks[other as usize % KIND_SLOTS]),
        }
    }
}

/// Where a packet was seen: interface index and side.
#[repr(transparent)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Pod, Zeroable)]
pub struct Interface(u32);

impl Interface {
    const EGRESS: u32 = 1 << 31;
    /// A packet was seen there. Captures have no index, and this is what tells their interface from none.
    const SEEN: u32 = 1 << 30;

    /// A packet that came in.
    #[inline(always)]
    #[must_use]
    pub const fn ingress(if_index: u32) -> Self {
        Self(if_index & !Self::EGRESS | Self::SEEN)
    }

    /// A packet that goes out.
    #[inline(always)]
    #[must_use]
    pub const fn egress(if_index: u32) -> Self {
        Self(if_index | Self::EGRESS | Self::SEEN)
    }

    /// The same, but what was seen there was not the flow's own.
    #[inline(always)]
    #[must_use]
    pub const fn to_be_seen_again(self) -> Self {
        Self(self.0 & !Self::SEEN)
    }

    /// The kernel's interface index; 0 in captures.
    #[must_use]
    pub const fn if_index(self) -> u32 {
        self.0 & !(Self::EGRESS | Self::SEEN)
    }

    /// Whether the packet went out.
    #[must_use]
    pub const fn is_egress(self) -> bool {
        self.0 & Self::EGRESS != 0
    }
}

/// No flow.
pub const NO_SLOT: u32 = u32::MAX;

const _: () = assert!(size_of::<FlowRecord>() == 9 * 64);
const _: () = assert!(core::mem::offset_of!(FlowRecord, timed) == 64);
const _: () = assert!(core::mem::offset_of!(FlowRecord, outstanding) == 128);
const _: () = assert!(core::mem::offset_of!(FlowRecord, data_rtt) == 192);
const _: () = assert!(core::mem::offset_of!(FlowRecord, chunks) == 256);
const _: () = assert!(core::mem::offset_of!(FlowRecord, key) == 384);
const _: () = assert!(core::mem::offset_of!(FlowRecord, second_at_ns) == 448);
const _: () = assert!(core::mem::offset_of!(FlowRecord, mismatched_mark) == 512);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_keeps_its_side() {
        assert!(Interface::egress(7).is_egress());
        assert!(!Interface::ingress(7).is_egress());
        assert_eq!(Interface::egress(7).if_index(), 7);
        assert_eq!(Interface::ingress(7).if_index(), 7);
        assert_ne!(Interface::ingress(0), Interface::zeroed());
        assert_ne!(Interface::ingress(7).to_be_seen_again(), Interface::ingress(7));
    }

    #[test]
    fn the_next_association_on_a_flow_inherits_nothing() {
        let mut record = FlowRecord {
            tag: 1,
            packets: 9,
            lost: 3,
            highest_sent: 70,
            run_start: 60,
            ..FlowRecord::zeroed()
        };
        record.chunks[ChunkKind::Sack as usize] = 4;
        record.data_rtt.sample(1_000);
        record.heartbeat_rtt.sample(1_000);
        let before = record;
        let links = FlowLinks {
            tag: 2,
            ..FlowLinks::zeroed()
        };
        record.follow(&links);
        assert!(!record.carried_first(65) && !record.data_rtt.is_known() && !record.heartbeat_rtt.is_known());
        record.packets += 2;
        record.chunks[ChunkKind::Sack as usize] = record.chunks[ChunkKind::Sack as usize].wrapping_add(1);
        let since = record.since(&before);
        assert_eq!((since.packets, since.lost), (2, 0));
        assert_eq!(since.chunk_count(ChunkKind::Sack), 1);
    }
}
