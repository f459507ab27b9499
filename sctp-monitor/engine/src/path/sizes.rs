//! Which sizes of packets a path carries.
//!
//! Where large packets are lost and small ones pass, some link on the way has a smaller MTU than the sender believes, and
//! whatever should tell it does not: a path MTU black hole (RFC 2923). Random loss takes small packets as well, so one
//! packet that passes and is as large as the smallest lost one ends the suspicion. So does a minute without a loss: a sender
//! that has learned the MTU sends nothing as large any more. A full queue drops many packets at once, and what is small
//! passes a moment later: losses must go on beyond the first retransmission by time-out.

use std::time::Duration;

use sctp_monitor_common::abi::tsn_at_or_before;
use serde::{Deserialize, Serialize};

use crate::{config::RFC_RTO_MAX, model::Timestamp};

/// What was lost and what passed since a series of losses began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sizes {
    lost: u32,
    smallest_lost: u32,
    largest_passed: u32,
    first_lost: Timestamp,
    last_lost: Timestamp,
    /// Once the peer has all up to this TSN, what was lost first has passed after all; `None` if it was retransmitted
    /// elsewhere.
    repaired_at: Option<u32>,
}

impl Sizes {
    /// A packet of so many bytes was lost, and retransmitted on the same flow, which has sent up to TSN `highest_sent`, or on
    /// another one.
    pub(crate) fn on_lost(&mut self, bytes: u32, resent_here: bool, highest_sent: u32, now: Timestamp) {
        if self.lost == 0 {
            self.first_lost = now;
            self.repaired_at = Some(highest_sent);
        }
        self.repaired_at = self.repaired_at.filter(|_| resent_here);
        // What a full queue drops is lost once, and what was under way together is retransmitted bit by bit.
        if self.lost > 0 && now.since(self.last_lost) < QUEUE {
            self.smallest_lost = self.smallest_lost.min(bytes);
            return;
        }
        if self.lost == 0 || bytes < self.smallest_lost {
            self.smallest_lost = bytes;
        }
        self.lost = self.lost.saturating_add(1);
        self.last_lost = now;
        if self.smallest_lost <= self.largest_passed {
            *self = Self::default();
        }
    }

    /// The peer has all up to a TSN.
    pub(crate) fn on_cum_tsn_ack(&mut self, cum_tsn_ack: u32) {
        if self.lost > 0
            && self
                .repaired_at
                .is_some_and(|tsn| tsn_at_or_before(tsn, cum_tsn_ack))
        {
            *self = Self::default();
        }
    }

    /// A packet of so many bytes passed.
    pub(crate) fn on_passed(&mut self, bytes: u32, now: Timestamp) {
        if self.lost == 0 {
            return;
        }
        self.largest_passed = self.largest_passed.max(bytes);
        if self.smallest_lost <= self.largest_passed || now.since(self.last_lost) > FORGOTTEN {
            *self = Self::default();
        }
    }

    /// The smallest packet that was lost and the largest that passed, once it is clear that size is what matters.
    pub(crate) fn black_hole(&self, losses: u32) -> Option<(u32, Option<u32>)> {
        let passed = (self.largest_passed > 0).then_some(self.largest_passed);
        let goes_on = self.last_lost.since(self.first_lost) >= ONE_BURST;
        (self.lost >= losses && goes_on).then_some((self.smallest_lost, passed))
    }
}

/// The longest queue of a usual network: what it drops within that time it drops at once.
const QUEUE: Duration = Duration::from_millis(200);

/// What a burst loses is retransmitted by then, or its sender's time-out has passed: RTO.Min (RFC 9260 section 16).
const ONE_BURST: Duration = Duration::from_secs(1);

/// Without a loss for so long, nothing as large is sent any more: the longest RTO has passed.
const FORGOTTEN: Duration = RFC_RTO_MAX;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn large_packets_that_never_pass_are_a_black_hole() {
        let mut sizes = Sizes::default();
        for (bytes, second) in [1_448, 1_300, 1_448, 1_448].into_iter().zip(10..) {
            sizes.on_lost(bytes, false, second as u32, at(second));
            sizes.on_passed(148, at(second));
        }
        assert_eq!(sizes.black_hole(4), Some((1_300, Some(148))));
        sizes.on_passed(1_400, at(14));
        assert_eq!(sizes.black_hole(4), None);
    }

    #[test]
    fn a_sender_that_sends_nothing_as_large_any_more_ends_it() {
        let mut sizes = Sizes::default();
        for seconds in 10..14 {
            sizes.on_lost(1_448, false, seconds as u32, at(seconds));
        }
        sizes.on_passed(1_300, at(70));
        assert_eq!(sizes.black_hole(4), Some((1_448, Some(1_300))));
        sizes.on_passed(1_300, at(74));
        assert_eq!(sizes.black_hole(4), None);
    }

    #[test]
    fn what_is_repaired_on_the_same_path_did_pass() {
        for resent_here in [true, false] {
            let mut sizes = Sizes::default();
            for second in 10..20 {
                sizes.on_lost(
                    1_448,
                    resent_here,
                    u32::MAX.wrapping_add(second as u32 - 10),
                    at(second),
                );
                sizes.on_passed(148, at(second));
                sizes.on_cum_tsn_ack(u32::MAX - 1);
            }
            assert_eq!(sizes.black_hole(4), Some((1_448, Some(148))));
            sizes.on_cum_tsn_ack(1);
            assert_eq!(sizes.black_hole(4).is_none(), resent_here);
        }
    }

    #[test]
    fn a_burst_of_losses_is_none() {
        let mut sizes = Sizes::default();
        for tsn in 0..20 {
            sizes.on_lost(1_448, false, tsn, at(10));
        }
        sizes.on_passed(148, at(11));
        assert_eq!(sizes.black_hole(4), None);
    }

    #[test]
    fn random_loss_is_none() {
        let mut sizes = Sizes::default();
        for tsn in 0..20 {
            sizes.on_lost(1_448, false, tsn, at(10 + u64::from(tsn)));
            sizes.on_passed(1_448, at(10));
            sizes.on_lost(148, false, tsn + 100, at(10));
            sizes.on_passed(148, at(10));
        }
        assert_eq!(sizes.black_hole(4), None);
    }
}
