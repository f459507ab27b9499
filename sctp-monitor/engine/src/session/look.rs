//! Whether a slot is worth a look: it has changed, or waits for an answer.

use sctp_monitor_common::abi::FlowRecord;

/// What is known of a slot.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Look {
    /// It is among those that are due.
    is_due: bool,
    /// Its record has changed since it was looked at.
    has_news: bool,
    /// Its flow was forgotten, and the store has not said that it holds another one.
    is_released: bool,
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
        self.has_news = false;
        self.is_released = true;
    }

    /// It was looked at; `true` if it remains due, since it waits for an answer or is `awaited` at some time.
    pub(super) fn on_looked(&mut self, record: &FlowRecord, awaited: bool) -> bool {
        self.has_news = false;
        self.is_due = awaited || record.waits_for_answer();
        self.is_due
    }

    /// It is not due any more: always `false`.
    pub(super) fn drop_out(&mut self) -> bool {
        self.is_due = false;
        self.is_due
    }

    pub(super) fn has_news(&self) -> bool {
        self.has_news
    }

    pub(super) fn is_released(&self) -> bool {
        self.is_released
    }
}
