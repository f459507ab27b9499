//! Chance, from a seed: the same seed draws the same world on every machine.

use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// A source of random numbers.
#[derive(Debug)]
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    pub(crate) fn from_seed(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Dice of its own for a part of the world, so that what happens there does not shift what happens elsewhere.
    pub(crate) fn split(&mut self) -> Self {
        Self::from_seed(self.0.random())
    }

    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.0.random::<f64>() < probability
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0.random_range(0..end)
    }

    /// Evenly from `low` to `high`.
    pub(crate) fn between(&mut self, low: Duration, high: Duration) -> Duration {
        low + high.saturating_sub(low).mul_f64(self.0.random())
    }

    /// Evenly over the orders of magnitude from `low` to `high`.
    pub(crate) fn magnitude_between(&mut self, low: Duration, high: Duration) -> Duration {
        low.mul_f64((high.as_secs_f64() / low.as_secs_f64()).powf(self.0.random()))
    }

    /// The time to the next of events that happen independently, `mean` apart on average.
    pub(crate) fn exponential(&mut self, mean: Duration) -> Duration {
        mean.mul_f64(-(1.0 - self.0.random::<f64>()).ln())
    }
}
