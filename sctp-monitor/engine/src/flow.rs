//! One direction of a path: what the programs say of it, and whether it works.

use std::time::Duration;

use sctp_monitor_common::{
    abi::{FlowKey, FlowRecord, HEARTBEAT_SLOTS, Interface, Rtt},
    wire::ChunkKind,
};

use crate::{
    config::Config,
    event::{AssociationId, PathId, Reason},
    time::Timestamp,
};

/// Which way a flow goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// From the local endpoint to the remote one.
    Sent,
    /// From the remote endpoint to the local one.
    Received,
}

/// What is known of a flow, from its last record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowView {
    /// Addresses and ports.
    pub key: FlowKey,
    /// The verification tag; 0 while unknown.
    pub tag: u32,
    /// Where its last packet was seen.
    pub interface: Interface,
    /// SCTP packets.
    pub packets: u64,
    /// Their bytes, by the IP header.
    pub bytes: u64,
    /// DATA and I-DATA chunks.
    pub data_chunks: u64,
    /// Bytes of user data.
    pub data_bytes: u64,
    /// DATA chunks whose TSN had been seen before.
    pub retransmissions: u64,
    /// HEARTBEAT chunks.
    pub heartbeats: u64,
    /// Those of them that were answered.
    pub heartbeats_answered: u64,
    /// Packets with another tag.
    pub tag_mismatches: u64,
    /// The last DATA chunk's payload protocol identifier.
    pub ppid: u32,
    /// From HEARTBEAT to HEARTBEAT ACK, if measured.
    pub heartbeat_rtt: Option<RttView>,
    /// From DATA to SACK, the peer's delayed ack included, if measured.
    pub data_rtt: Option<RttView>,
    /// When the first packet passed.
    pub first_seen: Timestamp,
    /// When the last packet passed, to one tick.
    pub last_seen: Timestamp,
}

/// A round-trip time, smoothed (RFC 9260 section 6.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RttView {
    /// The last sample.
    pub last: Duration,
    /// The smallest sample.
    pub min: Duration,
    /// Smoothed.
    pub srtt: Duration,
    /// Its variation.
    pub rttvar: Duration,
}

impl RttView {
    fn of(rtt: &Rtt) -> Option<Self> {
        rtt.is_known().then(|| Self {
            last: Duration::from_nanos(rtt.last_ns),
            min: Duration::from_nanos(rtt.min_ns),
            srtt: Duration::from_nanos(rtt.srtt_ns),
            rttvar: Duration::from_nanos(rtt.rttvar_ns),
        })
    }
}

impl FlowView {
    fn of(record: &FlowRecord, tick: Duration) -> Self {
        Self {
            key: record.key,
            tag: record.tag,
            interface: record.interface,
            packets: record.packets,
            bytes: record.bytes,
            data_chunks: record.data_chunks,
            data_bytes: record.data_bytes,
            retransmissions: u64::from(record.retransmissions),
            heartbeats: record.chunk_count(ChunkKind::Heartbeat),
            heartbeats_answered: u64::from(record.heartbeats_answered),
            tag_mismatches: u64::from(record.tag_mismatches),
            ppid: record.ppid,
            heartbeat_rtt: RttView::of(&record.heartbeat_rtt),
            data_rtt: RttView::of(&record.data_rtt),
            first_seen: Timestamp::from_nanos(record.first_seen_ns),
            last_seen: at_ticks(record, record.last_seen_ticks, tick),
        }
    }
}

/// A moment on a record's coarse clock, on the fine one.
fn at_ticks(record: &FlowRecord, ticks: u64, tick: Duration) -> Timestamp {
    let elapsed = ticks.saturating_sub(record.first_seen_ticks);
    let tick = u64::try_from(tick.as_nanos()).unwrap_or(u64::MAX);
    Timestamp::from_nanos(record.first_seen_ns.saturating_add(elapsed.saturating_mul(tick)))
}

/// The association and path that a flow belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Membership {
    pub(crate) association: AssociationId,
    pub(crate) path: PathId,
    pub(crate) direction: Direction,
}

/// A flow as the engine keeps it.
#[derive(Debug, Clone)]
pub(crate) struct Flow {
    pub(crate) view: FlowView,
    pub(crate) member: Option<Membership>,
    pub(crate) health: Health,
    /// What the record was last told of its association.
    pub(crate) link: Option<(u32, u32, u32)>,
    /// Since when every packet has had another tag than the association's.
    pub(crate) mismatching_since: Option<Timestamp>,
    pub(crate) mismatched_tag: u32,
}

impl Flow {
    pub(crate) fn new(record: &FlowRecord, tick: Duration) -> Self {
        Self {
            view: FlowView::of(record, tick),
            member: None,
            health: Health::default(),
            link: None,
            mismatching_since: None,
            mismatched_tag: 0,
        }
    }

    /// Takes a newer record.
    pub(crate) fn update(&mut self, record: &FlowRecord, tick: Duration, now: Timestamp) {
        let view = FlowView::of(record, tick);
        let packets = view.packets.saturating_sub(self.view.packets);
        let mismatches = view.tag_mismatches.wrapping_sub(self.view.tag_mismatches) & u64::from(u32::MAX);
        if packets > mismatches {
            self.mismatching_since = None;
        } else if mismatches > 0 {
            self.mismatching_since.get_or_insert(now);
            self.mismatched_tag = record.mismatched_tag;
        }
        self.view = view;
    }
}

/// Whether packets of a flow arrive and are answered.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Health {
    verdict: Verdict,
    /// The last proof that the path works.
    alive_at: Option<Timestamp>,
    heartbeat_misses: u32,
    last_missed: Option<Timestamp>,
    /// Heartbeats that waited at the last record: when they were sent, and their fingerprints.
    waiting: [(Timestamp, u32); HEARTBEAT_SLOTS],
    /// A heartbeat that user space knows to be answered, though the programs do not.
    answered: Option<u32>,
}

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

impl Health {
    pub(crate) fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// When a heartbeat with this fingerprint was sent, if one waits.
    pub(crate) fn waiting(&self, fingerprint: u32) -> Option<Timestamp> {
        self.waiting
            .iter()
            .find(|(sent_at, known)| *known == fingerprint && *sent_at != Timestamp::default())
            .map(|(sent_at, _)| *sent_at)
    }

    /// A heartbeat with this fingerprint was answered after all.
    pub(crate) fn answered_elsewhere(&mut self, fingerprint: u32, rtt: Duration, at: Timestamp) {
        self.answered = Some(fingerprint);
        self.alive(at, Reason::HeartbeatAnswered { rtt });
    }

    /// Judges by the newest record. A miss that persists outweighs a sign of life that is older.
    pub(crate) fn judge(&mut self, record: &FlowRecord, tick: Duration, config: &Config, now: Timestamp) {
        self.take_signs_of_life(record, tick);
        self.waiting = record
            .outstanding
            .map(|entry| (Timestamp::from_nanos(entry.sent_at_ns), entry.fingerprint));
        if let Some(verdict) = self.unacknowledged_data(record, config, now) {
            self.accuse(verdict);
        } else if let Some(verdict) = self.unanswered_heartbeats(record, config, now) {
            self.accuse(verdict);
        }
    }

    /// What is dead stays dead until it gives a sign of life.
    fn accuse(&mut self, verdict: Verdict) {
        if !matches!(self.verdict, Verdict::Dead(_)) {
            self.verdict = verdict;
        }
    }

    /// The NIC carries nothing any more. What was alive before proves nothing when it comes back.
    pub(crate) fn cut_off(&mut self, reason: &Reason) {
        self.verdict = Verdict::Dead(reason.clone());
    }

    fn take_signs_of_life(&mut self, record: &FlowRecord, tick: Duration) {
        if record.answered_at_ns != 0 {
            let rtt = Duration::from_nanos(record.heartbeat_rtt.last_ns);
            self.alive(
                Timestamp::from_nanos(record.answered_at_ns),
                Reason::HeartbeatAnswered { rtt },
            );
        }
        if record.acked_ticks != 0 {
            let at = at_ticks(record, record.acked_ticks, tick);
            let after = self.alive_at.map(|last| at.since(last));
            self.alive(at, Reason::DataAcknowledged { after });
        }
    }

    fn alive(&mut self, at: Timestamp, reason: Reason) {
        if self.alive_at.is_none_or(|last| at > last) {
            self.alive_at = Some(at);
            self.heartbeat_misses = 0;
            self.verdict = Verdict::Alive(reason);
        }
    }

    fn unacknowledged_data(&self, record: &FlowRecord, config: &Config, now: Timestamp) -> Option<Verdict> {
        if !record.timed.is_armed() {
            return None;
        }
        let sent_at = Timestamp::from_nanos(record.timed.sent_at_ns);
        let sent_ago = now.since(sent_at);
        let packets = record.timed.packets();
        let measured = RttView::of(&record.data_rtt);
        let mut timeout = measured.map_or(config.data.initial, |rtt| {
            config.data.for_rtt(rtt.srtt, rtt.rttvar)
        });
        if packets < 2 {
            timeout += config.delayed_ack;
        }
        if sent_ago <= timeout {
            return None;
        }
        let reason = Reason::DataUnacknowledged {
            tsn: record.timed.tsn,
            cum_tsn_ack: record.sender.cum_tsn_ack,
            sent_ago,
            timeout,
            packets,
            last_alive_ago: self.alive_at.map(|at| now.since(at)),
        };
        let other_sign_of_life = self.alive_at.is_some_and(|at| at > sent_at);
        if sent_ago > timeout * config.data_misses && !other_sign_of_life {
            Some(Verdict::Dead(reason))
        } else {
            Some(Verdict::Suspect(reason))
        }
    }

    fn unanswered_heartbeats(
        &mut self,
        record: &FlowRecord,
        config: &Config,
        now: Timestamp,
    ) -> Option<Verdict> {
        let measured = RttView::of(&record.heartbeat_rtt);
        let timeout = measured.map_or(config.heartbeat.initial, |rtt| {
            config.heartbeat.for_rtt(rtt.srtt, rtt.rttvar)
        });
        let mut oldest: Option<Timestamp> = None;
        for heartbeat in record.outstanding {
            let sent_at = Timestamp::from_nanos(heartbeat.sent_at_ns);
            let answered =
                self.answered == Some(heartbeat.fingerprint) || self.alive_at.is_some_and(|at| at > sent_at);
            let waits = heartbeat.sent_at_ns != 0 && heartbeat.padded == 0 && !answered;
            if !waits || now.since(sent_at) <= timeout {
                continue;
            }
            oldest = Some(oldest.map_or(sent_at, |oldest| oldest.min(sent_at)));
            if self.last_missed.is_none_or(|last| sent_at > last) {
                self.last_missed = Some(sent_at);
                self.heartbeat_misses += 1;
            }
        }
        let reason = Reason::HeartbeatUnanswered {
            sent_ago: now.since(oldest?),
            timeout,
            misses: self.heartbeat_misses,
            last_alive_ago: self.alive_at.map(|at| now.since(at)),
        };
        if self.heartbeat_misses >= config.heartbeat_misses {
            Some(Verdict::Dead(reason))
        } else {
            Some(Verdict::Suspect(reason))
        }
    }
}
