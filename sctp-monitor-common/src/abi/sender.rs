//! What is known of the TSNs of one direction of an association, and how TSNs compare (RFC 9260 section 1.6).

use bytemuck::{Pod, Zeroable};

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

    /// The first TSN behind `from`, up to `to`, that was not seen though a later one was; as far back as is remembered.
    #[must_use]
    pub fn first_unseen(&self, from: u32, to: u32) -> Option<u32> {
        let oldest = self.highest_tsn.wrapping_sub(Self::TSN_WINDOW - 1);
        let first = from.wrapping_add(1);
        let first = if tsn_after(first, oldest) { first } else { oldest };
        let last = if tsn_after(to, self.highest_tsn) {
            self.highest_tsn
        } else {
            to
        };
        let length = last.wrapping_sub(first).wrapping_add(1);
        let is_seen = |tsn: u32| self.window[(tsn >> 6) as usize & 1] & (1 << (tsn & 63)) != 0;
        (0..length)
            .take(if tsn_after(first, last) {
                0
            } else {
                Self::TSN_WINDOW as usize
            })
            .map(|ahead| first.wrapping_add(ahead))
            .find(|tsn| !is_seen(*tsn))
    }

    /// Knows nothing any more. What is left in the other fields counts for nothing, and is not zeroed: LLVM would call memset
    /// for it, and before Linux 6.4 the verifier follows a program with calls many times as long.
    #[inline(always)]
    pub fn forget(&mut self) {
        self.seen = 0;
    }

    /// DATA begins with this TSN, if none was seen yet.
    #[inline(always)]
    pub fn begin(&mut self, tsn: u32) {
        if !self.data_seen() {
            self.highest_tsn = tsn.wrapping_sub(1);
            self.window[0] = 0;
            self.window[1] = 0;
            self.seen |= Self::DATA_SEEN;
        }
    }

    /// Takes note of a DATA chunk, after [`Self::begin`].
    ///
    /// With few branches: the verifier follows each one once for every chunk that a packet may hold.
    #[inline(always)]
    pub fn sent(&mut self, tsn: u32) -> Sent {
        let word = (tsn >> 6) as usize & 1;
        let bit = 1_u64 << (tsn & 63);
        let behind = self.highest_tsn.wrapping_sub(tsn);
        if (behind as i32) < 0 {
            self.advance(tsn);
            self.window[word] |= bit;
            return Sent::Ahead;
        }
        let is_near = negative(behind.wrapping_sub(Self::TSN_WINDOW));
        let known = self.window[word] | !is_near;
        self.window[word] |= bit & is_near;
        if known & bit == 0 {
            Sent::Behind(behind)
        } else {
            Sent::Again
        }
    }

    /// Whether a TSN was seen; `true` as well for one that is too old to know.
    #[must_use]
    pub fn saw(&self, tsn: u32) -> bool {
        let behind = self.highest_tsn.wrapping_sub(tsn);
        let bit = 1_u64 << (tsn & 63);
        behind >= Self::TSN_WINDOW || self.window[(tsn >> 6) as usize & 1] & bit != 0
    }

    /// The lowest TSN that has not arrived, if later ones have and it was not seen either: it was lost before the place where
    /// the program stands, each time that it was sent.
    #[must_use]
    pub fn missing(&self) -> Option<u32> {
        let next = self.cum_tsn_ack.wrapping_add(1);
        let others_arrived = self.sack_seen() && tsn_after(self.highest_acked, next);
        (self.data_seen() && others_arrived && !self.saw(next)).then_some(next)
    }

    /// Moves the window so that `tsn`, which is higher than all before, is its newest, and forgets what falls out.
    #[inline(always)]
    fn advance(&mut self, tsn: u32) {
        let ahead = tsn.wrapping_sub(self.highest_tsn);
        if ahead == 1 {
            self.window[(tsn >> 6) as usize & 1] &= !(1_u64 << (tsn & 63));
        } else {
            let all = !negative(ahead.wrapping_sub(Self::TSN_WINDOW));
            let from = self.highest_tsn.wrapping_add(1);
            let [low, high] = run_mask(from, ahead);
            // Not by zeroes where it is all: LLVM would make two of them a call of memset, and before Linux 6.4 the
            // verifier follows a program with calls many times as long.
            self.window[0] &= !(low | all);
            self.window[1] &= !(high | all);
        }
        self.highest_tsn = tsn;
    }

    /// Whether a SACK up to this TSN acknowledges DATA that was seen and not acknowledged before: nobody who does not see
    /// the packets can know which TSNs these are.
    #[inline(always)]
    #[must_use]
    pub fn awaits(&self, highest_acked: u32) -> bool {
        let behind = self.highest_tsn.wrapping_sub(highest_acked);
        self.data_seen()
            && behind < Self::MOST_AWAITED
            && (!self.sack_seen() || tsn_after(highest_acked, self.highest_acked))
    }

    /// TSNs that are taken to be under way at most, where no SACK was seen yet: a guess hits one of them by 2^-20.
    const MOST_AWAITED: u32 = 1 << 12;

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

/// What a DATA chunk is among those seen before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// Its TSN is higher than all.
    Ahead,
    /// So many later TSNs were seen, but not this one.
    Behind(u32),
    /// Its TSN was seen, or is too old to know.
    Again,
}

/// All ones if the number is negative, zero otherwise. A comparison would be a branch.
#[inline(always)]
pub(crate) const fn negative(number: u32) -> u64 {
    ((number as i32) >> 31) as i64 as u64
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

#[cfg(test)]
mod tests {
    use super::*;

    fn is_new(sender: &mut SenderState, tsn: u32) -> bool {
        sender.begin(tsn);
        sender.sent(tsn) != Sent::Again
    }

    fn sender(tsns: impl IntoIterator<Item = u32>) -> SenderState {
        let mut sender = SenderState::zeroed();
        for tsn in tsns {
            is_new(&mut sender, tsn);
        }
        sender
    }

    #[test]
    fn a_tsn_is_new_once() {
        let mut sender = sender([]);
        assert!(is_new(&mut sender, 7));
        assert!(!is_new(&mut sender, 7));
        assert!(is_new(&mut sender, 8));
        assert!(!is_new(&mut sender, 7));
    }

    #[test]
    fn reordering_is_no_retransmission() {
        let mut sender = sender([100, 103]);
        assert!(is_new(&mut sender, 101));
        assert!(is_new(&mut sender, 102));
        assert!(!is_new(&mut sender, 101));
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
    fn a_tsn_that_was_left_out_is_found() {
        for start in [100_u32, u32::MAX - 3] {
            let at = |ahead: u32| start.wrapping_add(ahead);
            let sender = sender([0, 1, 2, 4, 6].map(at));
            assert_eq!(sender.first_unseen(at(0), at(6)), Some(at(3)));
            assert_eq!(sender.first_unseen(at(3), at(6)), Some(at(5)));
            assert_eq!(sender.first_unseen(at(0), at(2)), None, "it is not asked about");
            assert_eq!(sender.first_unseen(at(5), at(9)), None, "what is still to come");
            assert_eq!(sender.first_unseen(at(6), at(0)), None);
        }
        let long = sender((0..300).filter(|tsn| *tsn != 20 && *tsn != 250));
        assert_eq!(long.first_unseen(0, 299), Some(250), "20 is forgotten");
    }

    #[test]
    fn the_window_moves_over_the_wrap() {
        let mut sender = sender([u32::MAX - 1]);
        for tsn in [u32::MAX, 0, 1, 2] {
            assert!(is_new(&mut sender, tsn), "{tsn}");
        }
        for tsn in [u32::MAX - 1, u32::MAX, 0, 2] {
            assert!(!is_new(&mut sender, tsn), "{tsn}");
        }
        assert_eq!(sender.highest_tsn, 2);
    }

    #[test]
    fn what_falls_out_of_the_window_counts_as_seen() {
        let mut sender = sender([0, 200]);
        assert!(!is_new(&mut sender, 72), "128 behind: too old to know");
        assert!(is_new(&mut sender, 73), "127 behind: known to be missing");
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
                assert_eq!(
                    is_new(&mut window, tsn),
                    expected,
                    "start {start} step {step} tsn {tsn}"
                );
                if step == 0 || behind < 0 {
                    highest = tsn;
                }
            }
        }
    }

    #[test]
    fn what_is_forgotten_is_new_again() {
        let mut sender = sender([10, 11, 13]);
        assert!(sender.acknowledged(10, 13));
        sender.forget();
        assert!(!sender.data_seen() && !sender.sack_seen());
        assert!(is_new(&mut sender, 11), "of another association");
        assert!(is_new(&mut sender, 13) && is_new(&mut sender, 12));
        assert!(sender.acknowledged(5, 5));
        assert_eq!((sender.cum_tsn_ack, sender.highest_acked), (5, 5));
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
    fn serial_numbers_wrap() {
        assert!(tsn_after(1, u32::MAX));
        assert!(!tsn_after(u32::MAX, 1));
        assert!(tsn_at_or_before(5, 5));
    }
}
