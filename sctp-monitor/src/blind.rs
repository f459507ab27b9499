//! Nothing seen at all: either there is no SCTP, or the agent looks where none passes.

use std::time::Duration;

use sctp_monitor_engine::model::Timestamp;

/// Tells it once.
#[derive(Debug, Default)]
pub struct Blindness {
    is_over: bool,
}

impl Blindness {
    /// Whether it is time to say that nothing was seen.
    pub fn is_due(&mut self, is_used: bool, began_at: Timestamp, now: Timestamp) -> bool {
        if self.is_over || is_used {
            self.is_over = true;
            return false;
        }
        self.is_over = now.since(began_at) >= PATIENCE;
        self.is_over
    }
}

/// An association that is idle has a HEARTBEAT every 30 s (HB.interval, RFC 9260 section 16), half as much later at most.
const PATIENCE: Duration = Duration::from_secs(45);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn it_is_told_once_and_only_if_nothing_was_ever_seen() {
        let mut blind = Blindness::default();
        let told: Vec<_> = (0..200)
            .filter(|second| blind.is_due(false, at(0), at(*second)))
            .collect();
        assert_eq!(told, [45]);
        let mut sees = Blindness::default();
        assert!(!sees.is_due(true, at(0), at(10)));
        assert!(
            !sees.is_due(false, at(0), at(100)),
            "the counter is not that of another table"
        );
    }
}
