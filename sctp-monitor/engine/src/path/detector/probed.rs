//! What a flow's probes have told, and whether it is time for some.

use serde::{Deserialize, Serialize};

use crate::model::Timestamp;

/// What is known of a flow's probes.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Probed {
    /// When one was last answered.
    pub(super) answered_at: Option<Timestamp>,
    /// When the oldest packet was sent whose answer is missing, though nobody is accused yet.
    pub(super) missing_since: Option<Timestamp>,
}
