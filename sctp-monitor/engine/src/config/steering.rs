//! What is done with the packets of failed paths: the table `steering` of the agent's configuration file.

use std::{net::IpAddr, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::{ConfigError, LONGEST, NO_LONGER, within};
use crate::model::{Short, SteeringMode};

/// Whether, and when, packets of a failed path leave on another path of their association.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Steering {
    /// What is done: `off`, `dry-run`, `move` or `both`.
    pub mode: SteeringMode,
    /// How long a path must be active without a break before its packets leave on it again. A link that comes and goes would take
    /// them along each time.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub hold_down: Duration,
    /// Associations that are steered at a time, at most: an error of the monitor must not move all traffic of a host.
    pub most_associations: u32,
    /// A path whose round-trip time is longer takes no copies (`both`): when the other path fails, the sender waits for the answers of
    /// this one. It must be below the time-outs of both stacks.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub longest_rtt: Duration,
    /// Packets leave on two paths (`both`) though no agent at the other end sends on two as well. A dead return path of either of
    /// them costs a time-out then.
    pub copies_alone: bool,
    /// NICs onto which packets are moved first, in this order; then to the path with the least round-trip time.
    pub prefer: Vec<String>,
    /// Peers for which something else holds.
    pub peers: Vec<Peer>,
}

/// What is done with the packets of one peer's associations.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// An address of the peer.
    pub address: IpAddr,
    /// What is done: `off`, `dry-run`, `move` or `both`.
    pub mode: SteeringMode,
}

impl Steering {
    /// Whether anything is steered, if only in a dry run.
    #[must_use]
    pub fn is_on(&self) -> bool {
        let modes = self.peers.iter().map(|peer| peer.mode).chain([self.mode]);
        modes.into_iter().any(|mode| mode != SteeringMode::Off)
    }

    /// Whether packets of any peer are to leave on two paths at once.
    #[must_use]
    pub fn copies(&self) -> bool {
        let modes = self.peers.iter().map(|peer| peer.mode).chain([self.mode]);
        modes.into_iter().any(|mode| mode == SteeringMode::Both)
    }

    /// What is done with the associations of a peer that has these addresses.
    #[must_use]
    pub fn mode_for(&self, mut addresses: impl Iterator<Item = IpAddr>) -> SteeringMode {
        let of_peer = |address: IpAddr| self.peers.iter().find(|peer| peer.address == address);
        addresses.find_map(of_peer).map_or(self.mode, |peer| peer.mode)
    }

    /// Refuses values that make no sense.
    ///
    /// # Errors
    /// The first such value, by the name of its key.
    pub fn validate(&self) -> Result<(), ConfigError> {
        within(
            "hold_down",
            self.hold_down <= LONGEST,
            Short(self.hold_down),
            NO_LONGER,
        )?;
        within(
            "longest_rtt",
            self.longest_rtt <= LONGEST,
            Short(self.longest_rtt),
            NO_LONGER,
        )?;
        within(
            "most_associations",
            self.most_associations > 0,
            self.most_associations,
            "at least 1",
        )
    }
}

impl Default for Steering {
    fn default() -> Self {
        Self {
            mode: SteeringMode::Off,
            hold_down: Duration::from_secs(10),
            most_associations: 256,
            longest_rtt: Duration::from_millis(100),
            copies_alone: false,
            prefer: Vec::new(),
            peers: Vec::new(),
        }
    }
}
