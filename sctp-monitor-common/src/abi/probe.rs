//! Probes: HEARTBEATs that the agent itself sends into an association, and what the programs know of their answers.
//!
//! A probe is recognised by what its Heartbeat Info says, and believed by a keyed hash in it (SipHash under a secret of the
//! agent): nobody who does not know the key can make an answer. So there is no list of what was sent. The peer sends the
//! Heartbeat Info back as it is; nobody but this host reads it, in its own byte order.
//!
//! ```text
//!  0  magic           8  time of sending, CLOCK_MONOTONIC, nanoseconds
//!  4  place in map   16  zero: a stack of the usrsctp family takes this byte of its own acks for an address family
//! 17  what the agent at the other end is told, see [`Announcement`]; zero, zero
//! 20  sequence number
//! 24  generation of the place
//! 28  keyed hash of all that, and of the verification tag that the answer must have
//! ```

use core::sync::atomic::{Ordering, compiler_fence};

use bytemuck::{Pod, Zeroable};

use super::{Interface, Rtt, siphash};
use crate::wire::Address;

/// What a probe's Heartbeat Info says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeInfo {
    /// The path's place in the map of probes.
    pub index: u32,
    /// Whose place it was when the probe was sent; see [`ProbePath::generation`].
    pub generation: u32,
    /// One more than the path's last probe.
    pub sequence: u32,
    /// CLOCK_MONOTONIC, nanoseconds.
    pub sent_at_ns: u64,
}

/// What an agent tells the one at the other end, in its probes. Nothing proves it but the tag of their packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Announcement {
    /// It sends the association's packets on two paths as soon as the other end does.
    pub would_copy: bool,
    /// It does so now.
    pub copies: bool,
}

impl Announcement {
    const WOULD_COPY: u8 = 1;
    const COPIES: u8 = 2;
    const WORD: usize = 4;

    const fn to_word(self) -> u32 {
        let would_copy = if self.would_copy { Self::WOULD_COPY } else { 0 };
        let copies = if self.copies { Self::COPIES } else { 0 };
        u32::from_ne_bytes([0, would_copy | copies, 0, 0])
    }

    /// What the words of a Heartbeat Info say.
    #[inline(always)]
    #[must_use]
    pub const fn of_words(words: &[u32; PROBE_INFO_LEN / 4]) -> Self {
        let said = words[Self::WORD].to_ne_bytes()[1];
        Self {
            would_copy: said & Self::WOULD_COPY != 0,
            copies: said & Self::COPIES != 0,
        }
    }
}

impl ProbeInfo {
    /// The Heartbeat Info, as it stands in the chunk.
    #[must_use]
    pub fn to_bytes(&self, key: [u64; 2], ack_tag: u32, says: Announcement) -> [u8; PROBE_INFO_LEN] {
        let hash = self.hash(key, ack_tag);
        let words: [u32; PROBE_INFO_LEN / 4] = [
            PROBE_MAGIC,
            self.index,
            self.sent_at_ns as u32,
            (self.sent_at_ns >> 32) as u32,
            says.to_word(),
            self.sequence,
            self.generation,
            hash as u32,
            (hash >> 32) as u32,
        ];
        bytemuck::must_cast(words)
    }

    /// What the words of a Heartbeat Info say, and its hash; nothing is proved by that.
    #[inline(always)]
    #[must_use]
    pub const fn of_words(words: &[u32; PROBE_INFO_LEN / 4]) -> (Self, u64) {
        let info = Self {
            index: words[1],
            generation: words[6],
            sequence: words[5],
            sent_at_ns: words[2] as u64 | (words[3] as u64) << 32,
        };
        (info, words[7] as u64 | (words[8] as u64) << 32)
    }

    /// The keyed hash of a probe whose answer has this verification tag.
    #[inline(always)]
    #[must_use]
    pub fn hash(&self, key: [u64; 2], ack_tag: u32) -> u64 {
        let pair = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
        siphash::hash_64(
            key,
            [
                pair(self.index, self.sequence),
                self.sent_at_ns,
                pair(self.generation, ack_tag),
            ],
        )
    }
}

/// Bytes of the Heartbeat Info that are read. What follows is padding, to the length that the local stack survives.
pub const PROBE_INFO_LEN: usize = 36;

/// How the Heartbeat Info of a probe begins, of whatever agent. No stack's does: Linux begins with an address family, usrsctp with
/// the time of day in seconds, and this is no time of this century in either byte order.
pub const PROBE_MAGIC: u32 = 0xf5c7_9b0e;

/// A path that is probed, by the agent. All zero while the place is free.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
pub struct ProbePath {
    /// Raised whenever the place passes to another path; 0 for none: nothing is recognised then.
    pub generation: u32,
    /// The verification tag of the probes.
    pub tag: u32,
    /// The verification tag of their answers.
    pub ack_tag: u32,
    /// SCTP source port of the probes.
    pub src_port: u16,
    /// SCTP destination port of the probes.
    pub dst_port: u16,
    /// Where the probes go.
    pub dst: Address,
    /// Room for more; 0.
    pub reserved: [u32; 8],
}

/// What the programs know of a path's probes.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
pub struct ProbeRecord {
    /// What was answered: in the upper half the highest sequence number, in the lower half bit n for the probe that was sent n
    /// before it; 0 for nothing. Both are one word, which is written last and read first: whoever finds an answer in it finds
    /// what is told of that answer, or of a later one.
    answers: u64,
    /// When the last answer came, CLOCK_MONOTONIC; 0 for never.
    pub answered_at_ns: u64,
    /// When the newest probe was sent that was answered, as it says itself.
    pub answered_sent_at_ns: u64,
    /// Time from a probe to its answer.
    pub rtt: Rtt,
    /// When the newest probe was sent that left, as it says itself.
    pub left_sent_at_ns: u64,
    /// Probes that left this host.
    pub left: u32,
    /// Answers. The same answer again does not count.
    pub answered: u32,
    /// Those that came from another address than the one probed.
    pub answered_elsewhere: u32,
    /// Those that came with other chunks: their packets were passed on to the stack.
    pub passed: u32,
    /// Answers that had come before, or so late that this cannot be told.
    pub repeated: u32,
    /// Where the last probe left.
    pub interface: Interface,
    /// Where the last answer arrived.
    pub arrived: Interface,
    /// Where the last answer came from that came from another address.
    pub ack_source: Address,
    /// Room for more; 0.
    pub reserved: [u32; 5],
}

impl ProbeRecord {
    /// A probe leaves.
    #[inline(always)]
    pub fn leaves(&mut self, probe: &ProbeInfo, interface: Interface) {
        self.left = self.left.wrapping_add(1);
        self.left_sent_at_ns = probe.sent_at_ns;
        self.interface = interface;
    }

    /// Whether the probe with this number is known to be answered.
    #[must_use]
    pub const fn has_answered(&self, sequence: u32) -> bool {
        let behind = self.highest().wrapping_sub(sequence);
        behind < WINDOW && self.window() >> behind & 1 != 0
    }

    /// This record, or the one that was read before it if nothing new was answered between them: an answer that a program is just
    /// writing is not seen before it is whole.
    #[must_use]
    pub const fn settled(self, before: &Self) -> Self {
        if self.answers != before.answers {
            return self;
        }
        Self {
            answered_at_ns: before.answered_at_ns,
            answered_sent_at_ns: before.answered_sent_at_ns,
            rtt: before.rtt,
            answered: before.answered,
            ..self
        }
    }

    #[inline(always)]
    const fn highest(&self) -> u32 {
        (self.answers >> 32) as u32
    }

    #[inline(always)]
    const fn window(&self) -> u32 {
        self.answers as u32
    }

    /// An answer that is genuine arrives; `false` if it is none, but the same as before.
    #[inline(always)]
    pub fn answered(&mut self, probe: &ProbeInfo, now_ns: u64) -> bool {
        let (highest, window) = (self.highest(), self.window());
        let ahead = probe.sequence.wrapping_sub(highest);
        let answers = if window == 0 || ahead != 0 && ahead < 1 << 31 {
            let kept = if ahead < WINDOW {
                window << (ahead & (WINDOW - 1))
            } else {
                0
            };
            self.answered_sent_at_ns = probe.sent_at_ns;
            pair(probe.sequence, kept | 1)
        } else {
            let behind = highest.wrapping_sub(probe.sequence);
            let bit = 1 << (behind & (WINDOW - 1));
            if behind >= WINDOW || window & bit != 0 {
                self.repeated = self.repeated.wrapping_add(1);
                return false;
            }
            pair(highest, window | bit)
        };
        self.answered = self.answered.wrapping_add(1);
        self.answered_at_ns = now_ns;
        self.rtt.sample(now_ns.saturating_sub(probe.sent_at_ns));
        // Whoever sees the answer sees what is told of it.
        compiler_fence(Ordering::Release);
        self.answers = answers;
        true
    }
}

#[inline(always)]
const fn pair(highest: u32, window: u32) -> u64 {
    (highest as u64) << 32 | window as u64
}

/// A place in the map of probes: each part has one writer, and a cache line of its own.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub struct ProbeSlot {
    /// What the programs know.
    pub record: ProbeRecord,
    /// What the agent says.
    pub path: ProbePath,
}

/// Answers that are told from repeated ones, behind the newest.
const WINDOW: u32 = u32::BITS;

const _: () = assert!(size_of::<ProbePath>() == 64);
const _: () = assert!(size_of::<ProbeRecord>() == 2 * 64);
const _: () = assert!(size_of::<ProbeSlot>() == 3 * 64);
const _: () = assert!(core::mem::offset_of!(ProbeRecord, answers) == 0);

#[cfg(test)]
mod tests {
    use super::*;

    const PROBE: ProbeInfo = ProbeInfo {
        index: 7,
        generation: 3,
        sequence: 100,
        sent_at_ns: 0x0123_4567_89ab_cdef,
    };

    fn words(bytes: [u8; PROBE_INFO_LEN]) -> [u32; PROBE_INFO_LEN / 4] {
        bytemuck::cast(bytes)
    }

    #[test]
    fn what_is_written_is_read_and_believed_under_its_key_and_tag_only() {
        for (would_copy, copies) in [(false, false), (true, false), (false, true), (true, true)] {
            let says = Announcement { would_copy, copies };
            let bytes = PROBE.to_bytes([1, 2], 9, says);
            assert_eq!(bytes[16], 0, "no address family");
            assert_eq!(Announcement::of_words(&words(bytes)), says);
            assert_eq!(ProbeInfo::of_words(&words(bytes)).0, PROBE);
        }
        let bytes = PROBE.to_bytes([1, 2], 9, Announcement::default());
        let (read, hash) = ProbeInfo::of_words(&words(bytes));
        assert_eq!(read.hash([1, 2], 9), hash);
        assert_ne!(read.hash([1, 3], 9), hash);
        assert_ne!(read.hash([1, 2], 8), hash);
    }

    #[test]
    fn every_bit_that_is_read_counts() {
        let bytes = PROBE.to_bytes([1, 2], 9, Announcement::default());
        for bit in (32..PROBE_INFO_LEN * 8).filter(|bit| !(128..160).contains(bit)) {
            let mut other = bytes;
            other[bit / 8] ^= 1 << (bit % 8);
            let (read, hash) = ProbeInfo::of_words(&words(other));
            assert_ne!(read.hash([1, 2], 9), hash, "bit {bit}");
        }
    }

    /// A program that is stopped within an answer has written what is told of it, but not the answer.
    #[test]
    fn what_is_told_of_an_answer_counts_with_the_answer() {
        let mut before = ProbeRecord::zeroed();
        before.answered(&PROBE, 500);
        let mut after = before;
        after.answered(
            &ProbeInfo {
                sequence: PROBE.sequence + 1,
                ..PROBE
            },
            900,
        );
        let half = ProbeRecord {
            answers: before.answers,
            ..after
        };
        assert_eq!(half.settled(&before), before);
        assert_eq!(after.settled(&before), after);
    }

    #[test]
    fn an_answer_counts_once_in_whatever_order_it_comes() {
        let mut record = ProbeRecord::zeroed();
        let mut answer = |sequence: u32| {
            let probe = ProbeInfo {
                sequence,
                sent_at_ns: u64::from(sequence),
                ..PROBE
            };
            record.answered(&probe, 1_000)
        };
        let first = u32::MAX - 1;
        assert!(answer(first));
        assert!(!answer(first));
        assert!(answer(first.wrapping_add(3)));
        assert!(answer(first.wrapping_add(2)));
        assert!(!answer(first.wrapping_add(2)));
        assert!(answer(first.wrapping_add(1)));
        assert!(!answer(first.wrapping_sub(35)), "too old to tell");
        assert!(answer(first.wrapping_add(200)));
        assert!(!answer(first.wrapping_add(3)));
        assert!(answer(first.wrapping_add(199)));
        assert_eq!((record.answered, record.repeated), (6, 4));
        assert_eq!(record.highest(), first.wrapping_add(200));
        assert!(
            record.has_answered(first.wrapping_add(199)) && !record.has_answered(first.wrapping_add(198))
        );
    }
}
