//! Why an association is over.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{AssociationId, units};

/// Why an association is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EndReason {
    /// SHUTDOWN COMPLETE was seen.
    Shutdown,
    /// ABORT was seen.
    Abort {
        /// Its error causes.
        causes: Vec<String>,
    },
    /// A handshake between the same addresses and ports began it anew.
    Restarted,
    /// A new association took its ports and addresses.
    Replaced,
    /// Its packets turned out to be those of another association.
    PartOf {
        /// That one.
        association: AssociationId,
    },
    /// Nothing was seen of it for long.
    Silent {
        /// For how long.
        #[serde(rename = "silent_for_ms", with = "units::ms")]
        #[schemars(with = "f64")]
        silent_for: Duration,
    },
    /// The flow table fills up, and it was silent and never confirmed.
    CrowdedOut {
        /// For how long it was silent.
        #[serde(rename = "silent_for_ms", with = "units::ms")]
        #[schemars(with = "f64")]
        silent_for: Duration,
    },
}
