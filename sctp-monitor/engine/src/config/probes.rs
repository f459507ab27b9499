//! How paths are probed: the table `probe` of the agent's configuration file.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::{ConfigError, within};
use crate::model::Short;

/// Whether the agent sends HEARTBEATs of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProbeMode {
    /// It sends nothing.
    #[default]
    Off,
    /// When an answer is missing, a few probes on the path and on its siblings tell whether it is dead.
    Confirm,
    /// Each path is probed all the time as well.
    Continuous,
}

/// How paths are probed. Only paths of this host's own associations are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProbeConfig {
    /// Whether the agent sends probes: `off`, `confirm` or `continuous`.
    pub mode: ProbeMode,
    /// The time from one probe of a path to the next under `continuous`; each is a quarter longer or shorter by chance, so that
    /// agents do not fall into step. A dead path is found in about three of them.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub interval: Duration,
    /// The largest number of probes per second in one association. Four paths at the shortest interval.
    pub per_association: u32,
    /// The largest number of probes per second by one NIC. At 106 bytes each that is 4 Mbit/s.
    pub per_nic: u32,
    /// The largest number of probes per second altogether. Sending one takes some 5 us of a CPU.
    pub per_agent: u32,
}

impl ProbeConfig {
    /// Whether any probes are sent.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.mode != ProbeMode::Off
    }

    /// Whether each path is probed all the time.
    #[must_use]
    pub fn is_continuous(&self) -> bool {
        self.mode == ProbeMode::Continuous
    }

    /// Refuses values with which nothing can be probed.
    ///
    /// # Errors
    /// The first such value, by the name of its key.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let is_within = self.interval >= SHORTEST && self.interval <= LONGEST;
        within("interval", is_within, Short(self.interval), "from 10 ms to 1 min")?;
        for (key, count) in [
            ("per_association", self.per_association),
            ("per_nic", self.per_nic),
            ("per_agent", self.per_agent),
        ] {
            within(key, count > 0, count, "at least 1")?;
        }
        Ok(())
    }
}

impl Default for ProbeConfig {
    fn default() -> Self {
        Self {
            mode: ProbeMode::Off,
            interval: Duration::from_millis(100),
            per_association: 400,
            per_nic: 5_000,
            per_agent: 10_000,
        }
    }
}

/// The agent's timers count milliseconds.
const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_mins(1);
