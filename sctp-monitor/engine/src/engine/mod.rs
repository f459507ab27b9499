//! The engine's verbs, which [`Session`](crate::Session) alone calls: `handle_*` takes what was seen and the time,
//! `poll_output` gives what follows, `poll_timeout` says when to come back at the latest, with `handle_timeout`.
//!
//! Each verb takes what was seen to the machine that judges it, and what that decides to the next one.
//!
//! [`Flows`] weigh records, [`Registry`] says whose they are, [`Findings`] what is wrong. None of them knows the next: the
//! registry queues its changes and the findings their events, and the engine takes them on, in their order, after each step
//! that may have queued any.

mod conclude;
mod held;
mod next_hops;
mod probing;
mod ring;
pub(crate) mod saved;
mod sight;
mod snapshot;
mod steer;

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use sctp_monitor_common::abi::{FlowKey, FlowLinks, FlowRecord, ProbePath, SteerOrder};

use crate::{
    config::Config,
    engine::held::Held,
    findings::Findings,
    grace::Grace,
    housekeeping::Housekeeping,
    model::{AssociationId, Event, Finding, IncidentView, PathId, Timestamp},
    nics::{NicState, Nics},
    path::{flow::Membership, flows::Flows},
    probing::{Probing, request::ProbeRequest},
    registry::{Registry, association::Association, change::Change, context::context},
    steering::Steering,
};

/// What the engine wants done.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Output {
    /// Report this.
    Event(Box<Event>),
    /// Tell the programs of the association of the flow in `slot`. Nothing is said of a flow until then, and what was said
    /// ends with [`Output::Release`].
    Link {
        /// The flow.
        slot: u32,
        /// All that is to be said, in place of what was said before.
        links: FlowLinks,
    },
    /// Forget the flow in `slot`.
    Release {
        /// The flow.
        slot: u32,
        /// The addresses and ports of the flow.
        key: FlowKey,
    },
    /// A place in the map of probes passes to a path, or to none.
    AssignProbe {
        /// The place.
        index: u32,
        /// The path; all zero for none.
        path: ProbePath,
    },
    /// Send this probe.
    Probe(ProbeRequest),
    /// Say how the packets of a flow that this host sends are to leave.
    Steer {
        /// The flow.
        key: FlowKey,
        /// In place of what was said before; as the host sends them if `None`.
        order: Option<SteerOrder>,
    },
}

/// Packets of which a flow is judged are not seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hidden {
    /// Its own, or those of the opposite direction of its path.
    Path,
    /// Those of another path of the association.
    Other,
}

/// The engine. See the crate's documentation.
#[derive(Debug)]
pub struct Engine {
    config: Arc<Config>,
    flows: Flows,
    registry: Registry,
    findings: Findings,
    probing: Probing,
    steering: Steering,
    nics: Nics,
    grace: Grace,
    housekeeping: Housekeeping,
    held: Held,
    /// Paths of whose next hop nothing was said yet.
    in_question: BTreeSet<PathId>,
    outputs: VecDeque<Output>,
}

impl Engine {
    /// An engine that knows nothing yet. `tick` is one tick of the flow records' coarse clock.
    #[must_use]
    pub(crate) fn new(config: Config, tick: Duration) -> Self {
        let config = Arc::new(config);
        Self {
            flows: Flows::new(tick),
            registry: Registry::new(Arc::clone(&config)),
            findings: Findings::new(Arc::clone(&config)),
            probing: Probing::new(Arc::clone(&config)),
            steering: Steering::new(Arc::clone(&config)),
            config,
            nics: Nics::default(),
            grace: Grace::default(),
            housekeeping: Housekeeping::default(),
            held: Held::default(),
            in_question: BTreeSet::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Judges and probes by another configuration from now on.
    pub(crate) fn handle_config(&mut self, config: Config, now: Timestamp) {
        let config = Arc::new(Config {
            vantage: self.config.vantage,
            may_lack_packets: self.config.may_lack_packets,
            max_flows: self.config.max_flows,
            steering: self.config.steering.clone(),
            ..config
        });
        self.registry.follow_config(Arc::clone(&config));
        self.findings.follow_config(Arc::clone(&config));
        self.probing.follow_config(Arc::clone(&config), now);
        self.config = config;
    }

    /// Takes the newest record of a slot. Needed when it has changed, and while the flow waits for an answer.
    pub(crate) fn handle_record(&mut self, slot: u32, record: &FlowRecord, now: Timestamp) {
        if record.first_seen_ns == 0 {
            return;
        }
        let known = self.flows.get(slot);
        if known.is_some_and(|flow| flow.view.key != record.key) {
            self.registry.forget_flow(&mut self.flows, slot, now);
            self.route(now);
        }
        self.registry
            .follow_tag(&mut self.flows, slot, (record.tag, record.proofs), now);
        if let Some(flow) = self.flows.get_mut(slot) {
            flow.part_from(record);
        }
        let record = &*self.flows.own(slot, record);
        let flow = self.flows.take_record(slot, record, now);
        let is_new = flow.member.is_none();
        if is_new {
            self.registry.assign(&mut self.flows, slot, now);
        }
        self.route(now);
        self.registry.count_foreign(&mut self.flows, slot, now);
        if let Some(member) = self.weigh(slot, record, now) {
            self.registry.on_observed(&mut self.flows, slot, member, now);
            self.route(now);
            // What is known of its association may have changed with that.
            let member = self.flows.get(slot).and_then(|flow| flow.member);
            if let Some(member) = member {
                self.conclude(member.association, member.path, now);
            }
        }
        if is_new {
            self.match_early_acks(now);
        }
    }

    /// This host or the agent stood still until now: what waits in queues was not looked at yet.
    pub(crate) fn handle_stall(&mut self, now: Timestamp) {
        self.grace.on_stall(now);
    }

    /// Takes the state of a NIC, whenever it changes.
    pub(crate) fn handle_nic(&mut self, if_index: u32, name: &str, state: NicState, now: Timestamp) {
        let fault = self.nics.set(if_index, name, state);
        let mut affected = Vec::new();
        let flows = self.flows.iter_mut();
        for flow in flows.filter(|flow| flow.view.interface.if_index() == if_index) {
            if let Some(reason) = &fault {
                flow.detector.on_cut_off(reason, now);
            }
            affected.extend(flow.member);
        }
        affected.sort_unstable_by_key(|member| (member.association, member.path));
        for member in affected {
            self.conclude(member.association, member.path, now);
        }
    }

    /// The CRC32c of a packet was looked at.
    pub(crate) fn handle_checksum(&mut self, key: &FlowKey, is_right: bool, now: Timestamp) {
        self.findings.on_checksum(key, is_right, now);
        self.take_events();
    }

    /// Does what time alone brings about.
    pub(crate) fn handle_timeout(&mut self, now: Timestamp) {
        self.flows.drop_deadlines(now);
        self.findings.handle_timeout(now);
        self.take_events();
        self.time_steering(now);
        if self.housekeeping.is_due(now) {
            self.keep_house(now);
        }
        self.probe(now);
    }

    /// Nothing more will be seen: what was held back is reported, and what was begun and not finished.
    pub(crate) fn handle_end(&mut self, now: Timestamp) {
        self.registry.establish_rest(&mut self.flows, now);
        self.registry.on_end(&self.flows, now);
        self.route(now);
        self.end_steering(now);
    }

    /// Another engine goes on from here.
    pub(crate) fn handle_pause(&mut self, now: Timestamp) {
        self.end_steering(now);
    }

    /// When [`Engine::handle_timeout`] is due, at the latest. Hand in the records of all flows that wait for an answer
    /// before.
    #[must_use]
    pub(crate) fn poll_timeout(&self) -> Option<Timestamp> {
        [
            self.housekeeping.next_at(),
            self.flows.next_deadline(),
            self.findings.next_deadline(),
            self.probing.next_due(),
            self.steering.next_deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Until when the flow in a slot may wait for an answer: its record is to be handed in by then.
    #[must_use]
    pub(crate) fn deadline_of(&self, slot: u32) -> Option<Timestamp> {
        self.flows.get(slot)?.deadline
    }

    /// Appends the slots whose records are to be handed in now, though they may not have changed.
    pub(crate) fn take_patient(&mut self, now: Timestamp, slots: &mut Vec<u32>) {
        self.flows.take_patient(now, slots);
    }

    /// The next thing to do, in order.
    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The associations that are known, by id.
    pub fn associations(&self) -> impl Iterator<Item = &Association> {
        self.registry.associations()
    }

    /// What is wrong with an association as a whole, or with one address of the peer.
    #[must_use]
    pub fn findings(&self, association: AssociationId) -> &[Finding] {
        self.findings.of(association)
    }

    /// What is wrong with one path of an association.
    #[must_use]
    pub fn path_findings(&self, association: AssociationId, path: &PathId) -> &[Finding] {
        self.findings.of_path(association, path)
    }

    /// What is wrong and of no single association, with the figures of now.
    pub fn findings_apart(&self) -> impl Iterator<Item = Finding> {
        self.findings.apart()
    }

    /// The incidents that are open, by number.
    pub fn incidents(&self) -> impl Iterator<Item = &IncidentView> {
        self.findings.incidents()
    }

    /// Whether it matters that a flow waits for an answer: nobody is told of one whose association is not established. A flood
    /// of forged flows must not keep the driver busy.
    #[must_use]
    pub(crate) fn awaits(&self, slot: u32) -> bool {
        let member = self.flows.get(slot).and_then(|flow| flow.member);
        member
            .and_then(|member| self.registry.get(member.association))
            .is_some_and(Association::is_established)
    }

    /// Packets with another tag than their flow's that are no wonder: they are of a handshake between the same addresses and
    /// ports. The programs count them as mismatches.
    #[must_use]
    pub fn explained_mismatches(&self) -> u64 {
        self.registry.explained_mismatches()
    }

    /// The MTU that an ICMP error named last for what the flow in a slot sends.
    #[must_use]
    pub fn path_mtu(&self, slot: u32) -> Option<u32> {
        self.flows.get(slot)?.path_mtu
    }

    /// Weighs the newest record of a slot, with what the flow's association tells of it.
    fn weigh(&mut self, slot: u32, record: &FlowRecord, now: Timestamp) -> Option<Membership> {
        let flow = self.flows.get(slot)?;
        let member = flow.member;
        let association = member.and_then(|member| self.registry.get(member.association));
        let hidden = self.hidden(association, flow);
        let accuse_from = match hidden {
            Some(Hidden::Path) => now + HIDDEN,
            _ => self.grace.accuse_from(),
        };
        let (mut context, counted) =
            context(association, flow, record, &self.flows, &self.config, accuse_from);
        // A SACK may take another path.
        context.sacks_are_seen &= hidden.is_none();
        let seen = (context, counted);
        let awaited = association.is_some_and(Association::is_established);
        self.flows.observe(slot, record, seen, awaited, &self.config, now);
        member
    }

    /// Takes on what the registry has decided.
    fn route(&mut self, now: Timestamp) {
        while let Some(change) = self.registry.poll_change() {
            match change {
                Change::Report(event) => self.outputs.push_back(Output::Event(event)),
                Change::Link { slot, links } => self.outputs.push_back(Output::Link { slot, links }),
                Change::Release { slot, key } => self.outputs.push_back(Output::Release { slot, key }),
                Change::Established(id) => {
                    let association = self.registry.get(id);
                    let paths = association.map(|association| association.paths().map(|(path, _)| *path));
                    let paths: Vec<_> = paths.into_iter().flatten().collect();
                    for path in paths {
                        self.conclude(id, path, now);
                    }
                }
                Change::Ended(association) => {
                    self.probing.forget_association(association.id);
                    self.findings.close(association, now);
                    let id = association.id;
                    if let Some(association) = self.registry.get(id) {
                        self.findings.on_ended(association, now);
                    }
                    self.review_steering(id, now);
                }
                Change::Refused {
                    initiator,
                    responder,
                    by,
                } => self.findings.on_refused(initiator, responder, by, now),
                Change::PathRemoved(association, path) => {
                    self.probing.forget((association.id, path));
                    self.findings.close_path(association, path, now);
                    self.review_steering(association.id, now);
                }
            }
            self.take_events();
            self.take_probe_outputs();
        }
    }

    /// A round of housekeeping.
    fn keep_house(&mut self, now: Timestamp) {
        let slice = self.housekeeping.begin(self.flows.len(), now);
        self.registry.expire_handshakes(&self.flows, now);
        self.registry.establish_known(&mut self.flows, now);
        self.route(now);
        self.match_early_acks(now);
        self.registry.replace_restarted(&mut self.flows, slice, now);
        self.route(now);
        for (id, path) in self.findings.troubled_paths() {
            self.conclude(id, path, now);
        }
        for (id, path) in self.registry.held_paths() {
            self.conclude(id, path, now);
        }
        let reviewed: Vec<_> = self
            .associations()
            .map(Association::id)
            .filter(|id| slice.has(id.0))
            .collect();
        for id in reviewed {
            self.review(id, now);
        }
        self.question_paths(slice, now);
        self.registry.expire_addresses(now);
        self.flows.read_meters(slice, now);
        self.registry
            .forget_silent(&mut self.flows, self.nics.unwatched(), slice, now);
        self.registry.make_room(&mut self.flows, now);
        self.route(now);
        self.findings.expire(now);
        for association in self.registry.forget_ended(now) {
            self.findings.close(association, now);
        }
        self.take_events();
        self.review_all_steering(now);
    }
}

/// While packets are not seen nobody is accused, and that is looked at again so often.
const HIDDEN: Duration = Duration::from_millis(500);
