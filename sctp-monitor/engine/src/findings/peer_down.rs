//! All paths to a peer are down, and not for want of a link on this side.
//!
//! Critical: no path is left.

use crate::{
    model::{Evidence, PathState, PeerDown, Severity, Sides},
    path::state::Path,
    registry::association::Association,
};

impl PeerDown {
    pub(crate) const SEVERITY: Severity = Severity::Critical;

    /// What to check next.
    pub(crate) fn check(sides: Sides) -> String {
        let whose = match sides {
            Sides::ThisHost => "the peer's host and its SCTP process run",
            Sides::Initiator | Sides::SideA => "both hosts and their SCTP processes run",
        };
        format!("whether {whose}; what all paths share")
    }

    /// Between the hosts, either may be the one that is down.
    pub(crate) fn words(&self, sides: Sides) -> String {
        let down = match sides {
            Sides::ThisHost => "peer down",
            Sides::Initiator | Sides::SideA => "no path left",
        };
        format!("{down}: all {} paths inactive", self.paths)
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
