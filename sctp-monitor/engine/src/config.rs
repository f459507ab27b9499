//! The engine's constants, each with its reason. All can be configured: by their names here, in the table `detector` of
//! the agent's configuration file.

mod check;
mod probes;
mod steering;

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    check::ConfigError,
    probes::{ProbeConfig, ProbeMode},
    steering::{Peer, Steering},
};

use self::check::{LONGER_THAN_ZERO, LONGEST, NO_LONGER, within};
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
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the monitor stands.
    #[serde(skip, default = "endpoint")]
    pub vantage: Vantage,
    /// What is seen may lack packets that passed all the same, as in a file that was saved through a display filter.
    #[serde(skip)]
    pub may_lack_packets: bool,
    /// Flows that the programs can track at a time.
    #[serde(skip, default = "unbounded")]
    pub max_flows: u32,
    /// How paths are probed: a table of its own in the configuration file.
    #[serde(skip)]
    pub probe: ProbeConfig,
    /// What is done with the packets of failed paths.
    #[serde(skip)]
    pub steering: Steering,

    /// The time-out of a path whose round-trip time is not known yet. Longer than the round-trip time of any
    /// terrestrial path.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub rto_initial: Duration,
    /// The least time-out. SRTT + 4 RTTVAR (RFC 9260 section 6.3.1) is raised to it, because interrupt coalescing, the
    /// agent's sweeps and the 4 ms clock of the flow records add to what is measured.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub rto_min: Duration,
    /// The largest time-out. A path that answers later than this is of no use to a session.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub rto_max: Duration,
    /// How long the peer may pause (a busy CPU, a paused virtual machine) before it counts as silent, in addition to
    /// the time-out. With `rto_min` this makes 160 ms. At 20 messages a second the second DATA packet after a break,
    /// which the peer must acknowledge at once, is sent within 100 ms; so a failure is reported within 300 ms.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub stall_allowance: Duration,
    /// How long a receiver may delay the SACK for a single packet (RFC 9260 section 6.2 allows 500 ms; Linux and
    /// FreeBSD wait 200 ms). It must acknowledge every second packet at once.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub delayed_ack: Duration,

    /// The largest probability of a false failure each time SACKs are missing, if packets are lost independently. A
    /// path with 20 messages a second has 36,000 SACKs an hour: at 1e-7 that is one false alarm in 280 hours.
    pub data_chance: f32,
    /// The same for HEARTBEATs. A path has 120 of them an hour at the default HB.interval.
    pub heartbeat_chance: f32,
    /// The same for the state potentially failed, for DATA and HEARTBEATs. A HEARTBEAT that is not answered in time
    /// always leads to that state.
    pub doubt_chance: f32,
    /// How long DATA must stay unacknowledged while more is sent and none is retransmitted, before it is clear that the
    /// SACKs take a route that is not seen here. A sender without SACKs retransmits after RTO.Initial (1 s) at the
    /// latest.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub one_sided_data: Duration,

    /// How long only one direction is seen before the association counts as established all the same. The other
    /// direction may take a route that is not seen here, or its first packet may be late.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub one_sided_after: Duration,
    /// Whether an association is reported that nothing answers: one direction is seen only, and this host does not send it. Anyone
    /// can forge such packets; in captures they are shown all the same.
    pub unanswered: bool,
    /// How long a flow must be silent before it is forgotten. Longer than any HEARTBEAT interval in use: HB.interval
    /// (30 s by default, RFC 9260 section 16) plus the largest RTO (60 s).
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub idle_after: Duration,
    /// How long a flow is kept that had a few packets only and was never answered: a scan, or forged packets.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub unanswered_after: Duration,
    /// How long a flow is kept after its association has ended, for late packets.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub ended_after: Duration,

    /// How many failures within `flap_window` make a path a flapping one.
    pub flap_failures: u32,
    /// The time within which `flap_failures` failures are counted. Long enough for a link that goes down every ten
    /// seconds.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub flap_window: Duration,
    /// How long a flapping path must work without a failure before it is active again.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub flap_hold: Duration,

    /// The loss in percent above which a path is reported as lossy. The measured loss must exceed it by three standard
    /// deviations. At 1 % loss a session over SCTP still works well.
    pub grey_loss_percent: f32,
    /// How many DATA chunks must have been sent since the first loss. With fewer, the measured loss is uncertain by
    /// more than 5 percentage points. At 20 messages a second that takes less than ten seconds.
    pub grey_loss_chunks: u32,

    /// How many packets in a row must be lost, each larger than any that arrived meanwhile, before a path MTU black
    /// hole is reported. Chance does this only where nearly all packets are large.
    pub black_hole_losses: u32,
    /// How many chunks the peer must report as duplicates, while no packet returns on the path, before the return
    /// direction counts as broken. One lost SACK makes a duplicate as well.
    pub return_duplicates: u32,
    /// How long those duplicates must go on. Where the SACKs take another route, nothing is retransmitted, so there are
    /// no duplicates.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub return_silence: Duration,

    /// How many times its usual round-trip time a path must need before it is reported as slow.
    pub latency_factor: f32,
    /// How much the round-trip time must have grown as well. The 50 us of a path inside a rack double with every burst.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub latency_margin: Duration,
    /// How many seconds with DATA, or HEARTBEATs, must be slow in a row. That tells a changed route from a burst.
    pub latency_in_a_row: u32,

    /// How old an association must be before it can be reported as not redundant. Its first HEARTBEATs need that time.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub settled_after: Duration,
    /// How long an address of the peer may have no confirmed path. A stack sends a HEARTBEAT to every address when the
    /// association begins, and every HB.interval (30 s) at the latest.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub unconfirmed_after: Duration,
    /// How long a peer may advertise a receiver window of zero, or leave a shutdown unfinished, while it answers
    /// HEARTBEATs.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub zombie_after: Duration,
    /// How long after the first failure another one can belong to the same incident. A later failure belongs to an open
    /// incident only if its path has had no answer since the incident began: HEARTBEATs find a failure late.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub incident_window: Duration,
    /// How many packets that claim to come from an endpoint, but did not, make spoofing suspected. One may be left from
    /// a restart or an earlier association. Some blind attacks need no more than three.
    pub spoofing_packets: u32,
    /// How long no such packet must arrive before the suspicion is over. An attacker who tries tags slowly is one
    /// attacker.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub spoofing_over_after: Duration,
    /// How many handshakes in a row must be refused, or associations between the same two hosts end or be restarted within
    /// `short_life`, before they are reported as short-lived. One or two are a service that is being started.
    pub short_lives: u32,
    /// How long an association lives at most that counts as short-lived. One that serves its purpose outlives the first
    /// retransmission of its first DATA (RTO.Initial is 1 s, doubled twice).
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub short_life: Duration,
    /// How long after one of them the next one still counts as being in a row. Stacks and applications try again within a
    /// minute (RTO.Max, RFC 9260 section 16).
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub short_lives_apart: Duration,
}

impl Config {
    /// A time-out as RFC 9260 section 6.3.1 computes it, SRTT + 4 RTTVAR, within bounds.
    #[must_use]
    pub fn rto(&self, srtt: Duration, rttvar: Duration) -> Duration {
        (srtt + 4 * rttvar).clamp(self.rto_min, self.rto_max)
    }

    /// Paths that can be probed at a time: a path has two flows.
    #[must_use]
    pub fn probed_paths(&self) -> u32 {
        (self.max_flows / 2).clamp(1, MOST_PROBED)
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
            ("return_silence", self.return_silence),
            ("settled_after", self.settled_after),
            ("spoofing_over_after", self.spoofing_over_after),
            ("short_life", self.short_life),
            ("short_lives_apart", self.short_lives_apart),
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
            ("return_duplicates", self.return_duplicates),
            ("latency_in_a_row", self.latency_in_a_row),
            ("spoofing_packets", self.spoofing_packets),
            ("short_lives", self.short_lives),
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

impl Default for Config {
    fn default() -> Self {
        Self {
            vantage: Vantage::Endpoint,
            may_lack_packets: false,
            max_flows: unbounded(),
            probe: ProbeConfig::default(),
            steering: Steering::default(),
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
            unanswered: false,
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
            return_duplicates: 5,
            return_silence: Duration::from_millis(500),
            latency_margin: Duration::from_millis(10),
            latency_in_a_row: 3,
            settled_after: SETTLED_AFTER,
            unconfirmed_after: Duration::from_secs(60),
            zombie_after: Duration::from_secs(30),
            incident_window: Duration::from_secs(5),
            spoofing_packets: 3,
            spoofing_over_after: Duration::from_secs(60),
            short_lives: 3,
            short_life: Duration::from_secs(5),
            short_lives_apart: Duration::from_secs(60),
        }
    }
}

fn endpoint() -> Vantage {
    Vantage::Endpoint
}

fn unbounded() -> u32 {
    u32::MAX
}

/// The usual [`Config::settled_after`], for readers that judge what is settled by themselves.
pub const SETTLED_AFTER: Duration = Duration::from_secs(5);

/// Within this time an idle path has a HEARTBEAT, by default: HB.interval (RFC 9260 section 16) with an RTO and its jitter.
pub const HEARTBEAT_WITHIN: Duration = Duration::from_secs(35);

/// RTO.Max, the longest time-out of a sender (RFC 9260 section 16).
pub(crate) const RFC_RTO_MAX: Duration = Duration::from_secs(60);

/// A place in the map of probes takes 192 bytes.
const MOST_PROBED: u32 = 1 << 16;

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
