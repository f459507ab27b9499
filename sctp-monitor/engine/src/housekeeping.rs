//! When time alone is looked after, and how much of everything is looked at then.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::Timestamp;

/// The rounds of housekeeping.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Housekeeping {
    next_at: Option<Timestamp>,
    slice: Slice,
}

impl Housekeeping {
    /// When the next round is due; `None` before the first one.
    pub(crate) fn next_at(&self) -> Option<Timestamp> {
        self.next_at
    }

    /// Whether a round is due.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        // A clock that went back must not put it off until it shows the same again.
        self.next_at.is_none_or(|at| at <= now || at > now + INTERVAL)
    }

    /// Begins a round; gives what is looked at in it, of so many flows.
    pub(crate) fn begin(&mut self, flows: usize, now: Timestamp) -> Slice {
        self.next_at = Some(now + INTERVAL);
        self.slice = Slice {
            round: self.slice.round.wrapping_add(1),
            of: (1 + flows as u64 / FLOWS_PER_SLICE).min(MOST_SLICES),
        };
        self.slice
    }
}

/// What housekeeping looks at in one round. With many flows it takes several rounds to see all: the driver must not be kept
/// from its sweeps.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Slice {
    round: u64,
    of: u64,
}

impl Default for Slice {
    fn default() -> Self {
        Self { round: 0, of: 1 }
    }
}

impl Slice {
    /// Whether whatever has this number is looked at in this round.
    pub(crate) fn has(self, number: u64) -> bool {
        number % self.of == self.round % self.of
    }
}

/// How often the engine looks after what only time changes.
const INTERVAL: Duration = Duration::from_secs(1);
/// Flows that are looked at in one round of housekeeping: some milliseconds.
const FLOWS_PER_SLICE: u64 = 4_096;
/// Rounds in which everything is seen, at most.
const MOST_SLICES: u64 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_looked_at_once_in_as_many_rounds_as_there_are_slices() {
        let mut housekeeping = Housekeeping::default();
        let now = Timestamp::from_nanos(1);
        let flows = 3 * FLOWS_PER_SLICE as usize;
        let mut looks = vec![0; flows];
        for _ in 0..4 {
            let slice = housekeeping.begin(flows, now);
            for (number, looks) in looks.iter_mut().enumerate() {
                *looks += u32::from(slice.has(number as u64));
            }
        }
        assert!(looks.iter().all(|looks| *looks == 1));
    }

    #[test]
    fn a_clock_that_goes_back_does_not_put_it_off() {
        let mut housekeeping = Housekeeping::default();
        let at = |seconds: u64| Timestamp::from_nanos(seconds * 1_000_000_000);
        assert!(housekeeping.is_due(at(100)));
        housekeeping.begin(0, at(100));
        assert!(!housekeeping.is_due(at(100)));
        assert!(housekeeping.is_due(at(101)));
        assert!(housekeeping.is_due(at(50)));
    }
}
