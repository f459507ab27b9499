//! Which packets leave on another path than the one the host chose: those of a path that is inactive, on one that works.
//!
//! It decides by what the engine has concluded of the paths already, and looks at no packet. It gives orders for flows and takes
//! them back; what carries them out is not its affair, nor does it know how. A dry run is decided alike.

mod around;
mod both;
mod choice;
mod command;
mod order;
mod preflight;
mod ways;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use sctp_monitor_common::abi::{FlowKey, SteerCounts};

pub(crate) use self::{around::Surroundings, order::Decision};
use self::{
    choice::{NoTarget, Target, choose, still},
    order::{InForce, Source, counted, order},
    ways::Ways,
};
use crate::{
    config::Config,
    model::{
        AssociationId, AssociationRef, Event, EventKind, PathId, PathState, Schema, SteeringCause,
        SteeringCounts, SteeringEnd, SteeringMode, SteeringObstacle, Timestamp,
    },
    path::state::Path,
    registry::association::Association,
};

/// The policy, and what is in force by it.
#[derive(Debug)]
pub(crate) struct Steering {
    config: Arc<Config>,
    in_force: BTreeMap<(AssociationId, PathId), InForce>,
    /// What was counted before, over all outages of a path.
    before: BTreeMap<(AssociationId, PathId), (SteeringMode, Timestamp, SteeringCounts)>,
    /// Why packets of a path that failed are not moved, as it was reported.
    refused: BTreeMap<(AssociationId, PathId), SteeringObstacle>,
    /// Paths that the operator wants left alone until they are active.
    left_alone: BTreeSet<(AssociationId, PathId)>,
    /// Paths whose packets are moved, or left, when it is known which ways lead to others.
    waiting: BTreeSet<(AssociationId, PathId)>,
    /// Associations whose packets would leave on two paths as soon as those of the other end do.
    would_copy: BTreeSet<AssociationId>,
    /// Why packets do not leave on two paths, as it was reported.
    not_copied: BTreeMap<AssociationId, SteeringObstacle>,
    ways: Ways,
    is_paused: bool,
    decisions: VecDeque<Decision>,
}

impl Steering {
    pub(crate) fn new(config: Arc<Config>) -> Self {
        Self {
            config,
            in_force: BTreeMap::new(),
            before: BTreeMap::new(),
            refused: BTreeMap::new(),
            left_alone: BTreeSet::new(),
            waiting: BTreeSet::new(),
            would_copy: BTreeSet::new(),
            not_copied: BTreeMap::new(),
            ways: Ways::default(),
            is_paused: false,
            decisions: VecDeque::new(),
        }
    }

    /// The next decision, in order.
    pub(crate) fn poll_decision(&mut self) -> Option<Decision> {
        self.decisions.pop_front()
    }

    /// When the next path has been active for long enough to have its packets back.
    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        self.in_force
            .values()
            .filter_map(|order| order.active_until)
            .min()
    }

    /// The associations whose paths are to be reviewed at that time.
    pub(crate) fn due(&self, now: Timestamp) -> BTreeSet<AssociationId> {
        let due = self.in_force.iter();
        due.filter(|(_, order)| order.active_until.is_some_and(|at| at <= now))
            .map(|((association, _), _)| *association)
            .collect()
    }

    /// The associations of which anything is kept.
    pub(crate) fn associations(&self) -> BTreeSet<AssociationId> {
        let all = self.in_force.keys().chain(self.before.keys());
        all.chain(self.refused.keys())
            .chain(&self.left_alone)
            .chain(&self.waiting)
            .map(|(association, _)| *association)
            .chain(self.not_copied.keys().copied())
            .chain(self.would_copy.iter().copied())
            .collect()
    }

    /// The flows for which there is an order.
    pub(crate) fn flows(&self) -> impl Iterator<Item = &FlowKey> {
        self.in_force.values().map(|order| &order.key)
    }

    /// What became of the packets of a flow by the order in force.
    pub(crate) fn handle_counts(&mut self, key: &FlowKey, counts: &SteerCounts) {
        if let Some(order) = self.in_force.values_mut().find(|order| order.key == *key) {
            order.counts = counted(counts);
        }
    }

    /// Looks at the paths of an association, of which the state of one has changed or enough time has passed.
    pub(crate) fn review(&mut self, association: &Association, around: Surroundings<'_>) {
        let id = association.id();
        if !association.is_established() {
            self.forget(id, around.now);
            return;
        }
        let gone: Vec<_> = self
            .paths_of(id)
            .filter(|path| association.path(path).is_none())
            .collect();
        for path in gone {
            self.end((id, path), SteeringEnd::PathGone, around.now);
        }
        let mode = self.mode_of(association);
        self.waiting.retain(|(association, _)| *association != id);
        if mode != SteeringMode::Off {
            self.ask_ahead(association, around);
        }
        // A path that has its packets back may take those of another one.
        for (path_id, path) in association.paths() {
            self.review_order(association, *path_id, path, around);
        }
        if mode == SteeringMode::Both {
            self.review_copying(association, around);
        }
        for (path_id, path) in association.paths() {
            let is_inactive = path.state() == PathState::Inactive;
            if is_inactive && mode != SteeringMode::Off && !self.in_force.contains_key(&(id, *path_id)) {
                // Why not is reported.
                let mode = both::of_failed(mode);
                let _ = self.begin(association, *path_id, mode, SteeringCause::PathInactive, around);
            }
        }
    }

    /// Nothing of an association is to be steered any more.
    pub(crate) fn forget(&mut self, association: AssociationId, now: Timestamp) {
        let paths: Vec<_> = self.paths_of(association).collect();
        for path in paths {
            self.end((association, path), SteeringEnd::PathGone, now);
        }
        self.before.retain(|(id, _), _| *id != association);
        self.refused.retain(|(id, _), _| *id != association);
        self.left_alone.retain(|(id, _)| *id != association);
        self.waiting.retain(|(id, _)| *id != association);
        self.would_copy.remove(&association);
        self.not_copied.remove(&association);
    }

    /// The kernel did not take the order for a flow.
    pub(crate) fn on_refused(&mut self, key: &FlowKey, now: Timestamp) {
        let of_flow = self.in_force.iter().find(|(_, order)| order.key == *key);
        if let Some(at) = of_flow.map(|(at, _)| *at) {
            self.end(at, SteeringEnd::Refused, now);
            self.left_alone.insert(at);
        }
    }

    /// Takes everything back.
    pub(crate) fn end_all(&mut self, end: SteeringEnd, now: Timestamp) {
        let all: Vec<_> = self.in_force.keys().copied().collect();
        for at in all {
            self.end(at, end, now);
        }
    }

    fn review_order(
        &mut self,
        association: &Association,
        path_id: PathId,
        path: &Path,
        around: Surroundings<'_>,
    ) {
        let at = (association.id(), path_id);
        if path.state() == PathState::Active {
            self.refused.remove(&at);
            // What is to leave on two paths is left alone until the operator says otherwise.
            if self.mode_of(association) != SteeringMode::Both {
                self.left_alone.remove(&at);
            }
        }
        let Some(order) = self.in_force.get(&at) else {
            return;
        };
        if order.mode == SteeringMode::Both {
            return self.review_copied(association, path_id, path, around);
        }
        let hold_down = self.config.steering.hold_down;
        let is_held = order.cause == SteeringCause::PathInactive && path.state() == PathState::Active;
        let active_until = is_held.then(|| path.since() + hold_down);
        if active_until.is_some_and(|until| until <= around.now) {
            self.end(at, SteeringEnd::PathRecovered, around.now);
            return;
        }
        let (onto, if_index, tag_before) = (order.onto, order.if_index, order.tag);
        // The program that moves them is not there, or what leaves on the other path is not seen.
        if !around.is_watched(association, &path_id) || !around.is_watched(association, &onto) {
            self.end(at, SteeringEnd::NotWatched, around.now);
            return;
        }
        if let Some(order) = self.in_force.get_mut(&at) {
            order.active_until = active_until;
        }
        // A restart has given it another tag: the order means nobody's packets any more.
        let is_outdated = tag_of(association).is_some_and(|tag| tag != tag_before);
        match still(association, path_id, onto, &self.ways, around) {
            Some(target) if !is_outdated && target.if_index == if_index => return,
            // The host's route for that path leads by another NIC from now on.
            Some(target) if !is_outdated && self.follows(at, association, &target, around) => return,
            _ => {}
        }
        let is_in_doubt = association.path(&onto).map(Path::state) == Some(PathState::PotentiallyFailed);
        match self.target(association, path_id, around) {
            // One in doubt keeps the packets for want of a better one, but not from a path that works.
            _ if is_held && !is_outdated => self.end(at, SteeringEnd::PathRecovered, around.now),
            // For some milliseconds it makes no difference.
            Err(NoTarget::Unknown(questions)) => self.wait_for(at, questions, around.now),
            Err(_) if is_in_doubt && !is_outdated => {}
            Ok(target) => self.change(at, association, &target, around),
            // The path itself works again: what waits is over.
            Err(_) if is_held => self.end(at, SteeringEnd::PathRecovered, around.now),
            Err(_) => self.end(at, SteeringEnd::NoPathLeft, around.now),
        }
    }

    fn begin(
        &mut self,
        association: &Association,
        path_id: PathId,
        mode: SteeringMode,
        cause: SteeringCause,
        around: Surroundings<'_>,
    ) -> Result<(), SteeringObstacle> {
        let at = (association.id(), path_id);
        // What the host does not send cannot be moved.
        let source = source(association, &path_id, around).ok_or(SteeringObstacle::NothingSent)?;
        let chosen = match self.obstacle(at) {
            Some(obstacle) => Err(obstacle),
            None if !around.is_watched(association, &path_id) => Err(SteeringObstacle::NotWatched),
            None => match self.target(association, path_id, around) {
                Ok(target) => Ok(target),
                Err(NoTarget::Obstacle(obstacle)) => Err(obstacle),
                Err(NoTarget::Unknown(questions)) => {
                    self.wait_for(at, questions, around.now);
                    return Err(SteeringObstacle::NotChecked);
                }
            },
        };
        let order = chosen.and_then(|target| {
            let order = order(source, &target, tag_of(association), mode, false)?;
            Ok((target, order))
        });
        match order {
            Err(obstacle) => {
                let is_asked = cause == SteeringCause::Operator;
                let is_news = !is_asked && self.refused.insert(at, obstacle) != Some(obstacle);
                // An association of one path has no other one.
                if is_news && association.paths().nth(1).is_some() {
                    let kind = EventKind::SteeringRefused {
                        path: path_id,
                        obstacle,
                    };
                    self.report(association.reference(), kind, around.now);
                }
                Err(obstacle)
            }
            Ok((target, order)) => {
                self.refused.remove(&at);
                let in_force = InForce {
                    association: association.reference(),
                    key: source.key,
                    tag: order.tag,
                    from_if_index: source.if_index,
                    if_index: order.if_index,
                    moves_segmented: false,
                    is_draining: false,
                    onto: target.path,
                    mode,
                    cause,
                    since: around.now,
                    active_until: None,
                    counted: SteeringCounts::default(),
                    counts: SteeringCounts::default(),
                };
                self.in_force.insert(at, in_force);
                self.decisions.push_back(Decision::Order {
                    key: source.key,
                    order: Some(order),
                });
                let kind = EventKind::SteeringStarted {
                    path: path_id,
                    onto: target.path,
                    mode,
                    cause,
                };
                self.report(association.reference(), kind, around.now);
                Ok(())
            }
        }
    }

    /// Why packets of a path are not moved whatever its siblings do.
    fn obstacle(&self, at: (AssociationId, PathId)) -> Option<SteeringObstacle> {
        if self.is_paused {
            return Some(SteeringObstacle::Paused);
        }
        if self.left_alone.contains(&at) {
            return Some(SteeringObstacle::Operator);
        }
        let steered: BTreeSet<_> = self
            .in_force
            .keys()
            .chain(&self.waiting)
            .map(|(association, _)| *association)
            .collect();
        let most = self.config.steering.most_associations as usize;
        let is_one_too_many = !steered.contains(&at.0) && steered.len() >= most;
        is_one_too_many.then_some(SteeringObstacle::TooManyAssociations)
    }

    /// The best other path of the association: one whose own packets do not leave elsewhere.
    fn target(
        &self,
        association: &Association,
        path: PathId,
        around: Surroundings<'_>,
    ) -> Result<Target, NoTarget> {
        let id = association.id();
        let leaves_elsewhere = |order: &InForce| order.mode != SteeringMode::Both;
        let is_free = |other: &PathId| !self.in_force.get(&(id, *other)).is_some_and(leaves_elsewhere);
        let config = &self.config.steering;
        choose(association, path, is_free, config, &self.ways, around)
    }

    fn change(
        &mut self,
        at: (AssociationId, PathId),
        association: &Association,
        target: &Target,
        around: Surroundings<'_>,
    ) {
        let Some(in_force) = self.in_force.get_mut(&at) else {
            return;
        };
        let tag = tag_of(association);
        let if_index = source(association, &at.1, around).map_or(in_force.from_if_index, |now| now.if_index);
        let from = Source {
            key: in_force.key,
            if_index,
        };
        let Ok(order) = order(from, target, tag, in_force.mode, in_force.moves_segmented) else {
            return self.end(at, SteeringEnd::NoPathLeft, around.now);
        };
        in_force.from_if_index = if_index;
        in_force.counted = in_force.counted + std::mem::take(&mut in_force.counts);
        in_force.tag = order.tag;
        in_force.if_index = order.if_index;
        let from = std::mem::replace(&mut in_force.onto, target.path);
        let mode = in_force.mode;
        let key = in_force.key;
        let order = Some(order);
        self.decisions.push_back(Decision::Order { key, order });
        if from != target.path {
            let kind = EventKind::SteeringChanged {
                path: at.1,
                from,
                onto: target.path,
                mode,
            };
            self.report(association.reference(), kind, around.now);
        }
    }

    fn end(&mut self, at: (AssociationId, PathId), end: SteeringEnd, now: Timestamp) {
        let Some(order) = self.in_force.remove(&at) else {
            return;
        };
        let counts = order.counted + order.counts;
        let before = self
            .before
            .get(&at)
            .map_or_else(SteeringCounts::default, |(_, _, counts)| *counts);
        self.before.insert(at, (order.mode, now, before + counts));
        self.decisions.push_back(Decision::Order {
            key: order.key,
            order: None,
        });
        let kind = EventKind::SteeringEnded {
            path: at.1,
            onto: order.onto,
            mode: order.mode,
            end,
            counts,
            lasting: now.since(order.since),
        };
        self.report(order.association, kind, now);
    }

    fn paths_of(&self, association: AssociationId) -> impl Iterator<Item = PathId> {
        let all = self.in_force.keys();
        all.filter(move |(id, _)| *id == association)
            .map(|(_, path)| *path)
    }

    fn report(&mut self, association: AssociationRef, kind: EventKind, time: Timestamp) {
        self.decisions.push_back(Decision::Report(Box::new(Event {
            schema: Schema,
            time,
            association: Some(association),
            kind,
        })));
    }
}

/// What this host sends on a path, and by which NIC.
fn source(association: &Association, path: &PathId, around: Surroundings<'_>) -> Option<Source> {
    let flow = around.sent_flow(association, path)?;
    Some(Source {
        key: flow.view.key,
        if_index: flow.view.interface.if_index(),
    })
}

/// The tag of what this host sends, if it is certain.
fn tag_of(association: &Association) -> Option<u32> {
    association.certain_tags().map(|[tag, _]| tag)
}
