//! What crossed a flow with one verification tag, counted.
//!
//! Counts are the capture's: packets that were captured twice count twice. What the copies add stands beside, so that who
//! tells of an association can count each packet once (`*_once`).

use std::collections::BTreeMap;

use sctp_monitor_capture::Chain;
use sctp_monitor_common::{
    abi::FlowKey,
    wire::{Chunk, ChunkKind, chunk::KIND_SLOTS, data::Data},
};

use super::tracked::Tracked;
use crate::page::series::Series;

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
    pub(crate) copies: Box<Copies>,
    pub(crate) heartbeats_answered: u64,
    /// Those of them whose ack came over another path.
    pub(crate) answered_elsewhere: u64,
    /// From HEARTBEAT to HEARTBEAT ACK, in the order of the acks, nanoseconds. At most [`MOST_RTTS`].
    pub(crate) heartbeat_rtts_ns: Vec<i64>,
    /// Which of them are of an ack that had been captured before.
    pub(super) copied_rtts: Vec<usize>,
    /// Payload protocol identifier of the last DATA chunk that tells.
    pub(crate) ppid: Option<u32>,
    /// `None` if the tracker followed no packet of it.
    pub(crate) tracked: Option<Tracked>,
    pub(crate) series: Option<Box<Series>>,
    /// Of its direction of the association.
    pub(super) tsns: usize,
    /// The next entry of the same slot of the flow table.
    pub(super) next: usize,
}

/// What is counted of packets that had been captured before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Copies {
    pub(crate) bytes: u64,
    /// By [`ChunkKind`].
    pub(crate) chunks: [u64; KIND_SLOTS],
    pub(crate) data_bytes: u64,
}

impl Copies {
    #[cold]
    pub(super) fn count(&mut self, chunk: &Chunk) {
        self.chunks[chunk.slot()] += 1;
        if chunk.is(ChunkKind::Data) || chunk.is(ChunkKind::IData) {
            self.data_bytes += u64::from(Data::payload_length(chunk));
        }
    }
}

impl Entry {
    pub(super) fn new(key: EntryKey, tsns: usize, time_ns: u64, with_series: bool) -> Self {
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
            copies: Box::default(),
            heartbeats_answered: 0,
            answered_elsewhere: 0,
            heartbeat_rtts_ns: Vec::new(),
            copied_rtts: Vec::new(),
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

    /// Packets that crossed the flow, each once.
    pub(crate) fn packets_once(&self) -> u64 {
        self.packets - self.capture_duplicates
    }

    /// Chunks of a kind that crossed the flow, each once.
    pub(crate) fn count_once(&self, kind: ChunkKind) -> u64 {
        self.count(kind) - self.copies.chunks[kind as usize % KIND_SLOTS]
    }

    /// DATA and I-DATA chunks that crossed the flow, each once.
    pub(crate) fn data_chunks_once(&self) -> u64 {
        self.count_once(ChunkKind::Data) + self.count_once(ChunkKind::IData)
    }

    /// From HEARTBEAT to HEARTBEAT ACK, nanoseconds, each ack once.
    pub(crate) fn heartbeat_rtts_once(&self) -> Vec<i64> {
        let rtts = self.heartbeat_rtts_ns.iter().enumerate();
        rtts.filter(|(at, _)| self.copied_rtts.binary_search(at).is_err())
            .map(|(_, rtt_ns)| *rtt_ns)
            .collect()
    }

    /// Chunks by the RFC's names; `TYPE_n` if there is none.
    pub(crate) fn chunks_by_name(&self) -> impl Iterator<Item = (String, u64)> + '_ {
        self.by_name(|kind| self.count(kind))
    }

    /// The same of packets that crossed the flow, each once. Chunk types without a name are counted as they were captured.
    pub(crate) fn chunks_once_by_name(&self) -> impl Iterator<Item = (String, u64)> + '_ {
        self.by_name(|kind| self.count_once(kind))
    }

    fn by_name<'a>(
        &'a self,
        count: impl Fn(ChunkKind) -> u64 + 'a,
    ) -> impl Iterator<Item = (String, u64)> + 'a {
        let named = ChunkKind::ALL
            .iter()
            .filter(|kind| **kind != ChunkKind::Other)
            .map(move |kind| (kind.name().to_owned(), count(*kind)));
        let others = self
            .other_chunks
            .iter()
            .map(|(number, count)| (format!("TYPE_{number}"), *count));
        named.chain(others).filter(|(_, count)| *count > 0)
    }

    /// Adds what the tracker found out.
    pub(super) fn add_tracked(&mut self, tracked: &Tracked) {
        self.tracked.get_or_insert_default().merge(tracked);
    }

    /// Adds what crossed the same flow with another tag.
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
        self.copies.bytes += other.copies.bytes;
        self.copies.data_bytes += other.copies.data_bytes;
        for (sum, count) in self.copies.chunks.iter_mut().zip(other.copies.chunks) {
            *sum += count;
        }
        self.heartbeats_answered += other.heartbeats_answered;
        self.answered_elsewhere += other.answered_elsewhere;
        let before = self.heartbeat_rtts_ns.len();
        self.heartbeat_rtts_ns.extend(&other.heartbeat_rtts_ns);
        self.copied_rtts
            .extend(other.copied_rtts.iter().map(|at| before + at));
        if let Some(tracked) = &other.tracked {
            self.add_tracked(tracked);
        }
        if let (Some(series), Some(other)) = (&mut self.series, &other.series) {
            series.merge(other);
        }
    }
}

/// No entry.
pub(super) const NONE: usize = usize::MAX;
/// Round-trip times that are kept of one entry: half a megabyte, three weeks of heartbeats.
pub(crate) const MOST_RTTS: usize = 65_536;
