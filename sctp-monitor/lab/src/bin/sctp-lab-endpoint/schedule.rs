//! When the next message of which association is due: evenly spread over time and over the associations.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use sctp_monitor_lab::clock::MonotonicNs;

/// The due times of all associations that send.
#[derive(Debug)]
pub(crate) struct Schedule {
    interval_ns: Option<u64>,
    due: BinaryHeap<Reverse<(MonotonicNs, usize)>>,
}

impl Schedule {
    /// Every association sends `rate` messages a second, none if that is zero.
    pub(crate) fn new(rate: f64) -> Self {
        let interval_ns = (rate > 0.0).then(|| ((1e9 / rate) as u64).max(1));
        Self {
            interval_ns,
            due: BinaryHeap::new(),
        }
    }

    /// Starts an association. Those of different numbers do not start in step: each begins at another fraction of the
    /// interval, the golden ratio's multiples, which spread evenly however many there are.
    pub(crate) fn add(&mut self, association: usize, now_ns: MonotonicNs) {
        if let Some(interval_ns) = self.interval_ns {
            let fraction = (association as f64 * 0.618_033_988_749_895).fract();
            let phase_ns = (interval_ns as f64 * fraction) as u64;
            self.due.push(Reverse((now_ns + phase_ns, association)));
        }
    }

    pub(crate) fn next_due_ns(&self) -> Option<MonotonicNs> {
        self.due.peek().map(|Reverse((due_ns, _))| *due_ns)
    }

    /// The next association whose message is due. It is due again an interval later, unless the endpoint has fallen behind
    /// for longer than it may catch up.
    pub(crate) fn pop_due(&mut self, now_ns: MonotonicNs) -> Option<usize> {
        let interval_ns = self.interval_ns?;
        let mut next = self.due.peek_mut()?;
        let Reverse((due_ns, association)) = *next;
        if due_ns > now_ns {
            return None;
        }
        let too_late = due_ns + CATCH_UP_NS < now_ns;
        *next = Reverse((if too_late { now_ns } else { due_ns } + interval_ns, association));
        Some(association)
    }

    pub(crate) fn remove(&mut self, association: usize) {
        self.due.retain(|Reverse((_, other))| *other != association);
    }
}

/// After a stall of this length messages are left out rather than sent in one burst.
const CATCH_UP_NS: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_due_at_even_intervals() {
        let mut schedule = Schedule::new(100.0);
        schedule.add(0, 1_000);
        assert_eq!(schedule.next_due_ns(), Some(1_000));
        assert_eq!(schedule.pop_due(1_500), Some(0));
        assert_eq!(schedule.pop_due(1_500), None);
        assert_eq!(schedule.next_due_ns(), Some(10_001_000));
    }

    #[test]
    fn associations_do_not_send_in_step() {
        let mut schedule = Schedule::new(1.0);
        for association in 0..100 {
            schedule.add(association, 0);
        }
        let due_in_a_tenth = std::iter::from_fn(|| schedule.pop_due(100_000_000)).count();
        assert!((5..=15).contains(&due_in_a_tenth), "{due_in_a_tenth}");
    }

    #[test]
    fn a_long_stall_is_not_made_up_for() {
        let mut schedule = Schedule::new(10.0);
        schedule.add(0, 0);
        assert_eq!(schedule.pop_due(60_000_000_000), Some(0));
        assert_eq!(schedule.pop_due(60_000_000_000), None);
    }

    #[test]
    fn without_a_rate_nothing_is_due() {
        let mut schedule = Schedule::new(0.0);
        schedule.add(0, 0);
        assert_eq!(schedule.next_due_ns(), None);
    }

    #[test]
    fn a_removed_association_is_due_no_more() {
        let mut schedule = Schedule::new(1.0);
        schedule.add(0, 0);
        schedule.add(1, 0);
        schedule.remove(0);
        assert_eq!(
            std::iter::from_fn(|| schedule.pop_due(999_999_999)).collect::<Vec<_>>(),
            [1]
        );
    }
}
