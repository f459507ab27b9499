//! The flow table under pressure, as it is reported.

use std::{fmt, time::Duration};

use schemars::JsonSchema;
use sctp_monitor_engine::model::{Short, units::optional_ms};
use serde::{Deserialize, Serialize};

/// The flow table under pressure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pressure {
    /// Packets since the last report that found the table full.
    #[serde(rename = "flow_table_full")]
    pub table_full: u64,
    /// Packets since the last report that came beyond the rate at which flows are opened.
    #[serde(rename = "new_flows_limited")]
    pub limited: u64,
    /// Since when these packets are counted; `None` for the first report.
    #[serde(rename = "within_ms", with = "optional_ms")]
    #[schemars(with = "Option<f64>")]
    pub within: Option<Duration>,
    /// Slots in use.
    #[serde(rename = "slots_in_use")]
    pub in_use: u32,
    /// Slots.
    #[serde(rename = "slots")]
    pub max_flows: u32,
}

impl Pressure {
    /// What to check next.
    #[must_use]
    pub fn check() -> String {
        "whether so many SCTP flows are genuine: if they are, --max-flows; if not, a scan or a flood of forged packets"
            .to_owned()
    }
}

impl fmt::Display for Pressure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            table_full,
            limited,
            in_use,
            max_flows,
            within,
        } = self;
        write!(f, "{in_use} of {max_flows} slots in use; packets not tracked")?;
        if let Some(within) = within {
            write!(f, " in {}", Short(*within))?;
        }
        write!(
            f,
            ": {table_full} without a slot, {limited} beyond the rate of new flows; known flows stay tracked"
        )
    }
}
