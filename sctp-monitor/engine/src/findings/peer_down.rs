//! All paths to a peer are down, and not for want of a link on this side.
//!
//! Critical: no path is left.

use std::fmt;

use crate::{
    model::{Evidence, PathState, PeerDown, Severity},
    path::state::Path,
    registry::association::Association,
};

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

/// All paths that anything is known of are down, and not for want of a link on this side.
pub(super) fn rule(association: &Association) -> Option<Evidence> {
    let mut known = association
        .paths()
        .map(|(_, path)| path)
        .filter(|path| path.state() != PathState::Unconfirmed);
    let paths = known.clone().count();
    let all_down = known.clone().all(|path| path.state() == PathState::Inactive);
    let is_down = association.is_established() && paths > 1 && all_down && !known.all(Path::is_cut_off);
    is_down.then_some(Evidence::PeerDown(PeerDown { paths }))
}
