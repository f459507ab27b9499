//! Whether one direction of a path works: the evidence of its flow record, weighed.
//!
//! Evidence for: a heartbeat was answered; a TSN that this flow carried was acknowledged, over whatever path. Evidence
//! against: heartbeats and DATA that should have been answered by now. Each missing answer is an opportunity missed; how
//! many in a row make a failure is for [`Odds`] to say. Nothing is missed before the path's own time-out has passed, with
//! an allowance for a host that stands still for a moment. No evidence is no verdict.
//!
//! The answers to heartbeats do not excuse DATA: where heartbeats pass and DATA does not, packets are too large for the
//! path.

mod direction;
mod directions;
mod signs;
mod tries;
mod wait;
mod weigh;

use std::time::Duration;

use sctp_monitor_common::abi::{FlowRecord, HEARTBEAT_SLOTS};

use self::{directions::Directions, tries::Tries, wait::Wait};
use crate::{
    config::Config,
    model::{Reason, RttView, Timestamp},
    path::{odds::Odds, rtt::NetRtt},
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
    /// The peer has acknowledged all DATA of this direction up to it.
    pub(crate) cum_tsn_ack: Option<u32>,
    /// See [`Detector::usually_awaiting`]; the most of all flows of this direction.
    pub(crate) usually_awaiting: f32,
    /// How often answers are missing on the flow of this direction of which most is known.
    pub(crate) odds: Odds,
    /// See [`Losses::fills_queues`](crate::path::loss::Losses::fills_queues).
    pub(crate) fills_queues: bool,
    /// When the chunk was sent that waits and was retransmitted, of all flows of this direction.
    pub(crate) stuck_since: Option<Timestamp>,
    /// When the peer was last heard whose last SACK has closed its window.
    pub(crate) window_closed_at: Option<Timestamp>,
    /// This host or the agent stood still: nobody is accused before this time.
    pub(crate) accuse_from: Timestamp,
    /// What may have passed all the same, though it was not seen. `None` where all that passes is seen.
    pub(crate) unseen: Option<Unseen>,
}

/// What a file may lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Unseen {
    /// SACKs: none without DATA was seen, or packets are missing.
    pub(crate) sacks: bool,
    /// HEARTBEAT ACKs: none was seen.
    pub(crate) heartbeat_acks: bool,
    /// Any packet: some are missing for certain.
    pub(crate) packets: bool,
    /// When DATA of this direction was last seen. An answer that is due later would not have been seen, as far as is known.
    pub(crate) data_seen_at: Option<Timestamp>,
}

/// The evidence about one flow.
#[derive(Debug, Clone, Default)]
pub(crate) struct Detector {
    verdict: Verdict,
    /// The last proof that the path works.
    alive_at: Option<Timestamp>,
    alive_by: Option<Reason>,
    /// The first proof that it works since the verdict was another.
    alive_since: Option<Timestamp>,
    directions: Directions,
    /// The NIC was cut off, or the network said so, at that time.
    doubted: Option<Box<(Timestamp, Verdict)>>,
    heartbeats: Heartbeats,
    data: Data,
    rtt: NetRtt,
    last: LastRecord,
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
    wait: Option<Wait>,
    /// SACKs missed in waits that ended without an acknowledgement, since the last one.
    missed: u32,
    /// When the first of them was sent.
    first_missed: Option<Timestamp>,
    /// How often a heartbeat was answered after DATA had gone missing, since DATA was last acknowledged.
    excused: u32,
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
#[derive(Debug, Clone, Copy, Default)]
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
            excused: 0,
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

/// Counters of the last record.
#[derive(Debug, Clone, Copy, Default)]
struct LastRecord {
    acknowledged: u32,
    acknowledged_here: u32,
    retransmissions: u32,
    lost: u32,
    spurious: u32,
    data_chunks: u64,
    highest_sent: u32,
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

    /// While the verdict is that it works: the first proof since it was another.
    pub(crate) fn alive_since(&self) -> Option<Timestamp> {
        self.alive_since
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
        [self.data.first_missed, self.heartbeats.first_missed]
            .into_iter()
            .flatten()
            .min()
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
        let verdict = self.weigh_signs();
        self.decide(verdict);
    }

    /// The handshake crossed the path: COOKIE ECHO was answered by COOKIE ACK.
    pub(crate) fn on_handshake(&mut self, at: Timestamp) {
        self.on_alive(at, Reason::HandshakeCompleted);
        if self.verdict == Verdict::Unknown {
            self.verdict = Verdict::Alive(Reason::HandshakeCompleted);
        }
    }

    /// The NIC carries nothing any more. What was alive before proves nothing when it comes back.
    pub(crate) fn on_cut_off(&mut self, reason: &Reason, now: Timestamp) {
        self.doubted = Some(Box::new((now, Verdict::Dead(reason.clone()))));
        self.decide(Verdict::Dead(reason.clone()));
    }

    /// An ICMP error is a doubt and no more: it may be about one packet, or come from a router that is about to find
    /// another way.
    pub(crate) fn on_icmp(&mut self, reason: Reason, at: Timestamp) {
        let is_news = self.alive_at.is_none_or(|alive_at| alive_at < at);
        if is_news && !matches!(self.verdict, Verdict::Dead(_)) {
            self.decide(Verdict::Suspect(reason));
            self.doubted = Some(Box::new((at, self.verdict.clone())));
        }
    }

    /// Takes the newest record, of a flow whose last packet passed at `last_seen`.
    pub(crate) fn handle(
        &mut self,
        record: &FlowRecord,
        context: Context,
        (tick, last_seen): (Duration, Timestamp),
        config: &Config,
        now: Timestamp,
    ) {
        let alive_before = self.alive_at;
        self.take_answers(record);
        self.count_losses(record, now);
        self.take_acknowledgements(record, context, tick, config, now);
        self.count_duplicates(record, context, now);
        self.follow_wait(record, context.usually_awaiting, config, now);
        self.follow_tries(record, context, last_seen, config);
        self.watch_what_is_under_way(record, config, now);
        self.watch_what_is_lost(record, context, now);
        self.watch_the_opposite_way(record, context, config);
        self.heartbeats.waiting = record
            .outstanding
            .map(|entry| (Timestamp::from_nanos(entry.sent_at_ns), entry.fingerprint));
        self.last = LastRecord {
            acknowledged: record.acknowledgements,
            acknowledged_here: record.acknowledged_here,
            retransmissions: record.retransmissions,
            lost: record.lost,
            spurious: record.spurious,
            data_chunks: record.data_chunks,
            highest_sent: record.highest_sent,
            answered_at_ns: record.answered_at_ns,
        };
        if now < context.accuse_from {
            self.deadline = Some(context.accuse_from);
            // Nobody is accused; who has proved that it works is believed at once.
            let is_proof =
                self.alive_at > alive_before && self.heartbeats.missed == 0 && self.data.missed == 0;
            if is_proof {
                self.decide(self.weigh_signs());
            }
            return;
        }
        self.deadline = None;
        let heartbeats = self.weigh_heartbeats(record, context, config, now);
        let data = self
            .weigh_duplicates(config, now)
            .or_else(|| self.weigh_data(record, context, config, now));
        let verdict = self.weigh(heartbeats, data);
        if matches!(verdict, Verdict::Dead(_)) {
            self.data.outage_until = Some(record.highest_sent);
        }
        self.decide(verdict);
    }

    fn decide(&mut self, verdict: Verdict) {
        self.verdict = verdict;
        self.alive_since = match self.verdict {
            Verdict::Alive(_) => self.alive_since.or(self.alive_at),
            _ => None,
        };
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
