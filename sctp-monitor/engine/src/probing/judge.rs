//! What the probes of a path tell: that it works, or that it is dead.

use std::time::Duration;

use super::{
    probed::{CLOSEST, KEEP, Probed},
    sent::SentProbe,
};
use crate::{
    config::Config,
    model::{PathId, Reason, Timestamp},
};

/// What the probes of a path tell.
#[derive(Debug)]
pub(crate) enum Judgement {
    /// One was answered.
    Answered {
        /// When.
        at: Timestamp,
        /// Time from the probe to its answer.
        rtt: Duration,
    },
    /// The path is dead: its probes are not answered, others of the association are.
    Dead {
        /// The figures.
        reason: Reason,
        /// When the first of the unanswered probes was sent.
        first_sent_at: Timestamp,
    },
}

impl Probed {
    /// What is to be told of its newest answer, if that is news.
    pub(super) fn take_answer(&mut self) -> Option<Judgement> {
        if self.record.answered_at_ns == self.told_at_ns || !self.leaves_rightly() {
            return None;
        }
        self.told_at_ns = self.record.answered_at_ns;
        self.is_down = false;
        // An answer to what was sent before it was in doubt ends no doubt.
        let sent_at = Timestamp::from_nanos(self.record.answered_sent_at_ns);
        if self.trial.is_some_and(|trial| sent_at >= trial.began_at) {
            self.trial = None;
            self.undecided_at = Some(Timestamp::from_nanos(self.record.answered_at_ns));
        }
        Some(Judgement::Answered {
            at: Timestamp::from_nanos(self.record.answered_at_ns),
            rtt: Duration::from_nanos(self.record.rtt.last_ns),
        })
    }

    /// Whether it is dead: enough probes in a row were not answered, while the peer answered others, sent at the same time or later,
    /// over one of the siblings.
    pub(super) fn condemn(
        &mut self,
        siblings: &[(PathId, &Self)],
        config: &Config,
        now: Timestamp,
    ) -> Option<Judgement> {
        if self.is_down || !self.is_trusted() || self.obstacle.is_some() {
            return None;
        }
        let timeout = self.timeout(config);
        // Where the peer stood still, it answers on all paths at about the same time: a little later the answer would be here.
        let is_contrasted = |sent_at: Timestamp| {
            siblings.iter().any(|(_, sibling)| {
                let later = sibling.sent.iter().filter(|probe| probe.at >= sent_at);
                later
                    .filter_map(|probe| probe.answered_by)
                    .any(|answered_by| answered_by + timeout <= now)
            })
        };
        let left_until = Timestamp::from_nanos(self.record.left_sent_at_ns);
        let unanswered: Vec<_> = self
            .sent
            .iter()
            .rev()
            .take_while(|probe| probe.answered_by.is_none())
            .map(|probe| probe.at)
            .filter(|at| *at <= left_until && *at + timeout <= now && is_contrasted(*at))
            .collect();
        let probes = u32::try_from(unanswered.len()).unwrap_or(u32::MAX);
        let first_sent_at = *unanswered.last()?;
        if probes < self.odds.required(config.heartbeat_chance).max(FEWEST) {
            return None;
        }
        let (sibling, sibling_probes, sibling_answered) = siblings
            .iter()
            .map(|(path, sibling)| {
                let since = sibling.sent.iter().filter(|probe| probe.at >= first_sent_at);
                let (answered, waiting): (Vec<&SentProbe>, Vec<&SentProbe>) =
                    since.partition(|probe| probe.answered_by.is_some());
                let overdue = waiting.iter().filter(|probe| probe.at + timeout <= now).count();
                let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
                (*path, count(answered.len() + overdue), count(answered.len()))
            })
            .max_by_key(|(_, _, answered)| *answered)?;
        self.is_down = true;
        self.trial = None;
        self.asking_since = None;
        self.next_at = Some(now + KEEP.min(config.probe.interval.max(CLOSEST)));
        let last_alive_ago = (self.record.answered_at_ns != 0)
            .then(|| now.since(Timestamp::from_nanos(self.record.answered_at_ns)));
        Some(Judgement::Dead {
            reason: Reason::ProbesUnanswered {
                probes,
                sent_ago: now.since(first_sent_at),
                timeout,
                sibling,
                sibling_probes,
                sibling_answered,
                last_alive_ago,
            },
            first_sent_at,
        })
    }
}

/// Never fewer unanswered probes make a path dead.
const FEWEST: u32 = 3;
