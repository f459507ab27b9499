//! What a flow is judged by beside its own record.

use serde::{Deserialize, Serialize};

use super::received::Elsewhere;
use crate::{
    model::Timestamp,
    path::{odds::Odds, recorder::Gap},
};

/// What the flow's association tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Context {
    /// Packets of the opposite direction are seen: an answer that is missing would have been seen too.
    pub(crate) answers_are_seen: bool,
    /// SACKs for this direction were seen.
    pub(crate) sacks_are_seen: bool,
    /// When a packet last came the opposite way on this path.
    pub(crate) came_back_at: Option<Timestamp>,
    /// The peer has acknowledged all DATA of this direction up to it.
    pub(crate) cum_tsn_ack: Option<u32>,
    /// See [`Detector::usually_awaiting`](super::Detector::usually_awaiting); the most of all flows of this direction.
    pub(crate) usually_awaiting: f32,
    /// How often answers are missing on the flow of this direction of which most is known.
    pub(crate) odds: Odds,
    /// See [`Losses::fills_queues`](crate::path::loss::Losses::fills_queues).
    pub(crate) fills_queues: bool,
    /// When the chunk was sent that waits and was retransmitted, of all flows of this direction.
    pub(crate) stuck_since: Option<Timestamp>,
    /// When the peer was last heard whose last SACK has closed its window.
    pub(crate) window_closed_at: Option<Timestamp>,
    /// This host or the agent stood still: nobody is accused before this time.
    pub(crate) accuse_from: Timestamp,
    /// What is known besides of the peer's direction, at an endpoint. `None` of the host's own, and at a gateway.
    pub(crate) elsewhere: Option<Elsewhere>,
    /// What may have passed all the same, though it was not seen. `None` where all that passes is seen.
    pub(crate) unseen: Option<Unseen>,
}

/// What a file may lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Unseen {
    /// SACKs: none without DATA was seen, or packets are missing.
    pub(crate) sacks: bool,
    /// HEARTBEAT ACKs: none was seen.
    pub(crate) heartbeat_acks: bool,
    /// Any packet: some are missing for certain.
    pub(crate) packets: bool,
    /// When DATA of this direction was last seen. An answer that is due later would not have been seen, as far as is known.
    pub(crate) data_seen_at: Option<Timestamp>,
    /// When any packet was last captured. Of an answer that is due later nothing is known.
    pub(crate) captured_until: Timestamp,
    /// The last time in which the recorder may have stood still.
    pub(crate) gap: Option<Gap>,
}

impl Unseen {
    /// Whether an answer that is due within these times may have come while the recorder stood still.
    pub(crate) fn may_have_missed(&self, from: Timestamp, to: Timestamp) -> bool {
        self.gap.is_some_and(|gap| gap.overlaps(from, to))
    }
}
