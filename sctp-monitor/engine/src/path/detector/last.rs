//! What the record held at the last look: what has grown since is news.

use sctp_monitor_common::abi::FlowRecord;
use serde::{Deserialize, Serialize};

/// Counters of the last record.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct LastRecord {
    pub(super) acknowledged: u32,
    pub(super) acknowledged_here: u32,
    pub(super) retransmissions: u32,
    pub(super) lost: u32,
    pub(super) late: u32,
    pub(super) spurious: u32,
    pub(super) data_chunks: u64,
    pub(super) highest_sent: u32,
    pub(super) answered_at_ns: u64,
}

impl LastRecord {
    /// What the next record is compared with.
    pub(super) fn followed_by(self, record: &FlowRecord) -> Self {
        // Where an acknowledgement came may be read before the acknowledgement itself: it counts with that.
        let is_acknowledged = record.acknowledgements != self.acknowledged;
        Self {
            acknowledged: record.acknowledgements,
            acknowledged_here: if is_acknowledged {
                record.acknowledged_here
            } else {
                self.acknowledged_here
            },
            retransmissions: record.retransmissions,
            lost: record.lost,
            late: record.late,
            spurious: record.spurious,
            data_chunks: record.data_chunks,
            highest_sent: record.highest_sent,
            answered_at_ns: record.answered_at_ns,
        }
    }
}
