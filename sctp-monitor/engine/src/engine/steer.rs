//! What the steering policy is asked, and what becomes of its decisions.

use std::collections::{BTreeMap, BTreeSet};

use sctp_monitor_common::abi::{FlowKey, SteerCounts};

use super::{Engine, Output};
use crate::{
    model::{
        AssociationId, NicTies, PathId, ReversePathFilter, SteeredPath, SteeringEnd, SteeringObstacle,
        SteeringProspect, Timestamp, Way, WayQuestion,
    },
    registry::association::Association,
    steering::{Decision, Surroundings},
};

impl Engine {
    /// Takes the MTU of a NIC, whenever it changes.
    pub(crate) fn handle_mtu(&mut self, if_index: u32, mtu: u32) {
        self.nics.set_mtu(if_index, mtu);
    }

    /// Takes how a NIC stands to others, whenever it changes.
    pub(crate) fn handle_ties(&mut self, if_index: u32, ties: NicTies) {
        self.nics.set_ties(if_index, ties);
    }

    /// Whether routes and neighbours should be looked at before packets are moved.
    pub(crate) fn has_way_questions(&self) -> bool {
        self.steering.has_questions()
    }

    /// The ways of which something is to be said by [`Engine::handle_ways`].
    pub(crate) fn take_way_questions(&mut self, now: Timestamp) -> BTreeSet<WayQuestion> {
        self.steering.take_questions(now)
    }

    /// Wants to know the ways of all paths of an association.
    pub(crate) fn ask_ways(&mut self, id: AssociationId, now: Timestamp) {
        let around = Surroundings {
            flows: &self.flows,
            nics: &self.nics,
            now,
        };
        if let Some(association) = self.registry.get(id).filter(|known| known.is_established()) {
            self.steering.ask_about(association, around);
        }
    }

    /// Takes what was found of ways, and how NICs filter what arrives.
    pub(crate) fn handle_ways(
        &mut self,
        found: &BTreeMap<WayQuestion, Option<Way>>,
        filters: &BTreeMap<u32, ReversePathFilter>,
        read_at: Timestamp,
        now: Timestamp,
    ) {
        for (if_index, filter) in filters {
            self.nics.set_filter(*if_index, *filter);
        }
        for association in self.steering.on_ways(found, read_at) {
            self.review_steering(association, now);
        }
    }

    /// The flows for which there is an order.
    pub(crate) fn steered_flows(&self) -> Vec<FlowKey> {
        self.steering.flows().copied().collect()
    }

    /// What became of the packets of a flow by the order in force.
    pub(crate) fn handle_steered(&mut self, key: &FlowKey, counts: &SteerCounts) {
        self.steering.handle_counts(key, counts);
    }

    /// The order for a flow was not taken.
    pub(crate) fn handle_order_refused(&mut self, key: &FlowKey, now: Timestamp) {
        self.steering.on_refused(key, now);
        self.take_decisions(now);
    }

    /// Whether the operator paused steering.
    #[must_use]
    pub fn is_steering_paused(&self) -> bool {
        self.steering.is_paused()
    }

    /// The paths whose packets leave on another one.
    #[must_use]
    pub fn steered_paths(&self) -> Vec<SteeredPath> {
        self.steering.list()
    }

    /// What would be done with the packets of each path of an association if it failed now; `None` if it is not known.
    #[must_use]
    pub fn steering_prospects(&self, id: AssociationId, now: Timestamp) -> Option<Vec<SteeringProspect>> {
        let association = self.registry.get(id).filter(|known| known.is_established())?;
        Some(self.steering.explain(association, self.surroundings(now)))
    }

    /// The operator wants the packets of a path moved, or not any more.
    pub(crate) fn handle_steering(
        &mut self,
        id: AssociationId,
        path: PathId,
        is_wanted: bool,
        now: Timestamp,
    ) -> Result<(), SteeringObstacle> {
        let around = Surroundings {
            flows: &self.flows,
            nics: &self.nics,
            now,
        };
        let association = self.registry.get(id).filter(|known| known.is_established());
        let association = association.ok_or(SteeringObstacle::NoSuchPath)?;
        let done = if is_wanted {
            self.steering.add(association, path, around)
        } else {
            self.steering.remove(association, path, around)
        };
        self.take_decisions(now);
        done
    }

    /// The operator wants nothing moved for a while, or wants it to go on.
    pub(crate) fn handle_steering_pause(&mut self, is_paused: bool, now: Timestamp) {
        if is_paused {
            self.steering.pause(now);
        } else {
            self.steering.resume();
        }
        let all: Vec<_> = self.associations().map(Association::id).collect();
        for association in all {
            self.review_steering(association, now);
        }
    }

    fn surroundings(&self, now: Timestamp) -> Surroundings<'_> {
        Surroundings {
            flows: &self.flows,
            nics: &self.nics,
            now,
        }
    }

    /// Packets leave as the host sends them: the agent ends.
    pub(super) fn end_steering(&mut self, now: Timestamp) {
        self.steering.end_all(SteeringEnd::AgentEnds, now);
        self.take_decisions(now);
    }

    /// Something of an association has changed that may matter.
    pub(super) fn review_steering(&mut self, id: AssociationId, now: Timestamp) {
        if !self.config.steering.is_on() {
            return;
        }
        let around = Surroundings {
            flows: &self.flows,
            nics: &self.nics,
            now,
        };
        match self.registry.get(id) {
            Some(association) => {
                self.steering.review(association, around);
                let copies = [
                    self.steering.copies(id),
                    self.steering.comes_twice(association, around),
                ];
                self.registry.set_copies(&mut self.flows, id, copies);
            }
            None => self.steering.forget(id, now),
        }
        self.probing.say(id, self.steering.says(id));
        self.take_decisions(now);
    }

    /// The ways whose next hops are to stay known.
    pub(crate) fn kept_ways(&self) -> BTreeSet<WayQuestion> {
        self.steering.kept_ways()
    }

    /// Does what time alone brings about.
    pub(super) fn time_steering(&mut self, now: Timestamp) {
        for association in self.steering.due(now) {
            self.review_steering(association, now);
        }
    }

    /// What was steered of associations that are no more, and whether the other end still says what it said.
    pub(super) fn review_all_steering(&mut self, now: Timestamp) {
        let mut all = self.steering.associations();
        let copies = self.config.steering.copies();
        let concerned = self.associations().filter(|known| copies || known.is_copied());
        all.extend(concerned.map(Association::id));
        for association in all {
            self.review_steering(association, now);
        }
        self.route(now);
    }

    /// The stack sends nothing on a path whose packets leave on another one: only probes show that it works again.
    fn keep_probed(&mut self, key: &FlowKey, is_steered: bool, now: Timestamp) {
        let slot = self.flows.slot_of(key);
        let member = slot.and_then(|slot| self.flows.get(slot)?.member);
        if let Some(member) = member {
            self.probing
                .keep((member.association, member.path), is_steered, now);
        }
    }

    fn take_decisions(&mut self, now: Timestamp) {
        while let Some(decision) = self.steering.poll_decision() {
            if let Decision::Order { key, order } = &decision {
                self.keep_probed(key, order.is_some(), now);
            }
            self.outputs.push_back(match decision {
                Decision::Report(event) => Output::Event(event),
                Decision::Order { key, order } => Output::Steer { key, order },
            });
        }
    }
}
