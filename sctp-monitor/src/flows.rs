//! The kernel's flow table as the engine's session needs it: mapped records, the ring buffer, and which slots are in use.

use std::borrow::Borrow;

use sctp_monitor_common::abi::{
    FlowKey, FlowLinks, FlowRecord, ProbePath, ProbeRecord, RingRecord, SteerCounts, SteerOrder,
};
use sctp_monitor_engine::{
    ProbeRequest,
    model::Timestamp,
    session::{FlowStore, News},
};
use tracing::{debug, warn};

use crate::{
    kernel::{Kernel, KernelError, Origin},
    probe::Sender,
    slots::Slots,
};

/// The flow table that the kernel programs fill, as a store of the session.
pub struct KernelFlows {
    /// The programs and their maps.
    pub kernel: Kernel,
    /// Who has which slot.
    pub slots: Slots,
    sender: Option<Sender>,
    /// Why the last probe was not sent: the same is not said again and again.
    not_sent: Option<String>,
}

impl KernelFlows {
    /// Of a table in which no flow is known yet.
    #[must_use]
    pub fn new(kernel: Kernel) -> Self {
        Self {
            slots: Slots::new(kernel.max_flows()),
            kernel,
            sender: None,
            not_sent: None,
        }
    }

    /// Of the table that an earlier agent left, if that is what the programs were opened over.
    ///
    /// # Errors
    /// If a map cannot be read.
    pub fn adopted(mut kernel: Kernel, now: Timestamp) -> Result<Self, KernelError> {
        let slots = match kernel.origin() {
            Origin::Adopted => Slots::found(&kernel.find_slots()?, now),
            _ => Slots::new(kernel.max_flows()),
        };
        Ok(Self {
            slots,
            ..Self::new(kernel)
        })
    }

    /// The same, with probes that leave by this.
    #[must_use]
    pub fn with_probes(self, sender: Option<Sender>) -> Self {
        Self { sender, ..self }
    }

    /// Finds the flows whose ring record was lost.
    pub fn find_unannounced(&mut self) {
        for slot in 0..self.kernel.max_flows() {
            if self.slots.is_free(slot) && self.kernel.records().packets(slot) > 0 {
                debug!(slot, "flow found without its ring record");
                self.slots.take(slot);
            }
        }
    }
}

impl FlowStore for KernelFlows {
    type Error = KernelError;

    fn take_ring(&mut self, mut take: impl FnMut(&RingRecord<'_>)) {
        let Self { kernel, slots, .. } = self;
        while kernel.with_ring_record(|bytes| match RingRecord::parse(bytes) {
            Ok(record) => {
                if let RingRecord::FlowOpened(opened) = &record {
                    slots.take(opened.header.slot);
                }
                take(&record);
            }
            Err(error) => warn!("{error}"),
        }) {}
    }

    /// The records must be looked at to tell; the ring wakes the driver up by itself.
    fn news(&self) -> News {
        News::Some
    }

    fn take_changed(&mut self, changed: &mut Vec<u32>) {
        let records = self.kernel.records();
        self.slots.take_changed(|slot| records.packets(slot), changed);
    }

    /// None as well of a flow that a program is just opening.
    fn record(&self, slot: u32) -> Option<impl Borrow<FlowRecord>> {
        self.kernel
            .record(slot)
            .filter(|record| record.first_seen_ns != 0)
    }

    fn link(&mut self, slot: u32, links: &FlowLinks) {
        self.kernel.link(slot, links);
        if !links.wants_proof() {
            self.slots.prove(slot);
        }
    }

    fn release(&mut self, slot: u32, key: &FlowKey, now: Timestamp) -> Result<(), KernelError> {
        // A slot that has another flow by now stays with that one.
        if self.kernel.record(slot).is_some_and(|record| record.key == *key) {
            self.kernel.forget(key)?;
            self.slots.release(slot, now);
        }
        Ok(())
    }

    fn assign_probe(&mut self, index: u32, path: &ProbePath) {
        self.kernel.assign_probe(index, path);
    }

    fn send_probe(&mut self, request: &ProbeRequest, _now: Timestamp) -> Option<Timestamp> {
        match self.sender.as_mut()?.send(request) {
            Ok(at) => {
                self.not_sent = None;
                Some(at)
            }
            Err(error) => {
                let (src, dst) = (request.key.src.to_ip(), request.key.dst.to_ip());
                let error = format!("{:#}", anyhow::Error::from(error));
                if self.not_sent.as_ref() != Some(&error) {
                    warn!("a probe from {src} to {dst} was not sent: {error}");
                    self.not_sent = Some(error);
                }
                None
            }
        }
    }

    fn probe_record(&self, index: u32) -> Option<ProbeRecord> {
        self.kernel.probe_record(index)
    }

    fn steer(&mut self, key: &FlowKey, order: Option<&SteerOrder>, now: Timestamp) -> bool {
        let carried_out = self.kernel.steer(key, order, now);
        if let Err(error) = &carried_out {
            warn!("an order of steering was not carried out: {error}");
        }
        carried_out.is_ok()
    }

    fn steered(&self, key: &FlowKey) -> Option<SteerCounts> {
        self.kernel.steered(key)
    }

    /// Orders remain in force as long as there are turns. Slots that no program can hold any more are offered to new flows, and flows that nothing proves get back their share.
    fn end_turn(&mut self, now: Timestamp) -> Result<(), KernelError> {
        self.kernel.renew_orders(now);
        loop {
            let records = self.kernel.records();
            let Some((slot, to)) = self.slots.poll_free(|slot| records.packets(slot), now) else {
                break;
            };
            self.kernel.offer_slot(slot, to)?;
        }
        while self.slots.lacks_unproved() {
            match self.kernel.offer_one_more()? {
                Some(slot) => self.slots.on_offered(slot),
                None => break,
            }
        }
        Ok(())
    }
}
