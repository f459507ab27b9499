//! The one driver of the engine: what to look at, in which order, and when to come back.
//!
//! Whoever feeds the engine supplies a [`FlowStore`] and a clock, and calls [`Session::turn`] when [`Session::next_turn`] says
//! so. A turn is always the same: ring records first, since they tell why a flow is there; then the flow records that have
//! changed or wait for an answer, so that nobody is accused by an old record; then what time alone brings about; then what
//! the engine has decided is written into the store. Events wait for [`Session::poll_event`].
//!
//! The agent, captures, the simulation, fuzz targets and tests all go through here, so they judge alike.

mod look;
mod pace;
mod store;

use std::{
    borrow::Borrow as _,
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

pub use self::{
    pace::Pace,
    store::{FlowStore, News},
};

use sctp_monitor_common::abi::FlowKey;
use serde::{Deserialize, Serialize};

use self::look::Look;
use crate::{
    config::Config,
    engine::{
        Engine, Output,
        saved::{Knowledge, Remembered},
    },
    model::{
        AssociationId, Event, NextHop, NicTies, PathId, ReversePathFilter, SteeringObstacle, Timestamp, Way,
        WayQuestion,
    },
    nics::NicState,
};

/// What a session knows, by reference.
#[derive(Debug, Serialize)]
pub struct State<'a> {
    engine: Knowledge<'a>,
    reported_at: Timestamp,
    turned_at: Option<Timestamp>,
}

/// What a session knew when it was saved. Only a session of the same version can go on from it.
#[derive(Debug, Deserialize)]
pub struct Saved {
    engine: Remembered,
    reported_at: Timestamp,
    turned_at: Option<Timestamp>,
}

/// An engine, and what is to be looked at when.
#[derive(Debug)]
pub struct Session {
    engine: Engine,
    pace: Pace,
    /// Slots that have changed since they were looked at, or whose flow waits for an answer.
    due: Vec<u32>,
    /// The last look at each flow, by slot.
    looks: Vec<Look>,
    /// What is to be written into the store.
    decisions: VecDeque<Output>,
    events: VecDeque<Event>,
    /// The time of the last event.
    reported_at: Timestamp,
    turned_at: Option<Timestamp>,
    /// Ring records were taken on which no turn has acted yet.
    ring_was_taken: bool,
    /// When the engine wants to be asked again though nothing is seen.
    engine_due: Option<Timestamp>,
}

impl Session {
    /// A session that knows nothing yet. `tick` is one tick of the flow records' coarse clock.
    #[must_use]
    pub fn new(config: Config, tick: Duration, pace: Pace) -> Self {
        Self {
            engine: Engine::new(config, tick),
            pace,
            due: Vec::new(),
            looks: Vec::new(),
            decisions: VecDeque::new(),
            events: VecDeque::new(),
            reported_at: Timestamp::default(),
            turned_at: None,
            ring_was_taken: false,
            engine_due: None,
        }
    }

    /// A session that goes on where another one was [saved](Self::state), on the same table of flows.
    #[must_use]
    pub fn resume(
        config: Config,
        tick: Duration,
        pace: Pace,
        saved: Saved,
        store: &impl FlowStore,
        now: Timestamp,
    ) -> Self {
        let mut session = Self {
            engine: Engine::remembering(config, tick, saved.engine),
            reported_at: saved.reported_at,
            turned_at: saved.turned_at,
            ..Self::new(Config::default(), tick, pace)
        };
        let holds = |slot: u32, key: &FlowKey, packets: u64| {
            store.record(slot).is_some_and(|record| {
                let record = record.borrow();
                record.key == *key && record.packets >= packets
            })
        };
        session.engine.forget_missing(holds, now);
        session.sort_outputs();
        for slot in session.engine.slots() {
            if session.has_news(slot) {
                session.due.push(slot);
            }
        }
        session
    }

    /// What it knows, to be saved between two turns.
    #[must_use]
    pub fn state(&self) -> State<'_> {
        State {
            engine: self.engine.knowledge(),
            reported_at: self.reported_at,
            turned_at: self.turned_at,
        }
    }

    /// The engine, to ask for what it knows.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// When [`Session::turn`] is due at the latest, if nothing more is seen: `now` or later. `None` while there is nothing to
    /// wait for.
    #[must_use]
    pub fn next_turn(&self, store: &impl FlowStore, now: Timestamp) -> Option<Timestamp> {
        let after = |pause: Duration| self.turned_at.map_or(now, |at| at + pause);
        let seen = match store.news() {
            _ if self.ring_was_taken => Some(after(self.pace.breath)),
            News::Urgent => Some(after(self.pace.breath)),
            News::Some => Some(after(self.pace.sweep)),
            News::None => (!self.due.is_empty()).then(|| after(self.pace.sweep)),
        };
        let engine = self.engine_due.map(|at| at.max(after(self.pace.grain)));
        // What was decided between turns, because a NIC went down, is carried out at once.
        let decided = (!self.decisions.is_empty()).then_some(now);
        [seen, engine, decided]
            .into_iter()
            .flatten()
            .min()
            .map(|at| at.max(now))
    }

    /// Looks at all that is due and does what follows.
    ///
    /// # Errors
    /// Errors of the store.
    pub fn turn<S: FlowStore>(&mut self, store: &mut S, now: Timestamp) -> Result<(), S::Error> {
        let late = |at: Timestamp| self.pace.stall.is_some_and(|stall| now.since(at) > stall);
        if self.turned_at.is_some_and(late) {
            self.engine.handle_stall(now);
        }
        self.turned_at = Some(now);
        self.take_ring(store);
        self.ring_was_taken = false;
        self.take_changed(store, now);
        self.look(store, now);
        self.engine.handle_probes(|index| store.probe_record(index), now);
        self.take_steered(store);
        self.engine.handle_timeout(now);
        self.engine_due = self.engine.poll_timeout();
        debug_assert!(
            self.engine_due.is_none_or(|at| at > now),
            "due again at once: the driver would never sleep"
        );
        self.sort_outputs();
        while let Some(decision) = self.decisions.pop_front() {
            self.carry_out(decision, store, now)?;
            self.sort_outputs();
        }
        // What was sent is waited for.
        self.engine_due = self.engine.poll_timeout();
        store.end_turn(now)
    }

    /// The last turn: whatever has changed is looked at, however lately it was.
    ///
    /// # Errors
    /// Errors of the store.
    pub fn finish<S: FlowStore>(&mut self, store: &mut S, now: Timestamp) -> Result<(), S::Error> {
        self.turn(store, now)?;
        self.engine.handle_end(now);
        self.let_go(store, now)
    }

    /// The last turn of a session from which another one goes on: nothing is concluded, but nothing is steered meanwhile.
    ///
    /// # Errors
    /// Errors of the store.
    pub fn pause<S: FlowStore>(&mut self, store: &mut S, now: Timestamp) -> Result<(), S::Error> {
        self.turn(store, now)?;
        self.engine.handle_pause(now);
        self.let_go(store, now)
    }

    fn let_go<S: FlowStore>(&mut self, store: &mut S, now: Timestamp) -> Result<(), S::Error> {
        self.sort_outputs();
        // What is told of flows and slots is left as it was, for those who still read. Packets must not go on being moved.
        let decisions = std::mem::take(&mut self.decisions);
        for decision in decisions {
            if matches!(decision, Output::Steer { .. }) {
                self.carry_out(decision, store, now)?;
            }
        }
        Ok(())
    }

    /// Takes the ring records that wait, without looking at anything else: the turn that acts on them follows soon (see
    /// [`Session::next_turn`]). A feeder that is woken up by the ring empties it so.
    pub fn take_ring(&mut self, store: &mut impl FlowStore) {
        let engine = &mut self.engine;
        store.take_ring(|record| engine.handle_ring(record));
        engine.handle_held(|slot| store.record(slot).map(|record| *record.borrow()));
        self.ring_was_taken = true;
    }

    /// Takes the state of a NIC, whenever it changes.
    pub fn handle_nic(&mut self, if_index: u32, name: &str, state: NicState, now: Timestamp) {
        self.engine.handle_nic(if_index, name, state, now);
        self.engine_due = self.engine.poll_timeout();
        self.sort_outputs();
    }

    /// Takes whether the packets of a NIC are seen, whenever that changes: nobody is accused by what may have passed unseen.
    pub fn handle_watch(&mut self, if_index: u32, is_watched: bool, now: Timestamp) {
        self.engine.handle_watch(if_index, is_watched, now);
        self.engine_due = self.engine.poll_timeout();
        self.sort_outputs();
    }

    /// Takes that a NIC is left out of what is watched, on purpose: what crosses it is forgotten.
    pub fn handle_left_out(&mut self, if_index: u32, now: Timestamp) {
        self.engine.handle_left_out(if_index, now);
        self.engine_due = self.engine.poll_timeout();
        self.sort_outputs();
    }

    /// The NICs that what is known crosses.
    #[must_use]
    pub fn interfaces(&self) -> BTreeSet<u32> {
        self.engine.interfaces()
    }

    /// Takes the MTU of a NIC, whenever it changes.
    pub fn handle_mtu(&mut self, if_index: u32, mtu: u32) {
        self.engine.handle_mtu(if_index, mtu);
    }

    /// Takes how a NIC stands to others, whenever it changes.
    pub fn handle_ties(&mut self, if_index: u32, ties: NicTies) {
        self.engine.handle_ties(if_index, ties);
    }

    /// The ways that packets of failed paths may take, if they are moved. What the host's routes and its neighbour table say of
    /// them is for [`Session::handle_ways`]: until then none is moved. To be asked for after each turn.
    pub fn take_way_questions(&mut self, now: Timestamp) -> BTreeSet<WayQuestion> {
        if self.engine.has_way_questions() {
            self.engine.take_way_questions(now)
        } else {
            BTreeSet::new()
        }
    }

    /// The ways whose next hops must stay known to this host, though nobody there may answer any more: packets without a next hop are
    /// never seen by what moves or copies them.
    #[must_use]
    pub fn kept_ways(&self) -> BTreeSet<WayQuestion> {
        self.engine.kept_ways()
    }

    /// Takes what was found of ways at `read_at`, `None` where nobody could say, and how NICs filter what arrives.
    pub fn handle_ways(
        &mut self,
        found: &BTreeMap<WayQuestion, Option<Way>>,
        filters: &BTreeMap<u32, ReversePathFilter>,
        read_at: Timestamp,
        now: Timestamp,
    ) {
        self.engine.handle_ways(found, filters, read_at, now);
        self.engine_due = self.engine.poll_timeout();
        self.sort_outputs();
    }

    /// Wants to know the ways of all paths of an association, because the operator asks: see [`Session::take_way_questions`].
    pub fn ask_ways(&mut self, association: AssociationId, now: Timestamp) {
        self.engine.ask_ways(association, now);
    }

    /// The operator wants the packets of a path moved to another one, or not any more.
    ///
    /// # Errors
    /// Why nothing comes of it.
    pub fn handle_steering(
        &mut self,
        association: AssociationId,
        path: PathId,
        is_wanted: bool,
        now: Timestamp,
    ) -> Result<(), SteeringObstacle> {
        let done = self.engine.handle_steering(association, path, is_wanted, now);
        self.sort_outputs();
        done
    }

    /// The operator wants nothing moved for a while, or wants it to go on.
    pub fn handle_steering_pause(&mut self, is_paused: bool, now: Timestamp) {
        self.engine.handle_steering_pause(is_paused, now);
        self.engine_due = self.engine.poll_timeout();
        self.sort_outputs();
    }

    /// The paths on which nothing passes though something should, of which nobody has asked yet; found about once a second. What
    /// the host's routes and its neighbour table say of them is for [`Session::handle_next_hops`]; it may be left out.
    pub fn take_paths_in_question(&mut self) -> BTreeSet<PathId> {
        self.engine.take_paths_in_question()
    }

    /// Takes the next hops of paths in question, as the host's neighbour table had them at `read_at`.
    pub fn handle_next_hops(
        &mut self,
        next_hops: &BTreeMap<PathId, NextHop>,
        read_at: Timestamp,
        now: Timestamp,
    ) {
        self.engine.handle_next_hops(next_hops, read_at, now);
        self.engine_due = self.engine.poll_timeout();
        self.sort_outputs();
    }

    /// The CRC32c of a packet was looked at, which has this verification tag, and is right or wrong. A sample will do, if it is drawn
    /// without regard to that.
    pub fn handle_checksum(&mut self, key: &FlowKey, tag: u32, is_right: bool, now: Timestamp) {
        self.engine.handle_checksum(key, tag, is_right, now);
        if !is_right {
            self.engine_due = self.engine.poll_timeout();
        }
    }

    /// Judges and probes by another configuration from now on. Where the monitor stands, how large its table is, and how packets are
    /// steered stays as it is.
    pub fn handle_config(&mut self, config: Config, now: Timestamp) {
        self.engine.handle_config(config, now);
        self.engine_due = self.engine.poll_timeout();
    }

    /// This host or the agent stood still until now. A session whose [`Pace`] knows when a turn comes late finds that out
    /// by itself.
    pub fn handle_stall(&mut self, now: Timestamp) {
        self.engine.handle_stall(now);
    }

    /// The next event, in order.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn take_changed(&mut self, store: &mut impl FlowStore, now: Timestamp) {
        let known = self.due.len();
        store.take_changed(&mut self.due);
        self.engine.take_patient(now, &mut self.due);
        let mut kept = known;
        for at in known..self.due.len() {
            let slot = self.due[at];
            if self.has_news(slot) {
                self.due[kept] = slot;
                kept += 1;
            }
        }
        self.due.truncate(kept);
    }

    /// `true` if the slot is to be entered among those that are due.
    fn has_news(&mut self, slot: u32) -> bool {
        let index = slot as usize;
        if index >= self.looks.len() {
            self.looks.resize(index + 1, Look::default());
        }
        self.looks[index].on_news()
    }

    fn take_steered(&mut self, store: &impl FlowStore) {
        for key in self.engine.steered_flows() {
            if let Some(counts) = store.steered(&key) {
                self.engine.handle_steered(&key, &counts);
            }
        }
    }

    fn look(&mut self, store: &impl FlowStore, now: Timestamp) {
        let Self {
            engine, looks, due, ..
        } = self;
        due.retain(|slot| {
            let Some(look) = looks.get_mut(*slot as usize) else {
                return false;
            };
            if look.is_released() {
                return look.drop_out();
            }
            // A flood of forged flows that wait for answers must not keep anybody busy.
            if !look.has_news() && !engine.awaits(*slot) {
                return true;
            }
            let Some(record) = store.record(*slot) else {
                return look.drop_out();
            };
            let record = record.borrow();
            engine.handle_record(*slot, record, now);
            let awaited = engine.deadline_of(*slot).is_some();
            look.on_looked(record, awaited)
        });
    }

    fn sort_outputs(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Event(event) => self.report(*event),
                decision => self.decisions.push_back(decision),
            }
        }
    }

    /// Events are dated by what they rest on, and are in the order of time: one that is found out behind a later one is dated with
    /// it.
    fn report(&mut self, mut event: Event) {
        self.reported_at = self.reported_at.max(event.time);
        event.time = self.reported_at;
        self.events.push_back(event);
    }

    fn carry_out<S: FlowStore>(
        &mut self,
        decision: Output,
        store: &mut S,
        now: Timestamp,
    ) -> Result<(), S::Error> {
        match decision {
            Output::Event(event) => self.report(*event),
            Output::Link { slot, links } => store.link(slot, &links),
            Output::Release { slot, key } => {
                if let Some(look) = self.looks.get_mut(slot as usize) {
                    look.on_released();
                }
                store.release(slot, &key, now)?;
            }
            Output::AssignProbe { index, path } => store.assign_probe(index, &path),
            Output::Probe(request) => {
                let sent_at = store.send_probe(&request, now);
                self.engine.on_probe_sent(&request, sent_at, now);
            }
            Output::Steer { key, order } => {
                let is_in_force = store.steer(&key, order.as_ref(), now);
                if order.is_some() && !is_in_force {
                    self.engine.handle_order_refused(&key, now);
                }
            }
        }
        Ok(())
    }
}
