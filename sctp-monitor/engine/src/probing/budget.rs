//! How many probes may be sent in a second: in one association, by one NIC, and altogether.
//!
//! They are spread over the second: what is spent at its beginning would leave the paths that come later without probes until its
//! end, and each second the same ones.

use std::{collections::HashMap, time::Duration};

use crate::{
    config::ProbeConfig,
    model::{AssociationId, Timestamp},
};

/// What was sent lately.
#[derive(Debug, Default)]
pub(super) struct Budget {
    all: Rate,
    by_association: HashMap<AssociationId, Rate>,
    by_nic: HashMap<u32, Rate>,
    tidied_at: Timestamp,
}

/// Probes at an even rate would have ended at this time (the generic cell rate algorithm, ITU-T I.371).
#[derive(Debug, Clone, Copy, Default)]
struct Rate(Timestamp);

impl Budget {
    /// Whether one more probe may be sent; it is counted then.
    pub(super) fn admits(
        &mut self,
        association: AssociationId,
        if_index: u32,
        config: &ProbeConfig,
        now: Timestamp,
    ) -> bool {
        self.tidy(now);
        let rates = [
            (&mut self.all, config.per_agent),
            (
                self.by_association.entry(association).or_default(),
                config.per_association,
            ),
            (self.by_nic.entry(if_index).or_default(), config.per_nic),
        ];
        let has_room = rates.iter().all(|(rate, limit)| rate.has_room(*limit, now));
        if has_room {
            for (rate, limit) in rates {
                rate.count(limit, now);
            }
        }
        has_room
    }

    /// Who has sent nothing for a second has room.
    fn tidy(&mut self, now: Timestamp) {
        if now.since(self.tidied_at) < Duration::from_secs(1) {
            return;
        }
        self.tidied_at = now;
        self.by_association.retain(|_, rate| rate.0 > now);
        self.by_nic.retain(|_, rate| rate.0 > now);
    }
}

impl Rate {
    fn has_room(self, limit: u32, now: Timestamp) -> bool {
        let ahead = apart(limit) * AT_ONCE;
        limit > 0 && self.0 <= now + ahead.max(AHEAD)
    }

    fn count(&mut self, limit: u32, now: Timestamp) {
        self.0 = self.0.max(now) + apart(limit);
    }
}

/// From one probe to the next at an even rate.
fn apart(limit: u32) -> Duration {
    Duration::from_secs(1) / limit.max(1)
}

/// So much of a second may be spent at once.
const AHEAD: Duration = Duration::from_millis(100);
/// So many probes more than one may be sent at once however low the limit is: those of a path and of its siblings decide together.
const AT_ONCE: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_nanos(5_000_000_000);

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn each_limit_holds_by_itself() {
        let config = ProbeConfig {
            per_association: 20,
            per_nic: 30,
            per_agent: 40,
            ..ProbeConfig::default()
        };
        let mut budget = Budget::default();
        let mut sent = |association, nic, of: usize| {
            let admitted = |_: &usize| budget.admits(AssociationId(association), nic, &config, NOW);
            (0..of).filter(admitted).count()
        };
        assert_eq!(
            sent(1, 7, 10),
            4,
            "the association has had what it may have at once"
        );
        assert_eq!(sent(2, 7, 10), 0, "and so has the NIC");
        assert_eq!(sent(2, 8, 10), 1, "and so has the agent");
    }

    #[test]
    fn a_limit_is_spread_over_the_second() {
        let config = ProbeConfig {
            per_association: 100,
            ..ProbeConfig::default()
        };
        let mut budget = Budget::default();
        let mut sent = Vec::new();
        for tenth in 0..20 {
            let now = NOW + ms(100 * tenth);
            let of = (0..50).filter(|_| budget.admits(AssociationId(1), 7, &config, now));
            sent.push(of.count());
        }
        assert_eq!(sent[0], 11, "{sent:?}");
        assert!(sent[1..].iter().all(|count| *count == 10), "{sent:?}");
    }

    #[test]
    fn a_limit_of_none_admits_none() {
        let config = ProbeConfig {
            per_association: 0,
            ..ProbeConfig::default()
        };
        assert!(!Budget::default().admits(AssociationId(1), 7, &config, NOW));
    }
}
