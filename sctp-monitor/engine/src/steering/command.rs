//! What the operator asks of steering, and is told of it.

use super::{InForce, Steering, around::Surroundings, both};
use crate::{
    model::{
        AssociationId, PathId, PathState, Side, SteeredPath, SteeringCause, SteeringCounts, SteeringEnd,
        SteeringMode, SteeringObstacle, SteeringProspect, SteeringView, Timestamp,
    },
    registry::association::Association,
};

impl Steering {
    /// Whether the operator paused it.
    pub(crate) fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// What is in force, by association and path.
    pub(crate) fn list(&self) -> Vec<SteeredPath> {
        let one = |((id, path), order): (&(AssociationId, PathId), &InForce)| {
            Some(SteeredPath {
                association: order.association,
                path: *path,
                steering: self.view(*id, *path)?,
            })
        };
        self.in_force.iter().filter_map(one).collect()
    }

    /// What would be done with the packets of each path of an association if it failed now.
    pub(crate) fn explain(
        &self,
        association: &Association,
        around: Surroundings<'_>,
    ) -> Vec<SteeringProspect> {
        let id = association.id();
        let is_off = self.mode_of(association) == SteeringMode::Off;
        association
            .paths()
            .map(|(path_id, path)| {
                let target = match self.obstacle((id, *path_id)) {
                    _ if is_off => Err(SteeringObstacle::Off),
                    Some(obstacle) => Err(obstacle),
                    None => self
                        .target(association, *path_id, around)
                        .map(|target| target.path)
                        .map_err(|none| none.obstacle()),
                };
                let (way, unfit) = self.way(association, *path_id, around);
                SteeringProspect {
                    path: *path_id,
                    state: path.state(),
                    steering: self.view(id, *path_id),
                    onto: target.as_ref().ok().copied(),
                    obstacle: target.err(),
                    not_copied: (self.mode_of(association) == SteeringMode::Both)
                        .then(|| self.not_copied(association, *path_id, around))
                        .flatten(),
                    way,
                    unfit,
                }
            })
            .collect()
    }

    /// What is steered of a path.
    pub(crate) fn view(&self, association: AssociationId, path: PathId) -> Option<SteeringView> {
        let at = (association, path);
        let before = self.before.get(&at);
        let so_far = before.map_or_else(SteeringCounts::default, |(_, _, counts)| *counts);
        match (self.in_force.get(&at), before) {
            (Some(order), _) => Some(SteeringView {
                onto: Some(order.onto),
                mode: order.mode,
                since: order.since,
                counts: so_far + order.counted + order.counts,
            }),
            (None, Some((mode, since, counts))) => Some(SteeringView {
                onto: None,
                mode: *mode,
                since: *since,
                counts: *counts,
            }),
            (None, None) => None,
        }
    }

    /// Moves the packets of a path, whatever its state, until the operator takes it back.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn add(
        &mut self,
        association: &Association,
        path: PathId,
        around: Surroundings<'_>,
    ) -> Result<(), SteeringObstacle> {
        let at = (association.id(), path);
        let mode = self.mode_of(association);
        if mode == SteeringMode::Off {
            return Err(SteeringObstacle::Off);
        }
        if association.path(&path).is_none() {
            return Err(SteeringObstacle::NoSuchPath);
        }
        let takes_others = |order: &InForce| {
            order.association.id == at.0 && order.onto == path && order.mode != SteeringMode::Both
        };
        if self.in_force.values().any(takes_others) {
            return Err(SteeringObstacle::TakesOthers);
        }
        self.left_alone.remove(&at);
        if let Some(order) = self.in_force.get_mut(&at) {
            order.is_draining = false;
            if order.mode != SteeringMode::Both {
                order.cause = SteeringCause::Operator;
                order.active_until = None;
            }
            return Ok(());
        }
        if mode == SteeringMode::Both && self.not_copied(association, path, around).is_none() {
            return self.begin(association, path, mode, SteeringCause::Always, around);
        }
        let mode = both::of_failed(mode);
        self.begin(association, path, mode, SteeringCause::Operator, around)
    }

    /// Takes back what is in force for a path, and leaves it alone until it is active.
    ///
    /// # Errors
    /// If nothing is in force.
    pub(crate) fn remove(
        &mut self,
        association: &Association,
        path: PathId,
        around: Surroundings<'_>,
    ) -> Result<(), SteeringObstacle> {
        let at = (association.id(), path);
        let Some(order) = self.in_force.get_mut(&at) else {
            return Err(SteeringObstacle::NothingInForce);
        };
        let state = association.path(&path).map(crate::path::state::Path::state);
        let is_active = state == Some(PathState::Active);
        let is_copied = order.mode == SteeringMode::Both;
        order.is_draining = is_copied && !is_active;
        if is_copied || !is_active {
            self.left_alone.insert(at);
        }
        if is_copied && !is_active {
            return Err(SteeringObstacle::CarriesAlone);
        }
        self.end(at, SteeringEnd::Operator, around.now);
        Ok(())
    }

    /// Takes everything back, and begins nothing until [`Steering::resume`]. What leaves on two paths is taken back when the
    /// associations are reviewed, unless the other path alone carries it: then later.
    pub(crate) fn pause(&mut self, now: Timestamp) {
        self.is_paused = true;
        let moved: Vec<_> = self
            .in_force
            .iter()
            .filter(|(_, order)| order.mode != SteeringMode::Both)
            .map(|(at, _)| *at)
            .collect();
        for at in moved {
            self.end(at, SteeringEnd::Operator, now);
        }
    }

    /// Ends a pause. What is to be moved is found when the associations are reviewed.
    pub(crate) fn resume(&mut self) {
        self.is_paused = false;
        self.refused.clear();
    }

    pub(super) fn mode_of(&self, association: &Association) -> SteeringMode {
        let addresses = association.addresses(Side::Remote).iter().copied();
        self.config.steering.mode_for(addresses)
    }
}
