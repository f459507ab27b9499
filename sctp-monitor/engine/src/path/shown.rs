//! What was seen of one direction: whether it can be all, and what its sender does at present.
//!
//! A NIC shows each packet that passes. A file may lack some: it was saved through a display filter, or the recorder lost
//! packets. An answer that is not in such a file may have come all the same.

use sctp_monitor_common::{
    abi::{FlowLinks, FlowRecord, SenderState},
    wire::ChunkKind,
};
use serde::{Deserialize, Serialize};

use crate::{model::Timestamp, path::under_way};

/// What a flow's records have shown.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Shown {
    /// When DATA was last found on it, retransmitted or not.
    pub(crate) data_at: Option<Timestamp>,
    /// When the chunk was sent that waits and was retransmitted.
    pub(crate) stuck_since: Option<Timestamp>,
    /// It carried a packet with a SACK and without DATA.
    pub(crate) lone_sacks: bool,
    /// A TSN was left out, and a later one was seen.
    pub(crate) left_out: bool,
    /// The peer acknowledged a TSN that was never seen.
    pub(crate) lacks_data: bool,
    /// Such a TSN, and when that was noticed: its packet may be late in a file.
    unseen_tsn: Option<(u32, Timestamp)>,
    /// HEARTBEAT ACKs on it.
    pub(crate) heartbeat_acks: u64,
    /// The highest TSN when the flow was first looked at.
    from_tsn: Option<u32>,
    counts: Counts,
}

/// Of a record.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Counts {
    packets: u64,
    data_chunks: u64,
    sacks: u64,
    others: u64,
}

impl Shown {
    /// Takes a newer record, whose flow had its last packet at that time.
    pub(crate) fn take(&mut self, record: &FlowRecord, links: &FlowLinks, last_seen: Timestamp) {
        let counts = Counts::of(record);
        let before = std::mem::replace(&mut self.counts, counts);
        let grown = |of: fn(&Counts) -> u64| of(&counts).saturating_sub(of(&before));
        if grown(|counts| counts.data_chunks) > 0 {
            self.data_at = Some(last_seen);
        }
        // Each packet has a chunk at least: there are more than those of DATA and of control chunks can be.
        let with_others = grown(|counts| counts.data_chunks).saturating_add(grown(|counts| counts.others));
        self.lone_sacks |= grown(|counts| counts.sacks) > 0 && grown(|counts| counts.packets) > with_others;
        self.heartbeat_acks = record.chunk_count(ChunkKind::HeartbeatAck);
        let is_stuck = record.timed.is_armed() && record.timed.is_resent();
        self.stuck_since = is_stuck.then(|| Timestamp::from_nanos(record.timed.sent_at_ns));
        if links.tsn_slot(record.slot) == record.slot && record.sender.data_seen() {
            let gives_up = [ChunkKind::ForwardTsn, ChunkKind::IForwardTsn]
                .iter()
                .any(|kind| record.chunk_count(*kind) > 0);
            self.look_for_gaps(&record.sender, gives_up, last_seen);
        }
    }

    /// TSNs that were given up are acknowledged without DATA (RFC 3758).
    fn look_for_gaps(&mut self, sender: &SenderState, gives_up: bool, now: Timestamp) {
        let from = *self.from_tsn.get_or_insert(sender.highest_tsn);
        self.left_out = sender.first_unseen(from, sender.highest_tsn).is_some();
        if !sender.sack_seen() || gives_up {
            return;
        }
        if let Some((tsn, since)) = self.unseen_tsn {
            let is_seen = sender.first_unseen(tsn.wrapping_sub(1), tsn).is_none();
            self.lacks_data |= now.since(since) > under_way::LONGEST && !is_seen;
            self.unseen_tsn = self.unseen_tsn.filter(|_| !is_seen);
        }
        let unseen = sender.first_unseen(from, sender.cum_tsn_ack);
        self.unseen_tsn = self.unseen_tsn.or(unseen.map(|tsn| (tsn, now)));
    }
}

impl Counts {
    fn of(record: &FlowRecord) -> Self {
        let sacks = record.chunk_count(ChunkKind::Sack) + record.chunk_count(ChunkKind::NrSack);
        let all: u64 = record.chunks.iter().map(|count| u64::from(*count)).sum();
        Self {
            packets: record.packets,
            data_chunks: record.data_chunks,
            sacks,
            others: all.saturating_sub(sacks),
        }
    }
}
