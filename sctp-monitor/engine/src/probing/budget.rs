//! How many probes may be sent in a second: in one association, by one NIC, and altogether.

use std::collections::HashMap;

use crate::{
    config::ProbeConfig,
    model::{AssociationId, Timestamp},
};

/// What was sent in the current second.
#[derive(Debug, Default)]
pub(super) struct Budget {
    second: u64,
    all: u32,
    by_association: HashMap<AssociationId, u32>,
    by_nic: HashMap<u32, u32>,
}

impl Budget {
    /// Whether one more probe may be sent; it is counted then.
    pub(super) fn admits(
        &mut self,
        association: AssociationId,
        if_index: u32,
        config: &ProbeConfig,
        now: Timestamp,
    ) -> bool {
        let second = now.as_nanos() / 1_000_000_000;
        if second != self.second {
            self.second = second;
            self.all = 0;
            self.by_association.clear();
            self.by_nic.clear();
        }
        let in_association = self.by_association.entry(association).or_default();
        let by_nic = self.by_nic.entry(if_index).or_default();
        let has_room = self.all < config.per_agent
            && *in_association < config.per_association
            && *by_nic < config.per_nic;
        if has_room {
            self.all += 1;
            *in_association += 1;
            *by_nic += 1;
        }
        has_room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_holds_for_a_second() {
        let config = ProbeConfig {
            per_association: 2,
            per_nic: 3,
            per_agent: 4,
            ..ProbeConfig::default()
        };
        let mut budget = Budget::default();
        let now = Timestamp::from_nanos(5_000_000_000);
        let mut sent = |association, nic, now| budget.admits(AssociationId(association), nic, &config, now);
        assert!(sent(1, 7, now) && sent(1, 7, now));
        assert!(!sent(1, 8, now), "the association has had its share");
        assert!(sent(2, 7, now));
        assert!(!sent(2, 7, now), "the NIC has had its share");
        assert!(sent(2, 8, now));
        assert!(!sent(3, 9, now), "the agent has had its share");
        let later = Timestamp::from_nanos(6_000_000_000);
        assert!(sent(1, 7, later));
    }
}
