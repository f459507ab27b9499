//! How bad a path is that still works.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::units;

/// A round-trip time that has grown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Slow {
    /// The round-trip time now.
    #[serde(rename = "rtt_ms", with = "units::ms")]
    #[schemars(with = "f64")]
    pub rtt: Duration,
    /// The usual round-trip time.
    #[serde(rename = "baseline_ms", with = "units::ms")]
    #[schemars(with = "f64")]
    pub baseline: Duration,
}

/// A loss rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Rate {
    /// Lost DATA chunks in percent.
    #[serde(rename = "loss_percent")]
    pub percent: f32,
    /// The number of DATA chunks that were examined.
    pub chunks: u32,
}
