//! Whether one direction of a path works: the evidence of its flow record, weighed.
//!
//! Evidence for: a heartbeat was answered; a TSN that this flow carried was acknowledged, over whatever path. Evidence
//! against: heartbeats and DATA that should have been answered by now. Each missing answer is an opportunity missed; how
//! many in a row make a failure is for [`Odds`] to say. Nothing is missed before the path's own time-out has passed, with
//! an allowance for a host that stands still for a moment. No evidence is no verdict.
//!
//! The answers to heartbeats do not excuse DATA: where heartbeats pass and DATA does not, packets are too large for the
//! path.

mod context;
mod direction;
mod directions;
mod last;
mod probed;
mod probes;
mod received;
mod sight;
mod signs;
mod stays_away;
mod tries;
mod verdict;
mod wait;
mod weigh;

use std::{mem::discriminant, time::Duration};

use sctp_monitor_common::abi::{FlowRecord, HEARTBEAT_SLOTS};
use serde::{Deserialize, Serialize};

pub(crate) use self::{
    context::{Context, Unseen},
    received::Elsewhere,
    verdict::{Judged, Verdict},
};

use self::{
    directions::Directions, last::LastRecord, probed::Probed, received::Received, tries::Tries, wait::Wait,
};
use crate::{
    config::Config,
    model::{Reason, RttView, Timestamp},
    path::{odds::Odds, rhythm::Rhythm, rtt::NetRtt},
};

/// The evidence about one flow.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Detector {
    verdict: Verdict,
    /// When that was shown first since the verdict was another.
    since: Option<Timestamp>,
    /// The last proof that the path works.
    alive_at: Option<Timestamp>,
    alive_by: Option<Reason>,
    directions: Directions,
    /// The NIC was cut off, or the network said so, at that time.
    doubted: Option<Box<(Timestamp, Verdict)>>,
    heartbeats: Heartbeats,
    data: Data,
    received: Received,
    probes: Probed,
    /// Packets were not seen before that time.
    seen_since: Timestamp,
    rtt: NetRtt,
    last: LastRecord,
    /// When the verdict may change by time alone.
    deadline: Option<Timestamp>,
    /// When it may change by what other flows carry, or do not.
    patience: Option<Timestamp>,
}

/// Heartbeats without an answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Heartbeats {
    /// In a row.
    missed: u32,
    last_missed: Option<Timestamp>,
    first_missed: Option<Timestamp>,
    /// The last one that is left out of account, because its answer may have come.
    excused_until: Option<Timestamp>,
    answered_at: Option<Timestamp>,
    /// Those that waited at the last record: when they were sent, and their fingerprints.
    waiting: [(Timestamp, u32); HEARTBEAT_SLOTS],
    /// One that user space knows to be answered, though the programs do not.
    answered: Option<u32>,
    odds: Odds,
}

/// DATA without a SACK.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Data {
    wait: Option<Wait>,
    /// SACKs missed in waits that ended without an acknowledgement, since the last one.
    missed: u32,
    /// When the first of them was sent, and its TSN.
    first_missed: Option<(Timestamp, u32)>,
    /// When the last of them was given up.
    missed_at: Option<Timestamp>,
    /// How often a heartbeat was answered after DATA had gone missing, since DATA was last acknowledged.
    excused: u32,
    /// What was missing then, and since when.
    excused_missed: u32,
    excused_since: Option<(Timestamp, u32)>,
    /// A SACK stays out that a capture may lack.
    may_lack_sack: bool,
    /// A heartbeat was answered while DATA went missing.
    only_heartbeats_pass: bool,
    /// Nobody retransmits what is not acknowledged: the SACKs seem to pass elsewhere, and nothing is known of the path.
    answered_elsewhere: bool,
    /// Chunks that the peer has had twice since the path is in doubt.
    arrived_twice: u32,
    /// Packets that usually await a SACK when one comes: with peers that acknowledge by a timer only there are some.
    usually_awaiting: f32,
    odds: Odds,
    /// Chunks that were sent and lost since DATA was last acknowledged.
    sent_since: u32,
    lost_since: u32,
    /// The last TSN that was sent while the path was dead. An outage is no loss: nothing counts before all that was sent in it
    /// is acknowledged.
    outage_until: Option<u32>,
    tries: Tries,
    twice_in_silence: TwiceInSilence,
    /// Since the last heartbeat was answered: the DATA chunks there were then, and when one more was noticed.
    chunks_at_answer: u64,
    tried_since: Option<Timestamp>,
}

/// Chunks that arrived twice since a packet last came back on this path.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct TwiceInSilence {
    chunks: u32,
    /// When the first and the last of them were noticed.
    first_at: Timestamp,
    last_at: Timestamp,
    /// When new DATA was first sent on the path after the first of them was noticed.
    asked_at: Option<Timestamp>,
}

impl Default for Heartbeats {
    fn default() -> Self {
        Self {
            missed: 0,
            last_missed: None,
            first_missed: None,
            excused_until: None,
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
            wait: None,
            missed: 0,
            first_missed: None,
            missed_at: None,
            excused: 0,
            excused_missed: 0,
            excused_since: None,
            may_lack_sack: false,
            only_heartbeats_pass: false,
            answered_elsewhere: false,
            arrived_twice: 0,
            usually_awaiting: 0.0,
            odds: Odds::of_data(),
            sent_since: 0,
            lost_since: 0,
            outage_until: None,
            tries: Tries::default(),
            twice_in_silence: TwiceInSilence::default(),
            chunks_at_answer: 0,
            tried_since: None,
        }
    }
}

impl Detector {
    pub(crate) fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// When the record must be looked at again, though no packet came.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        self.deadline
    }

    /// When the flow is to be looked at though no packet came, and none is waited for.
    pub(crate) fn patience(&self) -> Option<Timestamp> {
        self.patience
    }

    /// The last proof that the path works.
    pub(crate) fn alive_at(&self) -> Option<Timestamp> {
        self.alive_at
    }

    pub(crate) fn judged(&self) -> Judged<'_> {
        Judged {
            verdict: &self.verdict,
            since: self.since,
            proved_at: self.alive_at,
        }
    }

    /// How often answers to DATA are missing while the path works.
    pub(crate) fn odds(&self) -> Odds {
        self.data.odds
    }

    /// Packets that usually await a SACK when one comes, for longer than the path needs: the peer sends it by a timer.
    pub(crate) fn usually_awaiting(&self) -> f32 {
        self.data.usually_awaiting
    }

    /// When the oldest unanswered packet was sent.
    pub(crate) fn first_missed(&self) -> Option<Timestamp> {
        let data = self.data.first_missed.map(|(sent_at, _)| sent_at);
        [data, self.heartbeats.first_missed].into_iter().flatten().min()
    }

    /// Whether nothing was concluded from a SACK that stays out, because a capture may lack it.
    pub(crate) fn may_lack_sack(&self) -> bool {
        self.data.may_lack_sack
    }

    /// What is lost was lost in an outage, or may have been.
    pub(crate) fn is_in_outage(&self) -> bool {
        self.data.outage_until.is_some()
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
        self.decide(self.weigh_signs(), at);
    }

    /// The handshake crossed the path: COOKIE ECHO was answered by COOKIE ACK.
    pub(crate) fn on_handshake(&mut self, at: Timestamp) {
        self.on_alive(at, Reason::HandshakeCompleted);
        if self.verdict == Verdict::Unknown {
            self.decide(Verdict::Alive(Reason::HandshakeCompleted), at);
        }
    }

    /// The NIC carries nothing any more, or nothing reaches the next hop. What was alive before proves nothing when it comes back.
    pub(crate) fn on_cut_off(&mut self, reason: &Reason, now: Timestamp) {
        self.doubted = Some(Box::new((now, Verdict::Dead(reason.clone()))));
        self.decide(Verdict::Dead(reason.clone()), now);
    }

    /// The next hop, without which the path was dead, is there again. Nothing proves yet that the peer is.
    pub(crate) fn on_resolved(&mut self, reason: Reason, at: Timestamp) {
        if matches!(self.doubted.as_deref(), Some((_, Verdict::Dead(reason))) if reason.is_next_hop()) {
            self.decide(Verdict::Suspect(reason), at);
            self.doubted = Some(Box::new((at, self.verdict.clone())));
        }
    }

    /// An ICMP error is a doubt and no more: it may be about one packet, or come from a router that is about to find
    /// another way.
    pub(crate) fn on_icmp(&mut self, reason: Reason, at: Timestamp) {
        let is_news = self.alive_at.is_none_or(|alive_at| alive_at < at);
        if is_news && !matches!(self.verdict, Verdict::Dead(_)) {
            self.decide(Verdict::Suspect(reason), at);
            self.doubted = Some(Box::new((at, self.verdict.clone())));
        }
    }

    /// Takes the newest record, of a flow whose last packet passed at `last_seen`.
    pub(crate) fn handle(
        &mut self,
        record: &FlowRecord,
        context: Context,
        rhythm: &Rhythm,
        (tick, last_seen): (Duration, Timestamp),
        config: &Config,
        now: Timestamp,
    ) {
        let alive_before = self.alive_at;
        self.patience = None;
        if let Some(elsewhere) = context.elsewhere {
            self.received
                .follow(record, &self.last, elsewhere, last_seen, now);
        }
        self.take_answers(record);
        self.count_losses(record, now);
        self.take_acknowledgements(record, context, tick, config, now);
        self.count_duplicates(record, context, now);
        self.follow_wait(record, context, config, now);
        self.follow_tries(record, context, last_seen, config);
        self.watch_what_is_under_way(record, config, now);
        self.watch_what_is_lost(record, context, now);
        self.watch_the_opposite_way(record, context, config);
        self.heartbeats.waiting = record
            .outstanding
            .map(|entry| (Timestamp::from_nanos(entry.sent_at_ns), entry.fingerprint));
        self.last = self.last.followed_by(record);
        if now < context.accuse_from {
            self.deadline = Some(context.accuse_from);
            // Nobody is accused; who has proved that it works is believed at once.
            let is_proof =
                self.alive_at > alive_before && self.heartbeats.missed == 0 && self.data.missed == 0;
            if is_proof {
                self.decide(self.weigh_signs(), now);
            }
            return;
        }
        self.deadline = None;
        self.look_for_missing_answers(record, context, config, now);
        let heartbeats = self.weigh_heartbeats(record, context, config, now);
        let data = self
            .weigh_duplicates(config, now)
            .or_else(|| self.weigh_data(record, context, config, now));
        let may_lack = context.unseen.is_some_and(|unseen| unseen.packets);
        let elsewhere = context.elsewhere.filter(|_| !may_lack);
        let received = self.weigh_received(rhythm, elsewhere, last_seen.max(self.seen_since), now);
        let (verdict, at) = received.unwrap_or_else(|| self.weigh(heartbeats, data, now));
        let is_blind = !context.answers_are_seen || !context.sacks_are_seen;
        if is_blind && matches!(verdict, Verdict::Alive(_)) && self.is_dead_since_proof() {
            // That nothing is seen any more which speaks against it proves nothing.
            return;
        }
        if matches!(verdict, Verdict::Dead(_)) {
            self.data.outage_until = Some(record.highest_sent);
        }
        // What was shown while nobody was accused counts from then on.
        self.decide(verdict, at.max(context.accuse_from).min(now));
    }

    /// This is thought of it by evidence of that time; that it works, since it was proved.
    fn decide(&mut self, verdict: Verdict, at: Timestamp) {
        let is_news = discriminant(&self.verdict) != discriminant(&verdict);
        self.verdict = verdict;
        self.since = match self.verdict {
            _ if !is_news => self.since,
            Verdict::Alive(_) => self.alive_at,
            _ => Some(at),
        };
    }

    fn look_later(&mut self, at: Timestamp) {
        self.patience = Some(self.patience.map_or(at, |known| known.min(at)));
    }

    fn look_again(&mut self, at: Timestamp) {
        if self.deadline.is_none_or(|deadline| at < deadline) {
            self.deadline = Some(at);
        }
    }
}

fn heartbeat_rto(record: &FlowRecord, config: &Config) -> Option<Duration> {
    RttView::of(&record.heartbeat_rtt).map(|rtt| config.rto(rtt.srtt, rtt.rttvar))
}

fn heartbeat_rtt(record: &FlowRecord) -> Option<Duration> {
    RttView::of(&record.heartbeat_rtt).map(|rtt| rtt.srtt + 4 * rtt.rttvar)
}

/// So many chunks that arrive twice were not all under way when the path broke, if the round trip is short.
const ARRIVED_TWICE: u32 = 3;
