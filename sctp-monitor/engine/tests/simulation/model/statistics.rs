//! What came out of many trials.

use std::time::Duration;

/// Counts over any number of trials.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Watched while nothing was broken, summed over the paths.
    pub(crate) path_time: Duration,
    /// Reports in it, all of them false.
    pub(crate) false_reports: u64,
    /// Paths in it that were thought to be potentially failed, and did not fail.
    pub(crate) doubts: u64,
    /// From each break to its report.
    pub(crate) detected: Vec<Duration>,
    /// Breaks that were not reported.
    pub(crate) missed: u64,
    /// Reports after a break, of a path that was not broken.
    pub(crate) misplaced: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.path_time += other.path_time;
        self.false_reports += other.false_reports;
        self.doubts += other.doubts;
        self.detected.extend(other.detected);
        self.missed += other.missed;
        self.misplaced += other.misplaced;
    }

    pub(crate) fn breaks(&self) -> u64 {
        self.missed + u64::try_from(self.detected.len()).unwrap_or(u64::MAX)
    }

    /// The time within which this share of the breaks was reported; `None` if more than the rest was missed.
    pub(crate) fn detected_within(&self, share: f64) -> Option<Duration> {
        let mut times = self.detected.clone();
        times.sort_unstable();
        // Nearest rank: of 100 breaks, the 99th.
        let rank = (share * self.breaks() as f64).ceil().max(1.0) as usize;
        times.get(rank - 1).copied()
    }
}
