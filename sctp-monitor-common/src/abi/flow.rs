//! The flow table: its key and its record.
//!
//! A flow is one direction of an address pair, ports included. Its record is laid out by cache lines of 64 bytes:
//! a DATA packet touches the first two, a HEARTBEAT the third as well, what is rarer the others.
//!
//! Only the programs write a record while its slot belongs to a flow; what user space has to say stands in
//! [`FlowLinks`](super::FlowLinks). Several CPUs share a record without locks: most fields are written for packets of one
//! direction only, which one CPU processes at a time, and readers must stand a value that is one packet old.

use bytemuck::{Pod, Zeroable};

use super::SlotRef;
use crate::wire::{Address, ChunkKind, chunk::KIND_SLOTS};

/// Names a flow.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
pub struct FlowKey {
    /// Source address.
    pub src: Address,
    /// Destination address.
    pub dst: Address,
    /// SCTP source port.
    pub src_port: u16,
    /// SCTP destination port.
    pub dst_port: u16,
}

impl FlowKey {
    /// The key of the opposite direction.
    #[inline(always)]
    #[must_use]
    pub fn reversed(&self) -> Self {
        Self {
            src: self.dst,
            dst: self.src,
            src_port: self.dst_port,
            dst_port: self.src_port,
        }
    }

    /// The key under which the index map has the flow.
    ///
    /// The kernel hashes and compares 16 bytes faster than 36. IPv4 addresses and ports fit into them. IPv6 addresses
    /// do not: theirs are a hash of 127 bits under a secret seed, so that nobody can make two flows meet.
    #[inline(always)]
    #[must_use]
    pub fn index(&self, seed: [u64; 2]) -> IndexKey {
        let words: [u32; 9] = bytemuck::must_cast(*self);
        let pair = |low: usize, high: usize| u64::from(words[low]) | u64::from(words[high]) << 32;
        if self.src.is_v4() && self.dst.is_v4() {
            return IndexKey([pair(3, 7), u64::from(words[8])]);
        }
        let mut hash = seed;
        for word in [
            pair(0, 1),
            pair(2, 3),
            pair(4, 5),
            pair(6, 7),
            u64::from(words[8]),
        ] {
            hash[0] = mix(hash[0], word);
            hash[1] = mix(hash[1], word);
        }
        // The top bit is never set in an IPv4 key.
        IndexKey([hash[0], hash[1] | 1 << 63])
    }
}

/// In one piece: field by field costs a capture's look-up as much again.
impl core::hash::Hash for FlowKey {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        state.write(bytemuck::bytes_of(self));
    }
}

/// The index map's key: see [`FlowKey::index`].
#[repr(transparent)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Pod, Zeroable)]
pub struct IndexKey([u64; 2]);

impl IndexKey {
    /// A hash that nobody who does not know the seed can aim at.
    #[inline(always)]
    #[must_use]
    pub fn hash(self, seed: [u64; 2]) -> u64 {
        mix(mix(seed[0], self.0[0]), self.0[1])
    }
}

/// One round of a multiply-xorshift hash (constant of splitmix64).
#[inline(always)]
fn mix(hash: u64, word: u64) -> u64 {
    let hash = (hash ^ word).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash ^ (hash >> 32)
}

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
    /// When the last packet passed, in ticks of the programs' coarse clock. A tick is a jiffy in the kernel and a
    /// nanosecond in captures; `first_seen_ticks` and `first_seen_ns` tie it to the monotonic clock.
    pub last_seen_ticks: u64,
    /// The verification tag of this flow's packets; 0 while unknown.
    pub tag: u32,
    /// Packets with another tag.
    pub tag_mismatches: u32,
    /// The opposite direction of the same address pair, as far as the programs know. Its slot may have passed to another flow
    /// since: it counts only if that one's `pair` is this flow. What the agent links comes first.
    pub pair: SlotRef,
    /// The receiver window that the last SACK on this flow advertises.
    pub a_rwnd: u32,
    /// Payload protocol identifier of the last DATA chunk.
    pub ppid: u32,
    /// Where the last packet was seen.
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
    /// TSNs of that run that were sent again, on whatever flow: lost behind the place where the program stands.
    pub lost: u32,
    /// TSNs of that run that came late: lost before the place where the program stands.
    pub late: u32,
    /// TSNs of that run that were sent again although they had arrived: the peer reports them as duplicates.
    pub spurious: u32,
    /// Chunks whose wait ended with a SACK that credits this flow.
    pub credits: u32,
    /// Packets with new DATA that the last of them took, itself included.
    pub credited_packets: u32,
    /// Bytes of the packet, by the IP header, that carried the timed chunk.
    pub timed_bytes: u32,
    /// Bytes of the packet whose chunk the last credit acknowledges; 0 if it acknowledges only a later one, and times
    /// nothing.
    pub credited_bytes: u32,
    /// Bytes of a packet, by the IP header, that carries just the last lost chunk.
    pub lost_bytes: u32,
    /// The last TSN of the packet that `second_at_ns` is about.
    pub second_tsn: u32,
    /// The Ethernet address of the next hop when the flow began: of its receiver if it leaves, of its sender if it
    /// arrives. All zero if there is none.
    pub next_hop: [u8; 6],
    /// Room for more; 0.
    pub reserved: [u8; 10],
}

impl FlowRecord {
    /// A record for a flow that starts now.
    #[inline(always)]
    pub fn open(&mut self, key: &FlowKey, slot: u32, now_ns: u64, now_ticks: u64) {
        self.key = *key;
        self.slot = slot;
        self.first_seen_ns = now_ns;
        self.first_seen_ticks = now_ticks;
    }

    /// Whether user space knows that the tag is another one: what the record holds of the association is not to be used.
    #[inline(always)]
    #[must_use]
    pub const fn is_outdated(&self, told_tag: u32) -> bool {
        told_tag != 0 && self.tag != told_tag
    }

    /// Takes over the tag that user space tells (0 for none), and forgets what packets with another one left behind.
    #[inline(always)]
    pub fn follow(&mut self, told_tag: u32) {
        if self.is_outdated(told_tag) {
            self.tag = told_tag;
            self.timed = TimedTsn::zeroed();
            self.sender = SenderState::zeroed();
            self.outstanding = [OutstandingHeartbeat::zeroed(); HEARTBEAT_SLOTS];
        }
    }

    /// Whether SACKs for this direction of the association were seen, as far as this record tells.
    #[must_use]
    pub fn shows_sacks(&self) -> bool {
        self.sender.sack_seen() || self.credits > 0
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

/// TSN state of one direction of an association: what was sent, and what the other side says has arrived.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
pub struct SenderState {
    /// The highest TSN seen in DATA.
    pub highest_tsn: u32,
    /// The highest cumulative TSN ack seen.
    pub cum_tsn_ack: u32,
    /// The highest TSN acknowledged at all, by gap ack blocks too.
    pub highest_acked: u32,
    /// Bit 0: a DATA chunk was seen. Bit 1: a SACK was seen.
    pub seen: u32,
    /// Which of the last [`TSN_WINDOW`](Self::TSN_WINDOW) TSNs were seen. Bit `tsn % 128`.
    pub window: [u64; 2],
}

impl SenderState {
    /// TSNs below the highest one of which it is known whether they were seen. An older one is taken for a
    /// retransmission: a packet that is overtaken by more than this many is not heard of.
    pub const TSN_WINDOW: u32 = 128;

    const DATA_SEEN: u32 = 1;
    const SACK_SEEN: u32 = 2;

    /// Whether a DATA chunk was seen.
    #[inline(always)]
    #[must_use]
    pub fn data_seen(&self) -> bool {
        self.seen & Self::DATA_SEEN != 0
    }

    /// Whether a SACK was seen.
    #[inline(always)]
    #[must_use]
    pub fn sack_seen(&self) -> bool {
        self.seen & Self::SACK_SEEN != 0
    }

    /// Takes note of a DATA chunk; `true` if its TSN is new, `false` if it was seen before.
    #[inline(always)]
    pub fn sent(&mut self, tsn: u32) -> bool {
        let word = (tsn >> 6) as usize & 1;
        let bit = 1_u64 << (tsn & 63);
        let behind = self.highest_tsn.wrapping_sub(tsn);
        let ahead = tsn.wrapping_sub(self.highest_tsn);
        if self.data_seen() && (behind as i32) >= 0 {
            let known = behind >= Self::TSN_WINDOW || self.window[word] & bit != 0;
            if behind < Self::TSN_WINDOW {
                self.window[word] |= bit;
            }
            return !known;
        }
        self.advance(tsn, ahead);
        self.window[word] |= bit;
        true
    }

    /// Moves the window so that `tsn`, which is `ahead` of the highest one, is its newest, and forgets what falls out.
    #[inline(always)]
    fn advance(&mut self, tsn: u32, ahead: u32) {
        if self.data_seen() && ahead == 1 {
            self.window[(tsn >> 6) as usize & 1] &= !(1_u64 << (tsn & 63));
        } else {
            let is_all = !self.data_seen() | (ahead >= Self::TSN_WINDOW);
            let all = 0_u64.wrapping_sub(u64::from(is_all));
            let from = self.highest_tsn.wrapping_add(1);
            let [low, high] = run_mask(from, ahead);
            // Not by zeroes where it is all: LLVM would make two of them a call of memset, and before Linux 6.4 the
            // verifier follows a program with calls many times as long.
            self.window[0] &= !(low | all);
            self.window[1] &= !(high | all);
        }
        self.highest_tsn = tsn;
        self.seen |= Self::DATA_SEEN;
    }

    /// Takes note of a SACK; `true` if it acknowledges more than any before.
    #[inline(always)]
    pub fn acknowledged(&mut self, cum_tsn_ack: u32, highest_acked: u32) -> bool {
        if !self.sack_seen() {
            self.cum_tsn_ack = cum_tsn_ack;
            self.highest_acked = highest_acked;
            self.seen |= Self::SACK_SEEN;
            return true;
        }
        let mut more = false;
        if tsn_after(cum_tsn_ack, self.cum_tsn_ack) {
            self.cum_tsn_ack = cum_tsn_ack;
            more = true;
        }
        if tsn_after(highest_acked, self.highest_acked) {
            self.highest_acked = highest_acked;
            more = true;
        }
        more
    }
}

/// The bits of a 128-bit ring that the run of `length` (1..128, or the bits are any) positions from `from` covers,
/// lowest word first.
///
/// Without a branch: the verifier would follow each one once for every chunk that a packet may hold.
#[inline(always)]
fn run_mask(from: u32, length: u32) -> [u64; 2] {
    // The run from position 0 on, ...
    let ones = (1_u64 << (length & 63)) - 1;
    let is_long = 0_u64.wrapping_sub(u64::from(length >> 6 & 1));
    let (mut low, mut high) = (ones | is_long, ones & is_long);
    // ... turned by a word if it begins in the second, ...
    let begins_high = 0_u64.wrapping_sub(u64::from(from >> 6 & 1));
    let difference = (low ^ high) & begins_high;
    low ^= difference;
    high ^= difference;
    // ... and by the rest. A shift by 64 is none, hence two.
    let shift = from & 63;
    [
        low << shift | high >> 1 >> (63 - shift),
        high << shift | low >> 1 >> (63 - shift),
    ]
}

/// One DATA chunk of a flow that waits for a SACK, to time it.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
pub struct TimedTsn {
    /// When it was sent, CLOCK_MONOTONIC; 0 if none is timed.
    pub sent_at_ns: u64,
    /// Its TSN.
    pub tsn: u32,
    /// Packets with new DATA on this flow from it on, itself included, and the flags below.
    state: u32,
}

impl TimedTsn {
    /// It was sent again, so nothing can be learned from its ack (Karn's algorithm, RFC 9260 section 6.3.1 rule C5).
    const RESENT: u32 = 1 << 31;
    /// Its ack is no round-trip time.
    const UNTIMED: u32 = 1 << 30;
    /// It stands for chunks that the last SACK left unacknowledged, until new DATA can be timed.
    const LEFT_OVER: u32 = 1 << 29;
    const PACKETS: u32 = (1 << 29) - 1;

    /// Starts to wait.
    #[inline(always)]
    pub fn start(&mut self, tsn: u32, now_ns: u64) {
        self.tsn = tsn;
        self.state = 1;
        self.sent_at_ns = now_ns;
    }

    /// Goes on waiting for the second packet, the first being acknowledged.
    #[inline(always)]
    pub fn wait_for_second(&mut self, tsn: u32, sent_at_ns: u64) {
        self.tsn = tsn;
        self.state = (self.state & Self::PACKETS).saturating_sub(1) | Self::UNTIMED;
        self.sent_at_ns = sent_at_ns;
    }

    /// Waits for what a SACK left, from `tsn` on and in so many packets, from now on.
    #[inline(always)]
    pub fn wait_for_rest(&mut self, tsn: u32, packets: u32, now_ns: u64) {
        self.tsn = tsn;
        self.state = (packets & Self::PACKETS) | Self::UNTIMED | Self::LEFT_OVER;
        self.sent_at_ns = now_ns;
    }

    /// Whether new DATA takes its place.
    #[inline(always)]
    #[must_use]
    pub fn is_left_over(&self) -> bool {
        self.state & Self::LEFT_OVER != 0
    }

    /// Whether its ack is a round-trip time, if it was not sent again.
    #[inline(always)]
    #[must_use]
    pub fn is_timed(&self) -> bool {
        self.state & Self::UNTIMED == 0
    }

    /// Waits no longer.
    #[inline(always)]
    pub fn stop(&mut self) {
        self.sent_at_ns = 0;
    }

    /// Whether a chunk is waited for.
    #[inline(always)]
    #[must_use]
    pub fn is_armed(&self) -> bool {
        self.sent_at_ns != 0
    }

    /// One more packet with new DATA; `true` if it is the second.
    #[inline(always)]
    pub fn another_packet(&mut self) -> bool {
        if self.packets() < Self::PACKETS {
            self.state += 1;
        }
        self.packets() == 2
    }

    /// Packets with new DATA on this flow from the timed one on. From the second on the receiver may not delay its
    /// SACK (RFC 9260 section 6.2).
    #[inline(always)]
    #[must_use]
    pub fn packets(&self) -> u32 {
        self.state & Self::PACKETS
    }

    /// The chunk was sent again.
    #[inline(always)]
    pub fn mark_resent(&mut self) {
        self.state |= Self::RESENT;
    }

    /// Whether the chunk was sent again.
    #[inline(always)]
    #[must_use]
    pub fn is_resent(&self) -> bool {
        self.state & Self::RESENT != 0
    }
}

/// A heartbeat that waits for its ack.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
pub struct OutstandingHeartbeat {
    /// When it was sent, CLOCK_MONOTONIC; 0 if the entry is free.
    pub sent_at_ns: u64,
    /// See [`HeartbeatInfo`](crate::wire::heartbeat::HeartbeatInfo).
    pub fingerprint: u32,
    /// The chunk's length field.
    pub chunk_length: u16,
    /// 1 if the packet also held a PAD chunk: a path MTU probe (RFC 8899), whose loss is no evidence.
    pub padded: u16,
}

/// Heartbeats that are waited for on one flow. A stack has one at a time; the second is room for a third party's.
pub const HEARTBEAT_SLOTS: usize = 2;

/// Round-trip times of one flow, as RFC 9260 section 6.3.1 smooths them. Nanoseconds; all zero without a sample.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Pod, Zeroable)]
pub struct Rtt {
    /// The last sample.
    pub last_ns: u64,
    /// The smallest sample.
    pub min_ns: u64,
    /// Smoothed round-trip time.
    pub srtt_ns: u64,
    /// Round-trip time variation.
    pub rttvar_ns: u64,
}

impl Rtt {
    /// Takes a sample: alpha 1/8, beta 1/4 (RFC 9260 section 16).
    #[inline(always)]
    pub fn sample(&mut self, rtt_ns: u64) {
        self.last_ns = rtt_ns;
        if self.srtt_ns == 0 {
            self.min_ns = rtt_ns;
            // Zero stands for "no sample", and a sample of zero is possible in captures.
            self.srtt_ns = rtt_ns.max(1);
            self.rttvar_ns = rtt_ns / 2;
            return;
        }
        if rtt_ns < self.min_ns {
            self.min_ns = rtt_ns;
        }
        let deviation = self.srtt_ns.abs_diff(rtt_ns);
        self.rttvar_ns = self.rttvar_ns - self.rttvar_ns / 4 + deviation / 4;
        self.srtt_ns = (self.srtt_ns - self.srtt_ns / 8 + rtt_ns / 8).max(1);
    }

    /// Whether there was a sample.
    #[inline(always)]
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.srtt_ns != 0
    }
}

/// Where a packet was seen: interface index and side.
#[repr(transparent)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Pod, Zeroable)]
pub struct Interface(u32);

impl Interface {
    const EGRESS: u32 = 1 << 31;

    /// A packet that came in.
    #[inline(always)]
    #[must_use]
    pub const fn ingress(if_index: u32) -> Self {
        Self(if_index & !Self::EGRESS)
    }

    /// A packet that goes out.
    #[inline(always)]
    #[must_use]
    pub const fn egress(if_index: u32) -> Self {
        Self(if_index | Self::EGRESS)
    }

    /// The kernel's interface index; 0 in captures.
    #[must_use]
    pub const fn if_index(self) -> u32 {
        self.0 & !Self::EGRESS
    }

    /// Whether the packet went out.
    #[must_use]
    pub const fn is_egress(self) -> bool {
        self.0 & Self::EGRESS != 0
    }
}

/// No flow.
pub const NO_SLOT: u32 = u32::MAX;

/// Whether TSN `a` comes after `b`, by serial number arithmetic (RFC 9260 section 1.6).
#[inline(always)]
#[must_use]
pub const fn tsn_after(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) > 0
}

/// Whether TSN `a` is `b` or comes before it.
#[inline(always)]
#[must_use]
pub const fn tsn_at_or_before(a: u32, b: u32) -> bool {
    !tsn_after(a, b)
}

const _: () = assert!(size_of::<FlowKey>() == 36);
const _: () = assert!(size_of::<IndexKey>() == 16);
const _: () = assert!(size_of::<FlowRecord>() == 8 * 64);
const _: () = assert!(core::mem::offset_of!(FlowRecord, timed) == 64);
const _: () = assert!(core::mem::offset_of!(FlowRecord, outstanding) == 128);
const _: () = assert!(core::mem::offset_of!(FlowRecord, data_rtt) == 192);
const _: () = assert!(core::mem::offset_of!(FlowRecord, chunks) == 256);
const _: () = assert!(core::mem::offset_of!(FlowRecord, key) == 384);
const _: () = assert!(core::mem::offset_of!(FlowRecord, second_at_ns) == 448);

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(tsns: impl IntoIterator<Item = u32>) -> SenderState {
        let mut sender = SenderState::zeroed();
        for tsn in tsns {
            sender.sent(tsn);
        }
        sender
    }

    #[test]
    fn a_tsn_is_new_once() {
        let mut sender = sender([]);
        assert!(sender.sent(7));
        assert!(!sender.sent(7));
        assert!(sender.sent(8));
        assert!(!sender.sent(7));
    }

    #[test]
    fn reordering_is_no_retransmission() {
        let mut sender = sender([100, 103]);
        assert!(sender.sent(101));
        assert!(sender.sent(102));
        assert!(!sender.sent(101));
    }

    #[test]
    fn a_run_covers_its_positions_around_the_ring() {
        for from in 0..256 {
            for length in 1..SenderState::TSN_WINDOW {
                let mut expected = [0_u64; 2];
                for position in (from..from + length).map(|position| position % 128) {
                    expected[position as usize / 64] |= 1 << (position % 64);
                }
                assert_eq!(run_mask(from, length), expected, "{length} from {from}");
            }
        }
    }

    #[test]
    fn the_window_moves_over_the_wrap() {
        let mut sender = sender([u32::MAX - 1]);
        for tsn in [u32::MAX, 0, 1, 2] {
            assert!(sender.sent(tsn), "{tsn}");
        }
        for tsn in [u32::MAX - 1, u32::MAX, 0, 2] {
            assert!(!sender.sent(tsn), "{tsn}");
        }
        assert_eq!(sender.highest_tsn, 2);
    }

    #[test]
    fn what_falls_out_of_the_window_counts_as_seen() {
        let mut sender = sender([0, 200]);
        assert!(!sender.sent(72), "128 behind: too old to know");
        assert!(sender.sent(73), "127 behind: known to be missing");
    }

    /// The window against a set, over jumps of every size.
    #[test]
    fn the_window_agrees_with_a_set() {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        for start in [0_u32, 0x7fff_ff00, u32::MAX - 300] {
            let mut window = sender([]);
            let mut set = std::collections::HashSet::new();
            let mut highest = start;
            for step in 0..20_000 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let jump = (state >> 33) as u32 % 160;
                let tsn = if (state >> 20) & 1 == 0 || step == 0 {
                    highest.wrapping_add(jump % 9)
                } else {
                    highest.wrapping_add(jump).wrapping_sub(100)
                };
                let behind = highest.wrapping_sub(tsn) as i32;
                let expected = if step > 0 && behind >= 128 {
                    false
                } else {
                    set.insert(tsn)
                };
                assert_eq!(window.sent(tsn), expected, "start {start} step {step} tsn {tsn}");
                if step == 0 || behind < 0 {
                    highest = tsn;
                }
            }
        }
    }

    #[test]
    fn acks_only_move_forward() {
        let mut sender = sender([10]);
        assert!(sender.acknowledged(5, 5));
        assert!(!sender.acknowledged(5, 5));
        assert!(sender.acknowledged(5, 9), "a gap ack block");
        assert!(!sender.acknowledged(4, 4), "an old one");
        assert!(sender.acknowledged(9, 9));
        assert_eq!((sender.cum_tsn_ack, sender.highest_acked), (9, 9));
    }

    #[test]
    fn rtt_is_smoothed_as_the_rfc_says() {
        let mut rtt = Rtt::default();
        assert!(!rtt.is_known());
        rtt.sample(80_000);
        assert_eq!((rtt.srtt_ns, rtt.rttvar_ns, rtt.min_ns), (80_000, 40_000, 80_000));
        rtt.sample(160_000);
        assert_eq!(rtt.rttvar_ns, 30_000 + 20_000);
        assert_eq!(rtt.srtt_ns, 70_000 + 20_000);
        assert_eq!((rtt.last_ns, rtt.min_ns), (160_000, 80_000));
    }

    #[test]
    fn a_timed_tsn_counts_packets_and_remembers_a_retransmission() {
        let mut timed = TimedTsn::zeroed();
        assert!(!timed.is_armed());
        timed.start(7, 1_000);
        timed.another_packet();
        timed.mark_resent();
        timed.another_packet();
        assert!(timed.is_armed() && timed.is_resent());
        assert_eq!(timed.packets(), 3);
        timed.stop();
        assert!(!timed.is_armed());
        timed.start(9, 2_000);
        assert!(!timed.is_resent());
    }

    #[test]
    fn serial_numbers_wrap() {
        assert!(tsn_after(1, u32::MAX));
        assert!(!tsn_after(u32::MAX, 1));
        assert!(tsn_at_or_before(5, 5));
    }

    #[test]
    fn index_keys_tell_flows_apart() {
        let address = |text: &str| Address::from(text.parse::<core::net::IpAddr>().unwrap());
        let key = |src, dst, src_port, dst_port| FlowKey {
            src: address(src),
            dst: address(dst),
            src_port,
            dst_port,
        };
        let keys = [
            key("10.0.0.1", "10.0.0.2", 1, 2),
            key("10.0.0.2", "10.0.0.1", 1, 2),
            key("10.0.0.1", "10.0.0.2", 2, 1),
            key("2001:db8::1", "2001:db8::2", 1, 2),
            key("2001:db8::2", "2001:db8::1", 1, 2),
            key("2001:db8::1", "2001:db8::2", 2, 1),
            key("2001:db8:0:1::", "2001:db8::2", 1, 2),
            key("::ffff:0:0:1", "::ffff:0:0:2", 1, 2),
        ];
        for seed in [[0, 0], [7, 9]] {
            let unique: std::collections::HashSet<_> = keys.iter().map(|key| key.index(seed)).collect();
            assert_eq!(unique.len(), keys.len());
        }
        assert_eq!(
            keys[0].index([1, 2]),
            keys[0].index([3, 4]),
            "IPv4 keys are exact"
        );
        assert_ne!(
            keys[3].index([1, 2]),
            keys[3].index([3, 4]),
            "IPv6 keys depend on the seed"
        );
    }

    #[test]
    fn an_interface_keeps_its_side() {
        assert!(Interface::egress(7).is_egress());
        assert!(!Interface::ingress(7).is_egress());
        assert_eq!(Interface::egress(7).if_index(), 7);
    }
}
