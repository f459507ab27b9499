//! A path has become slow.

use crate::{findings::seen::PathSeen, model::Diagnosis};

/// The round-trip time now and before, on a flow whose answers are judged.
pub(super) fn rule(seen: &PathSeen<'_>) -> Option<Diagnosis> {
    let slow = seen.judged().find_map(|flow| flow.latency.slow())?;
    Some(Diagnosis::LatencyDegraded(slow))
}
