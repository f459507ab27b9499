//! A path comes and goes.
//!
//! A warning: it is no path to rely on.

use std::fmt;

use crate::{
    findings::seen::PathSeen,
    model::{Evidence, Flapping, Severity, Short},
};

impl Flapping {
    pub(crate) const SEVERITY: Severity = Severity::Warning;

    /// What to check next.
    pub(crate) fn check() -> String {
        "cable, transceiver and spanning tree on the way; a routing protocol that oscillates".to_owned()
    }
}

impl fmt::Display for Flapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "flapping: {} failures within {}",
            self.failures,
            Short(self.within)
        )
    }
}

/// Failures within the window, if they are so many that the path is not trusted.
pub(super) fn rule(seen: &PathSeen<'_>) -> Option<Evidence> {
    let failures = seen.path.flapping(seen.config, seen.now)?;
    Some(Evidence::Flapping(Flapping {
        failures,
        within: seen.config.flap_window,
    }))
}
