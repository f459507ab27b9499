//! What follows from what was weighed: the state of a path, what is wrong with it and with its association.
//!
//! A path has a state since the evidence was complete, and what begins or ends with that did so then, whenever it is noticed.

use super::{Engine, Output};
use crate::{
    findings::seen::Surroundings,
    model::{AssociationId, Direction, Event, EventKind, PathId, Reason, Schema, Timestamp},
    path::{
        detector::{Judged, Verdict},
        flow::Flow,
    },
    probing::Probing,
};

impl Engine {
    /// Takes on what the findings have to report.
    pub(super) fn take_events(&mut self) {
        while let Some(event) = self.findings.poll_event() {
            self.outputs.push_back(Output::Event(Box::new(event)));
        }
    }

    /// Draws the conclusion for one path of an established association, and what is wrong with it.
    pub(super) fn conclude(&mut self, id: AssociationId, path_id: PathId, now: Timestamp) {
        let Some(association) = self.registry.get_mut(id).filter(|known| known.is_established()) else {
            return;
        };
        let reference = association.reference();
        let Some(path) = association.path_mut(&path_id) else {
            return;
        };
        let [forward, back] = Direction::BOTH.map(|direction| self.flows.get(path.flow(direction)?));
        let [mut to_remote, to_local] =
            [forward, back].map(|flow| flow.map_or(Judged::UNKNOWN, Flow::judged));
        let asks = (id, path_id);
        let is_missing = forward.is_some_and(|flow| flow.detector.missing_since().is_some());
        self.probing.on_doubt(asks, is_missing, now);
        let doubted = awaits_probes(&self.probing, &asks, to_remote.verdict, now);
        if let Some(doubted) = &doubted {
            to_remote.verdict = doubted;
        }
        let fault = self.nics.fault_of(self.config.vantage, forward, back);
        let was_cut_off = path.is_cut_off();
        let changed = path.conclude(to_remote, to_local, fault, &self.config, now);
        let concerns_peer = changed.is_some() || path.is_cut_off() != was_cut_off;
        let has_changed = changed.is_some();
        let noticed_at = changed.as_ref().map_or(now, |_| path.since());
        if let Some((from, to, reason)) = changed {
            let kind = EventKind::PathStateChanged {
                path: path_id,
                from,
                to,
                reason,
            };
            self.outputs.push_back(Output::Event(Box::new(Event {
                schema: Schema,
                time: noticed_at,
                association: Some(reference),
                kind,
            })));
        }
        let around = Surroundings {
            flows: &self.flows,
            nics: &self.nics,
            now,
        };
        self.findings
            .review_path(association, path_id, around, noticed_at);
        if concerns_peer {
            self.findings.review_peer(association, around, noticed_at);
        }
        self.take_events();
        if has_changed {
            self.review_steering(id, now);
        }
    }

    /// Finds out what is wrong with an association as a whole, and whether it is probed.
    pub(super) fn review(&mut self, id: AssociationId, now: Timestamp) {
        let suspected = self.registry.suspected(&self.flows, id, now);
        let around = Surroundings {
            flows: &self.flows,
            nics: &self.nics,
            now,
        };
        if let Some(association) = self.registry.get(id) {
            self.findings.review_association(association, suspected, around);
            self.take_events();
        }
        self.review_probed(id, now);
    }
}

/// What is thought instead while a missing answer alone tells that a path is dead, and its probes will tell soon whether it is.
fn awaits_probes(
    probing: &Probing,
    path: &(AssociationId, PathId),
    verdict: &Verdict,
    now: Timestamp,
) -> Option<Verdict> {
    match verdict {
        Verdict::Dead(reason @ (Reason::HeartbeatUnanswered { .. } | Reason::DataUnacknowledged { .. }))
            if probing.is_asking(path, now) =>
        {
            Some(Verdict::Suspect(reason.clone()))
        }
        _ => None,
    }
}
