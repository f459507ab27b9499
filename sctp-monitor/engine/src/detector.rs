//! Whether one direction of a path works: the evidence of its flow record, weighed.
//!
//! Evidence for: a heartbeat was answered; a TSN that this flow carried was acknowledged, over whatever path. Evidence
//! against: heartbeats and DATA that should have been answered by now. Each missing answer is an opportunity missed; how
//! many in a row make a failure is for [`Odds`] to say. Nothing is missed before the path's own time-out has passed, with
//! an allowance for a host that stands still for a moment. No evidence is no verdict.
//!
//! The answers to heartbeats do not excuse DATA: where heartbeats pass and DATA does not, packets are too large for the
//! path.

use std::{mem::take, time::Duration};

use sctp_monitor_common::abi::{FlowRecord, HEARTBEAT_SLOTS};

use crate::{
    config::Config,
    event::Reason,
    flow::{RttView, at_ticks},
    odds::Odds,
    rtt::{NetRtt, Sample},
    time::Timestamp,
};

/// What is thought of a flow.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) enum Verdict {
    /// Nothing that could be answered was seen yet.
    #[default]
    Unknown,
    /// It works.
    Alive(Reason),
    /// An answer is missing.
    Suspect(Reason),
    /// It does not work.
    Dead(Reason),
}

/// What the flow's association tells of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Context {
    /// Packets of the opposite direction are seen: an answer that is missing would have been seen too.
    pub(crate) answers_are_seen: bool,
    /// SACKs for this direction were seen.
    pub(crate) sacks_are_seen: bool,
    /// When a packet last came the opposite way on this path.
    pub(crate) came_back_at: Option<Timestamp>,
    /// See [`Detector::gathered`]; the most of all flows of this direction.
    pub(crate) gathered: f32,
    /// This host or the agent stood still: nobody is accused before this time.
    pub(crate) accuse_from: Timestamp,
}

/// The evidence about one flow.
#[derive(Debug, Clone, Default)]
pub(crate) struct Detector {
    verdict: Verdict,
    /// The last proof that the path works.
    alive_at: Option<Timestamp>,
    alive_by: Option<Reason>,
    /// The last proof that what is sent arrives, though its answer is late or comes another way.
    arrives_at: Option<Timestamp>,
    /// The NIC was cut off, or the network said so, at that time.
    doubted: Option<Box<(Timestamp, Verdict)>>,
    heartbeats: Heartbeats,
    data: Data,
    rtt: NetRtt,
    seen: Seen,
    /// When the verdict may change by time alone.
    deadline: Option<Timestamp>,
}

/// Heartbeats without an answer.
#[derive(Debug, Clone)]
struct Heartbeats {
    /// In a row.
    missed: u32,
    last_missed: Option<Timestamp>,
    first_missed: Option<Timestamp>,
    answered_at: Option<Timestamp>,
    /// Those that waited at the last record: when they were sent, and their fingerprints.
    waiting: [(Timestamp, u32); HEARTBEAT_SLOTS],
    /// One that user space knows to be answered, though the programs do not.
    answered: Option<u32>,
    odds: Odds,
}

/// DATA without a SACK.
#[derive(Debug, Clone)]
struct Data {
    trial: Option<Trial>,
    /// Missed in trials that ended without a credit, since the last credit.
    missed: u32,
    /// When the first of them was sent.
    first_missed: Option<Timestamp>,
    /// How often a heartbeat was answered after DATA had gone missing, since the last credit.
    excused: u32,
    /// A heartbeat was answered while DATA went missing.
    only_heartbeats_pass: bool,
    /// Nobody sends again what is not acknowledged: the SACKs pass elsewhere.
    answered_elsewhere: bool,
    /// Chunks that the peer has had twice since the path is in doubt.
    arrived_twice: u32,
    /// Ripe packets that there usually are when a SACK comes: peers that acknowledge by a timer only let some gather.
    gathered: f32,
    odds: Odds,
    /// Chunks that were sent and lost since the last credit. An outage is no loss: they count once the path has shown
    /// that it works.
    sent_since: u32,
    lost_since: u32,
    /// Chunks that arrived twice since a packet last came back on this path, and when that was noticed first.
    twice_in_silence: (u32, Timestamp),
}

impl Default for Heartbeats {
    fn default() -> Self {
        Self {
            missed: 0,
            last_missed: None,
            first_missed: None,
            answered_at: None,
            waiting: Default::default(),
            answered: None,
            odds: Odds::of_heartbeats(),
        }
    }
}

impl Default for Data {
    fn default() -> Self {
        Self {
            trial: None,
            missed: 0,
            first_missed: None,
            excused: 0,
            only_heartbeats_pass: false,
            answered_elsewhere: false,
            arrived_twice: 0,
            gathered: 0.0,
            odds: Odds::of_data(),
            sent_since: 0,
            lost_since: 0,
            twice_in_silence: Default::default(),
        }
    }
}

/// The wait for one timed chunk.
#[derive(Debug, Clone, Copy)]
struct Trial {
    sent_at: Timestamp,
    /// It stands for what a SACK left; new DATA takes its place.
    left_over: bool,
    /// When the peer had to acknowledge at once; it may delay until then.
    obliged_at: Option<Timestamp>,
    /// Packets from it on that are older than the time-out.
    ripe: u32,
    /// Packets that become ripe next, the oldest first.
    unripe: [Noticed; NOTICES],
}

/// So many packets had been sent at that time.
#[derive(Debug, Clone, Copy, Default)]
struct Noticed {
    packets: u32,
    /// Since the trial began.
    after_ms: u32,
}

/// Counters of the last record.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    credits: u32,
    lost: u32,
    spurious: u32,
    data_chunks: u64,
    answered_at_ns: u64,
}

impl Detector {
    pub(crate) fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// When the record must be looked at again, though no packet came.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        self.deadline
    }

    /// The last proof that the path works.
    pub(crate) fn alive_at(&self) -> Option<Timestamp> {
        self.alive_at
    }

    /// The last proof that what is sent arrives, if the path does not work otherwise.
    pub(crate) fn arrives_at(&self) -> Option<Timestamp> {
        self.arrives_at
    }

    /// Packets that usually wait for an answer longer than the path needs: the peer lets them gather.
    pub(crate) fn gathered(&self) -> f32 {
        self.data.gathered
    }

    /// When the oldest unanswered packet was sent.
    pub(crate) fn first_missed(&self) -> Option<Timestamp> {
        [self.data.first_missed, self.heartbeats.first_missed]
            .into_iter()
            .flatten()
            .min()
    }

    /// Heartbeats are answered while DATA is not.
    pub(crate) fn only_heartbeats_pass(&self) -> bool {
        self.data.only_heartbeats_pass
    }

    /// When a heartbeat with this fingerprint was sent, if one waits.
    pub(crate) fn waiting(&self, fingerprint: u32) -> Option<Timestamp> {
        self.heartbeats
            .waiting
            .iter()
            .find(|(sent_at, known)| *known == fingerprint && *sent_at != Timestamp::default())
            .map(|(sent_at, _)| *sent_at)
    }

    /// A heartbeat with this fingerprint was answered after all.
    pub(crate) fn on_answered_elsewhere(&mut self, fingerprint: u32, rtt: Duration, at: Timestamp) {
        self.heartbeats.answered = Some(fingerprint);
        self.on_heartbeat_answered(at, rtt);
        self.verdict = self.weigh_signs();
    }

    /// The NIC carries nothing any more. What was alive before proves nothing when it comes back.
    pub(crate) fn on_cut_off(&mut self, reason: &Reason, now: Timestamp) {
        self.doubted = Some(Box::new((now, Verdict::Dead(reason.clone()))));
        self.verdict = Verdict::Dead(reason.clone());
    }

    /// An ICMP error is a doubt and no more: it may be about one packet, or come from a router that is about to find
    /// another way.
    pub(crate) fn on_icmp(&mut self, reason: Reason, at: Timestamp) {
        let is_news = self.alive_at.is_none_or(|alive_at| alive_at < at);
        if is_news && !matches!(self.verdict, Verdict::Dead(_)) {
            self.verdict = Verdict::Suspect(reason);
            self.doubted = Some(Box::new((at, self.verdict.clone())));
        }
    }

    /// Another association begins on the flow. What the old one proved says nothing of it; what was measured holds.
    pub(crate) fn on_new_association(&mut self) {
        *self = Self {
            seen: self.seen,
            rtt: take(&mut self.rtt),
            ..Self::default()
        };
    }

    /// Takes the newest record.
    pub(crate) fn handle(
        &mut self,
        record: &FlowRecord,
        context: Context,
        tick: Duration,
        config: &Config,
        now: Timestamp,
    ) {
        self.take_answers(record);
        self.count_losses(record);
        self.take_credits(record, context.gathered, tick, config, now);
        self.watch_the_way_back(record, context, now);
        self.follow_trial(record, context.gathered, config, now);
        self.heartbeats.waiting = record
            .outstanding
            .map(|entry| (Timestamp::from_nanos(entry.sent_at_ns), entry.fingerprint));
        self.seen = Seen {
            credits: record.credits,
            lost: record.lost,
            spurious: record.spurious,
            data_chunks: record.data_chunks,
            answered_at_ns: record.answered_at_ns,
        };
        if now < context.accuse_from {
            self.deadline = Some(context.accuse_from);
            return;
        }
        self.deadline = None;
        let heartbeats = self.weigh_heartbeats(record, context, config, now);
        let data = self
            .weigh_duplicates(config, now)
            .or_else(|| self.weigh_data(record, context, config, now));
        self.verdict = self.weigh(heartbeats, data);
    }

    fn take_answers(&mut self, record: &FlowRecord) {
        if record.answered_at_ns != self.seen.answered_at_ns {
            let rtt = Duration::from_nanos(record.heartbeat_rtt.last_ns);
            self.on_heartbeat_answered(Timestamp::from_nanos(record.answered_at_ns), rtt);
        }
    }

    fn on_heartbeat_answered(&mut self, at: Timestamp, rtt: Duration) {
        self.heartbeats.answered_at = Some(at);
        // Those that were missed before were lost by chance, unless the path was down.
        let lost = match self.verdict {
            Verdict::Dead(_) => 0,
            _ => self.heartbeats.missed,
        };
        self.heartbeats.odds.count(1 + lost, lost);
        self.heartbeats.missed = 0;
        self.heartbeats.first_missed = None;
        self.excuse_data();
        self.on_alive(at, Reason::HeartbeatAnswered { rtt });
    }

    /// The path lives again as far as a heartbeat tells, and DATA begins anew. Once: where heartbeats are answered and
    /// DATA goes missing again, it is not the path as a whole that fails.
    fn excuse_data(&mut self) {
        if self.data.missed == 0 || self.data.trial.is_some() {
            return;
        }
        self.data.excused += 1;
        if self.data.excused > 1 {
            self.data.only_heartbeats_pass = true;
        } else {
            self.data.missed = 0;
            self.data.first_missed = None;
        }
    }

    fn on_alive(&mut self, at: Timestamp, reason: Reason) {
        if self.alive_at.is_none_or(|last| at > last) {
            self.alive_at = Some(at);
            self.alive_by = Some(reason);
        }
        if self.doubted.as_deref().is_some_and(|(since, _)| at > *since) {
            self.doubted = None;
        }
        self.arrives_at = None;
        self.data.arrived_twice = 0;
    }

    fn take_credits(
        &mut self,
        record: &FlowRecord,
        gathered: f32,
        tick: Duration,
        config: &Config,
        now: Timestamp,
    ) {
        if !matches!(self.verdict, Verdict::Alive(_)) {
            let twice = record.spurious.wrapping_sub(self.seen.spurious);
            self.data.arrived_twice = self.data.arrived_twice.saturating_add(twice);
            if self.data.arrived_twice >= ARRIVED_TWICE {
                self.arrives_at = Some(now);
            }
        }
        if record.credits == self.seen.credits {
            return;
        }
        let at = at_ticks(record, record.acked_ticks, tick);
        let rtt = Duration::from_nanos(record.data_rtt.last_ns);
        let lost: u32 = if self.sample(record, rtt, config) == Sample::AnswerLost {
            2
        } else {
            0
        };
        // A credit that ends a trial which was overdue comes by the retransmission over another path.
        let trial = self.data.trial;
        let late = record.credits.wrapping_sub(self.seen.credits) == 1
            && trial.is_some_and(|trial| {
                let rto = self.data_rto(record, config);
                at > trial.overdue_at(rto, config) + LATE_MARGIN
            });
        if late && matches!(self.verdict, Verdict::Dead(_)) {
            self.arrives_at = Some(at);
            // What is missing goes on being missing, though the trial is over.
            if let Some(trial) = self.data.trial.take() {
                self.data.missed = self.data.missed.saturating_add(trial.opportunities(gathered));
                self.data.first_missed.get_or_insert(trial.sent_at);
            }
            return;
        }
        let data = &mut self.data;
        let (sent, resent) = (take(&mut data.sent_since), take(&mut data.lost_since));
        if !matches!(self.verdict, Verdict::Dead(_)) {
            data.odds.count(sent, lost.saturating_add(resent));
        }
        if let Some(trial) = trial {
            self.data.gathered += (trial.ripe as f32 - self.data.gathered) / GATHERED_MEMORY;
        }
        self.data.trial = None;
        self.data.missed = 0;
        self.data.first_missed = None;
        self.data.excused = 0;
        self.data.only_heartbeats_pass = false;
        self.data.answered_elsewhere = false;
        self.heartbeats.missed = 0;
        self.heartbeats.first_missed = None;
        let after = self.alive_at.map(|last| at.since(last));
        self.on_alive(at, Reason::DataAcknowledged { after });
    }

    fn sample(&mut self, record: &FlowRecord, rtt: Duration, config: &Config) -> Sample {
        if record.credited_bytes == 0 {
            return Sample::Fits;
        }
        if record.credited_packets >= 2 {
            return self.rtt.sample(rtt);
        }
        if rtt < config.delayed_ack / 2 {
            self.rtt.sample_delayed(rtt);
        }
        Sample::Fits
    }

    fn count_losses(&mut self, record: &FlowRecord) {
        let sent = record.data_chunks.saturating_sub(self.seen.data_chunks);
        let data = &mut self.data;
        data.sent_since = data
            .sent_since
            .saturating_add(u32::try_from(sent).unwrap_or(u32::MAX));
        data.lost_since = data
            .lost_since
            .saturating_add(record.lost.wrapping_sub(self.seen.lost));
    }

    /// The time-out of DATA: the path's own round trip, by whatever measured it.
    fn data_rto(&self, record: &FlowRecord, config: &Config) -> Duration {
        self.rtt
            .rto(config)
            .or_else(|| heartbeat_rto(record, config))
            .unwrap_or(config.rto_initial)
    }

    /// How old a packet must be to count: by whichever time-out is shorter. Heartbeats are answered at once, DATA by some
    /// peers only after a while.
    fn ripening(&self, record: &FlowRecord, config: &Config) -> Duration {
        let rto = self.data_rto(record, config);
        heartbeat_rto(record, config).map_or(rto, |heartbeat| heartbeat.min(rto))
    }

    /// Where DATA arrives and its SACKs do not come back, a stack with short timers sends everything twice, the second
    /// time over another path, and every chunk is acknowledged soon. Only the duplicates tell.
    fn watch_the_way_back(&mut self, record: &FlowRecord, context: Context, now: Timestamp) {
        let new = record.spurious.wrapping_sub(self.seen.spurious);
        let (chunks, since) = &mut self.data.twice_in_silence;
        if context.came_back_at.is_some_and(|at| at >= *since) {
            *chunks = 0;
        }
        if new > 0 {
            if *chunks == 0 {
                *since = now;
            }
            *chunks = chunks.saturating_add(new);
        }
    }

    fn follow_trial(&mut self, record: &FlowRecord, gathered: f32, config: &Config, now: Timestamp) {
        let sent_at = Timestamp::from_nanos(record.timed.sent_at_ns);
        let armed = record.timed.is_armed();
        if let Some(trial) = self.data.trial
            && !(armed && trial.sent_at == sent_at)
        {
            let replaced = armed && trial.left_over;
            // It ended without a credit: it was sent again, and nothing can be told from its ack. But unless the peer
            // had some of it twice, every packet was lost, and not just its answers.
            let arrived = self.data.arrived_twice;
            let missed = if replaced {
                0
            } else if arrived < ARRIVED_TWICE {
                trial.ripe.saturating_sub(arrived)
            } else {
                trial.opportunities(gathered)
            };
            if missed > 0 {
                self.data.missed = self.data.missed.saturating_add(missed);
                self.data.first_missed.get_or_insert(trial.sent_at);
            }
            self.data.trial = None;
        }
        if !armed {
            return;
        }
        let rto = self.ripening(record, config);
        let packets = record.timed.packets();
        let trial = self.data.trial.get_or_insert_with(|| Trial {
            sent_at,
            left_over: record.timed.is_left_over(),
            obliged_at: None,
            ripe: 0,
            unripe: [Noticed::default(); NOTICES],
        });
        if packets >= 2 && trial.obliged_at.is_none() {
            trial.obliged_at = Some(match record.second_at_ns {
                _ if trial.left_over => sent_at,
                // It is the second by now, but was the third once. Taken as if they had come evenly.
                0 => sent_at + now.since(sent_at) / packets,
                second_at_ns => Timestamp::from_nanos(second_at_ns),
            });
        }
        trial.notice(packets, now, rto, config);
    }

    fn weigh_duplicates(&mut self, config: &Config, now: Timestamp) -> Option<Verdict> {
        let (chunks, since) = self.data.twice_in_silence;
        if chunks < config.way_back_duplicates || now.since(since) < config.way_back_silence {
            return None;
        }
        self.arrives_at = Some(now);
        Some(Verdict::Dead(Reason::AnswersLost {
            chunks,
            silent_for: now.since(since),
        }))
    }

    fn weigh_data(
        &mut self,
        record: &FlowRecord,
        context: Context,
        config: &Config,
        now: Timestamp,
    ) -> Option<Verdict> {
        if !context.sacks_are_seen {
            return None;
        }
        let rto = self.data_rto(record, config);
        let mut missed = self.data.missed;
        let mut waiting = None;
        if let Some(trial) = self.data.trial {
            let packets = record.timed.packets();
            let overdue_at = trial.overdue_at(rto, config);
            if now < overdue_at {
                self.look_again(overdue_at);
            } else {
                missed = missed.saturating_add(trial.opportunities(context.gathered));
                waiting = Some(trial);
                if let Some(at) = trial.ripens_at(self.ripening(record, config), config) {
                    self.look_again(at);
                }
            }
            if now.since(trial.sent_at) > config.one_sided_data
                && !record.timed.is_resent()
                && packets >= ONE_SIDED_PACKETS
            {
                self.data.answered_elsewhere = true;
            }
        }
        if self.data.answered_elsewhere || missed == 0 {
            return None;
        }
        let odds = self.data.odds;
        let since = self.data.first_missed.or(waiting.map(|trial| trial.sent_at))?;
        let reason = Reason::DataUnacknowledged {
            tsn: record.timed.tsn,
            cum_tsn_ack: record.sender.cum_tsn_ack,
            sent_ago: now.since(since),
            timeout: rto + config.stall_allowance,
            packets: record.timed.packets(),
            missed,
            last_alive_ago: self.alive_at.map(|at| now.since(at)),
        };
        if missed >= odds.required(config.data_chance) {
            self.data.first_missed.get_or_insert(since);
            let Some(answered_at) = self.heartbeats.answered_at.filter(|at| *at > since) else {
                return Some(Verdict::Dead(reason));
            };
            // The path lives, but not for DATA. Or it lives again, and what waits was sent before.
            let waits_still = waiting.is_some() && now.since(answered_at) > config.stall_allowance + rto;
            self.data.only_heartbeats_pass |= waits_still;
            return Some(Verdict::Suspect(reason));
        }
        let doubtful = missed >= odds.required(config.doubt_chance);
        doubtful.then_some(Verdict::Suspect(reason))
    }

    fn weigh_heartbeats(
        &mut self,
        record: &FlowRecord,
        context: Context,
        config: &Config,
        now: Timestamp,
    ) -> Option<Verdict> {
        if !context.answers_are_seen {
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
            if !waits || self.heartbeats.last_missed.is_some_and(|last| sent_at <= last) {
                continue;
            }
            if now < sent_at + timeout {
                self.look_again(sent_at + timeout);
                continue;
            }
            self.heartbeats.last_missed = Some(sent_at);
            self.heartbeats.first_missed.get_or_insert(sent_at);
            self.heartbeats.missed += 1;
        }
        let first = self.heartbeats.first_missed?;
        let reason = Reason::HeartbeatUnanswered {
            sent_ago: now.since(self.heartbeats.last_missed.unwrap_or(first)),
            timeout,
            misses: self.heartbeats.missed,
            last_alive_ago: self.alive_at.map(|at| now.since(at)),
        };
        let odds = self.heartbeats.odds.or_richer(self.data.odds);
        // Chunks are many, and so are those that go missing just before a heartbeat does.
        let chance = match self.data.missed {
            0 => config.heartbeat_chance,
            _ => config.data_chance,
        };
        // A heartbeat stays out as DATA does; both together weigh more.
        if self.heartbeats.missed.saturating_add(self.data.missed) >= odds.required(chance) {
            Some(Verdict::Dead(reason))
        } else {
            Some(Verdict::Suspect(reason))
        }
    }

    fn weigh(&self, heartbeats: Option<Verdict>, data: Option<Verdict>) -> Verdict {
        match (heartbeats, data) {
            (_, Some(verdict @ Verdict::Dead(_))) | (Some(verdict @ Verdict::Dead(_)), _) => verdict,
            (_, Some(verdict)) | (Some(verdict), None) => match self.doubted.as_deref() {
                Some((_, doubt @ Verdict::Dead(_))) => doubt.clone(),
                _ => verdict,
            },
            (None, None) => self.weigh_signs(),
        }
    }

    fn weigh_signs(&self) -> Verdict {
        match (self.doubted.as_deref(), &self.alive_by) {
            (Some((_, doubt)), _) => doubt.clone(),
            (None, Some(reason)) => Verdict::Alive(reason.clone()),
            (None, None) => Verdict::Unknown,
        }
    }

    fn look_again(&mut self, at: Timestamp) {
        if self.deadline.is_none_or(|deadline| at < deadline) {
            self.deadline = Some(at);
        }
    }
}

impl Trial {
    /// Takes the packets that were sent until now, and sees which have become ripe.
    fn notice(&mut self, packets: u32, now: Timestamp, rto: Duration, config: &Config) {
        let age = now.since(self.sent_at);
        for noticed in &mut self.unripe {
            if noticed.packets > 0 && noticed.ripens_after(rto, config) <= age {
                self.ripe = self.ripe.max(noticed.packets);
                *noticed = Noticed::default();
            }
        }
        let newest = self
            .unripe
            .iter()
            .map(|noticed| noticed.packets)
            .max()
            .unwrap_or(0);
        if packets <= newest.max(self.ripe) {
            return;
        }
        if newest == 0 && self.ripe == 0 && packets > 2 {
            return self.notice_many(packets, age);
        }
        // The first one was sent when the trial began, whenever it is noticed.
        let after = if packets == 1 { Duration::ZERO } else { age };
        if let Some(free) = self.unripe.iter_mut().find(|noticed| noticed.packets == 0) {
            *free = Noticed::new(packets, after);
        }
    }

    /// A trial that is noticed late, taken as if its packets had come evenly.
    fn notice_many(&mut self, packets: u32, age: Duration) {
        let slots = u32::try_from(NOTICES).unwrap_or(1).min(packets);
        for (noticed, step) in self.unripe.iter_mut().zip(1..=slots) {
            let number = (packets / slots).saturating_mul(step) + packets % slots * step / slots;
            *noticed = Noticed::new(number, age * (number - 1) / (packets - 1));
        }
    }

    /// When more packets become ripe.
    fn ripens_at(&self, rto: Duration, config: &Config) -> Option<Timestamp> {
        let next = self.unripe.iter().filter(|noticed| noticed.packets > 0);
        let after = next.map(|noticed| noticed.ripens_after(rto, config)).min()?;
        Some(self.sent_at + after)
    }

    /// When the answer should have come, if the peer stood still for as long as it may.
    fn overdue_at(&self, rto: Duration, config: &Config) -> Timestamp {
        let obliged_at = self.obliged_at.unwrap_or(self.sent_at + config.delayed_ack);
        obliged_at + rto + config.stall_allowance
    }

    /// Answers that should have come by now: one to every second packet (RFC 9260 section 6.2), or to as many as the peer
    /// lets gather, and one to a single packet.
    fn opportunities(&self, gathered: f32) -> u32 {
        let packets_per_answer = 2 + gathered.round() as u32;
        match self.ripe {
            0 => 0,
            packets => (packets / packets_per_answer).max(1),
        }
    }
}

impl Noticed {
    fn new(packets: u32, after: Duration) -> Self {
        Self {
            packets,
            after_ms: u32::try_from(after.as_millis()).unwrap_or(u32::MAX),
        }
    }

    fn ripens_after(&self, rto: Duration, config: &Config) -> Duration {
        Duration::from_millis(u64::from(self.after_ms)) + rto + delay(self.packets, config)
    }
}

/// What the receiver may wait on top of the round trip.
fn delay(packets: u32, config: &Config) -> Duration {
    if packets < 2 {
        config.delayed_ack
    } else {
        Duration::ZERO
    }
}

fn heartbeat_rto(record: &FlowRecord, config: &Config) -> Option<Duration> {
    RttView::of(&record.heartbeat_rtt).map(|rtt| config.rto(rtt.srtt, rtt.rttvar))
}

/// How many numbers of packets ripen at a time. What comes while all are taken is noticed later.
const NOTICES: usize = 6;
/// So many chunks that arrive twice were not all under way when the path broke.
const ARRIVED_TWICE: u32 = 3;
/// Credits that the average of gathered packets remembers.
const GATHERED_MEMORY: f32 = 16.0;
/// Credits are timed by the coarse clock.
const LATE_MARGIN: Duration = Duration::from_millis(10);
/// A sender that nobody answers has no window for so many packets at the start of its life, and later sends again.
const ONE_SIDED_PACKETS: u32 = 20;
