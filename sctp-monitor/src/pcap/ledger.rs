//! What crossed each flow: exact counts, whatever the engine makes of them.
//!
//! An entry is a flow, a verification tag, and what the packets were wrapped in; so the packets of an association are told
//! from those of the one before it on the same ports. Packets that were captured twice are counted as the capture has
//! them, and how many they are stands beside; their DATA is no retransmission, and no HEARTBEAT waits for a second answer.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use sctp_monitor_capture::{Chain, Layers};
use sctp_monitor_common::{
    abi::{FlowKey, FlowRecord, NO_SLOT},
    wire::{
        Chunk, ChunkKind, CutFrame, ReadPacket as _,
        chunk::{Visit, walk},
        data::Data,
    },
};

use super::{
    entry::{Entry, EntryKey, MOST_RTTS, NONE},
    heartbeats::Heartbeats,
    tracked::Tracked,
    tsns::TsnSet,
};

/// All entries.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    entries: Vec<Entry>,
    index: HashMap<EntryKey, usize, RandomState>,
    /// The first entry of each slot of the flow table.
    by_slot: Vec<usize>,
    /// What is already kept of a record that followed another tag, by slot.
    absorbed: HashMap<u32, Tracked, RandomState>,
    tsns: Vec<TsnSet>,
    /// By source port, destination port and tag: a TSN is of the association, not of the path.
    tsns_of: HashMap<(u16, u16, u32), usize, RandomState>,
    runs: usize,
    heartbeats: Heartbeats,
    with_series: bool,
    max_entries: usize,
    /// Packets of flows beyond `max_entries`.
    pub(crate) packets_left_out: u64,
}

impl Ledger {
    /// At most so many flows; `with_series` keeps what plots need.
    pub(crate) fn new(max_entries: usize, with_series: bool) -> Self {
        Self {
            max_entries,
            with_series,
            ..Self::default()
        }
    }

    /// All entries, in the order in which they were first seen.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Counts a packet. `slot` is its flow's in the flow table, or [`NO_SLOT`].
    pub(crate) fn record(
        &mut self,
        slot: u32,
        key: &FlowKey,
        layers: &Layers<'_>,
        is_duplicate: bool,
        time_ns: u64,
    ) {
        let key = EntryKey {
            flow: *key,
            chain: layers.chain,
            tag: layers.packet.tag,
        };
        let Some(at) = self.entry(slot, &key, time_ns) else {
            self.packets_left_out += 1;
            return;
        };
        let entry = &mut self.entries[at];
        entry.packets += 1;
        entry.bytes += u64::from(layers.total_length);
        entry.first_ns = entry.first_ns.min(time_ns);
        entry.last_ns = entry.last_ns.max(time_ns);
        let bytes = u64::from(layers.total_length);
        if is_duplicate {
            entry.capture_duplicates += 1;
            entry.copies.bytes += bytes;
        } else if let Some(series) = &mut entry.series {
            series.on_packet(time_ns, bytes);
        }
        let frame = layers.inner.frame();
        let mut count = Count {
            ledger: self,
            frame: &frame,
            at,
            is_duplicate,
            time_ns,
        };
        let packet = &layers.packet;
        walk(&frame, packet.chunks_at(), packet.end, usize::MAX, &mut count);
    }

    /// Keeps what the tracker knows of a flow: it is about to forget the flow, or to follow another tag on it.
    pub(crate) fn absorb(&mut self, record: &FlowRecord) {
        let all = Tracked::of(record);
        let before = self.absorbed.insert(record.slot, all).unwrap_or_default();
        let tracked = all.since(&before);
        let key = |chain, tag| EntryKey {
            flow: record.key,
            chain,
            tag,
        };
        let mut at = self.first_of(record.slot);
        if at == NONE {
            at = self
                .index
                .get(&key(Chain::default(), record.tag))
                .copied()
                .unwrap_or(NONE);
        }
        while let Some(entry) = self.entries.get_mut(at) {
            if entry.key.flow == record.key && entry.key.tag == record.tag {
                entry.add_tracked(&tracked);
                return;
            }
            at = entry.next;
        }
    }

    /// The slot has another flow from now on.
    pub(crate) fn release(&mut self, slot: u32) {
        self.absorbed.remove(&slot);
        if let Some(first) = self.by_slot.get_mut(slot as usize) {
            *first = NONE;
        }
    }

    fn first_of(&self, slot: u32) -> usize {
        self.by_slot.get(slot as usize).copied().unwrap_or(NONE)
    }

    fn entry(&mut self, slot: u32, key: &EntryKey, time_ns: u64) -> Option<usize> {
        let mut at = self.first_of(slot);
        while let Some(entry) = self.entries.get(at) {
            if entry.key.tag == key.tag && entry.key.chain == key.chain && entry.key.flow == key.flow {
                return Some(at);
            }
            at = entry.next;
        }
        let at = match self.index.get(key) {
            Some(at) => *at,
            None => self.open(key, time_ns)?,
        };
        if slot != NO_SLOT {
            let slot = slot as usize;
            if slot >= self.by_slot.len() {
                self.by_slot.resize(slot + 1, NONE);
            }
            self.entries[at].next = std::mem::replace(&mut self.by_slot[slot], at);
        }
        Some(at)
    }

    fn open(&mut self, key: &EntryKey, time_ns: u64) -> Option<usize> {
        if self.entries.len() >= self.max_entries {
            return None;
        }
        let direction = (key.flow.src_port, key.flow.dst_port, key.tag);
        let tsns = *self.tsns_of.entry(direction).or_insert_with(|| {
            self.tsns.push(TsnSet::default());
            self.tsns.len() - 1
        });
        let at = self.entries.len();
        self.entries
            .push(Entry::new(*key, tsns, time_ns, self.with_series));
        self.index.insert(*key, at);
        Some(at)
    }
}

/// Runs of TSNs that are kept in all. A capture that needs more was made to need them.
const MOST_RUNS: usize = 1 << 20;

struct Count<'a> {
    ledger: &'a mut Ledger,
    frame: &'a CutFrame<'a>,
    at: usize,
    is_duplicate: bool,
    time_ns: u64,
}

impl Visit for Count<'_> {
    #[inline]
    fn visit(&mut self, chunk: &Chunk) {
        let entry = &mut self.ledger.entries[self.at];
        entry.chunks[chunk.slot()] += 1;
        if self.is_duplicate {
            entry.copies.count(chunk);
        }
        if chunk.is(ChunkKind::Data) || chunk.is(ChunkKind::IData) {
            entry.data_bytes += u64::from(Data::payload_length(chunk));
            self.on_data(chunk);
        } else if chunk.is(ChunkKind::Heartbeat) || chunk.is(ChunkKind::HeartbeatAck) {
            self.on_heartbeat(chunk);
        } else if chunk.is(ChunkKind::Other)
            && let Some(number) = self.frame.read_u8(chunk.at())
        {
            *entry.other_chunks.entry(number).or_default() += 1;
        }
    }
}

impl Count<'_> {
    #[inline]
    fn on_data(&mut self, chunk: &Chunk) {
        let Some(tsn) = self.frame.read_u32(chunk.value_at()) else {
            return;
        };
        let ledger = &mut *self.ledger;
        let entry = &mut ledger.entries[self.at];
        if let Some(ppid) = Data::read(self.frame, chunk).and_then(|data| data.ppid) {
            entry.ppid = Some(ppid);
        }
        let set = &mut ledger.tsns[entry.tsns];
        let runs = set.runs();
        if ledger.runs >= MOST_RUNS && runs > 0 {
            return;
        }
        if !set.insert(tsn) && !self.is_duplicate {
            entry.data_retransmissions += 1;
            if let Some(series) = &mut entry.series {
                series.on_retransmission(self.time_ns);
            }
        }
        ledger.runs = ledger.runs + set.runs() - runs;
    }

    fn on_heartbeat(&mut self, chunk: &Chunk) {
        let bytes = self.frame.bytes;
        let end = chunk.end().min(bytes.len());
        let info = bytes.get(chunk.value_at().min(end)..end).unwrap_or(&[]);
        let ledger = &mut *self.ledger;
        let key = ledger.entries[self.at].key.flow;
        if chunk.is(ChunkKind::Heartbeat) {
            return ledger.heartbeats.on_sent(&key, info, self.at, self.time_ns);
        }
        let Some(answered) = ledger.heartbeats.on_ack(&key, info, self.time_ns) else {
            return;
        };
        let entry = &mut ledger.entries[answered.entry];
        if entry.heartbeat_rtts_ns.len() < MOST_RTTS {
            if self.is_duplicate {
                entry.copied_rtts.push(entry.heartbeat_rtts_ns.len());
            }
            entry.heartbeat_rtts_ns.push(answered.rtt_ns);
        }
        if self.is_duplicate {
            return;
        }
        entry.heartbeats_answered += 1;
        entry.answered_elsewhere += u64::from(!answered.same_path);
        if let Some(series) = &mut entry.series {
            series.on_rtt(self.time_ns, answered.rtt_ns);
        }
    }
}
