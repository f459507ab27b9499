//! How long nobody is accused after this host, or the agent, stood still.
//!
//! What waits in queues after a stall was not looked at yet, and answers in it would be called missing. That excuses a
//! moment. An agent that is always late must not excuse itself for ever.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::Timestamp;

/// The stalls so far, and what they excuse.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Grace {
    accuse_from: Timestamp,
    /// The first of the stalls that follow each other closely.
    first_stall: Timestamp,
    last_stall: Timestamp,
}

impl Grace {
    /// Nobody is accused before this time.
    pub(crate) fn accuse_from(&self) -> Timestamp {
        self.accuse_from
    }

    /// This host or the agent stood still until now.
    pub(crate) fn on_stall(&mut self, now: Timestamp) {
        if now.since(self.last_stall) > STALLS_APART {
            self.first_stall = now;
        }
        self.last_stall = now;
        if now.since(self.first_stall) <= MOST_GRACE {
            self.accuse_from = now + GRACE;
        }
    }
}

/// Stalls within so long of each other are one trouble.
const STALLS_APART: Duration = Duration::from_secs(1);
/// So long one trouble is excused.
const MOST_GRACE: Duration = Duration::from_secs(1);
/// How long nobody is accused after a stall: the ring buffer, the records and the network's queues are looked at twice.
const GRACE: Duration = Duration::from_millis(40);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stalls_without_end_are_excused_for_a_second() {
        let mut grace = Grace::default();
        let at = |ms: u64| Timestamp::from_nanos(ms * 1_000_000);
        for step in 0..100 {
            grace.on_stall(at(10_000 + step * 50));
        }
        assert_eq!(grace.accuse_from(), at(11_000) + GRACE);
        grace.on_stall(at(20_000));
        assert_eq!(grace.accuse_from(), at(20_000) + GRACE, "another trouble");
    }
}
