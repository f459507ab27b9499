//! Part of the DATA is lost, and the path counts as active all the while.

use crate::{
    findings::seen::PathSeen,
    model::{Diagnosis, Direction},
};

/// The loss rate of each direction, if it is too high.
pub(super) fn rule(seen: &PathSeen<'_>) -> impl Iterator<Item = Diagnosis> {
    let flows = [(Direction::Forward, seen.forward), (Direction::Return, seen.back)];
    flows.into_iter().filter_map(|(direction, flow)| {
        let rate = flow?.losses.rate()?;
        Some(Diagnosis::GreyLoss { direction, rate })
    })
}
