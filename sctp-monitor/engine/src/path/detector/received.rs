//! What an endpoint has received of a direction, and what is known of the peer besides.

use std::time::Duration;

use sctp_monitor_common::abi::FlowRecord;
use serde::{Deserialize, Serialize};

use super::last::LastRecord;
use crate::model::Timestamp;

/// What is known besides of the peer's direction of a path; of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Elsewhere {
    /// When the peer's DATA last came over another path.
    pub(crate) data_at: Option<Timestamp>,
    /// When any packet of the peer last came over another path.
    pub(crate) heard_at: Option<Timestamp>,
    /// How long the peer leaves an idle path without a HEARTBEAT at most, by all paths; see [`Rhythm::usual`](crate::path::rhythm::Rhythm::usual).
    pub(crate) usual: Option<Duration>,
    /// When an answer to what this host sends last proved that the path works.
    pub(crate) proved_at: Option<Timestamp>,
}

/// What was received, and what was not.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Received {
    /// When DATA last came on the path.
    pub(super) data_at: Option<Timestamp>,
    /// Its chunks that came over another path since, and had not come here, or had.
    pub(super) missing: u32,
    pub(super) duplicates: u32,
    /// Looks that found such chunks, not right after each other, and the last of them.
    pub(super) rounds: u32,
    pub(super) round_at: Option<Timestamp>,
    /// Since when the peer is heard on other paths without a long pause, and when it was last.
    pub(super) heard_elsewhere: Option<(Timestamp, Timestamp)>,
}

impl Received {
    /// Takes a newer record, whose flow had its last packet at `last_seen`.
    pub(super) fn follow(
        &mut self,
        record: &FlowRecord,
        before: &LastRecord,
        elsewhere: Elsewhere,
        last_seen: Timestamp,
        now: Timestamp,
    ) {
        let missing = record.late.wrapping_sub(before.late);
        let duplicates = record.lost.wrapping_sub(before.lost);
        if record.data_chunks != before.data_chunks {
            *self = Self {
                data_at: Some(last_seen),
                heard_elsewhere: self.heard_elsewhere,
                ..Self::default()
            };
        } else if missing > 0 || duplicates > 0 {
            self.missing = self.missing.saturating_add(missing);
            self.duplicates = self.duplicates.saturating_add(duplicates);
            self.rounds += u32::from(self.round_at.is_none_or(|last| now >= last + ROUND));
            self.round_at = Some(now);
        }
        let (Some(heard_at), Some(usual)) = (elsewhere.heard_at, elsewhere.usual) else {
            return;
        };
        self.heard_elsewhere = match self.heard_elsewhere {
            Some((since, last)) if heard_at.since(last) <= usual * 2 => Some((since, heard_at)),
            _ => Some((heard_at, heard_at)),
        };
    }
}

/// What comes so soon after each other was sent at once: one time-out.
const ROUND: Duration = Duration::from_millis(100);
