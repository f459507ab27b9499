//! Where new DATA goes, and when it moves.
//!
//! A sender uses its primary path for new DATA (RFC 9260 section 6.4) and another one once that fails. Both are seen by the
//! TSNs that nobody carried before; retransmissions do not count, they may take any path.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::{PathId, Timestamp};

/// The path of one direction's new DATA.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Primary {
    current: Option<PathId>,
    /// When DATA on it was last acknowledged.
    acked_at: Option<Timestamp>,
    /// A path that may take its place: new DATA went there, and none here since.
    candidate: Option<Candidate>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Candidate {
    path: PathId,
    first_at: Timestamp,
    looks: u32,
}

/// DATA has moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Moved {
    pub(crate) from: PathId,
    pub(crate) to: PathId,
    /// When the first of it was seen there.
    pub(crate) at: Timestamp,
    pub(crate) gap: Option<Duration>,
}

impl Primary {
    pub(crate) fn path(&self) -> Option<PathId> {
        self.current
    }

    /// The endpoints have changed their names.
    pub(crate) fn turn(&mut self) {
        self.current = self.current.map(PathId::reversed);
        if let Some(candidate) = &mut self.candidate {
            candidate.path = candidate.path.reversed();
        }
    }

    /// DATA on a path was acknowledged.
    pub(crate) fn on_acked(&mut self, path: PathId, at: Timestamp) {
        if self.current == Some(path) {
            self.acked_at = Some(at);
        }
    }

    /// A look at the records found new DATA on a path.
    pub(crate) fn on_new_data(&mut self, path: PathId, at: Timestamp) -> Option<Moved> {
        let Some(current) = self.current else {
            self.current = Some(path);
            return None;
        };
        if current == path {
            self.candidate = None;
            return None;
        }
        let mut candidate = match self.candidate {
            Some(candidate) if candidate.path == path => candidate,
            _ => Candidate {
                path,
                first_at: at,
                looks: 0,
            },
        };
        candidate.looks += 1;
        if candidate.looks < LOOKS {
            self.candidate = Some(candidate);
            return None;
        }
        let gap = self.acked_at.map(|acked| candidate.first_at.since(acked));
        *self = Self {
            current: Some(path),
            acked_at: None,
            candidate: None,
        };
        Some(Moved {
            from: current,
            to: path,
            at: candidate.first_at,
            gap,
        })
    }
}

/// Looks at the records, one after the other, that must find new DATA only there: senders that use several paths at
/// once do not move.
const LOOKS: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn path(last: u8) -> PathId {
        PathId {
            local: [10, 0, last, 1].into(),
            remote: [10, 0, last, 2].into(),
        }
    }

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn data_moves_once_and_its_gap_is_measured() {
        let mut primary = Primary::default();
        assert_eq!(primary.on_new_data(path(1), at(1_000)), None);
        primary.on_acked(path(1), at(1_010));
        assert_eq!(primary.on_new_data(path(2), at(2_040)), None);
        assert_eq!(primary.on_new_data(path(2), at(2_090)), None);
        let moved = Moved {
            from: path(1),
            to: path(2),
            at: at(2_040),
            gap: Some(Duration::from_millis(1_030)),
        };
        assert_eq!(primary.on_new_data(path(2), at(2_140)), Some(moved));
        assert_eq!(primary.on_new_data(path(2), at(2_190)), None);
        assert_eq!(primary.path(), Some(path(2)));
    }

    #[test]
    fn a_sender_that_uses_both_does_not_move() {
        let mut primary = Primary::default();
        for step in 0..100 {
            let moved = primary.on_new_data(path(1 + (step % 2) as u8), at(step * 10));
            assert_eq!(moved, None);
        }
    }
}
