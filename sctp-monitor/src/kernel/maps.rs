//! The maps, each under its type.
//!
//! Taking them changes nothing in them: they may hold a table that another agent made. Only [`Maps::fill`] makes a table of
//! them.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};

use aya::{
    Ebpf,
    maps::{Array, HashMap, Map, MapData, MapError, PerCpuArray, Queue, RingBuf},
};
use sctp_monitor_common::abi::{Counters, IndexKey, TableFacts, limits::unproved_share};

use super::{KernelError, flows::Flows, probes::Probes, shared::Shared};
use crate::slots::Offer;

/// The maps.
pub(super) struct Maps {
    pub(super) flows: Flows,
    table: Array<MapData, Shared<TableFacts>>,
    index: HashMap<MapData, Shared<IndexKey>, u32>,
    free_slots: Queue<MapData, u32>,
    unproved_slots: Queue<MapData, u32>,
    counters: PerCpuArray<MapData, Shared<Counters>>,
    ring: RingBuf<MapData>,
    pub(super) probes: Probes,
}

impl Maps {
    /// Takes the maps out of an object that was opened; `flows` is how many slots the table has, and `probed_paths` how many
    /// places the map of probes.
    pub(super) fn take(ebpf: &mut Ebpf, flows: u32, probed_paths: u32) -> Result<Self, KernelError> {
        Ok(Self {
            flows: Flows::map(take(ebpf, "FLOWS")?, flows)?,
            table: typed(ebpf, "TABLE")?,
            index: typed(ebpf, "FLOW_INDEX")?,
            free_slots: typed(ebpf, "FREE_SLOTS")?,
            unproved_slots: typed(ebpf, "UNPROVED_SLOTS")?,
            counters: typed(ebpf, "COUNTERS")?,
            ring: typed(ebpf, "RING")?,
            probes: Probes::map(take(ebpf, "PROBES")?, probed_paths)?,
        })
    }

    /// Makes a table of maps that nobody has used: says what it is, and offers every slot.
    pub(super) fn fill(&mut self, facts: &TableFacts) -> Result<(), KernelError> {
        let share = unproved_share(facts.flows);
        (0..facts.flows).try_for_each(|slot| self.push_slot(slot, Offer::of(slot, share)))?;
        // What has no facts is no table: whoever finds it begins anew.
        self.table.set(0, Shared(*facts), 0).map_err(map_error("TABLE"))
    }

    /// The slots that are offered, and to whom. Programs go on taking some meanwhile: each goes back at once.
    pub(super) fn offered(&mut self, flows: u32) -> Result<Vec<(u32, Offer)>, KernelError> {
        let mut found = Vec::new();
        for to in [Offer::Genuine, Offer::Any] {
            let mut seen = vec![false; flows as usize];
            while let Some(slot) = self.pop_slot(to)? {
                self.push_slot(slot, to)?;
                match seen.get_mut(slot as usize) {
                    Some(seen) if !*seen => *seen = true,
                    // Once around.
                    _ => break,
                }
                found.push((slot, to));
            }
        }
        Ok(found)
    }

    /// The slot of a flow, by the index.
    pub(super) fn slot_of(&self, key: IndexKey) -> Result<Option<u32>, KernelError> {
        match self.index.get(&Shared(key), 0) {
            Ok(slot) => Ok(Some(slot)),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(source) => Err(map_error("FLOW_INDEX")(source)),
        }
    }

    /// What the table was made with.
    pub(super) fn facts(&self) -> Result<TableFacts, KernelError> {
        let Shared(facts) = self.table.get(&0, 0).map_err(map_error("TABLE"))?;
        Ok(facts)
    }

    /// Sums the counters of all CPUs.
    pub(super) fn counters(&self) -> Result<Counters, KernelError> {
        let values = self.counters.get(&0, 0).map_err(map_error("COUNTERS"))?;
        let mut sum = Counters::default();
        for Shared(counters) in values.iter() {
            sum.merge(counters);
        }
        Ok(sum)
    }

    /// Takes the oldest record from the ring buffer; `false` if there was none.
    pub(super) fn with_ring_record(&mut self, use_record: impl FnOnce(&[u8])) -> bool {
        match self.ring.next() {
            Some(record) => {
                use_record(&record);
                true
            }
            None => false,
        }
    }

    /// The ring buffer's descriptor, for whoever waits for it.
    pub(super) fn ring_descriptor(&self) -> io::Result<OwnedFd> {
        self.ring.as_fd().try_clone_to_owned()
    }

    /// Removes a flow from the index; one that is not there is no error.
    pub(super) fn forget(&mut self, key: IndexKey) -> Result<(), KernelError> {
        match self.index.remove(&Shared(key)) {
            Ok(()) | Err(MapError::KeyNotFound) => Ok(()),
            Err(source) => Err(map_error("FLOW_INDEX")(source)),
        }
    }

    /// Offers a slot that belongs to no flow, empty.
    pub(super) fn offer(&mut self, slot: u32, to: Offer) -> Result<(), KernelError> {
        self.flows.clear(slot);
        self.push_slot(slot, to)
    }

    /// Takes a slot from those for genuine flows, and offers it to any; `None` if there is none.
    pub(super) fn offer_one_more(&mut self) -> Result<Option<u32>, KernelError> {
        let Some(slot) = self.pop_slot(Offer::Genuine)? else {
            return Ok(None);
        };
        self.push_slot(slot, Offer::Any).map(|()| Some(slot))
    }

    fn pop_slot(&mut self, from: Offer) -> Result<Option<u32>, KernelError> {
        let (queue, name) = self.queue(from);
        match queue.pop(0) {
            Ok(slot) => Ok(Some(slot)),
            Err(MapError::ElementNotFound) => Ok(None),
            Err(source) => Err(map_error(name)(source)),
        }
    }

    fn push_slot(&mut self, slot: u32, to: Offer) -> Result<(), KernelError> {
        let (queue, name) = self.queue(to);
        queue.push(slot, 0).map_err(map_error(name))
    }

    fn queue(&mut self, of: Offer) -> (&mut Queue<MapData, u32>, &'static str) {
        match of {
            Offer::Genuine => (&mut self.free_slots, "FREE_SLOTS"),
            Offer::Any => (&mut self.unproved_slots, "UNPROVED_SLOTS"),
        }
    }
}

pub(super) fn typed<M: TryFrom<Map, Error = MapError>>(
    ebpf: &mut Ebpf,
    name: &'static str,
) -> Result<M, KernelError> {
    take(ebpf, name)?.try_into().map_err(map_error(name))
}

pub(super) fn take(ebpf: &mut Ebpf, name: &'static str) -> Result<Map, KernelError> {
    ebpf.take_map(name).ok_or(KernelError::NoMap(name))
}

pub(super) fn map_error(name: &'static str) -> impl FnOnce(MapError) -> KernelError {
    move |source| KernelError::Map { name, source }
}
