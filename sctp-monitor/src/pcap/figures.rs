//! Figures that reports share.

use std::time::Duration;

use schemars::JsonSchema;
use sctp_monitor_engine::model::{RttView, Timestamp, units::ms};
use serde::{Deserialize, Serialize};

use super::entry::Entry;

/// The round-trip times of a flow's heartbeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Rtts {
    pub(crate) count: usize,
    #[serde(rename = "min_ms", with = "ms")]
    #[schemars(with = "f64")]
    pub(crate) min: Duration,
    #[serde(rename = "median_ms", with = "ms")]
    #[schemars(with = "f64")]
    pub(crate) median: Duration,
    #[serde(rename = "p95_ms", with = "ms")]
    #[schemars(with = "f64")]
    pub(crate) p95: Duration,
    #[serde(rename = "max_ms", with = "ms")]
    #[schemars(with = "f64")]
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
}

impl Entry {
    /// DATA chunks that were lost: retransmitted, or late, but for those that had arrived. `None` if the flow was not tracked.
    pub(crate) fn lost(&self) -> Option<u64> {
        let tracked = self.tracked.as_ref()?;
        Some(tracked.lost.saturating_sub(tracked.spurious))
    }

    /// The share of the DATA that was lost; `None` without DATA, or if the tracker did not follow it.
    pub(crate) fn loss(&self) -> Option<f64> {
        let (lost, sent) = (self.lost()?, self.data_chunks_once());
        (sent > 0).then(|| (lost as f64 / sent as f64).min(1.0))
    }

    /// Smoothed time from DATA to SACK, as RFC 9260 section 6.3.1 smooths it.
    pub(crate) fn data_to_sack(&self) -> Option<Duration> {
        Some(self.data_to_sack_view()?.srtt)
    }

    /// All that is known of it.
    pub(crate) fn data_to_sack_view(&self) -> Option<RttView> {
        let rtt = &self.tracked.as_ref()?.data_rtt;
        rtt.is_known().then(|| RttView {
            last: Duration::from_nanos(rtt.last_ns),
            min: Duration::from_nanos(rtt.min_ns),
            srtt: Duration::from_nanos(rtt.srtt_ns),
            rttvar: Duration::from_nanos(rtt.rttvar_ns),
        })
    }
}

/// The time of day of a record.
pub(crate) fn wall(time_ns: u64) -> Timestamp {
    Timestamp::from_nanos(time_ns)
}
