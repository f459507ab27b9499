//! All flows: which slot holds which, by slot and by key, and when each must be looked at again.
//!
//! A flow knows the association and path that it belongs to by their ids only. Which these are is for the registry to say.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use foldhash::fast::RandomState;
use sctp_monitor_common::abi::{FlowKey, FlowRecord};
use serde::{Deserialize, Serialize};

use crate::{
    config::Config,
    housekeeping::Slice,
    model::Timestamp,
    path::{
        detector::Context,
        flow::{Counted, Flow},
        recorder::Recorder,
    },
};

/// The flows of all slots in use.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Flows {
    /// One tick of the coarse clock in flow records.
    tick: Duration,
    by_slot: HashMap<u32, Box<Flow>, RandomState>,
    slots: HashMap<FlowKey, u32, RandomState>,
    /// When flows that wait for an answer must be looked at again, with their slots.
    deadlines: BTreeSet<(Timestamp, u32)>,
    /// When flows are to be looked at though they have not changed, and wait for nothing.
    patience: BTreeSet<(Timestamp, u32)>,
    recorder: Recorder,
}

impl Flows {
    pub(crate) fn new(tick: Duration) -> Self {
        Self {
            tick,
            by_slot: HashMap::default(),
            slots: HashMap::default(),
            deadlines: BTreeSet::new(),
            patience: BTreeSet::new(),
            recorder: Recorder::default(),
        }
    }

    /// The slots of all flows, in no order.
    pub(crate) fn slots(&self) -> impl Iterator<Item = u32> {
        self.by_slot.keys().copied()
    }

    /// The number of flows.
    pub(crate) fn len(&self) -> usize {
        self.by_slot.len()
    }

    pub(crate) fn get(&self, slot: u32) -> Option<&Flow> {
        self.by_slot.get(&slot).map(AsRef::as_ref)
    }

    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut Flow> {
        self.by_slot.get_mut(&slot).map(AsMut::as_mut)
    }

    /// The slot of the flow with these addresses and ports.
    pub(crate) fn slot_of(&self, key: &FlowKey) -> Option<u32> {
        self.slots.get(key).copied()
    }

    /// The flow with these addresses and ports.
    pub(crate) fn by_key(&self, key: &FlowKey) -> Option<&Flow> {
        self.get(self.slot_of(key)?)
    }

    /// The flow with these addresses and ports.
    pub(crate) fn by_key_mut(&mut self, key: &FlowKey) -> Option<&mut Flow> {
        self.get_mut(self.slot_of(key)?)
    }

    /// The flows in these slots, in this order; slots without a flow are left out.
    pub(crate) fn all_of<'a>(&'a self, slots: &'a [u32]) -> impl Iterator<Item = &'a Flow> + Clone {
        slots.iter().filter_map(|slot| self.get(*slot))
    }

    /// All flows with their slots, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Flow)> {
        self.by_slot.iter().map(|(slot, flow)| (*slot, flow.as_ref()))
    }

    /// All flows, in no order.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Flow> {
        self.by_slot.values_mut().map(AsMut::as_mut)
    }

    /// A slot's record as its flow's association has it (see [`Flow::own`]).
    pub(crate) fn own<'a>(&self, slot: u32, record: &'a FlowRecord) -> Cow<'a, FlowRecord> {
        match self.get(slot) {
            Some(flow) => flow.own(record),
            None => Cow::Borrowed(record),
        }
    }

    /// Takes the newest record of a slot, which holds no other flow.
    pub(crate) fn take_record(&mut self, slot: u32, record: &FlowRecord, now: Timestamp) -> &mut Flow {
        let tick = self.tick;
        let flow = self
            .by_slot
            .entry(slot)
            .and_modify(|flow| flow.update(record, tick, now))
            .or_insert_with(|| {
                self.slots.insert(record.key, slot);
                Box::new(Flow::new(record, tick))
            });
        self.recorder.on_packet(flow.view.last_seen);
        flow
    }

    /// When packets of any flow were captured.
    pub(crate) fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// Weighs what the newest record of a slot says, and notes until when the flow waits for an answer, if that is
    /// `awaited`.
    pub(crate) fn observe(
        &mut self,
        slot: u32,
        record: &FlowRecord,
        seen: (Context, Counted),
        awaited: bool,
        config: &Config,
        now: Timestamp,
    ) {
        let Some(flow) = self.by_slot.get_mut(&slot) else {
            return;
        };
        let (context, counted) = seen;
        flow.observe(record, context, counted, self.tick, config, now);
        let deadline = flow.detector.deadline().filter(|_| awaited);
        set(&mut self.deadlines, &mut flow.deadline, deadline, slot);
        let patience = flow.detector.patience().filter(|_| awaited);
        set(&mut self.patience, &mut flow.patience, patience, slot);
    }

    /// A flow is to be looked at by then, though it may not change.
    pub(crate) fn look_by(&mut self, slot: u32, at: Timestamp) {
        if let Some(flow) = self.by_slot.get_mut(&slot) {
            let sooner = flow.patience.map_or(at, |known| known.min(at));
            set(&mut self.patience, &mut flow.patience, Some(sooner), slot);
        }
    }

    /// Appends the slots of flows that are to be looked at by now, though they may not have changed.
    pub(crate) fn take_patient(&mut self, now: Timestamp, slots: &mut Vec<u32>) {
        while let Some((_, slot)) = self.patience.first().copied().filter(|(at, _)| *at <= now) {
            self.patience.pop_first();
            if let Some(flow) = self.by_slot.get_mut(&slot) {
                flow.patience = None;
            }
            slots.push(slot);
        }
    }

    /// When the next flow must be looked at again.
    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        let first = |times: &BTreeSet<(Timestamp, u32)>| times.first().map(|(at, _)| *at);
        first(&self.deadlines)
            .into_iter()
            .chain(first(&self.patience))
            .min()
    }

    /// Drops the deadlines that have passed: the flows that wait were handed in just now, and what is left was not worth a
    /// look.
    pub(crate) fn drop_deadlines(&mut self, now: Timestamp) {
        while let Some((at, slot)) = self.deadlines.first().copied().filter(|(at, _)| *at <= now) {
            self.deadlines.remove(&(at, slot));
            if let Some(flow) = self.by_slot.get_mut(&slot) {
                flow.deadline = None;
            }
        }
    }

    /// Finds out what the flows of a slice carry at present.
    pub(crate) fn read_meters(&mut self, slice: Slice, now: Timestamp) {
        for (slot, flow) in &mut self.by_slot {
            if slice.has(u64::from(*slot)) {
                flow.read_meter(now);
            }
        }
    }

    /// Forgets the flow in a slot; gives its key.
    pub(crate) fn forget(&mut self, slot: u32) -> Option<FlowKey> {
        let flow = self.by_slot.remove(&slot)?;
        for (times, at) in [
            (&mut self.deadlines, flow.deadline),
            (&mut self.patience, flow.patience),
        ] {
            if let Some(at) = at {
                times.remove(&(at, slot));
            }
        }
        self.slots.remove(&flow.view.key);
        Some(flow.view.key)
    }
}

/// Notes another time for a flow, or none.
fn set(
    times: &mut BTreeSet<(Timestamp, u32)>,
    known: &mut Option<Timestamp>,
    at: Option<Timestamp>,
    slot: u32,
) {
    let before = std::mem::replace(known, at);
    if before == at {
        return;
    }
    if let Some(before) = before {
        times.remove(&(before, slot));
    }
    if let Some(at) = at {
        times.insert((at, slot));
    }
}

#[cfg(test)]
mod tests {
    use bytemuck::Zeroable as _;

    use super::*;

    fn record(port: u16, heartbeat_sent_at: Timestamp) -> FlowRecord {
        let mut record = FlowRecord::zeroed();
        record.key.src_port = port;
        record.first_seen_ns = 1;
        record.outstanding[0].sent_at_ns = heartbeat_sent_at.as_nanos();
        record
    }

    fn context() -> Context {
        Context {
            answers_are_seen: true,
            sacks_are_seen: false,
            came_back_at: None,
            cum_tsn_ack: None,
            usually_awaiting: 0.0,
            odds: crate::path::odds::Odds::of_data(),
            fills_queues: false,
            stuck_since: None,
            window_closed_at: None,
            elsewhere: None,
            accuse_from: Timestamp::default(),
            unseen: None,
        }
    }

    #[test]
    fn a_flow_that_is_forgotten_leaves_nothing_behind() {
        let now = Timestamp::from_nanos(1_000_000_000);
        let config = Config::default();
        let mut flows = Flows::new(Duration::from_nanos(1));
        for (slot, port) in [(3, 7), (4, 8)] {
            let record = record(port, now);
            flows.take_record(slot, &record, now);
            let seen = (context(), Counted::Both);
            flows.observe(slot, &record, seen, slot == 3, &config, now);
        }
        let key = record(7, now).key;
        assert_eq!(flows.slot_of(&key), Some(3));
        let deadline = flows.get(3).unwrap().deadline;
        assert!(deadline.is_some() && deadline == flows.next_deadline());
        assert_eq!(flows.get(4).unwrap().deadline, None, "nobody awaits its answer");
        assert_eq!(flows.forget(3), Some(key));
        assert_eq!(flows.next_deadline(), None);
        assert_eq!(flows.slot_of(&key), None);
        assert_eq!(flows.len(), 1);
        assert_eq!(flows.forget(3), None);
    }

    #[test]
    fn a_deadline_that_has_passed_is_dropped() {
        let now = Timestamp::from_nanos(1_000_000_000);
        let mut flows = Flows::new(Duration::from_nanos(1));
        let record = record(7, now);
        flows.take_record(0, &record, now);
        let seen = (context(), Counted::Both);
        flows.observe(0, &record, seen, true, &Config::default(), now);
        let deadline = flows.next_deadline().unwrap();
        flows.drop_deadlines(deadline);
        assert_eq!(
            (flows.next_deadline(), flows.get(0).unwrap().deadline),
            (None, None)
        );
    }
}
