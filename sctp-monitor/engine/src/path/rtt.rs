//! The round-trip time of a path by its DATA, without what is no round trip.
//!
//! The flow record times the packet that obliges the peer to acknowledge. Where a SACK is lost, the next one comes two
//! packets later, and that is no round-trip time: such a sample tells of a loss and stays out of the estimate, unless it
//! turns out that all samples are like it now.

use std::time::Duration;

use sctp_monitor_common::abi::Rtt;
use serde::{Deserialize, Serialize};

use crate::config::Config;

/// Estimate over the samples of one flow.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct NetRtt {
    /// Smoothed as the programs smooth theirs.
    smoothed: Rtt,
    /// Samples in a row that did not fit.
    misfits: u8,
    /// Upper bounds in a row that told nothing.
    delayed: u8,
}

/// What a sample tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Sample {
    /// A round-trip time.
    Fits,
    /// An answer must have been lost before.
    AnswerLost,
}

impl NetRtt {
    /// Takes a sample.
    pub(crate) fn sample(&mut self, rtt: Duration) -> Sample {
        let Some((srtt, rttvar)) = self.known() else {
            self.restart(rtt);
            return Sample::Fits;
        };
        let limit = (3 * srtt).max(srtt + 4 * rttvar).max(srtt + LEAST_MISFIT);
        if rtt > limit {
            self.misfits += 1;
            if self.misfits < MISFITS {
                return Sample::AnswerLost;
            }
            self.restart(rtt);
            return Sample::Fits;
        }
        self.misfits = 0;
        self.delayed = 0;
        self.smoothed.sample(nanos(rtt));
        Sample::Fits
    }

    /// Takes the time to an answer that may have waited. It is an upper bound: only a shorter one tells something, unless
    /// all are longer for a long while.
    pub(crate) fn sample_delayed(&mut self, rtt: Duration) {
        if self.known().is_none_or(|(srtt, _)| rtt <= srtt) {
            let _ = self.sample(rtt);
            return;
        }
        self.delayed = self.delayed.saturating_add(1);
        if self.delayed >= DELAYED {
            self.restart(rtt);
        }
    }

    /// The time-out, if anything was measured.
    pub(crate) fn rto(&self, config: &Config) -> Option<Duration> {
        self.known().map(|(srtt, rttvar)| config.rto(srtt, rttvar))
    }

    /// SRTT + 4 RTTVAR without bounds, if anything was measured.
    pub(crate) fn round_trip(&self) -> Option<Duration> {
        self.known().map(|(srtt, rttvar)| srtt + 4 * rttvar)
    }

    /// SRTT and RTTVAR, if anything was measured.
    fn known(&self) -> Option<(Duration, Duration)> {
        let Rtt {
            srtt_ns, rttvar_ns, ..
        } = self.smoothed;
        let times = (Duration::from_nanos(srtt_ns), Duration::from_nanos(rttvar_ns));
        self.smoothed.is_known().then_some(times)
    }

    fn restart(&mut self, rtt: Duration) {
        *self = Self::default();
        self.smoothed.sample(nanos(rtt));
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// How much longer than SRTT a misfit is, at least: at 50 messages a second a lost SACK makes a sample longer by this.
const LEAST_MISFIT: Duration = Duration::from_millis(40);
/// Misfits in a row after which the path counts as slower: chance does not give that many.
const MISFITS: u8 = 8;
/// Delayed answers in a row after which they count as the round trip: at 20 messages a second that is three seconds.
const DELAYED: u8 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_lost_answer_is_no_round_trip() {
        let mut rtt = NetRtt::default();
        for _ in 0..50 {
            assert_eq!(rtt.sample(ms(2)), Sample::Fits);
        }
        assert_eq!(rtt.sample(ms(102)), Sample::AnswerLost);
        assert_eq!(rtt.rto(&Config::default()), Some(ms(50)));
    }

    #[test]
    fn a_slower_path_is_believed_after_a_while() {
        let mut rtt = NetRtt::default();
        rtt.sample(ms(2));
        let fits = (0..20).filter(|_| rtt.sample(ms(150)) == Sample::Fits).count();
        assert_eq!(fits, 13);
        assert!(rtt.rto(&Config::default()).unwrap() > ms(150));
    }

    #[test]
    fn jitter_fits() {
        let mut rtt = NetRtt::default();
        for sample in [60, 90, 100, 140, 70, 150, 50, 149] {
            assert_eq!(rtt.sample(ms(sample)), Sample::Fits, "{sample}");
        }
    }
}
