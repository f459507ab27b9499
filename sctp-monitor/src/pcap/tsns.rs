//! Which TSNs a capture has: exactly, for as long as it takes.
//!
//! The programs know the last 128 TSNs of a direction; a capture is counted exactly. TSNs come nearly in order, so what was
//! seen is a few runs, and nearly every new one makes the newest run longer.

use std::collections::BTreeMap;

/// The TSNs of one direction of an association.
#[derive(Debug, Clone, Default)]
pub(crate) struct TsnSet {
    /// First and last TSN of the run that grows; it is not among the others.
    newest: Option<(u32, u32)>,
    /// First TSN of the next run after it.
    following: Option<u32>,
    /// The other runs, last TSN by first.
    runs: BTreeMap<u32, u32>,
}

impl TsnSet {
    /// Enters a TSN; `false` if it was there already.
    #[inline]
    pub(crate) fn insert(&mut self, tsn: u32) -> bool {
        let Some((first, last)) = self.newest else {
            self.newest = Some((tsn, tsn));
            return true;
        };
        if first <= tsn && tsn <= last {
            return false;
        }
        if last.checked_add(1) == Some(tsn) && self.following != Some(tsn) {
            self.newest = Some((first, tsn));
            self.join_following();
            return true;
        }
        self.insert_elsewhere(first, last, tsn)
    }

    /// Runs that are kept.
    pub(crate) fn runs(&self) -> usize {
        self.runs.len() + usize::from(self.newest.is_some())
    }

    fn insert_elsewhere(&mut self, first: u32, last: u32, tsn: u32) -> bool {
        self.runs.insert(first, last);
        let before = self
            .runs
            .range(..=tsn)
            .next_back()
            .map(|(first, last)| (*first, *last));
        let (run, is_new) = match before {
            Some((first, last)) if tsn <= last => ((first, last), false),
            Some((first, last)) if last.checked_add(1) == Some(tsn) => ((first, tsn), true),
            _ => ((tsn, tsn), true),
        };
        self.runs.remove(&run.0);
        self.newest = Some(run);
        self.following = self.runs.range(run.0..).next().map(|(first, _)| *first);
        self.join_following();
        is_new
    }

    /// The run that grows has reached the next one.
    fn join_following(&mut self) {
        let Some((first, last)) = self.newest else {
            return;
        };
        if let Some(following) = self.following
            && last.checked_add(1) == Some(following)
            && let Some(end) = self.runs.remove(&following)
        {
            self.newest = Some((first, end));
            self.following = self.runs.range(following..).next().map(|(first, _)| *first);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn it_is_a_set() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        for start in [0_u32, 1_000, u32::MAX - 40] {
            let mut runs = TsnSet::default();
            let mut set = HashSet::new();
            for step in 0..20_000_u32 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let jump = (state >> 33) as u32 % 200;
                let tsn = start.wrapping_add(step / 8).wrapping_add(jump).wrapping_sub(100);
                assert_eq!(runs.insert(tsn), set.insert(tsn), "step {step}, TSN {tsn}");
            }
        }
    }

    #[test]
    fn what_comes_in_order_is_one_run() {
        let mut runs = TsnSet::default();
        for tsn in (0..1_000).chain([1_002, 1_001, 1_000]) {
            assert!(runs.insert(tsn));
        }
        assert_eq!(runs.runs(), 1);
        assert!(!runs.insert(1_001));
    }

    #[test]
    fn the_ends_of_the_numbers_are_no_neighbours() {
        let mut runs = TsnSet::default();
        for tsn in [u32::MAX, 0, u32::MAX - 1, 1] {
            assert!(runs.insert(tsn), "{tsn}");
            assert!(!runs.insert(tsn), "{tsn}");
        }
    }
}
