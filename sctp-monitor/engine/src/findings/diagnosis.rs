//! What is wrong: findings follow from verdicts, losses, sizes and delays, and end with them.
//!
//! Each look at a path draws up what is wrong with it now and compares that with what was reported. So a finding is
//! opened once and closed once, whatever happens in between.

use crate::{
    config::Vantage,
    engine::Engine,
    findings::incidents::{Keys, Member},
    model::{
        AnsweredElsewhere, AssociationId, Broken, Cause, Direction, EventKind, Evidence, Finding, Flapping,
        GreyLoss, IncidentId, LinkDown, Object, PathDown, PathId, PathMtuBlackHole, PathState, PeerDown,
        Status, Timestamp, Zombie,
    },
    path::{
        detector::{Verdict, direction::UNDER_WAY},
        flow::Flow,
        state::Path,
    },
    registry::association::{Association, Phase},
};

impl Engine {
    /// What is wrong with a path.
    pub(crate) fn diagnose_path(&mut self, id: AssociationId, path_id: PathId, now: Timestamp) {
        let found = self.wrong_with_path(id, path_id, now);
        let known = self
            .associations
            .get(&id)
            .and_then(|association| association.paths.get(&path_id))
            .map_or(0, |path| path.findings.len());
        if known == 0 && found.is_empty() {
            return;
        }
        self.settle_path(id, path_id, found, now);
    }

    /// What is wrong with an association as far as its paths' states tell.
    pub(crate) fn diagnose_association(&mut self, id: AssociationId, now: Timestamp) {
        let Some(association) = self.associations.get(&id) else {
            return;
        };
        let mut found: Vec<_> = association
            .findings
            .iter()
            .filter(|finding| !matches!(finding.evidence, Evidence::PeerDown(_)))
            .map(|finding| (finding.object, finding.evidence.clone()))
            .collect();
        found.extend(peer_down(association).map(|evidence| (Object::Association, evidence)));
        self.settle_association(id, found, now);
    }

    /// What only time brings about: findings that are refined, associations that are reviewed.
    pub(crate) fn review(&mut self, now: Timestamp) {
        for (id, path) in self.troubled.clone() {
            self.conclude(id, path, now);
        }
        let held: Vec<_> = self
            .associations
            .values()
            .flat_map(|association| {
                association
                    .paths
                    .iter()
                    .filter(|(_, path)| path.is_held())
                    .map(|(path, _)| (association.id, *path))
            })
            .collect();
        for (id, path) in held {
            self.conclude(id, path, now);
        }
        let slice = self.slice;
        let ids: Vec<_> = self
            .associations
            .keys()
            .copied()
            .filter(|id| slice.has(id.0))
            .collect();
        for id in ids {
            self.review_association(id, now);
        }
    }

    fn review_association(&mut self, id: AssociationId, now: Timestamp) {
        let zombie = self.zombie(id, now);
        let suspicions = self.suspicions(id, now);
        let Some(association) = self.associations.get(&id) else {
            return;
        };
        let whole = peer_down(association)
            .into_iter()
            .chain(zombie.map(Evidence::Zombie));
        let mut found: Vec<_> = whole.map(|evidence| (Object::Association, evidence)).collect();
        if association.is_up() {
            found.extend(self.weaknesses(association, now));
            let suspected = suspicions.into_iter().map(Evidence::SpoofingSuspected);
            found.extend(suspected.map(|evidence| (Object::Association, evidence)));
        }
        if !found.is_empty() || !association.findings.is_empty() {
            self.settle_association(id, found, now);
        }
    }

    /// Ends all findings of an association that is over.
    pub(crate) fn close_findings(&mut self, id: AssociationId, now: Timestamp) {
        let Some(association) = self.associations.get(&id) else {
            return;
        };
        let paths: Vec<_> = association
            .paths
            .iter()
            .filter(|(_, path)| !path.findings.is_empty())
            .map(|(path, _)| *path)
            .collect();
        for path in paths {
            self.settle_path(id, path, Vec::new(), now);
        }
        self.settle_association(id, Vec::new(), now);
    }

    fn wrong_with_path(&self, id: AssociationId, path_id: PathId, now: Timestamp) -> Vec<Evidence> {
        let mut found = Vec::new();
        let Some(association) = self.associations.get(&id).filter(|known| known.is_up()) else {
            return found;
        };
        let Some(path) = association.paths.get(&path_id) else {
            return found;
        };
        let flow = |slot: Option<u32>| slot.and_then(|slot| self.flows.get(&slot)).map(AsRef::as_ref);
        let (sent, received) = (flow(path.sent), flow(path.received));
        let is_down = path.state() == PathState::Inactive;
        if is_down && !path.is_held() {
            found.extend(self.cause_of_death(path.since(), sent, received, now));
        }
        if let Some(failures) = path.flapping(&self.config, now) {
            found.push(Evidence::Flapping(Flapping {
                failures,
                within: self.config.flap_window,
            }));
        }
        if is_down {
            return found;
        }
        let judged = match self.config.vantage {
            Vantage::Endpoint => [sent, None],
            Vantage::Gateway => [sent, received],
        };
        let black_hole = judged
            .into_iter()
            .flatten()
            .find_map(|flow| black_hole(flow, self.config.black_hole_losses));
        let has_black_hole = black_hole.is_some();
        found.extend(black_hole);
        for (direction, flow) in [(Direction::Forward, sent), (Direction::Return, received)] {
            // What is lost for its size is no loss by chance.
            if let Some(rate) = flow.and_then(|flow| flow.losses.rate())
                && !has_black_hole
            {
                found.push(Evidence::GreyLoss(GreyLoss { direction, rate }));
            }
        }
        if let Some(slow) = judged.into_iter().flatten().find_map(|flow| flow.latency.slow()) {
            found.push(Evidence::LatencyDegraded(slow));
        }
        if let Some(source) = sent.and_then(Flow::answered_from) {
            found.push(Evidence::AnsweredElsewhere(AnsweredElsewhere { source }));
        }
        found
    }

    /// Why an inactive path is so, now. A link that is back is no reason any more, though nothing proves the path yet.
    fn cause_of_death(
        &self,
        failed_at: Timestamp,
        sent: Option<&Flow>,
        received: Option<&Flow>,
        now: Timestamp,
    ) -> Option<Evidence> {
        if let Some(reason) = self.nic_trouble(sent, received) {
            return Some(Evidence::LinkDown(LinkDown { reason }));
        }
        let dead = [sent, received]
            .into_iter()
            .flatten()
            .find_map(|flow| match flow.detector.verdict() {
                Verdict::Dead(reason) => Some(reason),
                _ => None,
            })?;
        if dead.is_nic() {
            return None;
        }
        Some(Evidence::PathDown(PathDown {
            broken: self.broken(failed_at, sent, received, now),
            reason: dead.clone(),
        }))
    }

    /// Which direction of a dead path is broken. What arrives that was sent after the break proves one direction; what is
    /// acknowledged late, or arrives twice by the peer's word, the other.
    fn broken(
        &self,
        failed_at: Timestamp,
        sent: Option<&Flow>,
        received: Option<&Flow>,
        now: Timestamp,
    ) -> Broken {
        let is_dead = |flow: Option<&Flow>| {
            flow.is_some_and(|flow| matches!(flow.detector.verdict(), Verdict::Dead(_)))
        };
        let (dead, opposite, direction) = if is_dead(received) && !is_dead(sent) {
            (received, sent, Direction::Return)
        } else {
            (sent, received, Direction::Forward)
        };
        let Some(dead) = dead else {
            return Broken::Unknown;
        };
        let since = dead.detector.first_missed().unwrap_or(failed_at);
        let arrives = dead.detector.arrives_at().is_some_and(|at| at > since);
        let heard = opposite.filter(|_| dead.detector.comes_back());
        let lasts = now.since(since) >= self.config.direction_after;
        let broken = match (arrives, heard) {
            (true, _) => Broken::Return,
            (false, Some(flow)) => self.if_heard(flow, since, lasts),
            (false, None) if lasts => Broken::Both,
            (false, None) => Broken::Unknown,
        };
        match (direction, broken) {
            (Direction::Return, Broken::Return) => Broken::Forward,
            (Direction::Return, Broken::Forward) => Broken::Return,
            _ => broken,
        }
    }

    /// What it means that packets of the other direction still come. At an endpoint they have made the whole way. A gateway
    /// sees them before they are dropped, by its own packet filter for one: there, what they bring about must come back.
    fn if_heard(&self, flow: &Flow, since: Timestamp, lasts: bool) -> Broken {
        if self.config.vantage == Vantage::Endpoint {
            return Broken::Forward;
        }
        let is_answered = flow.detector.alive_at().is_some_and(|at| at > since + UNDER_WAY);
        match flow.detector.verdict() {
            Verdict::Dead(_) => Broken::Both,
            _ if is_answered => Broken::Forward,
            Verdict::Suspect(_) => Broken::Unknown,
            // It asks for no answer.
            _ if lasts => Broken::Forward,
            _ => Broken::Unknown,
        }
    }

    fn zombie(&mut self, id: AssociationId, now: Timestamp) -> Option<Zombie> {
        let association = self.associations.get(&id)?;
        let after = self.config.zombie_after;
        let answers_long_after = |at: Timestamp| {
            let alive = association
                .sent
                .iter()
                .filter_map(|slot| self.flows.get(slot)?.detector.alive_at());
            alive.max().is_some_and(|alive| alive > at + after / 2)
        };
        match association.phase {
            Phase::Ended { at, .. } => return answers_long_after(at).then_some(Zombie::AnswersAfterEnd),
            Phase::ShuttingDown { since, .. } => {
                let pending = now.since(since);
                let is_zombie = pending >= after && answers_long_after(since);
                return is_zombie.then_some(Zombie::ShutdownPending { pending });
            }
            Phase::Opening | Phase::Up => {}
        }
        let newest_window = association
            .received
            .iter()
            .filter_map(|slot| self.flows.get(slot))
            .filter(|flow| flow.view.a_rwnd.is_some())
            .max_by_key(|flow| flow.view.last_seen)
            .and_then(|flow| flow.view.a_rwnd);
        let association = self.associations.get_mut(&id)?;
        if newest_window != Some(0) {
            association.window_zero_since = None;
            return None;
        }
        let since = *association.window_zero_since.get_or_insert(now);
        (now.since(since) >= after).then(|| Zombie::NobodyReads {
            window_zero_for: now.since(since),
        })
    }

    /// Makes the findings on a path what they should be.
    pub(crate) fn settle_path(
        &mut self,
        id: AssociationId,
        path_id: PathId,
        found: Vec<Evidence>,
        now: Timestamp,
    ) {
        let object = Object::Path(path_id);
        let Some(path) = self
            .associations
            .get_mut(&id)
            .and_then(|association| association.paths.get_mut(&path_id))
        else {
            return;
        };
        let known = std::mem::take(&mut path.findings);
        let found = found.into_iter().map(|evidence| (object, evidence)).collect();
        let findings = self.compare(id, known, found, now);
        let key = (id, path_id);
        if findings.is_empty() {
            self.troubled.remove(&key);
        } else {
            self.troubled.insert(key);
        }
        if let Some(path) = self
            .associations
            .get_mut(&id)
            .and_then(|association| association.paths.get_mut(&path_id))
        {
            path.findings = findings;
        }
    }

    fn settle_association(&mut self, id: AssociationId, found: Vec<(Object, Evidence)>, now: Timestamp) {
        let Some(association) = self.associations.get_mut(&id) else {
            return;
        };
        let known = std::mem::take(&mut association.findings);
        let findings = self.compare(id, known, found, now);
        if let Some(association) = self.associations.get_mut(&id) {
            association.findings = findings;
        }
    }

    /// Reports what is new, what has changed and what is over; gives what is wrong now.
    fn compare(
        &mut self,
        id: AssociationId,
        mut known: Vec<Finding>,
        found: Vec<(Object, Evidence)>,
        now: Timestamp,
    ) -> Vec<Finding> {
        let mut findings = Vec::with_capacity(found.len());
        for (object, evidence) in found {
            let same = known
                .iter()
                .position(|finding| finding.object == object && finding.evidence.is_same_kind(&evidence));
            let Some(index) = same else {
                findings.push(self.open_finding(id, object, evidence, now));
                continue;
            };
            let mut finding = known.swap_remove(index);
            if finding.evidence.differs(&evidence) {
                finding.update(evidence);
                self.report_finding(id, Status::Updated, finding.clone(), now);
            }
            findings.push(finding);
        }
        for finding in known {
            let incident = finding.incident.filter(|_| finding.evidence.cause().is_some());
            self.report_finding(id, Status::Closed, finding, now);
            if let Some(incident) = incident
                && let Some(view) = self.incidents.leave(incident, id, now)
            {
                self.report_incident(Status::Closed, view, now);
            }
        }
        findings
    }

    fn open_finding(
        &mut self,
        id: AssociationId,
        object: Object,
        evidence: Evidence,
        now: Timestamp,
    ) -> Finding {
        let mut finding = Finding::new(object, now, evidence, None);
        let mut opened = None;
        if let Some(member) = self.member(id, &finding) {
            let window = self.config.incident_window;
            let (incident, view) = self.incidents.join(&member, window, now);
            finding.incident = Some(incident);
            opened = view;
        }
        if matches!(finding.evidence, Evidence::PeerDown(_)) {
            finding.incident = self.incident_of_paths(id);
            if let Some(incident) = finding.incident {
                self.incidents.on_peer_down(incident, id, now);
            }
        }
        if let Some(view) = opened {
            self.report_incident(Status::Opened, view, now);
        }
        self.report_finding(id, Status::Opened, finding.clone(), now);
        finding
    }

    /// The incident that an association's dead paths are part of.
    fn incident_of_paths(&self, id: AssociationId) -> Option<IncidentId> {
        let paths = &self.associations.get(&id)?.paths;
        let mut findings = paths.values().flat_map(|path| &path.findings);
        findings.find_map(|finding| {
            finding
                .incident
                .filter(|_| finding.evidence.cause() == Some(Cause::Failure))
        })
    }

    /// A finding as a member of an incident, if it may be one.
    fn member(&self, id: AssociationId, finding: &Finding) -> Option<Member> {
        let cause = finding.evidence.cause()?;
        let Object::Path(path_id) = finding.object else {
            return None;
        };
        let association = self.associations.get(&id)?;
        let path = association.paths.get(&path_id)?;
        let mut peer: Vec<_> = association.remote.iter().copied().collect();
        peer.sort_unstable();
        let flow = path.sent.or(path.received).and_then(|slot| self.flows.get(&slot));
        let interface = flow
            .map(|flow| flow.view.interface.if_index())
            .and_then(|index| Some((index, self.nic_name(index)?)));
        Some(Member {
            association: id,
            cause,
            kind: finding.evidence.kind(),
            keys: Keys {
                interface,
                local: Some(path_id.local),
                remote: Some(path_id.remote),
                association: Some(id),
                peer: Some(peer),
            },
            alive_at: flow.and_then(|flow| flow.detector.alive_at()),
            severity: finding.severity,
            reason: finding.text.clone(),
            next: finding.check.clone(),
        })
    }

    fn report_finding(&mut self, id: AssociationId, status: Status, finding: Finding, now: Timestamp) {
        self.report(id, EventKind::Finding { status, finding }, now);
    }
}

/// All paths that anything is known of are down, and not for want of a link on this side.
fn peer_down(association: &Association) -> Option<Evidence> {
    let mut known = association
        .paths
        .values()
        .filter(|path| path.state() != PathState::Unconfirmed);
    let paths = known.clone().count();
    let all_down = known.clone().all(|path| path.state() == PathState::Inactive);
    let is_down = association.is_up() && paths > 1 && all_down && !known.all(Path::is_cut_off);
    is_down.then_some(Evidence::PeerDown(PeerDown { paths }))
}

/// Packets too large for the path, by their sizes or because only heartbeats pass.
fn black_hole(flow: &Flow, losses: u32) -> Option<Evidence> {
    let only_heartbeats = flow.detector.only_heartbeats_pass();
    let by_size = flow
        .sizes
        .black_hole(losses)
        .filter(|(_, passed)| passed.is_some() || only_heartbeats);
    if by_size.is_none() && !only_heartbeats {
        return None;
    }
    Some(Evidence::PathMtuBlackHole(PathMtuBlackHole {
        lost_bytes: by_size.map(|(lost, _)| lost),
        passed_bytes: by_size.and_then(|(_, passed)| passed),
        path_mtu: flow.path_mtu,
    }))
}
