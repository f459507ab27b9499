//! The kernel's side of the agent, and with the collectors of `check` the only place that knows aya.
//!
//! [`Kernel`] opens the programs and owns the maps. It hands out what the engine eats (ring records, flow records,
//! counters) and carries out what the engine decides (links of flows, slots to free).

mod adopt;
mod attach;
mod attachment;
mod error;
mod flows;
mod held;
mod holder;
mod load;
mod maps;
mod pins;
mod probes;
mod shared;
mod steer;
mod traces;

use std::{io, os::fd::OwnedFd};

use aya::{Ebpf, util::KernelVersion};
use sctp_monitor_common::abi::{
    Counters, FlowKey, FlowLinks, FlowRecord, ProbePath, ProbeRecord, SteerCounts, SteerOrder, TableFacts,
};
use sctp_monitor_engine::model::Timestamp;
use tokio::io::{Interest, unix::AsyncFd};

pub use self::{
    adopt::Found,
    attach::{AttachError, Hook, HookChoice, PAIR, has_tcx, is_pair, xdp_program},
    attachment::{Attachment, Missing},
    error::KernelError,
    flows::Flows,
    holder::holder,
    load::{LoadOptions, Origin},
    pins::{PinError, Pins},
    steer::LEASE,
    traces::{Trace, TraceError, traces},
};
use self::{maps::Maps, steer::Steering};
use crate::slots::Offer;

/// The opened programs and their maps.
pub struct Kernel {
    ebpf: Ebpf,
    maps: Maps,
    steering: Steering,
    /// As the maps themselves say.
    facts: TableFacts,
    origin: Origin,
    /// Where maps and links stay when the agent is gone; nowhere if there is none.
    pins: Option<Pins>,
    probe_key: [u64; 2],
}

impl Kernel {
    /// Slots in the flow table.
    #[must_use]
    pub fn max_flows(&self) -> u32 {
        self.facts.flows
    }

    /// What the flow table was made with, as its map says.
    #[must_use]
    pub fn table(&self) -> &TableFacts {
        &self.facts
    }

    /// Where the flow table comes from.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Where maps and links stay when the agent is gone, if anywhere.
    #[must_use]
    pub fn pins(&self) -> Option<&Pins> {
        self.pins.as_ref()
    }

    /// A copy of the record in a slot; `None` past the end of the table.
    #[must_use]
    pub fn record(&self, slot: u32) -> Option<FlowRecord> {
        self.maps.flows.read(slot)
    }

    /// The mapped records, for a sweep.
    #[must_use]
    pub fn records(&self) -> &Flows {
        &self.maps.flows
    }

    /// Sums the counters of all CPUs.
    ///
    /// # Errors
    /// If the map cannot be read.
    pub fn counters(&self) -> Result<Counters, KernelError> {
        self.maps.counters()
    }

    /// Takes the oldest record from the ring buffer and hands it to `use_record`; `false` if there was none.
    pub fn with_ring_record(&mut self, use_record: impl FnOnce(&[u8])) -> bool {
        self.maps.with_ring_record(use_record)
    }

    /// Becomes readable when an urgent record waits in the ring buffer. Needs a tokio runtime.
    ///
    /// # Errors
    /// If no more descriptors can be had.
    pub fn ring_signal(&self) -> io::Result<AsyncFd<OwnedFd>> {
        let descriptor = self.maps.ring_descriptor()?;
        // SAFETY: the descriptor belongs to the AsyncFd, which keeps it open as long as it is registered.
        let signal = unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) };
        signal.map_err(io::Error::from)
    }

    /// Tells the programs of a flow's association.
    pub fn link(&mut self, slot: u32, links: &FlowLinks) {
        self.maps.flows.link(slot, links);
    }

    /// The secret by which the programs know the agent's probes; zero if it sends none.
    #[must_use]
    pub fn probe_key(&self) -> [u64; 2] {
        self.probe_key
    }

    /// Gives a place in the map of probes to a path; to none if its generation is 0.
    pub fn assign_probe(&mut self, index: u32, path: &ProbePath) {
        self.maps.probes.assign(index, path);
    }

    /// What the programs know of a path's probes; `None` past the end of the map.
    #[must_use]
    pub fn probe_record(&self, index: u32) -> Option<ProbeRecord> {
        self.maps.probes.read(index)
    }

    /// Orders onto which path the packets of a flow leave from now on, or takes the order back. It lapses [`LEASE`] after the
    /// last [`Kernel::renew_orders`].
    ///
    /// # Errors
    /// If a map refuses; the packets go as the host sends them then.
    pub fn steer(
        &mut self,
        key: &FlowKey,
        order: Option<&SteerOrder>,
        now: Timestamp,
    ) -> Result<(), KernelError> {
        let index = key.index(self.facts.index_seed);
        match order {
            Some(order) => self.steering.order(key, index, order, now),
            None => self.steering.withdraw(key, index, now),
        }
    }

    /// What became of the packets of a flow for which there is an order.
    #[must_use]
    pub fn steered(&self, key: &FlowKey) -> Option<SteerCounts> {
        self.steering.counts(key)
    }

    /// The agent lives: orders remain in force.
    pub fn renew_orders(&mut self, now: Timestamp) {
        self.steering.renew(now);
    }

    /// Removes a flow from the index. Its slot may be offered again once no program can still hold it.
    ///
    /// # Errors
    /// If the map refuses; a key that is not there is none.
    pub fn forget(&mut self, key: &FlowKey) -> Result<(), KernelError> {
        self.maps.forget(key.index(self.facts.index_seed))
    }

    /// Zeroes a forgotten flow's record and links, and offers its slot to new flows.
    ///
    /// # Errors
    /// If the queue refuses, which it does only if it holds the slot already.
    pub fn offer_slot(&mut self, slot: u32, to: Offer) -> Result<(), KernelError> {
        self.maps.offer(slot, to)
    }

    /// Offers one slot more to any flow that was for genuine ones; `None` if they have none free.
    ///
    /// # Errors
    /// If a queue refuses.
    pub fn offer_one_more(&mut self) -> Result<Option<u32>, KernelError> {
        self.maps.offer_one_more()
    }
}

/// From this release on an XDP program may see packets that span buffers.
pub const XDP_FRAGS_SINCE: KernelVersion = KernelVersion::new(5, 18, 0);
