//! Heartbeats are answered from another address than the one that they went to.

use crate::{findings::seen::PathSeen, model::Diagnosis, path::flow::Flow};

/// Where the answers to this side's heartbeats come from.
pub(super) fn rule(seen: &PathSeen<'_>) -> Option<Diagnosis> {
    let source = seen.forward.and_then(Flow::answered_from)?;
    Some(Diagnosis::AnsweredElsewhere { source })
}
