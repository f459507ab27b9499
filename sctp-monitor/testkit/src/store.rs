//! A flow table in memory whose slots stay taken, as the kernel's do for a while, so that tests can ask which flows were
//! forgotten; and records that no program wrote.

use std::{
    borrow::Borrow,
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
};

use sctp_monitor_common::{
    abi::{
        FlowKey, FlowLinks, FlowRecord, ProbeInfo, ProbePath, ProbeRecord, RingRecord, SteerCounts,
        SteerMode, SteerOrder,
    },
    memory::MemoryTable,
    track::{FlowTable as _, MAX_CHUNKS, Options, observe},
    wire::{Frame, LinkType, ParseOptions, emit::Heartbeat},
};
use sctp_monitor_engine::{
    ProbeRequest,
    model::Timestamp,
    session::{FlowStore, News},
};

use crate::frames::{self, Packet};

/// A flow table in memory, as a store of the session.
#[derive(Debug, Default)]
pub struct Store {
    /// What the tracker writes into.
    pub table: MemoryTable,
    /// Slots of flows that were forgotten.
    pub released: BTreeSet<u32>,
    /// Records that are seen in place of the table's in the next turn.
    forged: BTreeMap<u32, FlowRecord>,
    /// Ring records that are taken after the table's.
    forged_ring: Vec<Vec<u8>>,
    /// Probes that were sent and that nobody has answered yet.
    pub probes: Vec<SentProbe>,
    /// How packets of flows are to leave, and what became of them.
    orders: Vec<(FlowKey, SteerOrder, SteerCounts)>,
    /// Orders are not taken.
    pub refuses_orders: bool,
}

/// A probe as it was sent.
#[derive(Debug, Clone)]
pub struct SentProbe {
    /// What was asked for.
    pub request: ProbeRequest,
    /// When it was sent.
    pub at: Timestamp,
    /// Its Heartbeat Info.
    pub info: Vec<u8>,
}

impl Store {
    /// Around a table.
    #[must_use]
    pub fn new(table: MemoryTable) -> Self {
        Self {
            table,
            ..Self::default()
        }
    }

    /// The next turn finds this record in a slot, whatever the programs wrote there.
    pub fn forge(&mut self, slot: u32, record: FlowRecord) {
        self.forged.insert(slot, record);
    }

    /// The next turn finds this in the ring.
    pub fn forge_ring(&mut self, bytes: Vec<u8>) {
        self.forged_ring.push(bytes);
    }

    /// The orders that are in force.
    pub fn orders(&self) -> impl Iterator<Item = &SteerOrder> {
        self.orders.iter().map(|(_, order, _)| order)
    }

    /// Counts a packet that leaves by its order, if there is one: the order, if it is moved or copied.
    pub fn leave(&mut self, key: &FlowKey, bytes: u64) -> Option<SteerOrder> {
        let (_, order, counts) = self.orders.iter_mut().find(|(known, ..)| known == key)?;
        if order.mode != SteerMode::DryRun as u32 {
            counts.packets += 1;
            counts.bytes += bytes;
            return Some(*order);
        }
        counts.would_have_packets += 1;
        counts.would_have_bytes += bytes;
        None
    }

    /// Flows whose packets pass on two paths, as the programs are told.
    pub fn copied(&self) -> usize {
        self.table
            .all_links()
            .iter()
            .filter(|links| links.is_copied())
            .count()
    }

    /// The ring overflows: what waits in it is lost.
    pub fn lose_ring(&mut self) {
        while self.table.pop_record().is_some() {}
    }

    /// Offers the slots of forgotten flows to new ones.
    pub fn offer_released(&mut self) {
        for slot in std::mem::take(&mut self.released) {
            self.table.release(slot);
        }
    }
}

impl FlowStore for Store {
    type Error = Infallible;

    fn take_ring(&mut self, mut take: impl FnMut(&RingRecord<'_>)) {
        self.table.take_ring(&mut take);
        for bytes in self.forged_ring.drain(..) {
            if let Ok(record) = RingRecord::parse(&bytes) {
                take(&record);
            }
        }
    }

    fn news(&self) -> News {
        let forged = !self.forged.is_empty() || !self.forged_ring.is_empty();
        self.table
            .news()
            .max(if forged { News::Some } else { News::None })
    }

    fn take_changed(&mut self, changed: &mut Vec<u32>) {
        self.table.take_changed(changed);
        changed.extend(self.forged.keys());
    }

    fn record(&self, slot: u32) -> Option<impl Borrow<FlowRecord>> {
        self.forged
            .get(&slot)
            .or_else(|| self.table.records().get(slot as usize))
    }

    fn link(&mut self, slot: u32, links: &FlowLinks) {
        self.table.link(slot, links);
    }

    /// # Panics
    /// If anybody refers to the slot still: the programs would write into the record of whoever has it next.
    fn release(&mut self, slot: u32, key: &FlowKey, _now: Timestamp) -> Result<(), Infallible> {
        let referring = self
            .table
            .all_links()
            .iter()
            .position(|links| links.refer_to(slot));
        assert_eq!(referring, None, "refers to slot {slot}, which is released");
        self.table.forget(key);
        self.released.insert(slot);
        Ok(())
    }

    fn assign_probe(&mut self, index: u32, path: &ProbePath) {
        self.table.assign_probe(index, path);
    }

    /// It leaves where the flow's packets do.
    fn send_probe(&mut self, request: &ProbeRequest, now: Timestamp) -> Option<Timestamp> {
        let probe = ProbeInfo {
            index: request.index,
            generation: request.generation,
            sequence: request.sequence,
            sent_at_ns: now.as_nanos(),
        };
        let key = self.table.probe_key();
        let mut info = probe.to_bytes(key, request.ack_tag, request.says).to_vec();
        info.resize(usize::from(request.chunk_length) - Heartbeat::CHUNK_OVERHEAD, 0);
        let slot = self.table.find(&request.key);
        let interface = self.table.records().get(slot as usize)?.interface;
        let packet = Packet {
            addresses: (request.key.src.to_ip(), request.key.dst.to_ip()),
            ports: (request.key.src_port, request.key.dst_port),
            tag: request.tag,
            chunks: vec![frames::heartbeat(&info)],
        };
        let options = Options {
            link: LinkType::Ethernet,
            parse: ParseOptions::default(),
            max_chunks: MAX_CHUNKS,
        };
        self.table.set_now(now.as_nanos());
        observe(&Frame(&packet.ethernet()), interface, &options, &mut self.table);
        self.probes.push(SentProbe {
            request: *request,
            at: now,
            info,
        });
        Some(now)
    }

    fn probe_record(&self, index: u32) -> Option<ProbeRecord> {
        self.table.probe_record(index)
    }

    fn steer(&mut self, key: &FlowKey, order: Option<&SteerOrder>, _now: Timestamp) -> bool {
        self.orders.retain(|(known, ..)| known != key);
        if let Some(order) = order.filter(|_| !self.refuses_orders) {
            self.orders.push((*key, *order, SteerCounts::default()));
        }
        !self.refuses_orders
    }

    fn steered(&self, key: &FlowKey) -> Option<SteerCounts> {
        let (.., counts) = self.orders.iter().find(|(known, ..)| known == key)?;
        Some(*counts)
    }

    fn end_turn(&mut self, _now: Timestamp) -> Result<(), Infallible> {
        self.forged.clear();
        Ok(())
    }
}
