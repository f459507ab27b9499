//! What is looked up before packets are moved: whose ways are asked about, and who waits for the answers.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Steering,
    around::Surroundings,
    choice::Target,
    ways::{self, question},
};
use crate::{
    model::{AssociationId, PathId, PathState, SteeringObstacle, Timestamp, Way, WayQuestion, WayView},
    registry::association::Association,
};

impl Steering {
    /// Whether anybody should look at routes and neighbours now.
    pub(crate) fn has_questions(&self) -> bool {
        self.ways.waiting() > 0
    }

    /// The ways that are to be looked at.
    pub(crate) fn take_questions(&mut self, now: Timestamp) -> BTreeSet<WayQuestion> {
        self.ways.take_questions(now)
    }

    /// Takes what was found of ways; gives the associations that wait for it.
    pub(crate) fn on_ways(
        &mut self,
        found: &BTreeMap<WayQuestion, Option<Way>>,
        read_at: Timestamp,
    ) -> BTreeSet<AssociationId> {
        self.ways.on_found(found, read_at);
        self.waiting.iter().map(|(association, _)| *association).collect()
    }

    /// Wants to know the ways of all paths of an association.
    pub(crate) fn ask_about(&mut self, association: &Association, around: Surroundings<'_>) {
        let flows = association
            .paths()
            .filter_map(|(id, _)| Some(question(*id, around.sent_flow(association, id)?)));
        let unknown = flows.filter(|question| !self.ways.is_fresh(question, around.now));
        let unknown: Vec<_> = unknown.collect();
        self.ways.ask(unknown, around.now);
    }

    /// Looks ahead while a path is in doubt or its packets are moved, so that nothing has to wait when it is given up, or the other one
    /// is. When very many are in doubt, the rest waits.
    pub(super) fn ask_ahead(&mut self, association: &Association, around: Surroundings<'_>) {
        let id = association.id();
        let mut in_doubt = association
            .paths()
            .filter(|(_, path)| path.state() == PathState::PotentiallyFailed);
        let is_moved = self.paths_of(id).next().is_some();
        let is_in_doubt = in_doubt.any(|(path, _)| self.obstacle((id, *path)).is_none());
        if is_moved || is_in_doubt && self.ways.waiting() < MOST_IN_ADVANCE {
            self.ask_about(association, around);
        }
    }

    /// Whether packets go on to a path that leaves by another NIC than when they began to. It is looked at like a new one.
    pub(super) fn follows(
        &mut self,
        at: (AssociationId, PathId),
        association: &Association,
        target: &Target,
        around: Surroundings<'_>,
    ) -> bool {
        let asked = WayQuestion {
            path: target.path,
            if_index: target.if_index,
        };
        match self.ways.lately(&asked, around.now) {
            None => self.wait_for(at, BTreeSet::from([asked]), around.now),
            Some(way) if ways::obstacle(association, asked, way, around).is_some() => return false,
            Some(_) => self.change(at, association, target, around),
        }
        true
    }

    /// Nothing is decided for a path before its questions are answered.
    pub(super) fn wait_for(
        &mut self,
        at: (AssociationId, PathId),
        questions: BTreeSet<WayQuestion>,
        now: Timestamp,
    ) {
        self.waiting.insert(at);
        self.ways.ask(questions, now);
    }

    /// How packets of other paths would leave on this one, and why they cannot.
    pub(super) fn way(
        &self,
        association: &Association,
        path: PathId,
        around: Surroundings<'_>,
    ) -> (Option<WayView>, Option<SteeringObstacle>) {
        let Some(flow) = around.sent_flow(association, &path) else {
            return (None, Some(SteeringObstacle::NothingSent));
        };
        let asked = question(path, flow);
        let Some(way) = self.ways.lately(&asked, around.now) else {
            return (None, Some(SteeringObstacle::NotChecked));
        };
        let mtu = around.mtu(flow, way);
        (
            ways::view(association, asked, way, mtu, around),
            ways::obstacle(association, asked, way, around),
        )
    }
}

/// Ways that are asked about before anybody needs them, at most: some 50 ms of netlink.
const MOST_IN_ADVANCE: usize = 512;
