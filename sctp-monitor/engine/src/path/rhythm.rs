//! How often an endpoint sends HEARTBEATs over a path: by the intervals between those that were answered. Anyone can send packets that
//! look like HEARTBEATs, but nobody answers them.
//!
//! HB.interval is the endpoint's own affair, and is told to nobody (RFC 9260 section 8.3). An idle path has one in each
//! interval, so what is expected next follows from what came before. An endpoint that gets no answer asks sooner (RFC 7829
//! section 4.2), each time a time-out later that doubles: so intervals that differ much are no rhythm, and the longest one counts.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::Timestamp;

/// The HEARTBEATs of one flow.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Rhythm {
    answered: u32,
    last_at: Option<Timestamp>,
    /// The newest intervals, the newest first.
    intervals: [Option<Duration>; 2],
    /// For how long each interval was about as long as the one before.
    steady: Duration,
    /// The longest one of those that were steady for long enough.
    usual: Option<Duration>,
    repeated: u32,
}

impl Rhythm {
    /// So many were answered by now, the last one at that time.
    pub(crate) fn notice(&mut self, answered: u32, at: Timestamp) {
        if answered == self.answered {
            return;
        }
        self.answered = answered;
        // An endpoint confirms a path by several at once (RFC 9260 section 5.4): that is no rhythm.
        let interval = self
            .last_at
            .replace(at)
            .map(|last| at.since(last))
            .filter(|interval| *interval >= LEAST);
        let Some(interval) = interval else {
            return;
        };
        self.intervals = [Some(interval), self.intervals[0]];
        match self.intervals {
            [Some(newest), Some(before)] if newest.min(before) * 3 / 2 >= newest.max(before) => {
                self.steady += newest;
                if self.steady >= STEADY {
                    self.usual = self.usual.max(Some(newest.max(before)));
                }
            }
            _ => self.steady = interval,
        }
        let is_sooner = self.usual.is_some_and(|usual| interval * 2 < usual);
        self.repeated = if is_sooner { self.repeated + 1 } else { 0 };
    }

    /// How long the path is without a HEARTBEAT before one is overdue: the endpoint's time-out, by which each interval is longer,
    /// doubles with each failure (RFC 9260 sections 8.1, 8.3), so half of the usual time more.
    pub(crate) fn overdue_after(&self) -> Option<Duration> {
        self.usual.map(|usual| usual * 3 / 2)
    }

    /// How long the path is without a HEARTBEAT, at most, while all is well, by all that were seen; `None` before some in a row,
    /// two at least, were about as long as each other.
    pub(crate) fn usual(&self) -> Option<Duration> {
        self.usual
    }

    /// HEARTBEATs in a row, up to the last one, that came after less than half of the usual time.
    pub(crate) fn repeated(&self) -> u32 {
        self.repeated
    }

    /// When the last HEARTBEAT was answered.
    pub(crate) fn last_at(&self) -> Option<Timestamp> {
        self.last_at
    }

    /// From the last HEARTBEAT but one to the last.
    pub(crate) fn newest(&self) -> Option<Duration> {
        self.intervals[0]
    }
}

/// Shorter intervals are of an endpoint that asks again, or of a third party's probes.
const LEAST: Duration = Duration::from_millis(100);
/// An endpoint that confirms a path, or whose application asks for HEARTBEATs, sends some that are as far apart as each other by
/// chance: a rhythm goes on.
const STEADY: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_nanos(ms * 1_000_000)
    }

    /// A rhythm after HEARTBEATs at these times, in milliseconds.
    fn after(times: &[u64]) -> Rhythm {
        let mut rhythm = Rhythm::default();
        for (count, ms) in (1..).zip(times) {
            rhythm.notice(count, at(*ms));
        }
        rhythm
    }

    #[test]
    fn two_intervals_make_a_rhythm() {
        let mut rhythm = after(&[1_000, 1_020, 6_000]);
        assert_eq!(rhythm.usual(), None);
        rhythm.notice(3, at(9_000));
        assert_eq!(rhythm.usual(), None, "none more");
        rhythm.notice(4, at(11_000));
        assert_eq!(rhythm.usual(), Some(Duration::from_millis(5_000)));
        rhythm.notice(5, at(14_500));
        rhythm.notice(6, at(18_000));
        assert_eq!(
            rhythm.usual(),
            Some(Duration::from_millis(5_000)),
            "the longest one counts"
        );
        assert_eq!(rhythm.overdue_after(), Some(Duration::from_millis(7_500)));
    }

    #[test]
    fn some_heartbeats_at_short_intervals_are_no_rhythm() {
        let short = |count: u64| (0..count).map(|number| 1_000 + number * 272).collect::<Vec<_>>();
        assert_eq!(after(&short(3)).usual(), None);
        assert_eq!(after(&short(12)).usual(), None, "less than three seconds");
        assert_eq!(after(&short(13)).usual(), Some(Duration::from_millis(272)));
        // Each pause begins anew.
        let interrupted: Vec<_> = short(10)
            .into_iter()
            .chain(short(10).iter().map(|at| at + 6_000))
            .collect();
        assert_eq!(after(&interrupted).usual(), None);
    }

    #[test]
    fn who_asks_again_with_doubled_time_outs_has_no_rhythm() {
        let asking = [1_000, 2_000, 4_000, 8_000, 16_000];
        assert_eq!(after(&asking).usual(), None);
        let usual = Some(Duration::from_secs(31));
        let rhythm = after(&[0, 30_000, 61_000]);
        assert_eq!((rhythm.usual(), rhythm.repeated()), (usual, 0));
        assert_eq!(rhythm.overdue_after(), Some(Duration::from_millis(46_500)));
        let rhythm = after(&[0, 30_000, 61_000, 62_000, 64_000, 68_000]);
        assert_eq!((rhythm.usual(), rhythm.repeated()), (usual, 3));
        let rhythm = after(&[0, 30_000, 61_000, 62_000, 64_000, 68_000, 98_500]);
        assert_eq!((rhythm.usual(), rhythm.repeated()), (usual, 0), "answered again");
    }
}
