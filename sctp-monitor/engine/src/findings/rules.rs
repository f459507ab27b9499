//! The rules in their order: what is wrong with a path, and with an association as a whole.

use crate::{
    config::Config,
    findings::{
        address_list_suspect, answered_elsewhere, flapping, grey_loss, latency_degraded, link_down,
        not_redundant, path_down, path_mtu_black_hole, rto_below_sack_delay, secondary_unconfirmed,
        seen::{PathSeen, Surroundings},
    },
    model::{Evidence, Object, PathState},
    registry::association::Association,
};

/// What is wrong with a path.
pub(super) fn wrong_with_path(seen: &PathSeen<'_>) -> Vec<Evidence> {
    let mut found = Vec::new();
    let is_down = seen.path.state() == PathState::Inactive;
    if is_down && !seen.path.is_held() {
        found.extend(link_down::rule(seen).or_else(|| path_down::rule(seen)));
    }
    found.extend(flapping::rule(seen));
    if is_down {
        return found;
    }
    let black_holes = path_mtu_black_hole::rule(seen);
    if black_holes.is_empty() {
        found.extend(grey_loss::rule(seen));
    } else {
        // What is lost for its size is no loss by chance.
        found.extend(black_holes);
    }
    found.extend(latency_degraded::rule(seen));
    found.extend(rto_below_sack_delay::rule(seen));
    found.extend(answered_elsewhere::rule(seen));
    found
}

/// What would break an established association, though nothing is broken yet.
pub(super) fn weaknesses(
    association: &Association,
    around: Surroundings<'_>,
    config: &Config,
) -> Vec<(Object, Evidence)> {
    // Where one direction passes elsewhere, other paths may do so too.
    if association.is_one_sided() {
        return Vec::new();
    }
    let mut found = secondary_unconfirmed::rule(association, around, config);
    let suspect = address_list_suspect::rule(association, around.now);
    found.extend(suspect.map(|evidence| (Object::Association, evidence)));
    let not_redundant = not_redundant::rule(association, around, config);
    found.extend(not_redundant.map(|evidence| (Object::Association, evidence)));
    found
}
