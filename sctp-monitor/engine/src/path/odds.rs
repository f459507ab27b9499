//! How unlikely a silence is on a path that works.
//!
//! Every path loses a packet now and then, and a lost answer looks like a dead path. So what counts is not how long the
//! silence lasts but how many answers are missing in a row, against how often one is missing while the path works. A
//! path that loses nothing is called dead after two missing answers, one that loses 1 % after five: both are wrong
//! equally rarely.

use serde::{Deserialize, Serialize};

/// Packets of which the path's loss is remembered; what lies further back counts half. At 20 messages a second that is
/// a quarter of an hour.
const MEMORY: f32 = 20_000.0;

/// What is believed of a path of which nothing is known has the weight of so many packets.
const PRIOR_SENT: f32 = 33.0;
/// A loss of 0.03 % for DATA. A path that loses 1 % shows it by its first loss, in all but one of 400 cases: then its
/// first loss is of two answers in a row.
const PRIOR_DATA_LOST: f32 = 0.01;
/// A loss of 0.3 % for heartbeats: they are few, and there is time.
const PRIOR_HEARTBEATS_LOST: f32 = 0.1;

/// Never fewer answers than this must be missing: one lost packet is no failure.
const FEWEST: u32 = 2;
/// Never more: a path that loses most of its packets is as good as dead.
const MOST: u32 = 64;

/// Loss as it was while the path worked.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Odds {
    sent: f32,
    lost: f32,
    prior_lost: f32,
}

impl Odds {
    /// Nothing is known of how much DATA is lost.
    pub(crate) const fn of_data() -> Self {
        Self {
            sent: 0.0,
            lost: 0.0,
            prior_lost: PRIOR_DATA_LOST,
        }
    }

    /// Nothing is known of how many heartbeats are lost.
    pub(crate) const fn of_heartbeats() -> Self {
        Self {
            prior_lost: PRIOR_HEARTBEATS_LOST,
            ..Self::of_data()
        }
    }

    /// So many more packets were sent, and so many answers stayed out.
    pub(crate) fn count(&mut self, sent: u32, lost: u32) {
        self.sent += sent as f32;
        self.lost += lost as f32;
        if self.sent > MEMORY {
            self.sent /= 2.0;
            self.lost /= 2.0;
        }
    }

    /// The odds, of these two, that were taken from more packets.
    pub(crate) fn or_richer(self, other: Self) -> Self {
        if other.sent > self.sent { other } else { self }
    }

    /// The odds of a path of which little is known: those of its neighbours, who share the network with it.
    pub(crate) fn or_of_neighbours(self, neighbours: Self) -> Self {
        if self.are_young() {
            self.or_richer(neighbours)
        } else {
            self
        }
    }

    /// Whether too little was sent to tell a path that loses 1 % from one that loses nothing.
    pub(crate) fn are_young(&self) -> bool {
        self.sent < PRIOR_SENT
    }

    /// The chance that one answer stays out while the path works.
    fn of_silence(&self) -> f32 {
        ((self.lost + self.prior_lost) / (self.sent + PRIOR_SENT)).min(1.0)
    }

    /// How many answers in a row must be missing until that happens by chance once in `1 / chance` times only.
    pub(crate) fn required(&self, chance: f32) -> u32 {
        let answers = (chance.ln() / self.of_silence().ln()).ceil();
        if answers.is_finite() && answers > 0.0 {
            (answers as u32).clamp(FEWEST, MOST)
        } else {
            MOST
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(sent: u32, lost: u32) -> Odds {
        let mut odds = Odds::of_data();
        odds.count(sent, lost);
        odds
    }

    #[test]
    fn a_clean_path_is_given_up_soon_and_a_lossy_one_late() {
        let required = |sent, lost| after(sent, lost).required(1e-7);
        assert_eq!(required(0, 0), 2);
        assert_eq!(required(100, 1), 4);
        assert_eq!(required(400, 0), 2);
        assert_eq!(required(1_000, 20), 5);
        assert!(required(1_000, 360) > 15);
        assert_eq!(required(1_000, 1_000), MOST);
    }

    #[test]
    fn a_path_of_which_little_is_known_has_its_neighbours_odds() {
        let (unknown, lossy, clean) = (after(3, 0), after(1_000, 20), after(5_000, 0));
        assert_eq!(unknown.or_of_neighbours(lossy).required(1e-7), 5);
        assert_eq!(unknown.or_of_neighbours(Odds::of_data()), unknown);
        assert_eq!(lossy.or_of_neighbours(clean), lossy);
    }

    #[test]
    fn what_was_long_ago_counts_less() {
        let mut odds = after(1_000, 100);
        for _ in 0..100 {
            odds.count(1_000, 0);
        }
        assert!(odds.of_silence() < 0.001);
    }
}
