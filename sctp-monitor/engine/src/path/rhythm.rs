//! How often an endpoint sends HEARTBEATs over a path: by the intervals between those that were seen.
//!
//! HB.interval is the endpoint's own affair, and is told to nobody (RFC 9260 section 8.3). An idle path has one in each
//! interval, so what is expected next follows from what came before.

use std::time::Duration;

use crate::model::Timestamp;

/// The HEARTBEATs of one flow.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rhythm {
    seen: u64,
    last_at: Option<Timestamp>,
    /// The newest interval and the one before it.
    intervals: [Option<Duration>; 2],
}

impl Rhythm {
    /// So many were seen by now, and the flow's last packet passed at that time.
    pub(crate) fn notice(&mut self, heartbeats: u64, last_seen: Timestamp) {
        if heartbeats <= self.seen {
            return;
        }
        self.seen = heartbeats;
        // An endpoint confirms a path by several at once (RFC 9260 section 5.4): that is no rhythm.
        let interval = self
            .last_at
            .replace(last_seen)
            .map(|last| last_seen.since(last))
            .filter(|interval| *interval >= LEAST);
        if interval.is_some() {
            self.intervals = [interval, self.intervals[0]];
        }
    }

    /// How long the path is without a HEARTBEAT, at most, while all is well; `None` before two intervals were seen.
    pub(crate) fn longest(&self) -> Option<Duration> {
        let [newest, before] = self.intervals;
        Some(newest?.max(before?))
    }
}

/// Shorter intervals are of an endpoint that asks again, or of a third party's probes.
const LEAST: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn two_intervals_make_a_rhythm() {
        let mut rhythm = Rhythm::default();
        for (count, ms) in [(1, 1_000), (2, 1_020), (3, 6_000)] {
            rhythm.notice(count, at(ms));
        }
        assert_eq!(rhythm.longest(), None);
        rhythm.notice(3, at(9_000));
        rhythm.notice(4, at(12_000));
        assert_eq!(rhythm.longest(), Some(Duration::from_millis(6_000)));
        rhythm.notice(5, at(17_000));
        rhythm.notice(6, at(22_000));
        assert_eq!(rhythm.longest(), Some(Duration::from_millis(5_000)), "it follows");
    }
}
