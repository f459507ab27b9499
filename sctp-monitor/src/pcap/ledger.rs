//! What crossed each flow: exact counts, whatever the engine makes of them.
//!
//! An entry is a flow, a verification tag, and what the packets were wrapped in; so the packets of an association are told
//! from those of the one before it on the same ports. Packets that were captured twice are counted as the capture has
//! them, and how many they are stands beside; their DATA is no retransmission.

use std::{collections::BTreeMap, collections::HashMap};

use foldhash::fast::RandomState;
use sctp_monitor_capture::{Chain, Layers};
use sctp_monitor_common::{
    abi::{FlowKey, FlowRecord, NO_SLOT},
    wire::{
        Chunk, ChunkKind, CutFrame, ReadPacket as _,
        chunk::{KIND_SLOTS, Visit, walk},
        data::Data,
    },
};

use super::{heartbeats::Heartbeats, series::Series, tracked::Tracked, tsns::TsnSet};

/// Names an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct EntryKey {
    pub(crate) flow: FlowKey,
    pub(crate) chain: Chain,
    pub(crate) tag: u32,
}

/// What crossed a flow with one verification tag.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: EntryKey,
    pub(crate) first_ns: u64,
    pub(crate) last_ns: u64,
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    /// By [`ChunkKind`].
    pub(crate) chunks: [u64; KIND_SLOTS],
    /// Chunks of types without a kind, by type.
    pub(crate) other_chunks: BTreeMap<u8, u64>,
    pub(crate) data_bytes: u64,
    pub(crate) data_retransmissions: u64,
    pub(crate) capture_duplicates: u64,
    pub(crate) heartbeats_answered: u64,
    /// Those of them whose ack came over another path.
    pub(crate) answered_elsewhere: u64,
    /// From HEARTBEAT to HEARTBEAT ACK, in the order of the acks, nanoseconds. At most [`MOST_RTTS`].
    pub(crate) heartbeat_rtts_ns: Vec<i64>,
    /// Of the last DATA chunk that tells.
    pub(crate) ppid: Option<u32>,
    /// `None` if the tracker followed no packet of it.
    pub(crate) tracked: Option<Tracked>,
    pub(crate) series: Option<Box<Series>>,
    /// Of its direction of the association.
    tsns: usize,
    /// The next entry of the same slot of the flow table.
    next: usize,
}

impl Entry {
    fn new(key: EntryKey, tsns: usize, time_ns: u64, with_series: bool) -> Self {
        Self {
            key,
            first_ns: time_ns,
            last_ns: time_ns,
            packets: 0,
            bytes: 0,
            chunks: [0; KIND_SLOTS],
            other_chunks: BTreeMap::new(),
            data_bytes: 0,
            data_retransmissions: 0,
            capture_duplicates: 0,
            heartbeats_answered: 0,
            answered_elsewhere: 0,
            heartbeat_rtts_ns: Vec::new(),
            ppid: None,
            tracked: None,
            series: with_series.then(Box::default),
            tsns,
            next: NONE,
        }
    }

    /// Chunks of a kind.
    pub(crate) fn count(&self, kind: ChunkKind) -> u64 {
        self.chunks[kind as usize % KIND_SLOTS]
    }

    /// DATA and I-DATA chunks.
    pub(crate) fn data_chunks(&self) -> u64 {
        self.count(ChunkKind::Data) + self.count(ChunkKind::IData)
    }

    /// Chunks by the RFC's names; `TYPE_n` if there is none.
    pub(crate) fn chunks_by_name(&self) -> impl Iterator<Item = (String, u64)> + '_ {
        let named = ChunkKind::ALL
            .iter()
            .filter(|kind| **kind != ChunkKind::Other)
            .map(|kind| (kind.name().to_owned(), self.count(*kind)));
        let others = self
            .other_chunks
            .iter()
            .map(|(number, count)| (format!("TYPE_{number}"), *count));
        named.chain(others).filter(|(_, count)| *count > 0)
    }

    /// Adds what crossed the same flow with another tag, or wrapped in something else.
    pub(crate) fn merge(&mut self, other: &Self) {
        if self.ppid.is_none() || self.last_ns < other.last_ns {
            self.ppid = other.ppid.or(self.ppid);
        }
        self.first_ns = self.first_ns.min(other.first_ns);
        self.last_ns = self.last_ns.max(other.last_ns);
        self.packets += other.packets;
        self.bytes += other.bytes;
        for (sum, count) in self.chunks.iter_mut().zip(other.chunks) {
            *sum += count;
        }
        for (number, count) in &other.other_chunks {
            *self.other_chunks.entry(*number).or_default() += count;
        }
        self.data_bytes += other.data_bytes;
        self.data_retransmissions += other.data_retransmissions;
        self.capture_duplicates += other.capture_duplicates;
        self.heartbeats_answered += other.heartbeats_answered;
        self.answered_elsewhere += other.answered_elsewhere;
        self.heartbeat_rtts_ns.extend(&other.heartbeat_rtts_ns);
        if let Some(tracked) = &other.tracked {
            self.add_tracked(tracked);
        }
        if let (Some(series), Some(other)) = (&mut self.series, &other.series) {
            series.merge(other);
        }
    }

    fn add_tracked(&mut self, tracked: &Tracked) {
        self.tracked.get_or_insert_default().merge(tracked);
    }
}

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
        entry.capture_duplicates += u64::from(is_duplicate);
        if let Some(series) = &mut entry.series {
            series.on_packet(time_ns, u64::from(layers.total_length));
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

/// No entry.
const NONE: usize = usize::MAX;
/// Round-trip times that are kept of one entry: half a megabyte, three weeks of heartbeats.
pub(crate) const MOST_RTTS: usize = 65_536;
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
        entry.heartbeats_answered += 1;
        entry.answered_elsewhere += u64::from(!answered.same_path);
        if entry.heartbeat_rtts_ns.len() < MOST_RTTS {
            entry.heartbeat_rtts_ns.push(answered.rtt_ns);
        }
        if let Some(series) = &mut entry.series {
            series.on_rtt(self.time_ns, answered.rtt_ns);
        }
    }
}
