//! Figures that reports share.

use std::time::Duration;

use jiff::Timestamp as WallTime;
use serde_json::{Value, json};

use super::ledger::Entry;

/// The round-trip times of a flow's heartbeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rtts {
    pub(crate) count: usize,
    pub(crate) min: Duration,
    pub(crate) median: Duration,
    pub(crate) p95: Duration,
    pub(crate) max: Duration,
}

impl Rtts {
    /// `None` if there is none. A negative one, of a clock that went back, counts as zero.
    pub(crate) fn of(rtts_ns: &[i64]) -> Option<Self> {
        let mut sorted: Vec<u64> = rtts_ns
            .iter()
            .map(|rtt| u64::try_from(*rtt).unwrap_or(0))
            .collect();
        sorted.sort_unstable();
        let last = sorted.len().checked_sub(1)?;
        let at = |share: usize| Duration::from_nanos(sorted[last * share / 100]);
        Some(Self {
            count: sorted.len(),
            min: at(0),
            median: at(50),
            p95: at(95),
            max: at(100),
        })
    }

    pub(crate) fn json(&self) -> Value {
        let ms = |time: Duration| time.as_nanos() as f64 / 1e6;
        json!({
            "count": self.count,
            "min_ms": ms(self.min),
            "median_ms": ms(self.median),
            "p95_ms": ms(self.p95),
            "max_ms": ms(self.max),
        })
    }
}

impl Entry {
    /// DATA chunks that were lost: sent again, or late, but for those that had arrived.
    pub(crate) fn lost(&self) -> u64 {
        self.tracked.lost.saturating_sub(self.tracked.spurious)
    }

    /// The share of the DATA that was lost; `None` without DATA.
    pub(crate) fn loss(&self) -> Option<f64> {
        let sent = self.data_chunks();
        (sent > 0).then(|| (self.lost() as f64 / sent as f64).min(1.0))
    }

    /// Smoothed time from DATA to SACK, as RFC 9260 section 6.3.1 smooths it.
    pub(crate) fn data_rtt(&self) -> Option<Duration> {
        let rtt = &self.tracked.data_rtt;
        rtt.is_known().then(|| Duration::from_nanos(rtt.srtt_ns))
    }

    pub(crate) fn data_rtt_ms(&self) -> Option<Value> {
        let rtt = &self.tracked.data_rtt;
        let ms = |nanos: u64| nanos as f64 / 1e6;
        rtt.is_known().then(|| {
            json!({
                "last_ms": ms(rtt.last_ns),
                "min_ms": ms(rtt.min_ns),
                "srtt_ms": ms(rtt.srtt_ns),
                "rttvar_ms": ms(rtt.rttvar_ns),
            })
        })
    }
}

/// The time of day of a record.
pub(crate) fn wall(time_ns: u64) -> WallTime {
    WallTime::from_nanosecond(i128::from(time_ns)).unwrap_or(WallTime::MAX)
}
