//! How long something took, many times.

/// Durations in nanoseconds, in order.
pub(crate) struct Times(Vec<u64>);

impl Times {
    pub(crate) fn of(times: impl Iterator<Item = u64>) -> Self {
        let mut times: Vec<_> = times.collect();
        times.sort_unstable();
        Self(times)
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The smallest that is not exceeded by this share of all (nearest rank), in milliseconds. The share 0 is the smallest.
    pub(crate) fn at(&self, share: f64) -> Option<f64> {
        let rank = (share * self.0.len() as f64).ceil() as usize;
        let ns = self.0.get(rank.max(1) - 1)?;
        Some(*ns as f64 / 1e6)
    }
}
