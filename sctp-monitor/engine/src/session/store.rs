//! What a feeder supplies: the flow table, wherever it is.

use std::{borrow::Borrow, convert::Infallible};

use sctp_monitor_common::{
    abi::{FlowKey, FlowLinks, FlowRecord, ProbePath, ProbeRecord, RingRecord, SteerCounts, SteerOrder},
    memory::MemoryTable,
};

use crate::{model::Timestamp, probing::request::ProbeRequest};

/// A flow table that programs write into, as a [`Session`](super::Session) needs it. Slots count from zero, without large gaps.
pub trait FlowStore {
    /// Why something could not be written.
    type Error;

    /// Hands over all ring records that wait, the oldest first, and removes them. Those that cannot be read are the store's to
    /// report.
    fn take_ring(&mut self, take: impl FnMut(&RingRecord<'_>));

    /// Whether anything was seen since the last turn, as far as that can be told without looking.
    fn news(&self) -> News;

    /// Appends the slots in use whose records may have changed since the last call. A slot that was released is named again
    /// when it holds another flow.
    fn take_changed(&mut self, changed: &mut Vec<u32>);

    /// The record in a slot; `None` past the end of the table.
    fn record(&self, slot: u32) -> Option<impl Borrow<FlowRecord>>;

    /// Says what a flow's association is.
    fn link(&mut self, slot: u32, links: &FlowLinks);

    /// Forgets a flow. When its slot may hold another one is the store's to decide.
    ///
    /// # Errors
    /// If the flow may still be there.
    fn release(&mut self, slot: u32, key: &FlowKey, now: Timestamp) -> Result<(), Self::Error>;

    /// Gives a place in the map of probes to a path; to none if all is zero.
    fn assign_probe(&mut self, _index: u32, _path: &ProbePath) {}

    /// Sends a probe; gives the time that its Heartbeat Info names, or `None` if it could not be sent.
    fn send_probe(&mut self, _request: &ProbeRequest, _now: Timestamp) -> Option<Timestamp> {
        None
    }

    /// What is known of the probes in a place.
    fn probe_record(&self, _index: u32) -> Option<ProbeRecord> {
        None
    }

    /// Says how the packets of a flow are to leave: as the host sends them if `None`. `false` if nothing comes of an order; what
    /// was said before holds no longer all the same.
    fn steer(&mut self, _key: &FlowKey, _order: Option<&SteerOrder>, _now: Timestamp) -> bool {
        false
    }

    /// What became of the packets of a flow by the order in force; `None` if there is none.
    fn steered(&self, _key: &FlowKey) -> Option<SteerCounts> {
        None
    }

    /// All is done: time for the store's own affairs.
    ///
    /// # Errors
    /// The store's own.
    fn end_turn(&mut self, _now: Timestamp) -> Result<(), Self::Error> {
        Ok(())
    }
}

/// Whether anything was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum News {
    /// Nothing.
    None,
    /// Something may have been, and can wait for the next sweep.
    Some,
    /// A ring record that cannot wait.
    Urgent,
}

/// A slot is offered again at once: no program runs meanwhile.
impl FlowStore for MemoryTable {
    type Error = Infallible;

    fn take_ring(&mut self, mut take: impl FnMut(&RingRecord<'_>)) {
        while let Some(bytes) = self.pop_record() {
            if let Ok(record) = RingRecord::parse(&bytes) {
                take(&record);
            }
        }
    }

    fn news(&self) -> News {
        if self.is_urgent() {
            News::Urgent
        } else if self.has_changed() {
            News::Some
        } else {
            News::None
        }
    }

    fn take_changed(&mut self, changed: &mut Vec<u32>) {
        self.take_touched(changed);
    }

    fn record(&self, slot: u32) -> Option<impl Borrow<FlowRecord>> {
        self.records().get(slot as usize)
    }

    fn link(&mut self, slot: u32, links: &FlowLinks) {
        Self::link(self, slot, links);
    }

    fn release(&mut self, slot: u32, key: &FlowKey, _now: Timestamp) -> Result<(), Infallible> {
        self.forget(key);
        Self::release(self, slot);
        Ok(())
    }
}
