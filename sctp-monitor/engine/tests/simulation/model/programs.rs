//! The kernel's side: a flow table in memory that tells as little as the kernel's does. Flows become known by their ring
//! record, some of which are lost; whether a record has changed shows in its count of packets only.

use std::{borrow::Borrow, convert::Infallible, time::Duration};

use sctp_monitor_common::{
    abi::{FlowKey, FlowLinks, FlowRecord, RingRecord},
    memory::MemoryTable,
};
use sctp_monitor_engine::{
    model::Timestamp,
    session::{FlowStore, News},
};

use super::dice::Dice;

/// How often the agent looks for flows whose ring record was lost.
const REFRESH: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Programs {
    pub(crate) table: MemoryTable,
    /// Ring records that are lost, each by itself.
    ring_loss: f64,
    dice: Dice,
    slots: Vec<Slot>,
    any_lost: bool,
    refresh_at: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy)]
enum Slot {
    /// Its ring record has not been seen.
    Unannounced,
    /// With the packets it had when it was last named.
    Used {
        packets: u64,
    },
    Released,
}

impl Programs {
    pub(crate) fn new(tick: Duration, ring_loss: f64, dice: Dice) -> Self {
        Self {
            table: MemoryTable::new().with_tick(tick),
            ring_loss,
            dice,
            slots: Vec::new(),
            any_lost: false,
            refresh_at: None,
        }
    }

    /// Flows whose ring record was lost.
    fn announce_all(&mut self) {
        self.slots.resize(self.table.records().len(), Slot::Unannounced);
        for slot in &mut self.slots {
            if matches!(slot, Slot::Unannounced) {
                *slot = NEW;
            }
        }
    }
}

const NEW: Slot = Slot::Used { packets: 0 };

impl FlowStore for Programs {
    type Error = Infallible;

    fn take_ring(&mut self, mut take: impl FnMut(&RingRecord<'_>)) {
        let Self {
            table,
            ring_loss,
            dice,
            slots,
            any_lost,
            ..
        } = self;
        table.take_ring(|record| {
            if dice.chance(*ring_loss) {
                *any_lost = true;
                return;
            }
            if let RingRecord::FlowOpened(opened) = record {
                let slot = opened.header.slot as usize;
                slots.resize(slots.len().max(slot + 1), Slot::Unannounced);
                slots[slot] = NEW;
            }
            take(record);
        });
    }

    /// The kernel's records must be looked at to tell.
    fn news(&self) -> News {
        if self.table.is_urgent() {
            News::Urgent
        } else {
            News::Some
        }
    }

    fn take_changed(&mut self, changed: &mut Vec<u32>) {
        for ((slot, state), record) in (0_u32..).zip(&mut self.slots).zip(self.table.records()) {
            if let Slot::Used { packets } = state
                && *packets != record.packets
            {
                *packets = record.packets;
                changed.push(slot);
            }
        }
    }

    fn record(&self, slot: u32) -> Option<impl Borrow<FlowRecord>> {
        self.table.records().get(slot as usize)
    }

    fn link(&mut self, slot: u32, links: &FlowLinks) {
        self.table.link(slot, links);
    }

    fn release(&mut self, slot: u32, key: &FlowKey, _now: Timestamp) -> Result<(), Infallible> {
        self.table.forget(key);
        self.slots[slot as usize] = Slot::Released;
        Ok(())
    }

    fn end_turn(&mut self, now: Timestamp) -> Result<(), Infallible> {
        if std::mem::take(&mut self.any_lost) {
            self.refresh_at.get_or_insert(now + REFRESH);
        }
        if self.refresh_at.is_some_and(|at| at <= now) {
            self.refresh_at = None;
            self.announce_all();
        }
        Ok(())
    }
}
