//! A TSN that never arrives, while later ones do, seen from the receiver's side.
//!
//! Who sits behind the place of a loss sees no retransmission, only what the receiver says: its cumulative TSN ack stands still
//! beneath gap ack blocks. A chunk that is lost by chance is retransmitted and comes late; where none comes late while newer
//! packets go on arriving, it is not chance that keeps this one away.

use std::time::Duration;

use sctp_monitor_common::abi::SenderState;
use serde::{Deserialize, Serialize};

use crate::model::Timestamp;

/// The TSN that is missing on a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MissingTsn {
    /// The lowest TSN that has not arrived.
    pub(crate) tsn: u32,
    /// When it was first seen to be missing.
    since: Timestamp,
    /// Newer packets that have arrived since.
    newer: u32,
    /// The largest of them, bytes by the IP header; 0 if no size is known.
    pub(crate) largest: u32,
}

impl MissingTsn {
    /// What is missing after a look at the record, which tells of `tsn`, and of so many more packets that have passed.
    pub(crate) fn follow(
        known: Option<Self>,
        tsn: Option<u32>,
        newer: u32,
        bytes: u32,
        now: Timestamp,
    ) -> Option<Self> {
        let mut missing = known
            .filter(|known| Some(known.tsn) == tsn)
            .or(tsn.map(|tsn| Self {
                tsn,
                since: now,
                newer: 0,
                largest: 0,
            }))?;
        if newer > 0 {
            missing.newer = missing.newer.saturating_add(newer);
            missing.largest = missing.largest.max(bytes);
        }
        Some(missing)
    }

    /// Whether the peer waits for it still, though it lies so far back that the programs do not know any more what they saw.
    pub(crate) fn is_beyond(&self, sender: &SenderState) -> bool {
        let behind = sender.highest_tsn.wrapping_sub(self.tsn);
        let is_next = self.tsn == sender.cum_tsn_ack.wrapping_add(1);
        is_next && (SenderState::TSN_WINDOW..=u32::MAX / 2).contains(&behind)
    }

    /// Whether chance does not explain it any more.
    pub(crate) fn never_arrives(&self, now: Timestamp) -> bool {
        now.since(self.since) >= FOUR_TIMES && self.newer >= NEWER
    }
}

/// By then a chunk was retransmitted four times: fast, and by T3-rtx after 1, 3 and 7 s (RTO.Min doubled, RFC 9260 sections
/// 6.3.3 and 16).
const FOUR_TIMES: Duration = Duration::from_secs(10);
/// So many newer packets pass meanwhile, at least: as many as the retransmissions that do not.
const NEWER: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_nanos(seconds * 1_000_000_000)
    }

    /// TSN 7 is missing for so many seconds, in each of which a packet passes.
    fn missing_for(seconds: u64) -> MissingTsn {
        let looks = 100..=100 + seconds;
        let follow = |known, second| MissingTsn::follow(known, Some(7), 1, 144, at(second));
        looks.fold(None, follow).unwrap()
    }

    #[test]
    fn one_that_stays_away_for_long_never_arrives() {
        assert!(!missing_for(9).never_arrives(at(109)));
        let missing = missing_for(12);
        assert!(missing.never_arrives(at(112)));
        assert_eq!((missing.tsn, missing.largest), (7, 144));
    }

    #[test]
    fn silence_is_no_evidence() {
        let missing = missing_for(2);
        assert!(!missing.never_arrives(at(200)));
    }

    #[test]
    fn one_that_arrives_after_all_gives_way_to_the_next() {
        let missing = MissingTsn::follow(Some(missing_for(12)), Some(9), 1, 144, at(113)).unwrap();
        assert_eq!((missing.tsn, missing.never_arrives(at(115))), (9, false));
        assert_eq!(MissingTsn::follow(Some(missing), None, 1, 144, at(116)), None);
    }
}
