//! All paths to a peer are down, and not for want of a link on this side.
//!
//! Critical: no path is left.

use std::fmt;

use crate::model::{PeerDown, Severity};

impl PeerDown {
    pub(crate) const SEVERITY: Severity = Severity::Critical;

    /// What to check next.
    pub(crate) fn check() -> String {
        "whether the peer's host and its SCTP process run; what all paths share".to_owned()
    }
}

impl fmt::Display for PeerDown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "peer down: all {} paths inactive", self.paths)
    }
}
