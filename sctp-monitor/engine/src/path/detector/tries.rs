//! Retransmissions while nothing is acknowledged: each is one more question without an answer.
//!
//! Who sends little has a chunk or two outstanding, and asks with the same ones again after each time-out. So what counts there is
//! not how many packets wait, but how often they were sent in vain.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::Timestamp;

/// The retransmissions over one flow since the chunk that waits was sent.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Tries {
    /// When the chunk was sent that waits, on this path or another one.
    stuck_since: Option<Timestamp>,
    /// What was acknowledged when it was last looked.
    cum_tsn_ack: Option<u32>,
    /// When the last packet of the newest try was sent.
    last_at: Option<Timestamp>,
    /// When the one before was sent; before the first retransmission, the chunk itself.
    before_at: Option<Timestamp>,
    /// Tries, with the newest one.
    count: u32,
}

impl Tries {
    /// Takes what a look found: since when a retransmitted chunk waits, and when the last retransmission over this flow was
    /// sent, if there was one since the look before. What follows sooner than an answer could is part of the same try.
    ///
    /// Once more is acknowledged (`cum_tsn_ack`) they all count for nothing: by which of them it arrived is not known, and those that arrive
    /// could not be held against those that do not.
    pub(super) fn follow(
        &mut self,
        stuck_since: Option<Timestamp>,
        cum_tsn_ack: Option<u32>,
        resent_at: Option<Timestamp>,
        timeout: Duration,
    ) {
        let is_answered = self.cum_tsn_ack != cum_tsn_ack;
        // What was sent again before the chunk was sent is no try of it, though it was noticed when nothing waited.
        let is_older = |since: Timestamp| self.last_at.is_some_and(|last_at| last_at <= since + COARSE);
        if is_answered
            || self.stuck_since.is_some() && self.stuck_since != stuck_since
            || stuck_since.is_some_and(is_older)
        {
            *self = Self::default();
        }
        self.cum_tsn_ack = cum_tsn_ack;
        self.stuck_since = stuck_since;
        let Some(at) = resent_at else {
            return;
        };
        let is_new = self.last_at.is_none_or(|last| at >= last + timeout);
        if is_new {
            self.before_at = self.last_at.or(stuck_since);
        }
        if stuck_since.is_none() {
            // Another flow may tell of the chunk that waits at its next look.
            self.count = 1;
        } else if is_new {
            self.count = self.count.saturating_add(1);
        }
        self.last_at = Some(at);
    }

    /// Since when the chunk waits that was sent again.
    pub(super) fn stuck_since(&self) -> Option<Timestamp> {
        self.stuck_since.filter(|_| self.count > 0)
    }

    /// The peer has answered, though it acknowledges nothing, and was last heard at that time. Gives whether all tries are
    /// answered that should have been by now.
    pub(super) fn on_answered(&mut self, heard_at: Timestamp, timeout: Duration, now: Timestamp) -> bool {
        if Some(heard_at) >= self.last_at {
            *self = Self::default();
            return true;
        }
        let is_young = self.last_at.is_some_and(|last_at| now < last_at + timeout);
        if is_young && Some(heard_at) >= self.before_at {
            self.count = self.count.min(1);
            return true;
        }
        false
    }

    /// How often the chunk was sent again.
    pub(super) fn count(&self) -> u32 {
        self.stuck_since().map_or(0, |_| self.count)
    }

    /// How many tries have had no answer. The next one tells it of each; of the newest one, time does: `until` when an
    /// answer would have been seen.
    pub(super) fn unanswered(&self, timeout: Duration, until: Option<Timestamp>) -> u32 {
        let in_vain = self.last_at.is_some_and(|at| until >= Some(at + timeout));
        self.count().saturating_sub(u32::from(!in_vain))
    }

    /// When the last packet of the newest try was sent.
    pub(super) fn last_at(&self) -> Option<Timestamp> {
        self.last_at
    }

    /// When the newest one should have been answered. Which chunk it was about may be known by then only.
    pub(super) fn due_at(&self, timeout: Duration) -> Option<Timestamp> {
        Some(self.last_at? + timeout)
    }
}

/// Retransmissions are timed by the coarse clock.
const COARSE: Duration = Duration::from_millis(10);
