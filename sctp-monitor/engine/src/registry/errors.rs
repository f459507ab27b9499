//! How often what repeats itself is worth a report.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::{ErrorCause, Side, Timestamp};

/// What was reported lately of one association, with how often it came since.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Repeats<T> {
    reported: Vec<Reported<T>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Reported<T> {
    what: T,
    at: Timestamp,
    since: u64,
}

/// Errors of one association: who sent them, with which causes.
pub(crate) type ErrorLog = Repeats<(Side, Vec<ErrorCause>)>;

impl<T> Default for Repeats<T> {
    fn default() -> Self {
        Self { reported: Vec::new() }
    }
}

impl<T: PartialEq> Repeats<T> {
    /// Whether this is worth a report, and how often it came since the last one: the same is reported once in [`QUIET`], and of
    /// many different ones the first.
    pub(crate) fn admits(&mut self, what: T, now: Timestamp) -> Option<u64> {
        if let Some(known) = self.reported.iter_mut().find(|known| known.what == what) {
            known.since += 1;
            if now.since(known.at) < QUIET {
                return None;
            }
            known.at = now;
            return Some(std::mem::take(&mut known.since));
        }
        self.reported.retain(|known| now.since(known.at) < QUIET);
        if self.reported.len() == MAX_REPORTED {
            return None;
        }
        self.reported.push(Reported {
            what,
            at: now,
            since: 0,
        });
        Some(1)
    }
}

/// How long the same is not reported again: a peer that does not know a chunk complains of every one.
pub(super) const QUIET: Duration = Duration::from_secs(60);
/// Different ones in [`QUIET`] that are reported.
const MAX_REPORTED: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_reported_once_a_minute_with_how_often_it_came() {
        let mut log = Repeats::default();
        let at = |seconds| Timestamp::default() + Duration::from_secs(seconds);
        assert_eq!(log.admits("stale cookie", at(0)), Some(1));
        assert_eq!(log.admits("stale cookie", at(30)), None);
        assert_eq!(log.admits("stale cookie", at(59)), None);
        assert_eq!(log.admits("another", at(59)), Some(1));
        assert_eq!(log.admits("stale cookie", at(60)), Some(3));
    }
}
