//! One direction of a path: what the programs say of it, and whether it works.

use std::{borrow::Cow, net::IpAddr, time::Duration};

use bytemuck::Zeroable as _;
use sctp_monitor_common::{
    abi::{FlowLinks, FlowRecord, IcmpErrorSeen},
    wire::ChunkKind,
};
use serde::{Deserialize, Serialize};

use crate::{
    config::Config,
    model::{AssociationId, Direction, Missing, PathId, Reason, RttView, Timestamp},
    path::{
        detector::{Context, Detector, Judged, Verdict},
        facts::{FlowFacts, at_ticks},
        latency::{Latency, Sender},
        loss::Losses,
        meter::Meter,
        missing::MissingTsn,
        rhythm::Rhythm,
        shown::Shown,
        sizes::Sizes,
        too_soon::{News, TooSoon},
    },
};

/// The association and path that a flow belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Membership {
    pub(crate) association: AssociationId,
    pub(crate) path: PathId,
    pub(crate) direction: Direction,
}

/// A flow as the engine keeps it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Flow {
    pub(crate) view: FlowFacts,
    pub(crate) member: Option<Membership>,
    pub(crate) detector: Detector,
    pub(crate) losses: Losses,
    /// Chunks sent and lost since the last acknowledgement.
    uncounted: (u32, u32),
    pub(crate) sizes: Sizes,
    /// What the receiver misses, if this record holds the TSN state of its direction.
    pub(crate) missing: Option<MissingTsn>,
    pub(crate) too_soon: TooSoon,
    pub(crate) latency: Latency,
    latency_by_data: bool,
    /// SACKs for this direction were seen, as far as this record tells.
    pub(crate) sacks_seen: bool,
    /// The last cumulative TSN ack, if this record holds the TSN state of its direction.
    pub(crate) cum_tsn_ack: Option<u32>,
    /// New DATA was found on it at the last look, sent at that time.
    pub(crate) new_data_at: Option<Timestamp>,
    /// DATA on it was found acknowledged at the last look, at that time.
    pub(crate) acked_at: Option<Timestamp>,
    /// DATA chunks that were sent again, and that nobody has asked about yet.
    pub(crate) retransmitted: u64,
    /// It carried what only an established association sends.
    pub(crate) speaks: bool,
    /// When a packet with the association's tag last passed.
    pub(crate) heard_at: Timestamp,
    /// Where heartbeats are answered from, if not from where they went, and how many have been answered rightly since.
    answered_from: Option<(IpAddr, u32)>,
    counters: Counters,
    pub(crate) shown: Shown,
    pub(crate) rhythm: Rhythm,
    /// The deadline under which the engine has it.
    pub(crate) deadline: Option<Timestamp>,
    /// When it is to be looked at though it has not changed, and waits for nothing.
    pub(crate) patience: Option<Timestamp>,
    /// What the programs were last told of its association.
    pub(crate) links: FlowLinks,
    /// The first and the last packet since when every one has had another tag than the association's.
    pub(crate) mismatching: Option<(Timestamp, Timestamp)>,
    pub(crate) mismatched_tag: u32,
    /// Packets with another tag that nobody has asked about yet.
    pub(crate) foreign_packets: u64,
    /// Packets with another tag that a handshake explains, and that the record has not told of yet.
    pub(crate) explained: u64,
    /// It carried nothing but what no established association needs: INITs, COOKIE ECHOs, refusals, and answers to packets out of the
    /// blue (RFC 9260 section 8.4).
    pub(crate) is_out_of_the_blue: bool,
    untagged: u32,
    /// Since when the next hop is not resolved, as far as was asked.
    pub(crate) unresolved_since: Option<Timestamp>,
    /// Proofs of its tag that count no longer.
    proofs_before: u16,
    /// The last next-hop MTU that an ICMP error named.
    pub(crate) path_mtu: Option<u32>,
    /// Time from probes on it to their answers, while it is probed.
    pub(crate) probe_rtt: Option<RttView>,
    /// When an agent at the peer's host last said that it would send the association's packets on two paths, and that it does.
    pub(crate) announced_at: [Option<Timestamp>; 2],
    meter: Meter,
    /// What the record holds of associations before.
    inherited: Inherited,
}

/// How much of a flow's record is of associations before its own.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum Inherited {
    /// Nothing.
    Nothing,
    /// All that the next record holds: the association has just begun.
    NextRecord,
    /// What this record held.
    Record(Box<FlowRecord>),
}

impl Flow {
    pub(crate) fn new(record: &FlowRecord, tick: Duration) -> Self {
        Self {
            view: FlowFacts::of(record, tick),
            member: None,
            detector: Detector::default(),
            losses: Losses::default(),
            uncounted: (0, 0),
            sizes: Sizes::default(),
            missing: None,
            too_soon: TooSoon::default(),
            latency: Latency::default(),
            latency_by_data: false,
            sacks_seen: false,
            cum_tsn_ack: None,
            new_data_at: (record.data_chunks > 0).then(|| Timestamp::from_nanos(record.first_seen_ns)),
            acked_at: None,
            retransmitted: u64::from(record.retransmissions),
            speaks: speaks(record),
            heard_at: at_ticks(record, record.last_seen_ticks, tick),
            answered_from: (record.answered_elsewhere > 0).then(|| (record.ack_source.to_ip(), 0)),
            counters: Counters::of(record),
            shown: Shown::default(),
            rhythm: Rhythm::default(),
            deadline: None,
            patience: None,
            links: FlowLinks::default(),
            mismatching: None,
            mismatched_tag: 0,
            foreign_packets: 0,
            explained: 0,
            is_out_of_the_blue: is_out_of_the_blue(record),
            untagged: record.untagged,
            unresolved_since: None,
            proofs_before: 0,
            path_mtu: None,
            probe_rtt: None,
            announced_at: [None; 2],
            meter: Meter::default(),
            inherited: Inherited::Nothing,
        }
    }

    /// Proofs of its tag.
    pub(crate) fn proofs(&self) -> u16 {
        // With another tag they begin anew.
        self.view
            .proofs
            .checked_sub(self.proofs_before)
            .unwrap_or(self.view.proofs)
    }

    /// What proved its tag so far counts no longer.
    pub(crate) fn prove_again(&mut self) {
        self.proofs_before = self.view.proofs;
    }

    /// From now on it is another association's, which inherits nothing: no figures, no losses, no doubts.
    pub(crate) fn begin_association(&mut self, now: Timestamp) {
        let record = FlowRecord {
            key: self.view.key,
            tag: self.view.tag,
            interface: self.view.interface,
            next_hop: self.view.next_hop.unwrap_or_default(),
            in_udp: self.view.in_udp.into(),
            first_seen_ns: now.as_nanos(),
            ..FlowRecord::zeroed()
        };
        let fresh = Self::new(&record, Duration::ZERO);
        *self = Self {
            member: self.member,
            deadline: self.deadline,
            patience: self.patience,
            links: self.links,
            heard_at: self.heard_at,
            inherited: Inherited::NextRecord,
            ..fresh
        };
    }

    /// A record of the flow's slot as its association's own: with the tag that the programs were told, and without what was
    /// counted before.
    pub(crate) fn own<'a>(&self, record: &'a FlowRecord) -> Cow<'a, FlowRecord> {
        let mut own = Cow::Borrowed(record);
        if record.is_outdated(&self.links) {
            own.to_mut().follow(&self.links);
        }
        match &self.inherited {
            Inherited::Nothing => own,
            Inherited::NextRecord => Cow::Owned(own.since(record)),
            Inherited::Record(before) => Cow::Owned(own.since(before)),
        }
    }

    /// Notes what the newest record holds of the association before, if there was one.
    pub(crate) fn part_from(&mut self, record: &FlowRecord) {
        if matches!(self.inherited, Inherited::NextRecord) {
            self.inherited = Inherited::Record(Box::new(*record));
        }
    }

    /// An ICMP error quotes a packet of the flow, with its tag.
    pub(crate) fn on_icmp(&mut self, error: &IcmpErrorSeen, at: Timestamp) {
        let what = error.message();
        if what.is_about_size() {
            // Routers before RFC 1191 name no MTU.
            self.path_mtu = (error.mtu != 0).then_some(error.mtu).or(self.path_mtu);
        } else {
            let reporter = error.reporter.to_ip();
            self.detector.on_icmp(Reason::IcmpError { what, reporter }, at);
        }
    }

    /// The acknowledgement of a HEARTBEAT that the programs could not match, and where it came from.
    pub(crate) fn on_matched(&mut self, fingerprint: u32, sent_at: Timestamp, source: IpAddr, at: Timestamp) {
        let rtt = at.since(sent_at);
        self.detector.on_answered_elsewhere(fingerprint, rtt, at);
        if self.view.key.dst.to_ip() != source {
            self.answered_from = Some((source, 0));
        }
    }

    /// Takes a newer record.
    pub(crate) fn update(&mut self, record: &FlowRecord, tick: Duration, now: Timestamp) {
        let view = FlowFacts::of(record, tick);
        let packets = view.packets.saturating_sub(self.view.packets);
        let mismatches = view.tag_mismatches.wrapping_sub(self.view.tag_mismatches) & u64::from(u32::MAX);
        // An INIT has no tag: anyone can send one.
        let untagged = u64::from(record.untagged.wrapping_sub(self.untagged));
        self.untagged = record.untagged;
        self.is_out_of_the_blue = is_out_of_the_blue(record);
        let explained = self.explained.min(mismatches);
        self.explained -= explained;
        let foreign_packets = mismatches - explained;
        if packets > mismatches.saturating_add(untagged) {
            self.mismatching = None;
            self.heard_at = view.last_seen;
        } else if foreign_packets > 0 {
            self.mismatching.get_or_insert((now, now)).1 = now;
        }
        if foreign_packets > 0 {
            self.foreign_packets = self.foreign_packets.saturating_add(foreign_packets);
            self.mismatched_tag = record.mismatched_tag;
        }
        let passed = u32::try_from(packets).unwrap_or(u32::MAX);
        self.losses
            .on_packets(passed, view.bytes.saturating_sub(self.view.bytes));
        self.speaks = speaks(record);
        for (at, (now_said, said)) in self
            .announced_at
            .iter_mut()
            .zip(view.announced.into_iter().zip(self.view.announced))
        {
            if now_said != said {
                *at = Some(now);
            }
        }
        let retransmitted = view.retransmissions.saturating_sub(self.view.retransmissions);
        self.retransmitted = self.retransmitted.saturating_add(retransmitted);
        let throughput = self.view.throughput;
        let first_seen = self.view.first_seen;
        self.view = FlowFacts {
            throughput,
            first_seen,
            ..view
        };
    }

    /// Finds out what the flow carries at present.
    pub(crate) fn read_meter(&mut self, now: Timestamp) {
        self.view.throughput = self.meter.read(self.view.packets, self.view.bytes, now);
    }

    /// Where heartbeats are answered from, if not from where they went.
    pub(crate) fn answered_from(&self) -> Option<IpAddr> {
        self.answered_from.map(|(source, _)| source)
    }

    /// Whether all its packets have had another tag for so long, and longer than since `heard_at`.
    pub(crate) fn mismatches_since(&self, heard_at: Timestamp, long: Duration) -> bool {
        let since = |(first, last): (Timestamp, Timestamp)| last.since(first.max(heard_at)) >= long;
        self.mismatched_tag != 0 && self.mismatching.is_some_and(since)
    }

    /// Weighs what the newest record says.
    pub(crate) fn observe(
        &mut self,
        record: &FlowRecord,
        mut context: Context,
        counted: Counted,
        tick: Duration,
        config: &Config,
        now: Timestamp,
    ) {
        let before = std::mem::replace(&mut self.counters, Counters::of(record));
        let new = self.counters.since(&before);
        self.shown.take(record, &self.links, self.view.last_seen);
        let stuck = context.stuck_since.into_iter().chain(self.shown.stuck_since);
        context.stuck_since = stuck.min();
        context.fills_queues = self.losses.fills_queues(now);
        if let Some(unseen) = &mut context.unseen {
            unseen.data_seen_at = unseen.data_seen_at.max(self.shown.data_at);
        }
        self.rhythm.notice(
            record.heartbeats_answered,
            Timestamp::from_nanos(record.answered_at_ns),
        );
        self.sacks_seen = record.shows_sacks();
        self.cum_tsn_ack = cum_tsn_ack(record, &self.links);
        self.detector.handle(
            record,
            context,
            &self.rhythm,
            (tick, self.view.last_seen),
            config,
            now,
        );
        if new.acknowledged > 0 {
            self.acked_at = Some(at_ticks(record, record.acked_ticks, tick));
        }
        if self.counters.highest_sent != before.highest_sent {
            self.new_data_at = Some(self.view.last_seen);
        }
        if new.elsewhere > 0 {
            self.answered_from = Some((record.ack_source.to_ip(), 0));
        } else if let Some((_, rightly)) = &mut self.answered_from {
            *rightly = rightly.saturating_add(new.answers);
        }
        self.answered_from = self.answered_from.filter(|(_, rightly)| *rightly < RIGHTLY);
        let works = !matches!(self.detector.verdict(), Verdict::Dead(_));
        // What is reported as a duplicate may have been retransmitted before the last look.
        let (lost, twice) = match counted {
            Counted::Late => (0, 0),
            Counted::Retransmitted | Counted::Both => (
                new.lost.saturating_sub(new.spurious),
                new.spurious.saturating_sub(new.lost),
            ),
        };
        let lost = lost.saturating_add(match counted {
            Counted::Retransmitted => 0,
            Counted::Late | Counted::Both => new.late,
        });
        // What is lost in an outage is no loss rate, whenever it is retransmitted. It counts once the path has shown that it works.
        self.uncounted.0 = self.uncounted.0.saturating_add(new.data_chunks);
        self.losses
            .on_arrived_twice(twice.saturating_sub(self.uncounted.1));
        self.uncounted.1 = self.uncounted.1.saturating_sub(twice).saturating_add(lost);
        if new.acknowledged > 0 {
            self.losses.on_acknowledged(record.acknowledged_packets);
        }
        let answered = new.acknowledged > 0 || counted == Counted::Late;
        if self.detector.is_in_outage() {
            self.uncounted = (0, 0);
        } else if answered {
            let (sent, lost) = std::mem::take(&mut self.uncounted);
            self.losses.count(sent, lost, config, now);
        }
        if !works {
            self.sizes = Sizes::default();
        }
        if works && lost > 0 {
            let resent_here = new.resent > 0;
            self.sizes
                .on_lost(record.lost_bytes, resent_here, record.highest_sent, now);
        }
        if let Some(cum_tsn_ack) = context.cum_tsn_ack {
            self.sizes.on_cum_tsn_ack(cum_tsn_ack);
        }
        if works && new.passed > 0 {
            self.sizes.on_passed(u32::from(record.passed_bytes), now);
        }
        self.too_soon.observe(too_soon(record, new));
        let known = self.missing.filter(|_| new.late == 0);
        let still = || {
            Some(
                known
                    .filter(|known| new.resent == 0 && known.is_beyond(&record.sender))?
                    .tsn,
            )
        };
        let missing = record.sender.missing().or_else(still);
        let missing = missing.filter(|_| holds_tsn_state(record, &self.links));
        self.missing = MissingTsn::follow(known, missing, new.passed, u32::from(record.passed_bytes), now);
        self.time(record, new, counted, config, now);
    }

    /// What the capture lacks of what it carries, or of the answers.
    pub(crate) fn lacking(&self) -> Option<Missing> {
        if self.shown.lacks_data {
            Some(Missing::Data)
        } else {
            self.detector.may_lack_sack().then_some(Missing::Sack)
        }
    }

    /// What is thought of it.
    pub(crate) fn verdict(&self) -> &Verdict {
        self.detector.verdict()
    }

    /// What is thought of it, and since when.
    pub(crate) fn judged(&self) -> Judged<'_> {
        self.detector.judged()
    }

    /// How often DATA on it was acknowledged.
    pub(crate) fn acknowledged(&self) -> u32 {
        self.counters.acknowledged
    }

    /// DATA tells of the round trip many times a second; heartbeats where there is none.
    fn time(&mut self, record: &FlowRecord, new: Growth, counted: Counted, config: &Config, now: Timestamp) {
        let by_data = new.acknowledged > 0 && record.is_timed != 0;
        if by_data != self.latency_by_data && by_data {
            self.latency = Latency::default();
            self.latency_by_data = true;
        }
        let sender = Sender {
            carried: self.view.bytes,
            fills_queue: self.losses.fills_queues(now),
            loses: self.losses.any(),
        };
        if by_data {
            let rtt = Duration::from_nanos(record.data_rtt.last_ns);
            let may_have_waited = if record.acknowledged_packets > 1 {
                Duration::ZERO
            } else {
                config.delayed_ack
            };
            // What arrives here, or passes by, has its queue behind it.
            if may_have_waited.is_zero() && counted == Counted::Retransmitted {
                self.losses
                    .on_round_trip(rtt, Duration::from_nanos(record.data_rtt.min_ns));
            }
            self.latency.sample(rtt, may_have_waited, sender, config, now);
        } else if new.answers > 0 && !self.latency_by_data {
            let rtt = Duration::from_nanos(record.heartbeat_rtt.last_ns);
            self.latency.sample(rtt, Duration::ZERO, sender, config, now);
        }
    }
}

/// Whether all that passed were INITs, COOKIE ECHOs, and answers to these or to packets out of the blue (RFC 9260 sections 5.1, 5.2.6,
/// 8.4). A host sends such an answer to whoever sends it anything, and ERROR to whoever sends a stale cookie.
fn is_out_of_the_blue(record: &FlowRecord) -> bool {
    let uncounted = [
        ChunkKind::Init,
        ChunkKind::InitAck,
        ChunkKind::CookieEcho,
        ChunkKind::Error,
        ChunkKind::Abort,
        ChunkKind::ShutdownComplete,
    ]
    .map(|kind| record.chunk_count(kind));
    record.packets > 0 && record.packets <= uncounted.into_iter().fold(0, u64::saturating_add)
}

/// Whether anything passed that endpoints send each other only when their association is established.
fn speaks(record: &FlowRecord) -> bool {
    [
        ChunkKind::Data,
        ChunkKind::IData,
        ChunkKind::Sack,
        ChunkKind::NrSack,
        ChunkKind::Heartbeat,
        ChunkKind::HeartbeatAck,
    ]
    .into_iter()
    .any(|kind| record.chunk_count(kind) > 0)
}

/// The last cumulative TSN ack of the direction, if the record holds its TSN state.
pub(crate) fn cum_tsn_ack(record: &FlowRecord, links: &FlowLinks) -> Option<u32> {
    let is_told = holds_tsn_state(record, links) && record.sender.sack_seen();
    is_told.then_some(record.sender.cum_tsn_ack)
}

fn holds_tsn_state(record: &FlowRecord, links: &FlowLinks) -> bool {
    links.tsn_slot(record.slot) == record.slot
}

/// What a record tells of retransmissions that come too soon.
fn too_soon(record: &FlowRecord, new: Growth) -> News {
    let single = new.acknowledged > 0 && record.acknowledged_packets == 1 && record.is_timed != 0;
    let resent = new.lost > 0 && record.resent_after_us > 0;
    News {
        sent: new.data_chunks.saturating_sub(new.lost),
        retransmitted: new.lost,
        twice: new.spurious,
        timeout: resent.then(|| Duration::from_micros(record.resent_after_us.into())),
        delay: single.then(|| Duration::from_nanos(record.data_rtt.last_ns)),
    }
}

/// Which losses on a flow are the network's, seen from where the monitor stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Counted {
    /// What this host sends is lost further on: it is retransmitted.
    Retransmitted,
    /// What this host receives was lost before: it comes late.
    Late,
    /// Between the hosts it may be lost on either side.
    Both,
}

/// Counters of a record.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Counters {
    acknowledged: u32,
    lost: u32,
    late: u32,
    spurious: u32,
    answers: u32,
    elsewhere: u32,
    passed: u16,
    resent: u32,
    data_chunks: u64,
    highest_sent: u32,
}

/// What counters have grown by.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Growth {
    acknowledged: u32,
    lost: u32,
    late: u32,
    spurious: u32,
    answers: u32,
    elsewhere: u32,
    passed: u32,
    /// TSNs that it carried again, whoever carried them first.
    resent: u32,
    data_chunks: u32,
}

impl Counters {
    fn of(record: &FlowRecord) -> Self {
        Self {
            acknowledged: record.acknowledgements,
            lost: record.lost,
            late: record.late,
            spurious: record.spurious,
            answers: record.heartbeats_answered,
            elsewhere: record.answered_elsewhere,
            passed: record.passed,
            resent: record.retransmissions,
            data_chunks: record.data_chunks,
            highest_sent: record.highest_sent,
        }
    }

    fn since(&self, before: &Self) -> Growth {
        Growth {
            acknowledged: self.acknowledged.wrapping_sub(before.acknowledged),
            lost: self.lost.wrapping_sub(before.lost),
            late: self.late.wrapping_sub(before.late),
            spurious: self.spurious.wrapping_sub(before.spurious),
            answers: self.answers.wrapping_sub(before.answers),
            elsewhere: self.elsewhere.wrapping_sub(before.elsewhere),
            passed: u32::from(self.passed.wrapping_sub(before.passed)),
            resent: self.resent.wrapping_sub(before.resent),
            data_chunks: u32::try_from(self.data_chunks.saturating_sub(before.data_chunks))
                .unwrap_or(u32::MAX),
        }
    }
}

/// So many heartbeats in a row that are answered from where they went: one may be by chance of a route.
const RIGHTLY: u32 = 3;
