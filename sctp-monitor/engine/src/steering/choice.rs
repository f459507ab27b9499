//! Which path packets are moved to: one that works, by another NIC if there is one, then by what the operator prefers, then the
//! fastest.

use std::time::Duration;

use sctp_monitor_common::abi::FlowKey;

use super::around::Surroundings;
use crate::{
    config,
    model::{PathId, PathState, SteeringObstacle},
    path::flow::Flow,
    registry::association::Association,
};

/// A path that takes the packets of another one.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) path: PathId,
    /// The addresses that they get.
    pub(super) key: FlowKey,
    /// The NIC by which they leave.
    pub(super) if_index: u32,
}

/// The best other path of the association among those that are free.
///
/// # Errors
/// Why there is none.
pub(super) fn choose(
    association: &Association,
    path: PathId,
    is_free: impl Fn(&PathId) -> bool,
    config: &config::Steering,
    around: Surroundings<'_>,
) -> Result<Target, SteeringObstacle> {
    let failed = around.sent_flow(association, &path);
    let failed_by = failed.map(|flow| flow.view.interface.if_index());
    let mut obstacle = SteeringObstacle::NoActivePath;
    let mut best: Option<(_, Target)> = None;
    for (id, other) in association.paths() {
        let is_candidate = *id != path
            && id.local.is_ipv4() == path.local.is_ipv4()
            && other.state() == PathState::Active
            && is_free(id);
        if !is_candidate {
            continue;
        }
        let Some(flow) = around.sent_flow(association, id) else {
            continue;
        };
        if !fits(failed, flow, around) {
            obstacle = SteeringObstacle::MtuTooSmall;
            continue;
        }
        let target = Target::of(*id, flow);
        let if_index = target.if_index;
        let answered_at = flow.detector.alive_at();
        let rank = (
            answered_at.is_none_or(|at| around.now.since(at) > LATELY),
            failed_by == Some(if_index),
            id.local == path.local,
            id.remote == path.remote,
            preference(config, around, if_index),
            round_trip(flow),
        );
        if best.as_ref().is_none_or(|(least, _)| rank < *least) {
            best = Some((rank, target));
        }
    }
    best.map(|(_, target)| target).ok_or(obstacle)
}

/// The path that takes the packets of another one already, if it still works and is large enough.
pub(super) fn still(
    association: &Association,
    path: PathId,
    onto: PathId,
    around: Surroundings<'_>,
) -> Option<Target> {
    let other = association.path(&onto)?;
    let flow = around.sent_flow(association, &onto)?;
    let takes =
        other.state() == PathState::Active && fits(around.sent_flow(association, &path), flow, around);
    takes.then(|| Target::of(onto, flow))
}

/// Whether packets as large as those of the failed flow pass on the other one, as far as is known.
fn fits(failed: Option<&Flow>, other: &Flow, around: Surroundings<'_>) -> bool {
    let needed = failed.and_then(|flow| around.mtu(flow));
    let too_small = |(mtu, needed)| mtu < needed;
    !around.mtu(other).zip(needed).is_some_and(too_small)
}

impl Target {
    fn of(path: PathId, flow: &Flow) -> Self {
        Self {
            path,
            key: flow.view.key,
            if_index: flow.view.interface.if_index(),
        }
    }
}

/// How early the operator named the NIC.
fn preference(config: &config::Steering, around: Surroundings<'_>, if_index: u32) -> usize {
    let name = around.nics.name(if_index);
    let place = config
        .prefer
        .iter()
        .position(|preferred| Some(preferred) == name.as_ref());
    place.unwrap_or(usize::MAX)
}

fn round_trip(flow: &Flow) -> Duration {
    let known = flow.view.heartbeat_rtt.or(flow.view.data_to_sack);
    known.map_or(Duration::MAX, |rtt| rtt.srtt)
}

/// A path that was answered within this time works; one that was not may have failed with the other, and nobody has noticed yet.
/// Who asks a path in doubt asks its siblings too.
const LATELY: Duration = Duration::from_secs(3);
