//! What the probes of a path tell: that it works, or that it is dead.

use std::time::Duration;

use super::{
    probed::{CLOSEST, KEEP, Probed},
    sent::SentProbe,
};
use crate::{
    config::Config,
    model::{PathId, Reason, Timestamp},
    path::odds::Odds,
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
        let left_until = self.left_until();
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
        if probes < self.required(config, now) {
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

    /// How many probes in a row must stay unanswered: more where some are lost by chance, lately or as a rule.
    fn required(&self, config: &Config, now: Timestamp) -> u32 {
        let timeout = self.timeout(config);
        let before = self
            .sent
            .iter()
            .rev()
            .skip_while(|probe| probe.answered_by.is_none());
        let (mut sent, mut lost) = (0, 0);
        for probe in before.take(LATELY) {
            sent += 1;
            lost += u32::from(probe.answered_by.is_none() && probe.at + timeout <= now);
        }
        let mut lately = Odds::of_heartbeats();
        lately.count(sent, lost);
        // Under continuous probing the first one that is missing is only the reason to ask.
        let fewest = FEWEST + u32::from(config.probe.is_continuous());
        let by_odds = [self.odds, lately].map(|odds| odds.required(config.heartbeat_chance));
        by_odds.into_iter().fold(fewest, u32::max)
    }
}

/// Never fewer unanswered probes make a path dead.
const FEWEST: u32 = 3;
/// So many probes tell what is lost lately: a path that has just begun to lose some is not dead.
const LATELY: usize = 64;
