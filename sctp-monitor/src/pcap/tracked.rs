//! What only the tracker finds out of a flow: losses and the time from DATA to SACK.
//!
//! A flow keeps its record from one association on its ports to the next, and the record's counters go on. So what was in them
//! when it began to follow another tag is taken off: each association is told its own.

use sctp_monitor_common::abi::{FlowRecord, Rtt};

/// What the tracker found out beside, from the flow's record.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tracked {
    /// DATA chunks that were sent again, or came late: lost on the way.
    pub(crate) lost: u64,
    /// Chunks that were sent again although they had arrived, by the peer's word.
    pub(crate) spurious: u64,
    pub(crate) data_rtt: Rtt,
}

impl Tracked {
    /// All that the record holds, whatever associations it followed.
    pub(crate) fn of(record: &FlowRecord) -> Self {
        Self {
            lost: u64::from(record.lost) + u64::from(record.late),
            spurious: u64::from(record.spurious),
            data_rtt: record.data_rtt,
        }
    }

    /// What came behind `before`, of the same record. It forgets the time itself when it follows another tag.
    pub(crate) fn since(&self, before: &Self) -> Self {
        Self {
            lost: self.lost.saturating_sub(before.lost),
            spurious: self.spurious.saturating_sub(before.spurious),
            data_rtt: self.data_rtt,
        }
    }

    /// Adds what another record tells of the same association, or the same one later.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.lost += other.lost;
        self.spurious += other.spurious;
        if !self.data_rtt.is_known() {
            self.data_rtt = other.data_rtt;
        }
    }
}

#[cfg(test)]
mod tests {
    use bytemuck::Zeroable as _;

    use super::*;

    fn record(lost: u32, late: u32, spurious: u32, samples_ns: &[u64]) -> FlowRecord {
        let mut record = FlowRecord {
            lost,
            late,
            spurious,
            ..FlowRecord::zeroed()
        };
        for sample in samples_ns {
            record.data_rtt.sample(*sample);
        }
        record
    }

    #[test]
    fn the_next_association_has_what_came_behind() {
        let first = Tracked::of(&record(3, 1, 2, &[10]));
        let second = Tracked::of(&record(5, 1, 2, &[20])).since(&first);
        assert_eq!((first.lost, first.spurious, first.data_rtt.last_ns), (4, 2, 10));
        assert_eq!(
            (second.lost, second.spurious, second.data_rtt.last_ns),
            (2, 0, 20)
        );
    }

    #[test]
    fn a_time_that_the_first_association_had_not_is_the_next_ones() {
        let first = Tracked::of(&record(0, 0, 0, &[]));
        let second = Tracked::of(&record(0, 0, 0, &[20])).since(&first);
        assert_eq!(second.data_rtt.srtt_ns, 20);
        let mut sum = first;
        sum.merge(&second);
        assert_eq!(sum.data_rtt.srtt_ns, 20);
    }
}
