//! The engine's constants, each with its reason. All can be configured: by their names here, in the table `detector` of
//! the agent's configuration file.

use std::time::Duration;

use serde::Deserialize;

/// Where the monitor stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vantage {
    /// On the host that terminates the associations: what arrives is for it, what leaves comes from it.
    Endpoint,
    /// Between the hosts: both directions pass.
    Gateway,
}

/// How the engine judges. Times are written like `200ms` or `1m 30s`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the monitor stands.
    #[serde(skip, default = "endpoint")]
    pub vantage: Vantage,

    /// The time-out of a path of which no round-trip time is known. Longer than any terrestrial one.
    #[serde(with = "humantime_serde")]
    pub rto_initial: Duration,
    /// The least that SRTT + 4 RTTVAR (RFC 9260 section 6.3.1) counts for: interrupt coalescing, sweeps, and the 4 ms
    /// clock of the flow records.
    #[serde(with = "humantime_serde")]
    pub rto_min: Duration,
    /// The most: a path that answers later than this is of no use to a session.
    #[serde(with = "humantime_serde")]
    pub rto_max: Duration,
    /// How long the peer may stand still without being called dead, on top of the time-out. With `rto_min` this makes
    /// 160 ms: at 20 messages a second the packet that obliges the peer to acknowledge follows a break within 100 ms, and
    /// a failure is to be reported within 300 ms.
    #[serde(with = "humantime_serde")]
    pub stall_allowance: Duration,
    /// How long the receiver of a single packet may wait before it acknowledges it (RFC 9260 section 6.2 allows
    /// 500 ms; Linux and FreeBSD wait 200 ms). From the second packet on it may not.
    #[serde(with = "humantime_serde")]
    pub delayed_ack: Duration,

    /// How rarely DATA that stays unacknowledged by chance may be called a failure. A path with 20 messages a second has
    /// 36,000 acknowledgements an hour: one false alarm in 280 hours, if every loss were independent.
    pub data_chance: f32,
    /// The same for heartbeats, of which a path has 120 an hour.
    pub heartbeat_chance: f32,
    /// How rarely either may make a path potentially failed. A heartbeat always does, when it is not answered in time.
    pub doubt_chance: f32,
    /// How long DATA must have stayed unacknowledged, never sent again while more is sent, until it is clear that the
    /// acknowledgements pass elsewhere: no sender waits longer than RTO.Initial without sending again.
    #[serde(with = "humantime_serde")]
    pub one_sided_data: Duration,

    /// How long one direction alone must be seen until an association counts as up. The other direction may pass
    /// elsewhere, or its first packet may be late.
    #[serde(with = "humantime_serde")]
    pub one_sided_after: Duration,
    /// How long a flow must be silent until it is forgotten. Longer than any heartbeat interval in use (30 s by
    /// default, RFC 9260 section 16) with the largest RTO (60 s) on top.
    #[serde(with = "humantime_serde")]
    pub idle_after: Duration,
    /// How long a flow is kept that never saw an answer, and had a few packets only: a scan, or forged packets.
    #[serde(with = "humantime_serde")]
    pub unanswered_after: Duration,
    /// How long a flow is kept after its association ended, for packets that come late.
    #[serde(with = "humantime_serde")]
    pub ended_after: Duration,

    /// Failures within `flap_window` that make a path a flapping one.
    pub flap_failures: u32,
    /// See `flap_failures`: long enough for the failures of a link that comes and goes every ten seconds.
    #[serde(with = "humantime_serde")]
    pub flap_window: Duration,
    /// How long a flapping path must work without a failure until it is active again.
    #[serde(with = "humantime_serde")]
    pub flap_hold: Duration,

    /// The loss, in percent, that a path must exceed beyond doubt (three standard deviations) to be reported as lossy.
    /// A session over SCTP stands 1 % without anyone noticing.
    pub grey_loss_percent: f32,
    /// DATA chunks that must have been sent since the first loss: with fewer the rate is not known to
    /// 5 points. At 20 messages a second that takes less than ten seconds.
    pub grey_loss_chunks: u32,

    /// How many times its usual round-trip time a path must need to be reported as slow.
    pub latency_factor: f32,
    /// And how much more, at least: a path inside a rack doubles its 50 us with every burst.
    #[serde(with = "humantime_serde")]
    pub latency_margin: Duration,

    /// How long an address of the peer may stay without any confirmed path. Stacks send a heartbeat to every address
    /// when the association begins, and at the latest every HB.interval (30 s).
    #[serde(with = "humantime_serde")]
    pub unconfirmed_after: Duration,
    /// How long a peer may advertise a receiver window of zero, or not finish a shutdown, while it answers heartbeats.
    #[serde(with = "humantime_serde")]
    pub zombie_after: Duration,
    /// How long apart failures may be that have one cause. What fails later belongs to an open incident only if it gave
    /// no sign of life since that began: heartbeats notice late.
    #[serde(with = "humantime_serde")]
    pub incident_window: Duration,
}

impl Config {
    /// A time-out as RFC 9260 section 6.3.1 computes it, SRTT + 4 RTTVAR, within bounds.
    #[must_use]
    pub fn rto(&self, srtt: Duration, rttvar: Duration) -> Duration {
        (srtt + 4 * rttvar).clamp(self.rto_min, self.rto_max)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            vantage: Vantage::Endpoint,
            rto_initial: Duration::from_millis(300),
            rto_min: Duration::from_millis(50),
            rto_max: Duration::from_secs(2),
            stall_allowance: Duration::from_millis(110),
            delayed_ack: Duration::from_millis(200),
            data_chance: 1e-7,
            heartbeat_chance: 1e-6,
            doubt_chance: 1e-4,
            one_sided_data: Duration::from_secs(4),
            one_sided_after: Duration::from_secs(1),
            idle_after: Duration::from_secs(300),
            unanswered_after: Duration::from_secs(10),
            ended_after: Duration::from_secs(10),
            flap_failures: 3,
            flap_window: Duration::from_secs(60),
            flap_hold: Duration::from_secs(10),
            grey_loss_percent: 3.0,
            grey_loss_chunks: 170,
            latency_factor: 2.0,
            latency_margin: Duration::from_millis(10),
            unconfirmed_after: Duration::from_secs(60),
            zombie_after: Duration::from_secs(30),
            incident_window: Duration::from_secs(5),
        }
    }
}

fn endpoint() -> Vantage {
    Vantage::Endpoint
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_keeps_its_bounds() {
        let config = Config::default();
        let ms = Duration::from_millis;
        assert_eq!(config.rto(ms(1), ms(1)), ms(50));
        assert_eq!(config.rto(ms(100), ms(50)), ms(300));
        assert_eq!(config.rto(ms(1_000), ms(900)), ms(2_000));
    }
}
