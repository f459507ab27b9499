//! The engine's state and its four verbs.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    time::Duration,
};

use foldhash::fast::RandomState;
use schemars::JsonSchema;
use sctp_monitor_common::abi::{AckOutcome, FlowKey, FlowRecord, HeartbeatAcked, IcmpErrorSeen, RingRecord};
use serde::{Deserialize, Serialize};

use crate::{
    config::{Config, Vantage},
    findings::incidents::Incidents,
    model::{
        AssociationId, Direction, EndReason, Event, EventKind, IncidentView, Origin, PathId, Reason, Schema,
        Status, Timestamp,
    },
    path::{
        detector::{Context, Verdict},
        flow::{Counted, Flow, Membership, cum_tsn_ack},
    },
    registry::{
        association::{Association, Phase},
        handshake::Handshakes,
        housekeeping::Slice,
        tags::TagIndex,
    },
};

/// What the engine wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Report this.
    Event(Box<Event>),
    /// Tie the flow in `slot` to its association (see [`FlowRecord`]).
    Link {
        /// The flow.
        slot: u32,
        /// Where the TSN state of its direction is.
        data_slot: u32,
        /// A flow of the opposite direction.
        reverse_slot: u32,
        /// The next flow of its direction.
        sibling_slot: u32,
    },
    /// Set the verification tag of the flow in `slot`.
    SetTag {
        /// The flow.
        slot: u32,
        /// Its association's tag.
        tag: u32,
    },
    /// Forget the flow in `slot`.
    Release {
        /// The flow.
        slot: u32,
        /// Its key.
        key: FlowKey,
    },
}

/// The state of a NIC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NicState {
    /// It has a link.
    Up,
    /// It has none.
    Down,
    /// It no longer exists.
    Gone,
}

#[derive(Debug, Clone)]
struct Nic {
    name: String,
    state: NicState,
}

impl Nic {
    /// Why it carries nothing, if so.
    fn trouble(&self) -> Option<Reason> {
        let interface = self.name.clone();
        match self.state {
            NicState::Up => None,
            NicState::Down => Some(Reason::LinkDown { interface }),
            NicState::Gone => Some(Reason::InterfaceGone { interface }),
        }
    }
}

/// The engine. See the crate's documentation.
#[derive(Debug)]
pub struct Engine {
    pub(crate) config: Config,
    /// One tick of the coarse clock in flow records.
    tick: Duration,
    pub(crate) flows: HashMap<u32, Box<Flow>, RandomState>,
    pub(crate) by_key: HashMap<FlowKey, u32, RandomState>,
    pub(crate) associations: BTreeMap<AssociationId, Association>,
    pub(crate) tags: TagIndex,
    pub(crate) handshakes: Handshakes,
    /// Acks that came over flows whose association was not known yet.
    early_acks: VecDeque<HeartbeatAcked>,
    nics: BTreeMap<u32, Nic>,
    pub(crate) incidents: Incidents,
    /// Paths with findings.
    pub(crate) troubled: BTreeSet<(AssociationId, PathId)>,
    /// When flows must be looked at again, with their slots.
    deadlines: BTreeSet<(Timestamp, u32)>,
    /// Nobody is accused before: this host or the agent stood still.
    accuse_from: Timestamp,
    /// The first and the last of the stalls that follow each other closely.
    stalls: (Timestamp, Timestamp),
    outputs: VecDeque<Output>,
    next_id: u64,
    housekeeping_at: Option<Timestamp>,
    pub(crate) slice: Slice,
}

impl Engine {
    /// An engine that knows nothing yet. `tick` is one tick of the flow records' coarse clock.
    #[must_use]
    pub fn new(config: Config, tick: Duration) -> Self {
        Self {
            config,
            tick,
            flows: HashMap::default(),
            by_key: HashMap::default(),
            associations: BTreeMap::new(),
            tags: TagIndex::default(),
            handshakes: Handshakes::default(),
            early_acks: VecDeque::new(),
            nics: BTreeMap::new(),
            incidents: Incidents::default(),
            troubled: BTreeSet::new(),
            deadlines: BTreeSet::new(),
            accuse_from: Timestamp::default(),
            stalls: Default::default(),
            outputs: VecDeque::new(),
            next_id: 1,
            housekeeping_at: None,
            slice: Slice::default(),
        }
    }

    /// Takes a ring record. Take all that wait before any flow record: they tell why a flow is there.
    pub fn handle_ring(&mut self, record: &RingRecord<'_>) {
        match record {
            RingRecord::Control(header, packet) => self.handle_control(header, packet),
            RingRecord::HeartbeatAcked(acked) => self.handle_ack(acked),
            RingRecord::IcmpError(error) => self.handle_icmp_error(error),
            // The flow record says the same, and cannot be lost.
            RingRecord::FlowOpened(_) | RingRecord::HeartbeatSent(_) => {}
        }
    }

    /// Takes the newest record of a slot. Needed when it has changed, and while the flow waits for an answer.
    pub fn handle_record(&mut self, slot: u32, record: &FlowRecord, now: Timestamp) {
        if record.first_seen_ns == 0 {
            return;
        }
        let stale = self
            .flows
            .get(&slot)
            .is_some_and(|flow| flow.view.key != record.key);
        if stale {
            self.remove_flow(slot, now);
        }
        let tick = self.tick;
        match self.flows.get_mut(&slot) {
            Some(flow) => flow.update(record, tick, now),
            None => {
                self.by_key.insert(record.key, slot);
                self.flows.insert(slot, Box::new(Flow::new(record, tick)));
            }
        }
        if self.flows.get(&slot).is_some_and(|flow| flow.member.is_none()) {
            self.assign(slot, now);
            self.retry_early_acks(slot);
        }
        self.count_strangers(slot, now);
        let member = self.flows.get(&slot).and_then(|flow| flow.member);
        let (context, counted) = self.context(member, record);
        let awaited = self.awaits(slot);
        let Some(flow) = self.flows.get_mut(&slot) else {
            return;
        };
        flow.observe(record, context, counted, tick, &self.config, now);
        let deadline = flow.detector.deadline().filter(|_| awaited);
        if let Some(old) = std::mem::replace(&mut flow.deadline, deadline)
            && Some(old) != deadline
        {
            self.deadlines.remove(&(old, slot));
        }
        if let Some(deadline) = deadline {
            self.deadlines.insert((deadline, slot));
        }
        if let Some(member) = member {
            self.follow_data(slot, member, now);
            self.report_up(member.association, now);
            self.conclude(member.association, member.path, now);
        }
    }

    /// What the association tells of a flow.
    fn context(&self, member: Option<Membership>, record: &FlowRecord) -> (Context, Counted) {
        let association = member.and_then(|member| self.associations.get(&member.association));
        let direction = member.map_or(Direction::Forward, |member| member.direction);
        // The flow whose record holds the TSN state may be idle, and not looked at for long.
        let mut sacks_are_seen = record.shows_sacks();
        let mut gathered = 0.0_f32;
        let mut credits = 0_u32;
        let siblings = association.map_or(&[][..], |association| association.flows(direction));
        for flow in siblings.iter().filter_map(|slot| self.flows.get(slot)) {
            sacks_are_seen |= flow.sacks_seen;
            gathered = gathered.max(flow.detector.gathered());
            credits = credits.saturating_add(flow.credits());
        }
        if credits < HABIT_KNOWN {
            gathered = gathered.max(HABIT_UNKNOWN);
        }
        let cum_tsn_ack = cum_tsn_ack(record).or_else(|| self.flows.get(siblings.first()?)?.cum_tsn_ack);
        let came_back_at = member
            .and_then(|member| association?.paths.get(&member.path)?.flow(direction.reversed()))
            .and_then(|slot| self.flows.get(&slot))
            .map(|flow| flow.heard_at);
        let context = Context {
            answers_are_seen: association
                .is_some_and(|association| !association.flows(direction.reversed()).is_empty()),
            sacks_are_seen,
            gathered,
            came_back_at,
            cum_tsn_ack,
            accuse_from: self.accuse_from,
        };
        let counted = match (self.config.vantage, direction) {
            (Vantage::Endpoint, Direction::Forward) => Counted::Ahead,
            (Vantage::Endpoint, Direction::Return) => Counted::Behind,
            (Vantage::Gateway, _) => Counted::Both,
        };
        (context, counted)
    }

    /// Follows new DATA from path to path.
    fn follow_data(&mut self, slot: u32, member: Membership, now: Timestamp) {
        let Some(flow) = self.flows.get_mut(&slot) else {
            return;
        };
        let (acked_at, new_data) = (flow.acked_at.take(), flow.new_data_at.take());
        let Some(association) = self.associations.get_mut(&member.association) else {
            return;
        };
        let primary = &mut association.primary[member.direction as usize];
        if let Some(at) = acked_at {
            primary.on_acked(member.path, at);
        }
        let moved = new_data.and_then(|at| primary.on_new_data(member.path, at));
        if let Some(moved) = moved.filter(|_| association.is_up()) {
            let kind = EventKind::DataMoved {
                direction: member.direction,
                from: moved.from,
                to: moved.to,
                gap: moved.gap,
            };
            self.report(member.association, kind, now);
        }
    }

    /// This host or the agent stood still until now: what waits in queues was not looked at yet.
    ///
    /// That excuses a moment. An agent that is always late must not excuse itself for ever.
    pub fn handle_stall(&mut self, now: Timestamp) {
        let (began, last) = self.stalls;
        let began = if now.since(last) > STALLS_APART {
            now
        } else {
            began
        };
        self.stalls = (began, now);
        if now.since(began) <= MOST_GRACE {
            self.accuse_from = now + STALL_GRACE;
        }
    }

    /// Takes the state of a NIC, whenever it changes.
    pub fn handle_nic(&mut self, if_index: u32, name: &str, state: NicState, now: Timestamp) {
        let nic = Nic {
            name: name.to_owned(),
            state,
        };
        let reason = nic.trouble();
        self.nics.insert(if_index, nic);
        let mut affected = Vec::new();
        for flow in self
            .flows
            .values_mut()
            .filter(|flow| flow.view.interface.if_index() == if_index)
        {
            if let Some(reason) = &reason {
                flow.detector.on_cut_off(reason, now);
            }
            affected.extend(flow.member);
        }
        affected.sort_unstable_by_key(|member| (member.association, member.path));
        for member in affected {
            self.conclude(member.association, member.path, now);
        }
    }

    /// Does what time alone brings about.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        // Whoever waits was handed in just now; what is left here was not worth a look.
        while let Some((at, slot)) = self.deadlines.first().copied().filter(|(at, _)| *at <= now) {
            self.deadlines.remove(&(at, slot));
            if let Some(flow) = self.flows.get_mut(&slot) {
                flow.deadline = None;
            }
        }
        for view in self.incidents.due(now) {
            self.report_incident(Status::Updated, view, now);
        }
        // A clock that went back must not put it off until it shows the same again.
        let due = |at: Timestamp| at <= now || at > now + HOUSEKEEPING;
        if !self.housekeeping_at.is_none_or(due) {
            return;
        }
        self.housekeeping_at = Some(now + HOUSEKEEPING);
        self.handshakes.expire(now);
        self.keep_house(now);
    }

    /// When [`Engine::handle_timeout`] is due, at the latest. Hand in the records of all flows that wait for an answer
    /// before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        let waiting = self.deadlines.first().map(|(at, _)| *at);
        [self.housekeeping_at, waiting, self.incidents.deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Until when the flow in a slot may wait for an answer: its record is to be handed in by then.
    #[must_use]
    pub fn deadline_of(&self, slot: u32) -> Option<Timestamp> {
        self.flows.get(&slot)?.deadline
    }

    /// The next thing to do, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The associations that are known, by id.
    pub fn associations(&self) -> impl Iterator<Item = &Association> {
        self.associations.values()
    }

    /// The incidents that are open, by number.
    pub fn incidents(&self) -> impl Iterator<Item = &IncidentView> {
        self.incidents.views()
    }

    /// Whether it matters that a flow waits for an answer: nobody is told of one whose association is not up. A flood of forged
    /// flows must not keep the driver busy.
    #[must_use]
    pub fn awaits(&self, slot: u32) -> bool {
        let member = self.flows.get(&slot).and_then(|flow| flow.member);
        member
            .and_then(|member| self.associations.get(&member.association))
            .is_some_and(Association::is_up)
    }

    /// The MTU that an ICMP error named last for what the flow in a slot sends.
    #[must_use]
    pub fn path_mtu(&self, slot: u32) -> Option<u32> {
        self.flows.get(&slot)?.path_mtu
    }

    pub(crate) fn output(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(crate) fn next_id(&mut self) -> AssociationId {
        let id = AssociationId(self.next_id);
        self.next_id += 1;
        id
    }

    pub(crate) fn report(&mut self, id: AssociationId, kind: EventKind, time: Timestamp) {
        if let Some(association) = self.associations.get(&id) {
            let event = Event {
                schema: Schema,
                time,
                association: Some(association.reference()),
                kind,
            };
            self.output(Output::Event(Box::new(event)));
        }
    }

    pub(crate) fn report_incident(&mut self, status: Status, incident: IncidentView, time: Timestamp) {
        self.output(Output::Event(Box::new(Event {
            schema: Schema,
            time,
            association: None,
            kind: EventKind::Incident { status, incident },
        })));
    }

    /// An ack that the programs could not match, because the flows were not tied together yet.
    fn handle_ack(&mut self, acked: &HeartbeatAcked) {
        if acked.outcome != AckOutcome::Unmatched as u16 {
            return;
        }
        let member = self.flows.get(&acked.header.slot).and_then(|flow| flow.member);
        let Some((direction, association)) =
            member.and_then(|member| Some((member.direction, self.associations.get(&member.association)?)))
        else {
            if self.early_acks.len() >= MAX_EARLY_ACKS {
                self.early_acks.pop_front();
            }
            self.early_acks.push_back(*acked);
            return;
        };
        let found = association.flows(direction.reversed()).iter().find_map(|slot| {
            let sent_at = self.flows.get(slot)?.detector.waiting(acked.fingerprint)?;
            Some((*slot, sent_at))
        });
        let Some((slot, sent_at)) = found else {
            return;
        };
        let now = Timestamp::from_nanos(acked.header.time_ns);
        if let Some(flow) = self.flows.get_mut(&slot) {
            flow.detector
                .on_answered_elsewhere(acked.fingerprint, now.since(sent_at), now);
            if let Some(member) = flow.member {
                self.conclude(member.association, member.path, now);
            }
        }
    }

    /// The programs compared the tag with the record's; the engine may know by now that the record's was wrong.
    fn handle_icmp_error(&mut self, error: &IcmpErrorSeen) {
        let Some(flow) = self
            .by_key
            .get(&error.key)
            .and_then(|slot| self.flows.get_mut(slot))
        else {
            return;
        };
        let now = Timestamp::from_nanos(error.header.time_ns);
        if flow.view.tag != error.tag {
            return self.look_into_icmp_error(error, now);
        }
        flow.on_icmp(error, now);
        if let Some(member) = flow.member {
            self.conclude(member.association, member.path, now);
        }
    }

    /// The flow in this slot may have an association now.
    fn retry_early_acks(&mut self, slot: u32) {
        let (early, others): (VecDeque<_>, _) = std::mem::take(&mut self.early_acks)
            .into_iter()
            .partition(|ack| ack.header.slot == slot);
        self.early_acks = others;
        for ack in early {
            self.handle_ack(&ack);
        }
    }

    /// Reports an association once enough is known of it.
    pub(crate) fn report_up(&mut self, id: AssociationId, now: Timestamp) {
        let Some(association) = self.associations.get(&id) else {
            return;
        };
        if association.phase != Phase::Opening {
            return;
        }
        let both_sides = association.local_tag.is_some() && association.remote_tag.is_some();
        let one_side_for_long =
            now.since(association.known_since) >= self.config.one_sided_after && self.lasts(association);
        if both_sides && association.origin == Origin::MidLife || one_side_for_long {
            self.bring_up(id, now);
        }
    }

    pub(crate) fn bring_up(&mut self, id: AssociationId, now: Timestamp) {
        let Some(association) = self.associations.get_mut(&id) else {
            return;
        };
        if association.phase != Phase::Opening {
            return;
        }
        association.phase = Phase::Up;
        association.list_paths(now);
        let kind = EventKind::AssociationUp {
            origin: association.origin,
            local: association.local.iter().copied().collect(),
            remote: association.remote.iter().copied().collect(),
            offers: association.offers,
            restarts: association.restarts,
            one_sided: association.is_one_sided(),
        };
        let paths: Vec<_> = association.paths.keys().copied().collect();
        self.report(id, kind, now);
        self.report_translations(id, now);
        for path in paths {
            self.conclude(id, path, now);
        }
    }

    pub(crate) fn end(&mut self, id: AssociationId, reason: EndReason, now: Timestamp) {
        let Some(association) = self.associations.get_mut(&id) else {
            return;
        };
        if association.is_ended() {
            return;
        }
        let was_up = association.is_up();
        association.phase = Phase::Ended {
            at: now,
            end: reason.clone(),
        };
        self.close_findings(id, now);
        self.forget_tags(id);
        if was_up {
            self.report(id, EventKind::AssociationDown { reason }, now);
        }
    }

    /// Draws the conclusion for one path, and reports it if it changed.
    pub(crate) fn conclude(&mut self, id: AssociationId, path_id: PathId, now: Timestamp) {
        let Some(path) = self
            .associations
            .get(&id)
            .filter(|association| association.is_up())
            .and_then(|a| a.paths.get(&path_id))
        else {
            return;
        };
        let slots = [path.sent, path.received];
        let flow = |slot: Option<u32>| slot.and_then(|slot| self.flows.get(&slot)).map(AsRef::as_ref);
        let nic = self.nic_trouble(flow(slots[0]), flow(slots[1]));
        let [sent, received] =
            slots.map(|slot| flow(slot).map_or(&Verdict::Unknown, |flow| flow.detector.verdict()));
        let Some(path) = self
            .associations
            .get_mut(&id)
            .and_then(|association| association.paths.get_mut(&path_id))
        else {
            return;
        };
        let was_cut_off = path.is_cut_off();
        if let Some((from, to, reason)) = path.conclude(sent, received, nic, &self.config, now) {
            let kind = EventKind::PathStateChanged {
                path: path_id,
                from,
                to,
                reason,
            };
            self.report(id, kind, now);
            self.diagnose_path(id, path_id, now);
            self.diagnose_association(id, now);
        } else {
            let cut_off = path.is_cut_off();
            self.diagnose_path(id, path_id, now);
            if cut_off != was_cut_off {
                self.diagnose_association(id, now);
            }
        }
    }

    /// Why the path's NIC cannot carry it. On an endpoint what the host sends counts, if it sends at all.
    pub(crate) fn nic_trouble(&self, sent: Option<&Flow>, received: Option<&Flow>) -> Option<Reason> {
        let flows = match self.config.vantage {
            Vantage::Endpoint => [sent.or(received), None],
            Vantage::Gateway => [sent, received],
        };
        flows
            .into_iter()
            .flatten()
            .find_map(|flow| self.nics.get(&flow.view.interface.if_index())?.trouble())
    }

    pub(crate) fn nic_name(&self, if_index: u32) -> Option<String> {
        self.nics.get(&if_index).map(|nic| nic.name.clone())
    }

    /// Whether its packets come over some time. A burst of them is cheap to forge, and nobody answered.
    fn lasts(&self, association: &Association) -> bool {
        let flows = association.sent.iter().chain(&association.received);
        let long = self.config.one_sided_after / 2;
        flows
            .filter_map(|slot| self.flows.get(slot))
            .any(|flow| flow.view.last_seen.since(flow.view.first_seen) >= long)
    }
}

/// Acks that are kept until their flow's association is known: a flow is known one sweep after its first packet.
const MAX_EARLY_ACKS: usize = 256;

/// After so many acknowledgements it is known whether the peer acknowledges every second packet, as it should.
const HABIT_KNOWN: u32 = 8;
/// Until then it may do so by its timer only, of 200 ms, and let so many more packets gather.
const HABIT_UNKNOWN: f32 = 2.0;

/// Stalls within so long of each other are one trouble.
const STALLS_APART: Duration = Duration::from_secs(1);
/// And so long it is excused.
const MOST_GRACE: Duration = Duration::from_secs(1);
/// How long nobody is accused after a stall: the ring buffer, the records and the network's queues are looked at twice.
const STALL_GRACE: Duration = Duration::from_millis(40);

/// How often the engine looks after what only time changes.
const HOUSEKEEPING: Duration = Duration::from_secs(1);
