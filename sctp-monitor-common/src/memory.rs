//! A flow table in ordinary memory: what captures, tests and benchmarks track into.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use bytemuck::{Pod, Zeroable};

use crate::{
    abi::{CONTROL_LONG, ControlHeader, Counter, Counters, FlowKey, FlowRecord, IcmpErrorSeen, NO_SLOT},
    track::{FlowTable, Scratch},
    wire::ReadPacket,
};

/// A flow table, with a clock that is set by hand.
#[derive(Debug)]
pub struct MemoryTable {
    index: HashMap<FlowKey, u32>,
    records: Vec<FlowRecord>,
    /// Slots of forgotten flows, the first offered first.
    free: VecDeque<u32>,
    /// Where no slot is free, one is added.
    grows: bool,
    counters: Counters,
    ring: VecDeque<Vec<u8>>,
    scratch: Scratch,
    now_ns: u64,
    tick_ns: u64,
}

impl MemoryTable {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Self {
            index: HashMap::new(),
            records: Vec::new(),
            free: VecDeque::new(),
            grows: true,
            counters: Counters::default(),
            ring: VecDeque::new(),
            scratch: Scratch::zeroed(),
            now_ns: 0,
            tick_ns: 1,
        }
    }

    /// A table of so many slots, as the kernel's: free slots are taken in the order in which they were offered, and where
    /// there is none, a flow is not opened.
    #[must_use]
    pub fn with_slots(slots: u32) -> Self {
        Self {
            records: vec![FlowRecord::zeroed(); slots as usize],
            free: (0..slots).collect(),
            grows: false,
            ..Self::new()
        }
    }

    /// Makes the coarse clock as coarse as the kernel's jiffies. A tick is a nanosecond otherwise, as in captures.
    #[must_use]
    pub fn with_tick(mut self, tick: Duration) -> Self {
        self.tick_ns = u64::try_from(tick.as_nanos()).unwrap_or(u64::MAX).max(1);
        self
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

    /// The records, to link flows with each other.
    pub fn records_mut(&mut self) -> &mut [FlowRecord] {
        &mut self.records
    }

    /// Removes a flow from the index; its record stays.
    pub fn forget(&mut self, key: &FlowKey) {
        self.index.remove(key);
    }

    /// Zeroes a forgotten flow's record and offers its slot to new flows.
    pub fn offer_slot(&mut self, slot: u32) {
        if let Some(record) = self.records.get_mut(slot as usize) {
            *record = FlowRecord::zeroed();
            self.free.push_back(slot);
        }
    }

    /// The counters so far.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The oldest ring record that was not taken yet, as the kernel would have written it.
    pub fn pop_record(&mut self) -> Option<Vec<u8>> {
        self.ring.pop_front()
    }
}

impl Default for MemoryTable {
    fn default() -> Self {
        Self::new()
    }
}

impl FlowTable for MemoryTable {
    fn find(&mut self, key: &FlowKey) -> u32 {
        self.index.get(key).copied().unwrap_or(NO_SLOT)
    }

    fn open(&mut self, key: &FlowKey) -> Result<u32, Counter> {
        let slot = match self.free.pop_front() {
            Some(slot) => slot,
            None if !self.grows => return Err(Counter::FlowTableFull),
            None => {
                let slot = u32::try_from(self.records.len()).map_err(|_| Counter::FlowTableFull)?;
                self.records.push(FlowRecord::zeroed());
                slot
            }
        };
        self.index.insert(*key, slot);
        Ok(slot)
    }

    fn record(&mut self, slot: u32) -> Option<&mut FlowRecord> {
        self.records.get_mut(slot as usize)
    }

    fn scratch(&mut self) -> &mut Scratch {
        &mut self.scratch
    }

    fn record_and_scratch(&mut self, slot: u32) -> Option<(&mut FlowRecord, &mut Scratch)> {
        Some((self.records.get_mut(slot as usize)?, &mut self.scratch))
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

    fn emit<T: Pod>(&mut self, record: &T, _urgent: bool) {
        self.ring.push_back(bytemuck::bytes_of(record).to_vec());
    }

    fn emit_control<R: ReadPacket>(&mut self, reader: &R, at: usize, header: &ControlHeader) {
        // As much as the programs hand over.
        let length = (header.captured_length as usize).min(CONTROL_LONG);
        let mut bytes: Vec<u8> = Vec::with_capacity(length);
        while bytes.len() < length {
            match reader.read_u8(at + bytes.len()) {
                Some(byte) => bytes.push(byte),
                None => break,
            }
        }
        let captured = ControlHeader {
            captured_length: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
            ..*header
        };
        let mut record = bytemuck::bytes_of(&captured).to_vec();
        record.extend(bytes);
        self.ring.push_back(record);
    }

    fn emit_icmp_error(&mut self, error: &IcmpErrorSeen) {
        self.emit(error, true);
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

    #[test]
    fn a_table_of_so_many_slots_is_full_with_them() {
        let mut table = MemoryTable::with_slots(2);
        assert_eq!([1, 2].map(|port| table.open(&key(port))), [Ok(0), Ok(1)]);
        assert_eq!(table.open(&key(3)), Err(Counter::FlowTableFull));
        table.forget(&key(1));
        assert_eq!(
            table.open(&key(3)),
            Err(Counter::FlowTableFull),
            "not offered yet"
        );
        table.offer_slot(0);
        assert_eq!(table.open(&key(3)), Ok(0));
    }

    #[test]
    fn a_slot_that_is_offered_is_empty() {
        let mut table = MemoryTable::new();
        let slot = table.open(&key(1)).unwrap();
        table.records_mut()[0].packets = 7;
        table.forget(&key(1));
        assert_eq!(table.find(&key(1)), NO_SLOT);
        table.offer_slot(slot);
        assert_eq!((table.records()[0].packets, table.open(&key(2))), (0, Ok(0)));
    }
}
