//! Which packets leave on two paths at once: all of an association, where that does no harm.
//!
//! Who sends on two paths alone gains little and may lose: the other end answers to where the last of two copies came from, so a dead
//! return path of either costs a time-out. So this end begins when the other end says that it would as well (see
//! [`Announcement`]), and each tells the other by its probes. What acknowledges a packet no longer says which path brought it:
//! what the paths are worth, probes alone tell.
//!
//! When one of the two paths fails, nothing is changed, so that nothing can go wrong then. Nothing is taken back either while the other
//! path alone carries the packets.

use std::{collections::BTreeSet, time::Duration};

use sctp_monitor_common::abi::Announcement;

use super::{
    NoTarget, Steering, Target,
    around::Surroundings,
    choice::{same, still},
    source, tag_of,
};
use crate::{
    config::HEARTBEAT_WITHIN,
    model::{
        AssociationId, Direction, EventKind, PathId, PathState, SteeringCause, SteeringEnd, SteeringMode,
        SteeringObstacle, Timestamp, WayQuestion,
    },
    path::state::Path,
    registry::association::Association,
};

impl Steering {
    /// What an agent at the other end of an association is told.
    pub(crate) fn says(&self, association: AssociationId) -> Announcement {
        Announcement {
            would_copy: self.would_copy.contains(&association),
            copies: self.copies(association),
        }
    }

    /// Whether packets of an association leave on two paths.
    pub(crate) fn copies(&self, association: AssociationId) -> bool {
        let mut orders = self.in_force.iter();
        orders.any(|((id, _), order)| *id == association && order.mode == SteeringMode::Both)
    }

    /// Whether packets of the peer's host come on two paths: its agent says so.
    pub(crate) fn comes_twice(&self, association: &Association, around: Surroundings<'_>) -> bool {
        self.was_said(association, around, |[_, copies]| copies)
    }

    /// The ways whose next hops are to stay known as long as packets leave by them, or would if the host could send them: what has no
    /// next hop is never seen by the program that moves it.
    pub(crate) fn kept_ways(&self) -> BTreeSet<WayQuestion> {
        let carried_out = self
            .in_force
            .iter()
            .filter(|(_, order)| matches!(order.mode, SteeringMode::Move | SteeringMode::Both));
        carried_out
            .flat_map(|((_, path), order)| {
                [(*path, order.from_if_index), (order.onto, order.if_index)]
                    .map(|(path, if_index)| WayQuestion { path, if_index })
            })
            .collect()
    }

    /// Why packets of a path do not leave on two paths, if they are to.
    pub(super) fn not_copied(
        &self,
        association: &Association,
        path: PathId,
        around: Surroundings<'_>,
    ) -> Option<SteeringObstacle> {
        let order = self.in_force.get(&(association.id(), path));
        if order.is_some_and(|order| order.mode == SteeringMode::Both) {
            return None;
        }
        self.second_path(association, path, around)
            .map_err(|none| none.obstacle())
            .and_then(|_| self.peer_copies(association, around))
            .err()
    }

    /// Begins to send on two paths what is not sent so yet.
    pub(super) fn review_copying(&mut self, association: &Association, around: Surroundings<'_>) {
        let id = association.id();
        let mut would_copy = self.copies(id);
        let mut obstacle = None;
        let mut is_looked_at = true;
        if let Err(waits) = self.peer_copies(association, around)
            && self.would_copy.contains(&id)
        {
            // Nobody looks again and again at ways that are of no use yet.
            return self.tell_not_copied(association, Some(waits), around.now);
        }
        for (path, known) in association.paths() {
            if self.in_force.contains_key(&(id, *path))
                || known.state() != PathState::Active
                || around.sent_flow(association, path).is_none()
            {
                continue;
            }
            match self.second_path(association, *path, around) {
                Err(NoTarget::Unknown(questions)) => {
                    is_looked_at = false;
                    self.wait_for((id, *path), questions, around.now);
                }
                Err(NoTarget::Obstacle(unfit)) => obstacle = Some(unfit),
                Ok(_) => {
                    would_copy = true;
                    match self.peer_copies(association, around) {
                        Err(unfit) => obstacle = Some(unfit),
                        Ok(()) => {
                            let (mode, cause) = (SteeringMode::Both, SteeringCause::Always);
                            obstacle = self
                                .begin(association, *path, mode, cause, around)
                                .err()
                                .or(obstacle);
                        }
                    }
                }
            }
        }
        if would_copy {
            self.would_copy.insert(id);
        } else {
            self.would_copy.remove(&id);
        }
        if is_looked_at {
            self.tell_not_copied(association, obstacle, around.now);
        }
    }

    /// Says once of an association that its packets do not leave on two paths, if that lasts: nobody is probed before the host's stack
    /// has sent its first HEARTBEAT.
    fn tell_not_copied(
        &mut self,
        association: &Association,
        obstacle: Option<SteeringObstacle>,
        now: Timestamp,
    ) {
        let id = association.id();
        let Some(obstacle) = obstacle else {
            self.not_copied.remove(&id);
            return;
        };
        if now.since(association.known_since()) < HEARTBEAT_WITHIN || self.copies(id) {
            return;
        }
        let path = association.paths().map(|(path, _)| *path).next();
        if let Some(path) = path
            && association.paths().nth(1).is_some()
            && self.not_copied.insert(id, obstacle) != Some(obstacle)
        {
            let kind = EventKind::SteeringRefused { path, obstacle };
            self.report(association.reference(), kind, now);
        }
    }

    /// An order by which packets leave on two paths, after something has changed.
    pub(super) fn review_copied(
        &mut self,
        association: &Association,
        path_id: PathId,
        path: &Path,
        around: Surroundings<'_>,
    ) {
        let at = (association.id(), path_id);
        let Some(order) = self.in_force.get(&at) else {
            return;
        };
        let onto = order.onto;
        if !around.is_watched(association, &path_id) || !around.is_watched(association, &onto) {
            return self.end(at, SteeringEnd::NotWatched, around.now);
        }
        let is_active = path.state() == PathState::Active;
        if is_active && (order.is_draining || self.is_paused) {
            return self.end(at, SteeringEnd::Operator, around.now);
        }
        // One in doubt is not left to itself.
        let is_settled = is_active || path.state() == PathState::Inactive;
        if is_settled && self.peer_copies(association, around).is_err() {
            return self.end(at, SteeringEnd::PeerStopped, around.now);
        }
        let (tag, if_index, moved) = (order.tag, order.if_index, order.moves_segmented);
        let from_before = order.from_if_index;
        let takes = match still(association, path_id, onto, &self.ways, around) {
            Some(target) => Some(target),
            None => match self.target(association, path_id, around) {
                Ok(target) => Some(target),
                Err(NoTarget::Unknown(questions)) => {
                    self.wait_for(at, questions, around.now);
                    None
                }
                Err(NoTarget::Obstacle(_)) => None,
            },
        };
        // To a path that has failed itself nothing is moved.
        let moves_segmented = takes.is_some() && path.state() == PathState::Inactive;
        // A copy that is lost does no harm.
        let Some(target) = takes.or_else(|| same(association, onto, around)) else {
            return;
        };
        let is_as_before = moves_segmented == moved
            && (target.path, target.if_index) == (onto, if_index)
            && tag_of(association).is_none_or(|now| now == tag)
            && source(association, &path_id, around).is_none_or(|from| from.if_index == from_before);
        if is_as_before {
            return;
        }
        if let Some(order) = self.in_force.get_mut(&at) {
            order.moves_segmented = moves_segmented;
        }
        self.change(at, association, &target, around);
    }

    /// The path on which packets of another one could leave as well.
    fn second_path(
        &self,
        association: &Association,
        path: PathId,
        around: Surroundings<'_>,
    ) -> Result<Target, NoTarget> {
        if let Some(obstacle) = self.obstacle((association.id(), path)) {
            return Err(NoTarget::Obstacle(obstacle));
        }
        if !around.is_watched(association, &path) {
            return Err(NoTarget::Obstacle(SteeringObstacle::NotWatched));
        }
        let target = self.target(association, path, around)?;
        let rtt = |path| {
            around
                .sent_flow(association, path)
                .and_then(|flow| flow.probe_rtt)
        };
        // Probes alone find out that one has failed, and tell the other end.
        match rtt(&path).and(rtt(&target.path)) {
            None => Err(NoTarget::Obstacle(SteeringObstacle::NotProbed)),
            Some(rtt) if rtt.srtt + 4 * rtt.rttvar > self.config.steering.longest_rtt => {
                Err(NoTarget::Obstacle(SteeringObstacle::RttTooLong))
            }
            Some(_) => Ok(target),
        }
    }

    /// Whether the other end would send on two paths too, if it has to.
    fn peer_copies(
        &self,
        association: &Association,
        around: Surroundings<'_>,
    ) -> Result<(), SteeringObstacle> {
        let said = self.was_said(association, around, |[would_copy, copies]| would_copy.max(copies));
        if said || self.config.steering.copies_alone {
            Ok(())
        } else {
            Err(SteeringObstacle::PeerDoesNotCopy)
        }
    }

    /// Whether the agent at the other end said something lately, on whichever path.
    fn was_said(
        &self,
        association: &Association,
        around: Surroundings<'_>,
        what: impl Fn([Option<Timestamp>; 2]) -> Option<Timestamp>,
    ) -> bool {
        let lately = (4 * self.config.probe.interval).max(LATELY);
        around
            .flows
            .all_of(association.flows(Direction::Return))
            .filter_map(|flow| what(flow.announced_at))
            .any(|at| around.now.since(at) <= lately)
    }
}

/// What is done with the packets of a path that failed, if it is no copying.
pub(super) fn of_failed(mode: SteeringMode) -> SteeringMode {
    match mode {
        SteeringMode::Both => SteeringMode::Move,
        other => other,
    }
}

/// How long what the other end said holds: a few of its probes may be lost, and an agent that is restarted comes back within that.
const LATELY: Duration = Duration::from_secs(3);
