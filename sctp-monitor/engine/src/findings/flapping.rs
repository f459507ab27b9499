//! A path comes and goes.

use crate::{findings::seen::PathSeen, model::Diagnosis};

/// Failures within the window, if they are so many that the path is not trusted.
pub(super) fn rule(seen: &PathSeen<'_>) -> Option<Diagnosis> {
    let failures = seen.path.flapping(seen.config, seen.now)?;
    Some(Diagnosis::Flapping {
        failures,
        within: seen.config.flap_window,
    })
}
