//! The agent's own probes, between the paths and whoever sends them.

use sctp_monitor_common::abi::ProbeRecord;

use super::{Engine, Output};
use crate::{
    config::{HEARTBEAT_WITHIN, Vantage},
    model::{
        AssociationId, Direction, Event, EventKind, PathId, ProbeObstacle, ProbesView, Schema, Timestamp,
    },
    probing::{
        Judgement, ProbeOutput, UsualRtt,
        request::ProbeRequest,
        target::{Target, target_of},
    },
};

impl Engine {
    /// Takes what the programs know of the probes that wait for answers, by their places, and what follows from answers. What follows
    /// from their absence is found out when a path is due.
    pub(crate) fn handle_probes(&mut self, record: impl Fn(u32) -> Option<ProbeRecord>, now: Timestamp) {
        let mut answered = Vec::new();
        for (path, index) in self.probing.waiting() {
            if let Some(record) = record(index)
                && self.probing.take_record(path, &record, now)
            {
                answered.push(path);
            }
        }
        for (id, path) in answered {
            self.judge_probes(id, path, now);
        }
    }

    /// What a path's probes tell, if that is news.
    fn judge_probes(&mut self, id: AssociationId, path: PathId, now: Timestamp) {
        let Some(judgement) = self.probing.judge((id, path), now) else {
            return;
        };
        let rtt = self.probing.rtt(&(id, path));
        let association = self.registry.get(id);
        let slot = association.and_then(|known| known.path(&path)?.flow(Direction::Forward));
        if let Some(flow) = slot.and_then(|slot| self.flows.get_mut(slot)) {
            flow.probe_rtt = rtt;
            match judgement {
                Judgement::Answered { at, rtt } => flow.detector.on_probe_answered(at, rtt),
                Judgement::Dead {
                    reason,
                    first_sent_at,
                } => {
                    if !flow.detector.on_probes_unanswered(reason, first_sent_at, now) {
                        self.probing.on_disbelieved(&(id, path), now);
                    }
                }
            }
        }
        self.conclude(id, path, now);
    }

    /// A probe was sent then, or could not be.
    pub(crate) fn on_probe_sent(&mut self, request: &ProbeRequest, at: Option<Timestamp>, now: Timestamp) {
        self.probing.on_sent(request, at, now);
    }

    /// Sends the probes that are due.
    pub(super) fn probe(&mut self, now: Timestamp) {
        for (id, path) in self.probing.take_due(now) {
            self.follow_probed(id, now);
            self.judge_probes(id, path, now);
            let was_on_trial = self.probing.is_on_trial(&(id, path));
            self.probing.act((id, path), now);
            if was_on_trial && !self.probing.is_on_trial(&(id, path)) {
                // Nothing keeps the path from being called dead any more.
                self.conclude(id, path, now);
            }
        }
        self.take_probe_outputs();
    }

    pub(super) fn take_probe_outputs(&mut self) {
        while let Some(output) = self.probing.poll_output() {
            self.outputs.push_back(match output {
                ProbeOutput::Assign { index, path } => Output::AssignProbe { index, path },
                ProbeOutput::Send(request) => Output::Probe(request),
            });
        }
    }

    /// Looks at how the paths of an association are probed, and says what has stood in the way for long.
    pub(super) fn review_probed(&mut self, id: AssociationId, now: Timestamp) {
        if !self.is_probing() {
            return;
        }
        self.follow_probed(id, now);
        let Some(association) = self.registry.get(id).filter(|known| known.is_established()) else {
            return;
        };
        if now.since(association.known_since()) < HEARTBEAT_WITHIN {
            return;
        }
        let reference = association.reference();
        let paths: Vec<_> = association.paths().map(|(path, _)| *path).collect();
        for path in paths {
            let obstacle = self.hindrance(id, &path);
            if let Some(obstacle) = obstacle.filter(|obstacle| obstacle.is_remarkable())
                && self.probing.is_news(id, obstacle)
            {
                self.outputs.push_back(Output::Event(Box::new(Event {
                    schema: Schema,
                    time: now,
                    association: Some(reference),
                    kind: EventKind::NotProbed { path, obstacle },
                })));
            }
        }
        self.take_probe_outputs();
    }

    /// What a reader is told of a path's probes; nothing if none are sent.
    pub(super) fn probes_view(&self, id: AssociationId, path: PathId) -> Option<ProbesView> {
        if !self.is_probing() {
            return None;
        }
        let known = self.probing.view(&(id, path));
        Some(known.unwrap_or_else(|| ProbesView::none(self.hindrance(id, &path))))
    }

    fn is_probing(&self) -> bool {
        self.probing.is_on() && self.config.vantage == Vantage::Endpoint
    }

    fn follow_probed(&mut self, id: AssociationId, now: Timestamp) {
        let Some(association) = self.registry.get(id) else {
            return self.probing.forget_association(id);
        };
        for (path, known) in association.paths() {
            let target = target_of(association, path, &self.flows, &self.nics);
            let forward = known
                .flow(Direction::Forward)
                .and_then(|slot| self.flows.get(slot));
            let usual = forward.map_or_else(UsualRtt::default, |flow| UsualRtt {
                heartbeats: flow.view.heartbeat_rtt,
                data: flow.view.data_to_sack,
            });
            self.probing.follow((id, *path), target, usual, now);
        }
    }

    fn target(&self, id: AssociationId, path: &PathId) -> Result<Target, ProbeObstacle> {
        let association = self.registry.get(id).ok_or(ProbeObstacle::NotEstablished)?;
        target_of(association, path, &self.flows, &self.nics)
    }

    fn hindrance(&self, id: AssociationId, path: &PathId) -> Option<ProbeObstacle> {
        match self.target(id, path) {
            Ok(_) => self.probing.hindrance(&(id, *path)),
            Err(obstacle) => Some(obstacle),
        }
    }
}
