//! Which path packets are moved to: one that works, by another NIC if there is one, then by what the operator prefers, then the
//! fastest.

use std::{collections::BTreeSet, time::Duration};

use sctp_monitor_common::abi::FlowKey;

use super::{
    around::Surroundings,
    ways::{self, Ways, question},
};
use crate::{
    config,
    model::{PathId, PathState, RttView, SteeringObstacle, WayQuestion},
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

/// Why no path takes the packets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoTarget {
    /// None can.
    Obstacle(SteeringObstacle),
    /// That is not known before somebody has looked at these.
    Unknown(BTreeSet<WayQuestion>),
}

impl NoTarget {
    /// In a word.
    pub(super) fn obstacle(&self) -> SteeringObstacle {
        match self {
            Self::Obstacle(obstacle) => *obstacle,
            Self::Unknown(_) => SteeringObstacle::NotChecked,
        }
    }
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
    ways: &Ways,
    around: Surroundings<'_>,
) -> Result<Target, NoTarget> {
    let failed = around.sent_flow(association, &path);
    let failed_by = failed.map(|flow| flow.view.interface.if_index());
    let is_candidate = |id: &PathId, state: PathState| {
        *id != path && id.local.is_ipv4() == path.local.is_ipv4() && state == PathState::Active && is_free(id)
    };
    let candidates: Vec<_> = association
        .paths()
        .filter(|(id, _)| around.is_watched(association, id))
        .filter(|(id, other)| is_candidate(id, other.state()))
        .filter_map(|(id, _)| Some((*id, around.sent_flow(association, id)?)))
        .collect();
    if candidates.is_empty() {
        return Err(NoTarget::Obstacle(SteeringObstacle::NoActivePath));
    }
    let failed_at = failed.map(|flow| (path, flow));
    let unknown: BTreeSet<_> = candidates
        .iter()
        .copied()
        .chain(failed_at)
        .map(|(id, flow)| question(id, flow))
        .filter(|question| ways.lately(question, around.now).is_none())
        .collect();
    if !unknown.is_empty() {
        return Err(NoTarget::Unknown(unknown));
    }
    let way = |asked: &WayQuestion| ways.lately(asked, around.now).flatten();
    let mut obstacle = SteeringObstacle::NoActivePath;
    let mut best: Option<(_, Target)> = None;
    for (id, flow) in &candidates {
        let asked = question(*id, flow);
        if let Some(unfit) = ways::obstacle(association, asked, way(&asked), around) {
            obstacle = unfit;
            continue;
        }
        if !fits(failed_at, (*id, flow), ways, around) {
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
    best.map(|(_, target)| target).ok_or(NoTarget::Obstacle(obstacle))
}

/// The path that takes the packets of another one already, if it still works and is large enough.
pub(super) fn still(
    association: &Association,
    path: PathId,
    onto: PathId,
    ways: &Ways,
    around: Surroundings<'_>,
) -> Option<Target> {
    let other = association.path(&onto)?;
    let flow = around.sent_flow(association, &onto)?;
    let failed = around.sent_flow(association, &path).map(|flow| (path, flow));
    let takes = other.state() == PathState::Active && fits(failed, (onto, flow), ways, around);
    takes.then(|| Target::of(onto, flow))
}

/// Whether packets as large as those of the failed flow pass on the other one, as far as is known.
fn fits(
    failed: Option<(PathId, &Flow)>,
    other: (PathId, &Flow),
    ways: &Ways,
    around: Surroundings<'_>,
) -> bool {
    let mtu = |(path, flow): (PathId, &Flow)| around.mtu(flow, ways.last(&question(path, flow)));
    let too_small = |(mtu, needed)| mtu < needed;
    !mtu(other).zip(failed.and_then(mtu)).is_some_and(too_small)
}

/// The same path, whatever has become of it.
pub(super) fn same(association: &Association, onto: PathId, around: Surroundings<'_>) -> Option<Target> {
    let flow = around.sent_flow(association, &onto)?;
    Some(Target::of(onto, flow))
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
    measured(flow).map_or(Duration::MAX, |rtt| rtt.srtt)
}

/// The round-trip time of a path, if it was measured.
fn measured(flow: &Flow) -> Option<RttView> {
    flow.probe_rtt
        .or(flow.view.heartbeat_rtt)
        .or(flow.view.data_to_sack)
}

/// A path that was answered within this time works; one that was not may have failed with the other, and nobody has noticed yet.
/// Who asks a path in doubt asks its siblings too.
const LATELY: Duration = Duration::from_secs(3);
