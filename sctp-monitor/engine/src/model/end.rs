//! Why an association is over.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{AssociationId, units};

/// Why an association has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EndReason {
    /// SHUTDOWN COMPLETE was seen.
    Shutdown,
    /// ABORT was seen.
    Abort {
        /// The error causes in the ABORT, in words.
        causes: Vec<String>,
    },
    /// A new handshake between the same addresses and ports restarted it.
    Restarted,
    /// A new association uses the same ports and an address of each endpoint.
    Replaced,
    /// Its packets were found to belong to another association.
    PartOf {
        /// The other association.
        association: AssociationId,
    },
    /// No packet was seen for a long time.
    Silent {
        /// Time since the last packet.
        #[serde(rename = "silent_for_ms", with = "units::ms")]
        #[schemars(with = "f64")]
        silent_for: Duration,
    },
    /// It was removed because the flow table fills up; it was silent and never confirmed.
    CrowdedOut {
        /// Time since the last packet.
        #[serde(rename = "silent_for_ms", with = "units::ms")]
        #[schemars(with = "f64")]
        silent_for: Duration,
    },
}
