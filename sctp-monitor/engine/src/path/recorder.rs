//! Whether whoever recorded a file may have stood still: what passed meanwhile is not in the file.
//!
//! No packet tells it. But where nothing at all was captured for much longer than ever before, an answer that was due then may
//! have come. Who waits for one goes on asking, so that the next answer tells.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::Timestamp;

/// When packets were captured.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Recorder {
    last: Option<Timestamp>,
    /// The longest time from a packet to the next.
    longest: Duration,
    gap: Option<Gap>,
}

/// A time in which nothing was captured, though something may have passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Gap {
    from: Timestamp,
    to: Timestamp,
}

impl Recorder {
    /// A packet was captured.
    pub(crate) fn on_packet(&mut self, at: Timestamp) {
        let last = *self.last.get_or_insert(at);
        if at <= last {
            return;
        }
        let pause = at.since(last);
        if pause > self.longest * MUCH {
            self.gap = Some(Gap { from: last, to: at });
        }
        self.longest = self.longest.max(pause);
        self.last = Some(at);
    }

    /// When the last packet was captured.
    pub(crate) fn captured_until(&self) -> Timestamp {
        self.last.unwrap_or_default()
    }

    /// The last time in which it may have stood still.
    pub(crate) fn gap(&self) -> Option<Gap> {
        self.gap
    }
}

impl Gap {
    /// Whether an answer that is due from one time to the other may have come in it.
    pub(crate) fn overlaps(&self, from: Timestamp, to: Timestamp) -> bool {
        from < self.to && self.from < to
    }
}

/// So many times as long as ever before.
const MUCH: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn only_a_pause_that_is_much_longer_than_all_before_is_a_gap() {
        let mut recorder = Recorder::default();
        for ms in [1_000, 1_070, 1_200, 1_700] {
            recorder.on_packet(at(ms));
        }
        let early = recorder.gap();
        recorder.on_packet(at(3_500));
        assert_eq!(recorder.gap(), early, "1.8 s after 500 ms");
        recorder.on_packet(at(13_500));
        let gap = recorder.gap().unwrap();
        assert!(gap.overlaps(at(3_450), at(3_600)) && gap.overlaps(at(13_000), at(14_000)));
        assert!(!gap.overlaps(at(3_000), at(3_400)) && !gap.overlaps(at(13_600), at(13_700)));
        assert_eq!(recorder.captured_until(), at(13_500));
    }
}
