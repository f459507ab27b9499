//! A flow table in ordinary memory: what captures, tests and benchmarks track into.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use foldhash::fast::RandomState;

use bytemuck::{Pod, Zeroable};

use crate::{
    abi::{
        CONTROL_LONG, ControlHeader, Counter, Counters, FlowKey, FlowLinks, FlowRecord, NO_SLOT, ProbePath,
        ProbeRecord, ProbeSlot, Rare, SteerMark, Trust, limits::unproved_share,
    },
    track::{FlowTable, Scratch, Tables},
    wire::{ReadPacket, Readable, Reading},
};

/// A flow table that grows, with a clock that is set by hand.
#[derive(Debug)]
pub struct MemoryTable {
    index: HashMap<FlowKey, u32, RandomState>,
    /// What packets did: written by tracking.
    records: Vec<FlowRecord>,
    /// What user space says of the flows, slot by slot beside their records.
    links: Vec<FlowLinks>,
    /// Slots that were released, the first one first.
    free: VecDeque<u32>,
    /// The same for flows that nothing proves, in a table of so many slots.
    unproved: VecDeque<u32>,
    /// Slots from zero on that are offered to them.
    unproved_share: u32,
    max_flows: usize,
    /// The flow that was looked up last: packets come in bursts.
    last: Option<(FlowKey, u32)>,
    /// Slots whose record was handed out since they were last taken, and whether each one is among them.
    touched: Vec<u32>,
    is_touched: Vec<bool>,
    counters: Counters,
    ring: VecDeque<Vec<u8>>,
    /// Whether a record in the ring would wake user space up.
    urgent: bool,
    scratch: Scratch,
    probe_key: [u64; 2],
    probes: Vec<ProbeSlot>,
    mark: u32,
    now_ns: u64,
    tick_ns: u64,
}

impl MemoryTable {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Self {
            index: HashMap::default(),
            records: Vec::new(),
            links: Vec::new(),
            free: VecDeque::new(),
            unproved: VecDeque::new(),
            unproved_share: 0,
            max_flows: usize::MAX,
            last: None,
            touched: Vec::new(),
            is_touched: Vec::new(),
            counters: Counters::default(),
            ring: VecDeque::new(),
            urgent: false,
            scratch: Scratch::zeroed(),
            probe_key: [0; 2],
            probes: Vec::new(),
            mark: 0,
            now_ns: 0,
            tick_ns: 1,
        }
    }

    /// Makes the coarse clock as coarse as the kernel's jiffies. A tick is a nanosecond otherwise, as in captures.
    #[must_use]
    pub fn with_tick(mut self, tick: Duration) -> Self {
        self.tick_ns = u64::try_from(tick.as_nanos()).unwrap_or(u64::MAX).max(1);
        self
    }

    /// Gives the table an end.
    #[must_use]
    pub fn with_max_flows(mut self, max_flows: usize) -> Self {
        self.max_flows = max_flows;
        self
    }

    /// A table of so many slots, as the kernel's: they are there from the beginning, flows that nothing proves have their
    /// share, and slots are taken in the order in which they were offered.
    #[must_use]
    pub fn with_slots(slots: u32) -> Self {
        let unproved_share = unproved_share(slots);
        Self {
            records: vec![FlowRecord::zeroed(); slots as usize],
            links: vec![FlowLinks::default(); slots as usize],
            free: (unproved_share..slots).collect(),
            unproved: (0..unproved_share).collect(),
            unproved_share,
            is_touched: vec![false; slots as usize],
            ..Self::new().with_max_flows(slots as usize)
        }
    }

    /// Makes the table recognise the agent's probes of so many paths by this key.
    #[must_use]
    pub fn with_probes(mut self, key: [u64; 2], paths: u32) -> Self {
        self.probe_key = key;
        self.probes = vec![ProbeSlot::zeroed(); paths as usize];
        self
    }

    /// The packets that follow are what `tc_steer` made of them; what the host sent if `None`.
    pub fn set_mark(&mut self, mark: Option<SteerMark>) {
        self.mark = mark.map_or(0, |mark| mark as u32);
    }

    /// Gives a place in the map of probes to a path, of whose probes nothing is known yet.
    pub fn assign_probe(&mut self, index: u32, path: &ProbePath) {
        if let Some(slot) = self.probes.get_mut(index as usize) {
            *slot = ProbeSlot {
                path: *path,
                ..ProbeSlot::zeroed()
            };
        }
    }

    /// What is known of a path's probes.
    #[must_use]
    pub fn probe_record(&self, index: u32) -> Option<ProbeRecord> {
        self.probes.get(index as usize).map(|slot| slot.record)
    }

    /// Sets the clock, in nanoseconds since any epoch; both the fine and the coarse clock follow it.
    pub fn set_now(&mut self, now_ns: u64) {
        self.now_ns = now_ns;
    }

    /// All records, by slot.
    #[must_use]
    pub fn records(&self) -> &[FlowRecord] {
        &self.records
    }

    /// The records, to set up what tracking would take long to bring about.
    pub fn records_mut(&mut self) -> &mut [FlowRecord] {
        &mut self.records
    }

    /// What is said of the flows, by slot.
    #[must_use]
    pub fn all_links(&self) -> &[FlowLinks] {
        &self.links
    }

    /// Says what a flow's association is, as user space does.
    pub fn link(&mut self, slot: u32, links: &FlowLinks) {
        if let Some(known) = self.links.get_mut(slot as usize) {
            *known = *links;
        }
    }

    /// Removes a flow from the index; its record stays.
    pub fn forget(&mut self, key: &FlowKey) {
        self.index.remove(key);
        self.last = None;
    }

    /// Gives a slot back, whose flow was forgotten.
    pub fn release(&mut self, slot: u32) {
        if let Some(record) = self.records.get_mut(slot as usize) {
            *record = FlowRecord::zeroed();
            self.links[slot as usize] = FlowLinks::default();
            if slot < self.unproved_share {
                self.unproved.push_back(slot);
            } else {
                self.free.push_back(slot);
            }
        }
    }

    /// The slots whose records may have changed since the last call.
    pub fn take_touched(&mut self, slots: &mut Vec<u32>) {
        for slot in &self.touched {
            self.is_touched[*slot as usize] = false;
        }
        slots.append(&mut self.touched);
    }

    /// Whether a record may have changed since they were last taken, or a ring record waits.
    #[must_use]
    pub fn has_changed(&self) -> bool {
        !self.touched.is_empty() || !self.ring.is_empty()
    }

    /// The counters so far.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The oldest ring record that was not taken yet, as the kernel would have written it.
    pub fn pop_record(&mut self) -> Option<Vec<u8>> {
        self.urgent = false;
        self.ring.pop_front()
    }

    /// Whether a ring record waits that would have woken user space up.
    #[must_use]
    pub fn is_urgent(&self) -> bool {
        self.urgent
    }

    #[inline]
    fn touch(&mut self, slot: u32) {
        if let Some(touched) = self.is_touched.get_mut(slot as usize)
            && !*touched
        {
            *touched = true;
            self.touched.push(slot);
        }
    }
}

impl Default for MemoryTable {
    fn default() -> Self {
        Self::new()
    }
}

impl Tables for MemoryTable {
    type Table = Self;

    fn table(&mut self) -> Option<&mut Self> {
        Some(self)
    }

    fn count(&mut self, counter: Counter) {
        self.counters.count(counter);
    }
}

impl FlowTable for MemoryTable {
    fn find(&mut self, key: &FlowKey) -> u32 {
        match self.last {
            Some((last, slot)) if last == *key => return slot,
            _ => {}
        }
        match self.index.get(key) {
            Some(slot) => {
                self.last = Some((*key, *slot));
                *slot
            }
            None => NO_SLOT,
        }
    }

    fn open(&mut self, key: &FlowKey, rare: &Rare) -> Result<u32, Counter> {
        let may_have_any = rare.trust != Trust::Unproved || self.unproved_share == 0;
        let free = if may_have_any { self.free.pop_front() } else { None };
        let slot = match free.or_else(|| self.unproved.pop_front()) {
            Some(slot) => slot,
            None if self.records.len() >= self.max_flows => return Err(Counter::FlowTableFull),
            None => {
                let slot = u32::try_from(self.records.len()).map_err(|_| Counter::FlowTableFull)?;
                self.records.push(FlowRecord::zeroed());
                self.links.push(FlowLinks::default());
                self.is_touched.push(false);
                slot
            }
        };
        self.index.insert(*key, slot);
        Ok(slot)
    }

    fn admits(&mut self, _rare: &Rare, _limited: Counter) -> bool {
        true
    }

    fn has_room(&mut self, _trust: Trust) -> bool {
        true
    }

    fn record(&mut self, slot: u32) -> Option<&mut FlowRecord> {
        self.touch(slot);
        self.records.get_mut(slot as usize)
    }

    fn flow(&mut self, slot: u32) -> Option<(&mut FlowRecord, &FlowLinks)> {
        self.touch(slot);
        self.records
            .get_mut(slot as usize)
            .zip(self.links.get(slot as usize))
    }

    fn scratch(&mut self) -> &mut Scratch {
        &mut self.scratch
    }

    fn flow_and_scratch(&mut self, slot: u32) -> Option<(&mut FlowRecord, &FlowLinks, &mut Scratch)> {
        self.touch(slot);
        let record = self.records.get_mut(slot as usize)?;
        Some((record, self.links.get(slot as usize)?, &mut self.scratch))
    }

    fn mark(&self) -> u32 {
        self.mark
    }

    fn probe_key(&self) -> [u64; 2] {
        self.probe_key
    }

    fn probe(&mut self, index: u32) -> Option<(&mut ProbeRecord, &ProbePath)> {
        let slot = self.probes.get_mut(index as usize)?;
        Some((&mut slot.record, &slot.path))
    }

    fn now_ns(&mut self) -> u64 {
        self.now_ns.max(1)
    }

    fn now_ticks(&mut self) -> u64 {
        (self.now_ns / self.tick_ns).max(1)
    }

    fn count(&mut self, counter: Counter) {
        self.counters.count(counter);
    }

    fn emit<T: Pod>(&mut self, record: &T, urgent: bool) {
        self.urgent |= urgent;
        self.ring.push_back(bytemuck::bytes_of(record).to_vec());
    }

    fn emit_control<P: Readable>(&mut self, frame: &P, at: usize, header: &ControlHeader) {
        // As much as the programs hand over.
        let length = (header.captured_length as usize).min(CONTROL_LONG);
        let bytes = frame.read_by(Bytes { at, length });
        let captured = ControlHeader {
            captured_length: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
            ..*header
        };
        let mut record = bytemuck::bytes_of(&captured).to_vec();
        record.extend(bytes);
        self.urgent = true;
        self.ring.push_back(record);
    }
}

/// Reads so many bytes from an offset, or as many of them as there are.
struct Bytes {
    at: usize,
    length: usize,
}

impl Reading for Bytes {
    type Output = Vec<u8>;

    fn read<R: ReadPacket>(self, reader: &R) -> Vec<u8> {
        (self.at..self.at + self.length)
            .map_while(|at| reader.read_u8(at))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(port: u16) -> FlowKey {
        FlowKey {
            src_port: port,
            ..FlowKey::zeroed()
        }
    }

    fn open(table: &mut MemoryTable, port: u16) -> Result<u32, Counter> {
        let rare = Rare {
            kind: 0,
            slot: NO_SLOT,
            trust: Trust::Unproved,
            remote: key(port).src,
            now_ns: 1,
        };
        table.open(&key(port), &rare)
    }

    #[test]
    fn a_table_of_so_many_slots_is_full_with_them() {
        let mut table = MemoryTable::with_slots(4);
        assert_eq!([1, 2].map(|port| open(&mut table, port)), [Ok(0), Ok(1)]);
        assert_eq!(
            open(&mut table, 3),
            Err(Counter::FlowTableFull),
            "the rest is not for such"
        );
        table.forget(&key(1));
        assert_eq!(
            open(&mut table, 3),
            Err(Counter::FlowTableFull),
            "not offered yet"
        );
        table.release(0);
        assert_eq!(open(&mut table, 3), Ok(0));
    }

    #[test]
    fn a_slot_that_is_offered_is_empty() {
        let mut table = MemoryTable::new();
        let slot = open(&mut table, 1).unwrap();
        table.records_mut()[0].packets = 7;
        table.forget(&key(1));
        assert_eq!(table.find(&key(1)), NO_SLOT);
        table.release(slot);
        assert_eq!((table.records()[0].packets, open(&mut table, 2)), (0, Ok(0)));
    }
}
