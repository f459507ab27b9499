//! A path comes and goes.
//!
//! A warning: it is no path to rely on.

use std::fmt;

use crate::model::{Flapping, Severity, Short};

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
