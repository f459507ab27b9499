//! What was seen of a slot when it was last looked at, and whether it is worth another look.
//!
//! Nothing is lost by looking less often at a flow that goes on as it did: its record keeps count. What may be news is looked at
//! in the next turn: the first packets, an answer to a heartbeat, the first acknowledgement, new DATA after a pause, an answer that
//! is overdue.

use sctp_monitor_common::abi::FlowRecord;

use super::pace::{Pace, Patience};
use crate::model::Timestamp;

/// What is known of a slot.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Look {
    /// `None` before the first look at its flow.
    at: Option<Timestamp>,
    /// It is among those that are due.
    is_due: bool,
    /// Its record has changed since.
    has_news: bool,
    /// Its flow was forgotten, and the store has not said that it holds another one.
    is_released: bool,
    /// When that was sent whose answer it waited for longest; 0 if it waited for none.
    wait_ns: u64,
    /// It had waited for that for long.
    was_stuck: bool,
    packets: u64,
    heartbeats_answered: u32,
    data_chunks: u64,
    /// It had carried DATA since the look before.
    had_data: bool,
    /// The highest TSN that it was the first to carry.
    highest_sent: u32,
    /// It had carried new DATA since the look before.
    had_new_data: bool,
    acknowledged: bool,
}

impl Look {
    /// The store says that the record has changed; `true` if the slot is to be entered among those that are due.
    pub(super) fn on_news(&mut self) -> bool {
        self.has_news = true;
        self.is_released = false;
        !std::mem::replace(&mut self.is_due, true)
    }

    /// The slot's flow was forgotten.
    pub(super) fn on_released(&mut self) {
        *self = Self {
            is_due: self.is_due,
            is_released: true,
            ..Self::default()
        };
    }

    /// It was looked at; `true` if it remains due, since it waits for an answer or is `awaited` at some time.
    pub(super) fn on_looked(
        &mut self,
        record: &FlowRecord,
        awaited: bool,
        patience: Patience,
        now: Timestamp,
    ) -> bool {
        let wait_ns = longest_wait(record);
        *self = Self {
            at: Some(now),
            is_due: awaited || wait_ns != 0,
            has_news: false,
            is_released: false,
            wait_ns,
            was_stuck: patience.is_at_its_end(record, now),
            packets: record.packets,
            heartbeats_answered: record.heartbeats_answered,
            data_chunks: record.data_chunks,
            had_data: record.data_chunks != self.data_chunks,
            highest_sent: record.highest_sent,
            had_new_data: record.highest_sent != self.highest_sent,
            acknowledged: record.acknowledgements != 0,
        };
        self.is_due
    }

    /// It is not due any more: always `false`.
    pub(super) fn drop_out(&mut self) -> bool {
        self.is_due = false;
        self.is_due
    }

    /// The next look is worth it, however lately it was looked at.
    pub(super) fn hurry(&mut self) {
        self.at = None;
        self.has_news = true;
    }

    pub(super) fn has_news(&self) -> bool {
        self.has_news
    }

    pub(super) fn is_released(&self) -> bool {
        self.is_released
    }

    /// Whether the record may hold what cannot wait.
    pub(super) fn cannot_wait(
        &self,
        record: &FlowRecord,
        pace: Pace,
        patience: Patience,
        now: Timestamp,
    ) -> bool {
        let Some(at) = self.at else {
            return true;
        };
        if now.since(at) >= pace.busy {
            return true;
        }
        let waits_for_another = longest_wait(record) != self.wait_ns;
        let has_changed = waits_for_another || record.packets != self.packets;
        record.heartbeats_answered != self.heartbeats_answered
            || (waits_for_another && self.was_stuck)
            || (has_changed && patience.is_at_its_end(record, now))
            || (record.data_chunks != self.data_chunks && !self.had_data)
            || (record.highest_sent != self.highest_sent && !self.had_new_data)
            || (record.acknowledgements != 0 && !self.acknowledged)
    }
}

/// When that was sent whose answer the flow waits for longest; 0 if it waits for none.
fn longest_wait(record: &FlowRecord) -> u64 {
    let heartbeats = record.outstanding.iter().map(|heartbeat| heartbeat.sent_at_ns);
    heartbeats
        .chain([record.timed.sent_at_ns])
        .filter(|sent_at_ns| *sent_at_ns != 0)
        .min()
        .unwrap_or(0)
}
