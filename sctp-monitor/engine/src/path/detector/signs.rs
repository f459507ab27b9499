//! What the records tell of a flow: signs of life, losses, and the wait for the next one.

use std::{mem::take, time::Duration};

use sctp_monitor_common::abi::{FlowRecord, tsn_after};

use super::{
    ARRIVED_TWICE, Context, Detector, TwiceInSilence, Verdict, heartbeat_rto, tries::Tries, wait::Wait,
};
use crate::{
    config::Config,
    model::{Reason, Timestamp},
    path::{facts::at_ticks, rtt::Sample},
};

impl Detector {
    pub(super) fn take_answers(&mut self, record: &FlowRecord) {
        if record.answered_at_ns != self.last.answered_at_ns {
            let rtt = Duration::from_nanos(record.heartbeat_rtt.last_ns);
            self.on_heartbeat_answered(Timestamp::from_nanos(record.answered_at_ns), rtt);
        }
    }

    pub(super) fn on_heartbeat_answered(&mut self, at: Timestamp, rtt: Duration) {
        self.heartbeats.answered_at = Some(at);
        // Those that were missed before were lost by chance, unless the path was down.
        let lost = match self.verdict {
            Verdict::Dead(_) => 0,
            _ => self.heartbeats.missed,
        };
        self.heartbeats.odds.count(1 + lost, lost);
        self.heartbeats.missed = 0;
        self.heartbeats.first_missed = None;
        self.data.chunks_at_answer = self.last.data_chunks;
        self.data.tried_since = None;
        self.excuse_data();
        self.on_alive(at, Reason::HeartbeatAnswered { rtt });
    }

    /// The path lives again as far as a heartbeat tells, and DATA begins anew. Where heartbeats are answered and DATA goes missing
    /// again and again, it is not the path as a whole that fails: see [`Self::weigh_excuses`].
    pub(super) fn excuse_data(&mut self) {
        let data = &mut self.data;
        if data.missed == 0 || data.wait.is_some() {
            return;
        }
        data.excused += 1;
        data.excused_missed = data.excused_missed.saturating_add(take(&mut data.missed));
        let since = data.first_missed.take();
        data.excused_since = data.excused_since.or(since);
    }

    /// Whether heartbeats pass and DATA does not, by more chunks than chance loses in a row.
    pub(super) fn weigh_excuses(&mut self, context: Context, config: &Config) {
        let data = &mut self.data;
        let odds = data.odds.or_of_neighbours(context.odds);
        let required = odds.required(config.data_chance).max(LEAST_EXCUSED);
        if data.excused > 1 && data.excused_missed >= required {
            data.only_heartbeats_pass = true;
            data.missed = data.missed.saturating_add(take(&mut data.excused_missed));
            data.first_missed = data.excused_since.take().or(data.first_missed);
        }
    }

    pub(super) fn on_alive(&mut self, at: Timestamp, reason: Reason) {
        if self.alive_at.is_none_or(|last| at > last) {
            self.alive_at = Some(at);
            self.alive_by = Some(reason);
        }
        if self.doubted.as_deref().is_some_and(|(since, _)| at > *since) {
            self.doubted = None;
        }
        self.forget_directions();
        self.data.arrived_twice = 0;
    }

    pub(super) fn take_acknowledgements(
        &mut self,
        record: &FlowRecord,
        context: Context,
        tick: Duration,
        config: &Config,
        now: Timestamp,
    ) {
        if !matches!(self.verdict, Verdict::Alive(_)) {
            let twice = record.spurious.wrapping_sub(self.last.spurious);
            self.data.arrived_twice = self.data.arrived_twice.saturating_add(twice);
            let twice = self.data.arrived_twice;
            if twice >= ARRIVED_TWICE && self.more_than_under_way(twice) {
                self.on_arrived(now);
            }
        }
        if record.acknowledgements == self.last.acknowledged {
            return;
        }
        let at = at_ticks(record, record.acked_ticks, tick);
        let rtt = Duration::from_nanos(record.data_rtt.last_ns);
        let lost: u32 = if self.sample(record, rtt, config) == Sample::AnswerLost {
            2
        } else {
            0
        };
        // An acknowledgement that ends a wait which was overdue comes by the retransmission over another path, and so does the
        // next one for what that SACK left: the record does not know whether it had been retransmitted by then.
        let wait = self.data.wait;
        let late = wait.is_some_and(|wait| {
            let rto = self.data_rto(record, config);
            wait.left_over || at > wait.overdue_at(rto, config) + LATE_MARGIN
        });
        // Unless it came back over this path: what was retransmitted elsewhere as well, the record tells of no acknowledgement.
        let here = record.acknowledged_here != self.last.acknowledged_here;
        if late && !here && matches!(self.verdict, Verdict::Dead(_)) {
            if self.acknowledged_after_break(record, context, config, at) {
                self.on_arrived(at);
            }
            // What is missing goes on being missing, though the wait is over.
            if let Some(wait) = self.data.wait.take() {
                self.data.missed = self
                    .data
                    .missed
                    .saturating_add(wait.sacks_due(context.usually_awaiting));
                self.data.first_missed.get_or_insert((wait.sent_at, wait.tsn));
                self.data.missed_at = Some(at);
            }
            return;
        }
        let data = &mut self.data;
        let (sent, resent) = (take(&mut data.sent_since), take(&mut data.lost_since));
        if data.outage_until.is_none() {
            data.odds.count(sent, lost.saturating_add(resent));
            if let Some(wait) = wait {
                data.usually_awaiting += (wait.awaiting_sack as f32 - data.usually_awaiting) / USUAL_MEMORY;
            }
        }
        let is_over = |until: u32| context.cum_tsn_ack.is_none_or(|acked| !tsn_after(until, acked));
        data.outage_until = data.outage_until.filter(|until| !is_over(*until));
        self.data.wait = None;
        self.data.tries = Tries::default();
        self.data.missed = 0;
        self.data.first_missed = None;
        self.data.excused = 0;
        self.data.excused_missed = 0;
        self.data.excused_since = None;
        self.data.only_heartbeats_pass = false;
        self.data.answered_elsewhere = false;
        self.heartbeats.missed = 0;
        self.heartbeats.first_missed = None;
        let after = self.alive_at.map(|last| at.since(last));
        self.on_alive(at, Reason::DataAcknowledged { after });
    }

    pub(super) fn sample(&mut self, record: &FlowRecord, rtt: Duration, config: &Config) -> Sample {
        if record.is_timed == 0 {
            return Sample::Fits;
        }
        if record.acknowledged_packets >= 2 {
            return self.rtt.sample(rtt);
        }
        if rtt < config.delayed_ack / 2 {
            self.rtt.sample_delayed(rtt);
        }
        Sample::Fits
    }

    pub(super) fn count_losses(&mut self, record: &FlowRecord, now: Timestamp) {
        let sent = record.data_chunks.saturating_sub(self.last.data_chunks);
        let data = &mut self.data;
        if record.data_chunks > data.chunks_at_answer {
            data.tried_since.get_or_insert(now);
        }
        data.sent_since = data
            .sent_since
            .saturating_add(u32::try_from(sent).unwrap_or(u32::MAX));
        data.lost_since = data
            .lost_since
            .saturating_add(record.lost.wrapping_sub(self.last.lost));
    }

    /// The time-out of DATA: the path's own round trip, by whatever measured it.
    pub(super) fn data_rto(&self, record: &FlowRecord, config: &Config) -> Duration {
        self.rtt
            .rto(config)
            .or_else(|| heartbeat_rto(record, config))
            .unwrap_or(config.rto_initial)
    }

    /// When a retransmission should have been answered: it may be a single packet, whose SACK is delayed.
    pub(super) fn try_timeout(&self, record: &FlowRecord, config: &Config) -> Duration {
        self.data_rto(record, config) + config.delayed_ack + config.stall_allowance
    }

    /// Takes the retransmissions over this flow.
    pub(super) fn follow_tries(
        &mut self,
        record: &FlowRecord,
        context: Context,
        last_seen: Timestamp,
        config: &Config,
    ) {
        let is_resent = record.retransmissions != self.last.retransmissions;
        let timeout = self.try_timeout(record, config);
        self.data.tries.follow(
            context.stuck_since,
            context.cum_tsn_ack,
            is_resent.then_some(last_seen),
            timeout,
        );
    }

    /// How old a packet must be to count: by whichever time-out is shorter. Heartbeats are answered at once, DATA by some
    /// peers only after a while.
    pub(super) fn sack_timeout(&self, record: &FlowRecord, config: &Config) -> Duration {
        let rto = self.data_rto(record, config);
        heartbeat_rto(record, config).map_or(rto, |heartbeat| heartbeat.min(rto))
    }

    /// Where DATA arrives and its SACKs do not come back, a stack with short timers sends everything twice, the second
    /// time over another path, and every chunk is acknowledged soon. Only the duplicates tell.
    pub(super) fn count_duplicates(&mut self, record: &FlowRecord, context: Context, now: Timestamp) {
        let new = record.spurious.wrapping_sub(self.last.spurious);
        let twice = &mut self.data.twice_in_silence;
        // Where this host stood still meanwhile, nothing could come back.
        let stood_still = context.accuse_from > twice.first_at;
        if stood_still || context.came_back_at.is_some_and(|at| at >= twice.first_at) {
            *twice = TwiceInSilence::default();
        }
        if twice.chunks > 0 && record.highest_sent != self.last.highest_sent {
            twice.asked_at.get_or_insert(now);
        }
        if new > 0 {
            if twice.chunks == 0 {
                twice.first_at = now;
            }
            twice.last_at = now;
            twice.chunks = twice.chunks.saturating_add(new);
            // A stack that leaves the path at once tells it once, before anybody doubts.
            let twice = twice.chunks;
            if twice >= ARRIVED_TWICE && self.more_than_under_way(twice) {
                self.on_arrived(now);
            }
        }
    }

    pub(super) fn follow_wait(
        &mut self,
        record: &FlowRecord,
        context: Context,
        config: &Config,
        now: Timestamp,
    ) {
        let sent_at = Timestamp::from_nanos(record.timed.sent_at_ns);
        let armed = record.timed.is_armed();
        if let Some(wait) = self.data.wait
            && !(armed && wait.sent_at == sent_at)
        {
            let replaced = armed && wait.left_over;
            // It ended without an acknowledgement: it was retransmitted, and nothing can be told from its ack. But unless the peer
            // had some of it twice, or has what was not retransmitted, every packet was lost, and not just its answers.
            let twice = self.data.arrived_twice;
            let cum_tsn_ack = context.cum_tsn_ack;
            let arrived = cum_tsn_ack.map_or(0, |cum_tsn_ack| wait.arrived(record, cum_tsn_ack));
            let missed = if replaced {
                0
            } else if twice < ARRIVED_TWICE && arrived == 0 {
                wait.awaiting_sack.saturating_sub(twice)
            } else {
                wait.sacks_due(context.usually_awaiting)
            };
            if missed > 0 {
                self.data.missed = self.data.missed.saturating_add(missed);
                self.data.first_missed.get_or_insert((wait.sent_at, wait.tsn));
                self.data.missed_at = Some(now);
            }
            self.data.wait = None;
        }
        if !armed || self.may_be_answered_unseen(sent_at) {
            return;
        }
        let rto = self.sack_timeout(record, config);
        let packets = record.timed.packets();
        let (seen, lost) = (self.last.highest_sent, self.last.lost);
        let wait = self
            .data
            .wait
            .get_or_insert_with(|| Wait::new(record, seen, lost));
        if packets >= 2 && wait.obliged_at.is_none() {
            wait.obliged_at = Some(match record.second_at_ns {
                _ if wait.left_over => sent_at,
                // It is the second by now, but was the third once. Taken as if they had come evenly.
                0 => sent_at + now.since(sent_at) / packets,
                second_at_ns => Timestamp::from_nanos(second_at_ns),
            });
        }
        wait.notice(packets, now, rto, config);
    }
}

/// A chunk that is lost, and the first one after a heartbeat as well: that is chance still.
const LEAST_EXCUSED: u32 = 3;
/// Acknowledgements that the average of packets awaiting a SACK remembers.
const USUAL_MEMORY: f32 = 16.0;
/// Acknowledgements are timed by the coarse clock.
const LATE_MARGIN: Duration = Duration::from_millis(10);
