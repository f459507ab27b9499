//! How bad a path is that still works.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::units;

/// A path that is slower than it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Slow {
    /// Round-trip time now.
    #[serde(rename = "rtt_ms", with = "units::ms")]
    #[schemars(with = "f64")]
    pub rtt: Duration,
    /// What it used to be.
    #[serde(rename = "baseline_ms", with = "units::ms")]
    #[schemars(with = "f64")]
    pub baseline: Duration,
}

/// A loss rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Rate {
    /// In percent of the DATA chunks.
    #[serde(rename = "loss_percent")]
    pub percent: f32,
    /// DATA chunks that it was taken from.
    pub chunks: u32,
}
