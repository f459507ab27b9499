//! The findings that are open, and how they are reported.
//!
//! Findings follow from verdicts, losses, sizes and delays, and end with them. Each look at a path draws up what is wrong
//! with it now and compares that with what was reported. So a finding is opened once and closed once, whatever happens in
//! between.

use std::{
    collections::{BTreeMap, VecDeque},
    net::IpAddr,
    sync::Arc,
};

use sctp_monitor_common::abi::FlowKey;
use serde::{Deserialize, Serialize};

use crate::{
    config::Config,
    findings::{
        bad_checksum::Checksums,
        incidents::{Incidents, Member},
        peer_down,
        rules::{weaknesses, wrong_with_path},
        seen::{PathSeen, Surroundings},
        short_lived, spoofing_suspected,
        zombie::{self, ZeroWindows},
    },
    model::{
        AssociationId, AssociationRef, Cause, Event, EventKind, Evidence, Finding, Forgery, IncidentId,
        IncidentView, Object, PathId, Schema, Status, Timestamp,
    },
    registry::{association::Association, forgery::Account},
};

/// All that is wrong.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Findings {
    #[serde(skip)]
    config: Arc<Config>,
    by_association: BTreeMap<AssociationId, Known>,
    incidents: Incidents,
    checksums: Checksums,
    short_lived: short_lived::Rows,
    events: VecDeque<Event>,
}

/// What is wrong with one association.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Known {
    /// With it as a whole, or with one address of the peer.
    whole: Vec<Finding>,
    /// With its paths; those with which nothing is wrong are not among them.
    paths: BTreeMap<PathId, Vec<Finding>>,
    zero_windows: ZeroWindows,
}

impl Known {
    fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.paths.is_empty() && self.zero_windows.is_none()
    }

    /// The incident that the association's dead paths are part of.
    fn incident_of_paths(&self) -> Option<IncidentId> {
        self.paths.values().flatten().find_map(|finding| {
            finding
                .incident
                .filter(|_| finding.evidence.cause() == Some(Cause::Failure))
        })
    }
}

impl Findings {
    /// The same, under another configuration.
    pub(crate) fn under(self, config: Arc<Config>) -> Self {
        Self { config, ..self }
    }

    /// Goes by another configuration from now on.
    pub(crate) fn follow_config(&mut self, config: Arc<Config>) {
        self.config = config;
    }

    pub(crate) fn new(config: Arc<Config>) -> Self {
        Self {
            config,
            by_association: BTreeMap::new(),
            incidents: Incidents::default(),
            checksums: Checksums::default(),
            short_lived: short_lived::Rows::default(),
            events: VecDeque::new(),
        }
    }

    /// The oldest event that nobody has taken yet.
    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// What is wrong with an association as a whole, or with one address of the peer.
    pub(crate) fn of(&self, id: AssociationId) -> &[Finding] {
        self.by_association.get(&id).map_or(&[], |known| &known.whole)
    }

    /// What is wrong with one path.
    pub(crate) fn of_path(&self, id: AssociationId, path: &PathId) -> &[Finding] {
        self.by_association
            .get(&id)
            .and_then(|known| known.paths.get(path))
            .map_or(&[], Vec::as_slice)
    }

    /// What is wrong and of no single association.
    pub(crate) fn apart(&self) -> impl Iterator<Item = Finding> {
        self.short_lived.open().chain(self.checksums.open())
    }

    /// The paths with findings.
    pub(crate) fn troubled_paths(&self) -> Vec<(AssociationId, PathId)> {
        self.by_association
            .iter()
            .flat_map(|(id, known)| known.paths.keys().map(|path| (*id, *path)))
            .collect()
    }

    /// The incidents that are open, by number.
    pub(crate) fn incidents(&self) -> impl Iterator<Item = &IncidentView> {
        self.incidents.views()
    }

    /// When the next change of an incident is to be reported.
    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        self.incidents.deadline()
    }

    /// Reports the incidents that have changed.
    pub(crate) fn handle_timeout(&mut self, now: Timestamp) {
        for view in self.incidents.due(now) {
            self.report_incident(Status::Updated, view, now);
        }
    }

    /// The checksum of a packet was looked at.
    pub(crate) fn on_checksum(&mut self, key: &FlowKey, is_right: bool, now: Timestamp) {
        self.events.extend(self.checksums.on_packet(key, is_right, now));
    }

    /// Finds out what is wrong with a path of an established association; what has changed did so at that time.
    pub(crate) fn review_path(
        &mut self,
        association: &Association,
        path: PathId,
        around: Surroundings<'_>,
        noticed_at: Timestamp,
    ) {
        let config = Arc::clone(&self.config);
        let Some(seen) = PathSeen::new(association, path, around, &config) else {
            return;
        };
        let found = wrong_with_path(&seen);
        if found.is_empty() && self.of_path(association.id(), &path).is_empty() {
            return;
        }
        self.settle_path(
            seen.reference(),
            path,
            found,
            |finding| Member::of(&seen, finding),
            noticed_at,
        );
    }

    /// Finds out whether all paths of an established association are down, when the state of one has changed.
    pub(crate) fn review_peer(
        &mut self,
        association: &Association,
        around: Surroundings<'_>,
        noticed_at: Timestamp,
    ) {
        let mut found: Vec<_> = self
            .of(association.id())
            .iter()
            .filter(|finding| !matches!(finding.evidence, Evidence::PeerDown(_)))
            .map(|finding| (finding.object, finding.evidence.clone()))
            .collect();
        let peer_down = peer_down::rule(association, around, &self.config);
        found.extend(peer_down.map(|evidence| (Object::Association, evidence)));
        self.settle_association(association.reference(), found, noticed_at);
    }

    /// Finds out what is wrong with an association as a whole; `suspected` is what the registry thinks to be forged.
    pub(crate) fn review_association(
        &mut self,
        association: &Association,
        suspected: Vec<(Forgery, Account)>,
        around: Surroundings<'_>,
    ) {
        let now = around.now;
        let whole = peer_down::rule(association, around, &self.config)
            .into_iter()
            .chain(self.zombies(association, around));
        let mut found: Vec<_> = whole.map(|evidence| (Object::Association, evidence)).collect();
        if association.is_established() {
            found.extend(weaknesses(association, around, &self.config));
            let suspected = spoofing_suspected::rule(suspected, around);
            found.extend(suspected.map(|evidence| (Object::Association, evidence)));
        }
        if !found.is_empty() || !self.of(association.id()).is_empty() {
            self.settle_association(association.reference(), found, now);
        }
    }

    fn zombies(&mut self, association: &Association, around: Surroundings<'_>) -> Vec<Evidence> {
        let id = association.id();
        let known = self.by_association.get(&id);
        let before = known.map_or_else(ZeroWindows::default, |known| known.zero_windows);
        let mut zero_windows = before;
        let zombies = zombie::rule(association, around, &self.config, &mut zero_windows);
        if zero_windows != before {
            self.by_association.entry(id).or_default().zero_windows = zero_windows;
            self.drop_if_empty(id);
        }
        zombies
    }

    /// An association is over: was it short-lived?
    pub(crate) fn on_ended(&mut self, association: &Association, now: Timestamp) {
        let report = self.short_lived.on_ended(association, &self.config, now);
        self.report_apart(report, now);
    }

    /// A handshake was refused by an ABORT from this address.
    pub(crate) fn on_refused(&mut self, initiator: IpAddr, responder: IpAddr, by: IpAddr, now: Timestamp) {
        let config = &self.config;
        let report = self.short_lived.on_refused(initiator, responder, by, config, now);
        self.report_apart(report, now);
    }

    /// Ends what nothing was added to for long.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        let over = self.short_lived.expire(&self.config, now);
        self.report_apart(over, now);
    }

    /// Reports findings that are of no single association.
    fn report_apart(&mut self, reports: impl IntoIterator<Item = short_lived::Report>, now: Timestamp) {
        for (status, finding) in reports {
            self.events.push_back(Event {
                schema: Schema,
                time: now,
                association: None,
                kind: EventKind::Finding { status, finding },
            });
        }
    }

    /// An association is over, and so are its findings.
    pub(crate) fn close(&mut self, association: AssociationRef, now: Timestamp) {
        let Some(known) = self.by_association.get_mut(&association.id) else {
            return;
        };
        known.zero_windows = ZeroWindows::default();
        let paths: Vec<_> = known.paths.keys().copied().collect();
        for path in paths {
            self.close_path(association, path, now);
        }
        self.settle_association(association, Vec::new(), now);
    }

    /// A path is no more, and so are its findings.
    pub(crate) fn close_path(&mut self, association: AssociationRef, path: PathId, now: Timestamp) {
        self.settle_path(association, path, Vec::new(), |_| None, now);
    }

    /// Makes the findings on a path what they should be.
    fn settle_path(
        &mut self,
        association: AssociationRef,
        path: PathId,
        found: Vec<Evidence>,
        member: impl Fn(&Finding) -> Option<Member>,
        now: Timestamp,
    ) {
        let id = association.id;
        let known = self
            .by_association
            .get_mut(&id)
            .and_then(|known| known.paths.remove(&path))
            .unwrap_or_default();
        let object = Object::Path(path);
        let found = found.into_iter().map(|evidence| (object, evidence)).collect();
        let findings = self.compare(association, known, found, member, now);
        if !findings.is_empty() {
            let known = self.by_association.entry(id).or_default();
            known.paths.insert(path, findings);
        }
        self.drop_if_empty(id);
    }

    /// Makes the findings on an association as a whole what they should be.
    fn settle_association(
        &mut self,
        association: AssociationRef,
        found: Vec<(Object, Evidence)>,
        now: Timestamp,
    ) {
        let id = association.id;
        let known = self.by_association.get_mut(&id);
        let known = known.map(|known| std::mem::take(&mut known.whole));
        let findings = self.compare(association, known.unwrap_or_default(), found, |_| None, now);
        if !findings.is_empty() {
            self.by_association.entry(id).or_default().whole = findings;
        }
        self.drop_if_empty(id);
    }

    fn drop_if_empty(&mut self, id: AssociationId) {
        if self.by_association.get(&id).is_some_and(Known::is_empty) {
            self.by_association.remove(&id);
        }
    }

    /// Reports what is new, what has changed and what is over; gives what is wrong now.
    fn compare(
        &mut self,
        association: AssociationRef,
        mut known: Vec<Finding>,
        found: Vec<(Object, Evidence)>,
        member: impl Fn(&Finding) -> Option<Member>,
        now: Timestamp,
    ) -> Vec<Finding> {
        let mut findings = Vec::with_capacity(found.len());
        for (object, evidence) in found {
            let same = known
                .iter()
                .position(|finding| finding.object == object && finding.evidence.is_same_kind(&evidence));
            let Some(index) = same else {
                let finding = Finding::new(object, association.sides, now, evidence, None);
                let member = member(&finding);
                findings.push(self.open(association, finding, member, now));
                continue;
            };
            let mut finding = known.swap_remove(index);
            if finding.evidence.differs(&evidence) {
                finding.update(association.sides, evidence);
                self.report(association, Status::Updated, finding.clone(), now);
            }
            findings.push(finding);
        }
        for finding in known {
            let incident = finding.incident.filter(|_| finding.evidence.cause().is_some());
            self.report(association, Status::Closed, finding, now);
            if let Some(incident) = incident
                && let Some(view) = self.incidents.leave(incident, association.id)
            {
                self.report_incident(Status::Closed, view, now);
            }
        }
        findings
    }

    fn open(
        &mut self,
        association: AssociationRef,
        mut finding: Finding,
        member: Option<Member>,
        now: Timestamp,
    ) -> Finding {
        let id = association.id;
        if let Some(member) = member {
            let window = self.config.incident_window;
            let (incident, opened) = self.incidents.join(&member, window, now);
            finding.incident = Some(incident);
            if let Some(view) = opened {
                self.report_incident(Status::Opened, view, now);
            }
        }
        if let Evidence::PeerDown(peer_down) = &finding.evidence {
            let known = self.by_association.get(&id);
            finding.incident = known.and_then(Known::incident_of_paths);
            if let Some(incident) = finding.incident {
                self.incidents
                    .on_peer_down(incident, id, peer_down.silent.clone(), now);
            }
        }
        self.report(association, Status::Opened, finding.clone(), now);
        finding
    }

    fn report(&mut self, association: AssociationRef, status: Status, finding: Finding, time: Timestamp) {
        self.events.push_back(Event {
            schema: Schema,
            time,
            association: Some(association),
            kind: EventKind::Finding { status, finding },
        });
    }

    fn report_incident(&mut self, status: Status, incident: IncidentView, time: Timestamp) {
        self.events.push_back(Event {
            schema: Schema,
            time,
            association: None,
            kind: EventKind::Incident { status, incident },
        });
    }
}
