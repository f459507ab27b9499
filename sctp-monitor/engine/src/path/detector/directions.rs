//! What is known of the two directions of a path that does not work.

use serde::{Deserialize, Serialize};

use crate::model::Timestamp;

/// Which direction works, as far as is known.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Directions {
    /// DATA that may have been under way when the path broke.
    pub(super) under_way: Option<UnderWay>,
    /// The first and the last proof that what is sent arrives, though its answer is late or comes another way.
    pub(super) arrives_at: Option<(Timestamp, Timestamp)>,
    /// When it was clear that what was sent after the break did not arrive: it was sent again another way, and the peer did not
    /// have it twice.
    pub(super) lost_at: Option<Timestamp>,
    /// When something came the opposite way that was sent after the break.
    pub(super) came_back_at: Option<Timestamp>,
    /// When the last DATA was sent whose answer is missing.
    pub(super) last_missed: Option<Timestamp>,
}

/// The DATA chunks from the first one without a SACK on, up to when the break is certain if none has come.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct UnderWay {
    /// The last one.
    pub(super) tsn: u32,
    pub(super) chunks: u32,
    /// How many had been retransmitted by then, and how many of them for nothing; see the record.
    pub(super) lost: u32,
    pub(super) spurious: u32,
    /// When the first answer should have come.
    pub(super) due_at: Timestamp,
}
