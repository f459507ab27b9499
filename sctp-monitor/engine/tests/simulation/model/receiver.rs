//! The receiving half of an endpoint: what has arrived, and when to say so (RFC 9260 section 6.2).

use std::{collections::BTreeSet, time::Duration};

use sctp_monitor_engine::model::Timestamp;

use super::{
    dice::Dice,
    packet::{Sack, Tsn},
};

/// When a receiver acknowledges.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Acks {
    /// Every so many packets...
    pub(crate) every: u32,
    /// ...or after so long.
    pub(crate) delay: Duration,
}

#[derive(Debug)]
pub(crate) struct Receiver {
    acks: Acks,
    cum_tsn: Tsn,
    beyond: BTreeSet<Tsn>,
    duplicates: Vec<Tsn>,
    packets: u32,
    ack_now: bool,
    pub(crate) ack_at: Option<Timestamp>,
    /// SACKs go where the last DATA came from.
    pub(crate) path: usize,
    dice: Dice,
}

impl Receiver {
    pub(crate) fn new(acks: Acks, first_tsn: Tsn, dice: Dice) -> Self {
        Self {
            acks,
            cum_tsn: first_tsn - 1,
            beyond: BTreeSet::new(),
            duplicates: Vec::new(),
            // Linux acknowledges the first packet at once.
            packets: acks.every - 1,
            ack_now: false,
            ack_at: None,
            path: 0,
            dice,
        }
    }

    /// A packet with DATA came.
    pub(crate) fn on_data(&mut self, path: usize, tsns: impl Iterator<Item = Tsn>, now: Timestamp) {
        let had_gap = !self.beyond.is_empty();
        self.path = path;
        for tsn in tsns {
            if tsn <= self.cum_tsn || !self.beyond.insert(tsn) {
                self.duplicates.push(tsn);
            }
        }
        while self.beyond.remove(&(self.cum_tsn + 1)) {
            self.cum_tsn += 1;
        }
        self.packets += 1;
        let out_of_order = had_gap || !self.beyond.is_empty() || !self.duplicates.is_empty();
        if out_of_order || self.packets >= self.acks.every {
            self.ack_now = true;
        } else if self.ack_at.is_none() {
            self.ack_at = Some(now + self.acks.delay + self.dice.between(Duration::ZERO, TIMER_SLACK));
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Timestamp) {
        if self.ack_at.is_some_and(|at| at <= now) {
            self.ack_now = true;
        }
    }

    /// Whether something waits to be acknowledged; DATA that leaves on this path takes the SACK with it.
    pub(crate) fn owes_ack(&self) -> bool {
        self.ack_now || self.ack_at.is_some()
    }

    /// Whether it must be acknowledged at once.
    pub(crate) fn owes_ack_now(&self) -> bool {
        self.ack_now
    }

    pub(crate) fn acknowledge(&mut self) -> Sack {
        self.packets = 0;
        self.ack_now = false;
        self.ack_at = None;
        let mut gaps: Vec<(Tsn, Tsn)> = Vec::new();
        for tsn in &self.beyond {
            match gaps.last_mut() {
                Some((_, last)) if *last + 1 == *tsn => *last = *tsn,
                _ => gaps.push((*tsn, *tsn)),
            }
        }
        Sack {
            cum_tsn_ack: self.cum_tsn,
            gaps,
            duplicates: std::mem::take(&mut self.duplicates),
        }
    }
}

/// Timers expire late: a jiffy at HZ=100, as usrsctp's do.
const TIMER_SLACK: Duration = Duration::from_millis(10);
