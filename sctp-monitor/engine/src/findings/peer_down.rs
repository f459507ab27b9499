//! All paths to the peer are down.

use crate::{
    model::{Diagnosis, PathState},
    path::state::Path,
    registry::association::Association,
};

/// All paths that anything is known of are down, and not for want of a link on this side.
pub(super) fn rule(association: &Association) -> Option<Diagnosis> {
    let mut known = association
        .paths()
        .map(|(_, path)| path)
        .filter(|path| path.state() != PathState::Unconfirmed);
    let paths = known.clone().count();
    let all_down = known.clone().all(|path| path.state() == PathState::Inactive);
    let is_down = association.is_up() && paths > 1 && all_down && !known.all(Path::is_cut_off);
    is_down.then_some(Diagnosis::PeerDown { paths })
}
