//! What is thought of a flow, by all that was found out about it.

use std::time::Duration;

use sctp_monitor_common::abi::FlowRecord;

use super::{Context, Detector, Verdict, heartbeat_rto};
use crate::{
    config::Config,
    model::{Reason, Timestamp},
};

/// What is thought, and when the evidence for it was complete.
pub(super) type Weighed = (Verdict, Timestamp);

impl Detector {
    pub(super) fn weigh_duplicates(&mut self, config: &Config, now: Timestamp) -> Option<Weighed> {
        let twice = self.data.twice_in_silence;
        // They must go on coming, and DATA must be sent on the path meanwhile: one that DATA has left after one time-out is silent
        // because nobody asks it.
        let asked_in_vain = twice
            .asked_at
            .is_some_and(|at| now.since(at) >= config.return_silence);
        let lasts = asked_in_vain && twice.last_at.since(twice.first_at) >= config.return_silence;
        if twice.chunks < config.return_duplicates || !lasts || !self.more_than_under_way(twice.chunks) {
            return None;
        }
        self.on_arrived(now);
        let verdict = Verdict::Dead(Reason::AnswersLost {
            chunks: twice.chunks,
            silent_for: now.since(twice.first_at),
        });
        Some((verdict, now))
    }

    pub(super) fn weigh_data(
        &mut self,
        record: &FlowRecord,
        context: Context,
        config: &Config,
        now: Timestamp,
    ) -> Option<Weighed> {
        if !context.sacks_are_seen {
            return None;
        }
        self.weigh_excuses(context, config);
        // A receiver whose window is closed drops what comes, and says so with a SACK that acknowledges nothing (RFC 9260
        // section 6.2). That answers what was sent before.
        if let Some(heard_at) = context.window_closed_at
            && self.data.wait.is_none_or(|wait| wait.sent_at <= heard_at)
        {
            let timeout = self.try_timeout(record, config);
            if self.data.tries.on_answered(heard_at, timeout, now) {
                self.data.missed = 0;
                self.data.first_missed = None;
                if let Some(at) = self.data.tries.due_at(timeout) {
                    self.look_again(at);
                }
                return None;
            }
        }
        let rto = self.data_rto(record, config);
        let until = context.unseen.map_or(Some(now), |unseen| unseen.data_seen_at);
        let sacks_may_have_passed = context.unseen.is_some_and(|unseen| unseen.sacks);
        let timeout = self.try_timeout(record, config);
        let tries = self.data.tries;
        let mut missed = self.data.missed;
        let mut shown_at = self.data.missed_at.filter(|_| missed > 0);
        let mut waiting = None;
        if let Some(wait) = self.data.wait {
            let packets = record.timed.packets();
            let overdue_at = wait.overdue_at(rto, config);
            let may_be_missed = context
                .unseen
                .is_some_and(|unseen| unseen.may_have_missed(wait.sent_at, overdue_at));
            if now < overdue_at {
                self.look_again(overdue_at);
            } else if until < Some(overdue_at) {
                // Nobody waits for longer than RTO.Initial, 1 s, before it retransmits (RFC 9260 section 16).
                self.data.may_lack_sack |= sacks_may_have_passed && now >= overdue_at + RTO_INITIAL;
                self.look_again(now + MEANWHILE);
            } else if !(sacks_may_have_passed || may_be_missed) || record.timed.is_resent() {
                missed = missed.saturating_add(wait.sacks_due(context.usually_awaiting));
                waiting = Some(wait);
                shown_at = shown_at.max(wait.awaiting_since).max(Some(overdue_at));
                if let Some(at) = wait.next_awaiting_at(self.sack_timeout(record, config), config) {
                    self.look_again(at);
                }
            } else {
                self.data.may_lack_sack |= sacks_may_have_passed;
            }
            if now.since(wait.sent_at) > config.one_sided_data
                && !record.timed.is_resent()
                && packets >= ONE_SIDED_PACKETS
            {
                self.data.answered_elsewhere = true;
            }
        }
        // Where a SACK may have passed, only the next retransmission tells that none had.
        let in_vain = tries.unanswered(timeout, until.filter(|_| !sacks_may_have_passed));
        // Where a sender fills the queues, they drop what it retransmits as well, time-out after time-out.
        let explained = context.fills_queues && in_vain < TRIES_INTO_FULL_QUEUES;
        let in_vain = if explained { 0 } else { in_vain };
        missed = missed.saturating_add(in_vain);
        let newest_try = if in_vain < tries.count() {
            tries.last_at()
        } else {
            tries.due_at(timeout)
        };
        shown_at = shown_at.max(newest_try.filter(|_| tries.count() > 0));
        match tries.due_at(timeout) {
            Some(at) if now < at => self.look_again(at),
            Some(at) if tries.count() > 0 && until < Some(at) => self.look_again(now + MEANWHILE),
            _ => {}
        }
        if missed == 0 {
            return None;
        }
        let odds = self.data.odds.or_of_neighbours(context.odds);
        // Two packets that were lost one after the other, and have arrived another way since, are a chance that a path of which
        // nothing is known may well have had.
        let is_over = waiting.is_none() && in_vain == 0;
        let fewest = if is_over && odds.are_young() { 3 } else { 0 };
        let required = odds.required(config.data_chance).max(fewest);
        let cum_tsn_ack = context.cum_tsn_ack.unwrap_or(record.sender.cum_tsn_ack);
        let stuck = |at| (at, cum_tsn_ack.wrapping_add(1));
        let waits = waiting.map(|wait| (wait.sent_at, record.timed.tsn));
        let (since, tsn) = self
            .data
            .first_missed
            .or(waits)
            .or(tries.stuck_since().map(stuck))?;
        let at = shown_at.map_or(now, |at| at.min(now));
        let reason = Reason::DataUnacknowledged {
            tsn: waits.map_or(tsn, |(_, tsn)| tsn),
            cum_tsn_ack,
            sent_ago: at.since(since),
            timeout: rto + config.stall_allowance,
            packets: record.timed.packets(),
            missed,
            tries: tries.count(),
            last_alive_ago: self.alive_at.map(|alive_at| at.since(alive_at)),
        };
        if self.data.answered_elsewhere {
            return Some((Verdict::Suspect(reason), at));
        }
        if missed >= required {
            self.data.first_missed.get_or_insert((since, tsn));
            let Some(answered_at) = self.heartbeats.answered_at.filter(|at| *at > since) else {
                if self.probe_answered_since(since) {
                    return Some((Verdict::Suspect(reason), at));
                }
                return Some((Verdict::Dead(reason), at));
            };
            // The path lives, but not for DATA. Or it lives again, and what waits was sent before: a time-out that has
            // doubled a few times lets it wait long.
            let patience = config.delayed_ack + config.stall_allowance + rto;
            let tried = self.data.tried_since.filter(|at| *at > answered_at);
            let in_vain = waiting.is_some() && tried.is_some_and(|at| now.since(at) > patience);
            self.data.only_heartbeats_pass |= in_vain;
            return Some((Verdict::Suspect(reason), at));
        }
        // The sender itself has waited in vain, for its own time-out.
        let doubtful = tries.count() > 0 || missed >= odds.required(config.doubt_chance);
        doubtful.then_some((Verdict::Suspect(reason), at))
    }

    pub(super) fn weigh_heartbeats(
        &mut self,
        record: &FlowRecord,
        context: Context,
        config: &Config,
        now: Timestamp,
    ) -> Option<Weighed> {
        if !context.answers_are_seen || context.unseen.is_some_and(|unseen| unseen.heartbeat_acks) {
            return None;
        }
        let rto = heartbeat_rto(record, config)
            .or_else(|| self.rtt.rto(config))
            .unwrap_or(config.rto_initial);
        let timeout = rto + config.stall_allowance;
        for heartbeat in record.outstanding {
            let sent_at = Timestamp::from_nanos(heartbeat.sent_at_ns);
            let answered = self.heartbeats.answered == Some(heartbeat.fingerprint)
                || self.alive_at.is_some_and(|at| at > sent_at);
            let waits = heartbeat.sent_at_ns != 0 && heartbeat.padded == 0 && !answered;
            let known_until = self.heartbeats.last_missed.max(self.heartbeats.excused_until);
            if !waits
                || self.may_be_answered_unseen(sent_at)
                || known_until.is_some_and(|last| sent_at <= last)
            {
                continue;
            }
            let due_at = sent_at + timeout;
            if now < due_at {
                self.look_again(due_at);
                continue;
            }
            if context
                .unseen
                .is_some_and(|unseen| unseen.captured_until < due_at)
            {
                self.look_again(now + MEANWHILE);
                continue;
            }
            if context
                .unseen
                .is_some_and(|unseen| unseen.may_have_missed(sent_at, due_at))
            {
                self.heartbeats.excused_until = Some(sent_at);
                continue;
            }
            self.heartbeats.last_missed = Some(sent_at);
            self.heartbeats.first_missed.get_or_insert(sent_at);
            self.heartbeats.missed += 1;
        }
        let first = self.heartbeats.first_missed?;
        let last = self.heartbeats.last_missed.unwrap_or(first);
        let missed_at = self.data.missed_at.filter(|_| self.data.missed > 0);
        let at = Some(last + timeout).max(missed_at).map_or(now, |at| at.min(now));
        let reason = Reason::HeartbeatUnanswered {
            sent_ago: at.since(last),
            timeout,
            misses: self.heartbeats.missed,
            last_alive_ago: self.alive_at.map(|alive_at| at.since(alive_at)),
        };
        let odds = self.heartbeats.odds.or_richer(self.data.odds);
        // Chunks are many, and so are those that go missing just before a heartbeat does.
        let chance = match self.data.missed {
            0 => config.heartbeat_chance,
            _ => config.data_chance,
        };
        let may_have_passed = context.unseen.is_some_and(|unseen| unseen.packets);
        // A heartbeat stays out as DATA does; both together weigh more. One of each is a chance that a path of which nothing is known
        // may well have had.
        let required = match (self.heartbeats.missed, self.data.missed) {
            (1, 1) if odds.are_young() => 3,
            _ => odds.required(chance),
        };
        let missed = self.heartbeats.missed.saturating_add(self.data.missed);
        if !may_have_passed && missed >= required {
            Some((Verdict::Dead(reason), at))
        } else {
            Some((Verdict::Suspect(reason), at))
        }
    }

    pub(super) fn weigh(
        &self,
        heartbeats: Option<Weighed>,
        data: Option<Weighed>,
        now: Timestamp,
    ) -> Weighed {
        match (heartbeats, data) {
            (_, Some(found @ (Verdict::Dead(_), _))) | (Some(found @ (Verdict::Dead(_), _)), _) => found,
            (_, Some(found)) | (Some(found), None) => match self.doubted.as_deref() {
                Some((at, doubt @ Verdict::Dead(_))) => (doubt.clone(), *at),
                _ => found,
            },
            (None, None) => {
                let at = self.doubted.as_deref().map_or(now, |(at, _)| *at);
                (self.weigh_signs(), at)
            }
        }
    }

    pub(super) fn weigh_signs(&self) -> Verdict {
        match (self.doubted.as_deref(), &self.alive_by) {
            (Some((_, doubt)), _) => doubt.clone(),
            (None, Some(reason)) => Verdict::Alive(reason.clone()),
            (None, None) => Verdict::Unknown,
        }
    }
}

/// See RFC 9260 section 16.
const RTO_INITIAL: Duration = Duration::from_secs(1);
/// How often is looked whether DATA on another path tells that a file goes on.
const MEANWHILE: Duration = Duration::from_millis(300);
/// A sender that nobody answers has no window for so many packets at the start of its life, and later sends again.
const ONE_SIDED_PACKETS: u32 = 20;

/// Retransmissions without an answer that full queues do not explain: Path.Max.Retrans (RFC 9260 section 16).
const TRIES_INTO_FULL_QUEUES: u32 = 5;
