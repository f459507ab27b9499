//! Reports that the flow table is nearly full, or that packets of new flows are not tracked.

use std::{fmt, time::Duration};

use schemars::JsonSchema;
use sctp_monitor_engine::model::{Short, units::optional_ms};
use serde::{Deserialize, Serialize};

/// The flow table is nearly full, or packets of new flows are not tracked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pressure {
    /// Packets that were not tracked since the last report for want of a free slot: the table was full, or the half of it for flows that nothing proves.
    #[serde(rename = "flow_table_full")]
    pub table_full: u64,
    /// Packets that were not tracked since the last report because of the rate limit for new flows.
    #[serde(rename = "new_flows_limited")]
    pub limited: u64,
    /// The time in which these packets were counted; `None` for the first report.
    #[serde(rename = "within_ms", with = "optional_ms")]
    #[schemars(with = "Option<f64>")]
    pub within: Option<Duration>,
    /// Number of slots used; a flow needs one.
    #[serde(rename = "slots_in_use")]
    pub in_use: u32,
    /// Number of slots of the table.
    #[serde(rename = "slots")]
    pub max_flows: u32,
}

impl Pressure {
    /// What to check next.
    #[must_use]
    pub fn check() -> String {
        "whether so many SCTP flows are genuine (`tcpdump -i NIC sctp`): if they are, raise --max-flows; if not, find the source \
         of the scan or of the forged packets"
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
        write!(f, "{in_use} of {max_flows} slots used; packets not tracked")?;
        if let Some(within) = within {
            write!(f, " in {}", Short(*within))?;
        }
        write!(
            f,
            ": {table_full} for want of a free slot, {limited} because of the rate limit for new flows; known flows are still tracked"
        )
    }
}
