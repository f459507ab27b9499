//! The newest probes of one path, and which of them were answered.

use std::{collections::VecDeque, time::Duration};

use sctp_monitor_common::abi::ProbeRecord;

use crate::model::Timestamp;

/// One probe.
#[derive(Debug, Clone, Copy)]
pub(super) struct SentProbe {
    sequence: u32,
    pub(super) at: Timestamp,
    /// When it was answered at the latest.
    pub(super) answered_by: Option<Timestamp>,
    is_counted: bool,
}

/// The newest probes, the oldest first.
#[derive(Debug, Clone, Default)]
pub(super) struct SentProbes(VecDeque<SentProbe>);

impl SentProbes {
    pub(super) fn push(&mut self, sequence: u32, at: Timestamp) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(SentProbe {
            sequence,
            at,
            answered_by: None,
            is_counted: false,
        });
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &SentProbe> {
        self.0.iter()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Takes the answers.
    pub(super) fn take_answers(&mut self, record: &ProbeRecord) {
        let answered_by = Timestamp::from_nanos(record.answered_at_ns);
        for probe in self.0.iter_mut().filter(|probe| probe.answered_by.is_none()) {
            if record.has_answered(probe.sequence) {
                probe.answered_by = Some(answered_by);
            }
        }
    }

    /// Counts the probes that have become so old that nobody waits for their answer; gives how many there are, of those that were
    /// sent no later than the last one that left, and how many of them have none. Very old ones are forgotten.
    pub(super) fn count_old(&mut self, left_until: Timestamp, now: Timestamp) -> (u64, u64) {
        let mut old = (0, 0);
        for probe in &mut self.0 {
            if !probe.is_counted && now.since(probe.at) >= OLD {
                probe.is_counted = true;
                let left = probe.at <= left_until;
                old.0 += u64::from(left);
                old.1 += u64::from(left && probe.answered_by.is_none());
            }
        }
        while self
            .0
            .front()
            .is_some_and(|probe| now.since(probe.at) > FORGOTTEN)
        {
            self.0.pop_front();
        }
        old
    }

    /// Whether answers to any are waited for.
    pub(super) fn are_waiting(&self) -> bool {
        // The oldest ones are counted first.
        self.0.back().is_some_and(|probe| !probe.is_counted)
    }

    /// When the next one is overdue.
    pub(super) fn next_overdue(&self, timeout: Duration, now: Timestamp) -> Option<Timestamp> {
        let waiting = self.0.iter().filter(|probe| probe.answered_by.is_none());
        waiting.map(|probe| probe.at + timeout).find(|at| *at > now)
    }

    /// Whether the newest probe that should have been answered was not.
    pub(super) fn misses_one(&self, timeout: Duration, now: Timestamp) -> bool {
        let newest = self
            .0
            .iter()
            .rev()
            .find(|probe| probe.answered_by.is_some() || probe.at + timeout <= now);
        newest.is_some_and(|probe| probe.answered_by.is_none() && now.since(probe.at) < OLD)
    }

    /// When the last one was sent.
    pub(super) fn last_at(&self) -> Option<Timestamp> {
        self.0.back().map(|probe| probe.at)
    }
}

/// At the shortest interval, with a trial's probes beside it, more than a second's.
const KEPT: usize = 512;
/// An answer after this time counts as none: it is longer than any path in use takes.
const OLD: Duration = Duration::from_secs(1);
const FORGOTTEN: Duration = Duration::from_secs(5);
