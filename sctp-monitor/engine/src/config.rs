//! The engine's constants, each with its reason. All can be configured: by their names here, in the table `detector` of
//! the agent's configuration file.

use std::{fmt::Display, time::Duration};

use serde::{Deserialize, Serialize};

use crate::model::Short;

/// Where the monitor stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vantage {
    /// On the host that terminates the associations: what arrives is for it, what leaves comes from it.
    Endpoint,
    /// Between the hosts: both directions pass.
    Gateway,
}

/// How the engine judges. Times are written like `200ms` or `1m 30s`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the monitor stands.
    #[serde(skip, default = "endpoint")]
    pub vantage: Vantage,
    /// Flows that the programs can track at a time.
    #[serde(skip, default = "unbounded")]
    pub max_flows: u32,

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
    /// How long DATA must have stayed unacknowledged, never retransmitted while more is sent, until it is clear that the
    /// acknowledgements pass elsewhere: no sender waits longer than RTO.Initial without sending again.
    #[serde(with = "humantime_serde")]
    pub one_sided_data: Duration,

    /// How long one direction alone must be seen until an association counts as established. The other direction may pass
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

    /// Losses in a row, all of packets larger than any that passed meanwhile, that make a path MTU black hole: by chance
    /// only if nearly all packets are large.
    pub black_hole_losses: u32,
    /// Chunks that arrive twice by the peer's word, while nothing comes back on the path, that make the way back a
    /// broken one: not just one SACK that was lost.
    pub way_back_duplicates: u32,
    /// For how long, at least. A path whose SACKs all go another way sends nothing twice.
    #[serde(with = "humantime_serde")]
    pub way_back_silence: Duration,
    /// After how long without a sign of either direction both count as broken: RTO.Min (1 s, RFC 9260 section 16) has
    /// passed for either side, and what was retransmitted would have told.
    #[serde(with = "humantime_serde")]
    pub direction_after: Duration,

    /// How many times its usual round-trip time a path must need to be reported as slow.
    pub latency_factor: f32,
    /// And how much more, at least: a path inside a rack doubles its 50 us with every burst.
    #[serde(with = "humantime_serde")]
    pub latency_margin: Duration,
    /// Seconds with DATA, or heartbeats, in a row that must be slow: a route that changes, not a burst.
    pub latency_in_a_row: u32,

    /// How long an association is left alone before it is called not redundant: its first heartbeats are under way.
    #[serde(with = "humantime_serde")]
    pub settled_after: Duration,
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
    /// Packets in an endpoint's name, but none of its own, that make spoofing suspected: not the one that a restart or an
    /// earlier association left under way. Some blind attacks need no more than three.
    pub spoofing_packets: u32,
    /// How long none of them must have come until that is over. Whoever tries tags slowly is still one attacker.
    #[serde(with = "humantime_serde")]
    pub spoofing_over_after: Duration,
}

impl Config {
    /// A time-out as RFC 9260 section 6.3.1 computes it, SRTT + 4 RTTVAR, within bounds.
    #[must_use]
    pub fn rto(&self, srtt: Duration, rttvar: Duration) -> Duration {
        (srtt + 4 * rttvar).clamp(self.rto_min, self.rto_max)
    }

    /// Refuses values that no detector can work with.
    ///
    /// # Errors
    /// The first such value, by the name of its key.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.validate_times()?;
        self.validate_chances()?;
        self.validate_counts()
    }

    /// An allowance may be nothing; a time-out of nothing fires at once.
    fn validate_times(&self) -> Result<(), ConfigError> {
        for (key, time) in [
            ("stall_allowance", self.stall_allowance),
            ("delayed_ack", self.delayed_ack),
            ("flap_hold", self.flap_hold),
            ("latency_margin", self.latency_margin),
        ] {
            within(key, time <= LONGEST, Short(time), NO_LONGER)?;
        }
        for (key, time) in [
            ("rto_initial", self.rto_initial),
            ("rto_min", self.rto_min),
            ("rto_max", self.rto_max),
            ("one_sided_data", self.one_sided_data),
            ("one_sided_after", self.one_sided_after),
            ("idle_after", self.idle_after),
            ("unanswered_after", self.unanswered_after),
            ("ended_after", self.ended_after),
            ("flap_window", self.flap_window),
            ("unconfirmed_after", self.unconfirmed_after),
            ("zombie_after", self.zombie_after),
            ("incident_window", self.incident_window),
            ("way_back_silence", self.way_back_silence),
            ("direction_after", self.direction_after),
            ("settled_after", self.settled_after),
            ("spoofing_over_after", self.spoofing_over_after),
        ] {
            let is_time_out = !time.is_zero() && time <= LONGEST;
            within(key, is_time_out, Short(time), LONGER_THAN_ZERO)?;
        }
        let bounds = "at most rto_max";
        within(
            "rto_min",
            self.rto_min <= self.rto_max,
            Short(self.rto_min),
            bounds,
        )
    }

    fn validate_chances(&self) -> Result<(), ConfigError> {
        let certain = "between 0 and 1, and neither of them";
        for (key, chance) in [
            ("data_chance", self.data_chance),
            ("heartbeat_chance", self.heartbeat_chance),
            ("doubt_chance", self.doubt_chance),
        ] {
            within(key, chance > 0.0 && chance < 1.0, chance, certain)?;
        }
        let doubts_first = self.doubt_chance >= self.data_chance.max(self.heartbeat_chance);
        let bounds = "at least data_chance and heartbeat_chance: doubt comes before certainty";
        within("doubt_chance", doubts_first, self.doubt_chance, bounds)
    }

    fn validate_counts(&self) -> Result<(), ConfigError> {
        for (key, count) in [
            ("flap_failures", self.flap_failures),
            ("grey_loss_chunks", self.grey_loss_chunks),
            ("black_hole_losses", self.black_hole_losses),
            ("way_back_duplicates", self.way_back_duplicates),
            ("latency_in_a_row", self.latency_in_a_row),
            ("spoofing_packets", self.spoofing_packets),
        ] {
            within(key, count > 0, count, "at least 1")?;
        }
        let percent = self.grey_loss_percent;
        within(
            "grey_loss_percent",
            percent > 0.0 && percent < 100.0,
            percent,
            "more than 0 and less than 100",
        )?;
        let factor = self.latency_factor;
        within(
            "latency_factor",
            factor > 1.0 && factor.is_finite(),
            factor,
            "more than 1",
        )
    }
}

/// A value that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} cannot be {value}: it must be {allowed}")]
pub struct ConfigError {
    /// The key.
    pub key: &'static str,
    /// What it was given.
    pub value: String,
    /// What it may be.
    pub allowed: &'static str,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            vantage: Vantage::Endpoint,
            max_flows: unbounded(),
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
            black_hole_losses: 4,
            way_back_duplicates: 5,
            way_back_silence: Duration::from_millis(500),
            direction_after: Duration::from_secs(5),
            latency_margin: Duration::from_millis(10),
            latency_in_a_row: 3,
            settled_after: SETTLED_AFTER,
            unconfirmed_after: Duration::from_secs(60),
            zombie_after: Duration::from_secs(30),
            incident_window: Duration::from_secs(5),
            spoofing_packets: 3,
            spoofing_over_after: Duration::from_secs(60),
        }
    }
}

fn endpoint() -> Vantage {
    Vantage::Endpoint
}

fn unbounded() -> u32 {
    u32::MAX
}

fn within(
    key: &'static str,
    is_within: bool,
    value: impl Display,
    allowed: &'static str,
) -> Result<(), ConfigError> {
    if is_within {
        return Ok(());
    }
    Err(ConfigError {
        key,
        value: value.to_string(),
        allowed,
    })
}

/// The usual [`Config::settled_after`], for readers that judge what is settled by themselves.
pub const SETTLED_AFTER: Duration = Duration::from_secs(5);

/// RTO.Max, the longest time-out of a sender (RFC 9260 section 16).
pub(crate) const RFC_RTO_MAX: Duration = Duration::from_secs(60);

/// No state of a path lasts this long without anyone looking: a longer time is a slip of the pen.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);
const NO_LONGER: &str = "30 days at most";
const LONGER_THAN_ZERO: &str = "longer than zero, and 30 days at most";

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

    #[test]
    fn the_defaults_make_sense() {
        assert_eq!(Config::default().validate(), Ok(()));
    }

    #[test]
    fn values_that_make_no_sense_are_refused_by_their_key() {
        type Change = fn(&mut Config);
        let changes: [(&str, Change); 16] = [
            ("rto_initial", |config| config.rto_initial = Duration::ZERO),
            ("rto_min", |config| config.rto_min = Duration::ZERO),
            ("rto_min", |config| config.rto_min = config.rto_max * 2),
            ("idle_after", |config| config.idle_after = Duration::MAX),
            ("stall_allowance", |config| {
                config.stall_allowance = Duration::MAX;
            }),
            ("incident_window", |config| {
                config.incident_window = Duration::ZERO;
            }),
            ("data_chance", |config| config.data_chance = 0.0),
            ("heartbeat_chance", |config| config.heartbeat_chance = 1.0),
            ("doubt_chance", |config| config.doubt_chance = f32::NAN),
            ("doubt_chance", |config| config.doubt_chance = 1e-8),
            ("flap_failures", |config| config.flap_failures = 0),
            ("grey_loss_chunks", |config| config.grey_loss_chunks = 0),
            ("grey_loss_percent", |config| config.grey_loss_percent = 101.0),
            ("grey_loss_percent", |config| config.grey_loss_percent = -3.0),
            ("latency_factor", |config| config.latency_factor = 0.5),
            ("latency_factor", |config| {
                config.latency_factor = f32::INFINITY;
            }),
        ];
        for (key, change) in changes {
            let mut config = Config::default();
            change(&mut config);
            let error = config.validate().unwrap_err();
            assert_eq!(error.key, key, "{error}");
        }
    }

    #[test]
    fn an_allowance_of_nothing_is_one() {
        let config = Config {
            stall_allowance: Duration::ZERO,
            delayed_ack: Duration::ZERO,
            flap_hold: Duration::ZERO,
            latency_margin: Duration::ZERO,
            ..Config::default()
        };
        assert_eq!(config.validate(), Ok(()));
    }
}
