//! One direction of a path: what the programs say of it, and whether it works.

use crate::model::{Direction, RttView};

use std::{net::IpAddr, time::Duration};

use sctp_monitor_common::{
    abi::{FlowKey, FlowRecord, IcmpErrorSeen, Interface, Rtt},
    wire::ChunkKind,
};

use crate::{
    config::Config,
    model::{AssociationId, PathId, Reason, Throughput, Timestamp},
    path::{
        detector::{Context, Detector, Verdict},
        latency::Latency,
        loss::Losses,
        meter::Meter,
        sizes::Sizes,
    },
};

/// What is known of a flow, from its last record.
#[derive(Debug, Clone)]
pub(crate) struct FlowFacts {
    /// Addresses and ports.
    pub(crate) key: FlowKey,
    /// The verification tag; 0 while unknown.
    pub(crate) tag: u32,
    /// Where its last packet was seen.
    pub(crate) interface: Interface,
    /// SCTP packets.
    pub(crate) packets: u64,
    /// Their bytes, by the IP header.
    pub(crate) bytes: u64,
    /// DATA and I-DATA chunks.
    pub(crate) data_chunks: u64,
    /// Bytes of user data.
    pub(crate) data_bytes: u64,
    /// DATA chunks whose TSN had been seen before.
    pub(crate) retransmissions: u64,
    /// HEARTBEAT chunks.
    pub(crate) heartbeats: u64,
    /// Those of them that were answered.
    pub(crate) heartbeats_answered: u64,
    /// Packets with another tag.
    pub(crate) tag_mismatches: u64,
    /// The last DATA chunk's payload protocol identifier.
    pub(crate) ppid: u32,
    /// The receiver window in the last SACK, if there was one.
    pub(crate) a_rwnd: Option<u32>,
    /// Heartbeats that were answered from another address, and the last such address.
    pub(crate) answered_elsewhere: Option<(u32, IpAddr)>,
    /// The next hop's Ethernet address when the flow began, if it was seen.
    pub(crate) next_hop: Option<[u8; 6]>,
    /// From HEARTBEAT to HEARTBEAT ACK, if measured.
    pub(crate) heartbeat_rtt: Option<RttView>,
    /// From the DATA packet that obliges the peer to acknowledge (the second one, RFC 9260 section 6.2) to the SACK, if
    /// measured; from a single one with the peer's delayed ack.
    pub(crate) data_rtt: Option<RttView>,
    /// When the first packet passed.
    pub(crate) first_seen: Timestamp,
    /// When the last packet passed, to one tick.
    pub(crate) last_seen: Timestamp,
    /// What it carries at present.
    pub(crate) throughput: Throughput,
}

impl RttView {
    /// A record's, once it is measured.
    pub(crate) fn of(rtt: &Rtt) -> Option<Self> {
        rtt.is_known().then(|| Self {
            last: Duration::from_nanos(rtt.last_ns),
            min: Duration::from_nanos(rtt.min_ns),
            srtt: Duration::from_nanos(rtt.srtt_ns),
            rttvar: Duration::from_nanos(rtt.rttvar_ns),
        })
    }
}

impl FlowFacts {
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
            a_rwnd: (record.chunk_count(ChunkKind::Sack) > 0).then_some(record.a_rwnd),
            answered_elsewhere: (record.answered_elsewhere > 0)
                .then(|| (record.answered_elsewhere, record.ack_source.to_ip())),
            next_hop: (record.next_hop != [0; 6]).then_some(record.next_hop),
            heartbeat_rtt: RttView::of(&record.heartbeat_rtt),
            data_rtt: RttView::of(&record.data_rtt),
            first_seen: Timestamp::from_nanos(record.first_seen_ns),
            last_seen: at_ticks(record, record.last_seen_ticks, tick),
            throughput: Throughput::default(),
        }
    }
}

/// A moment on a record's coarse clock, on the fine one.
pub(crate) fn at_ticks(record: &FlowRecord, ticks: u64, tick: Duration) -> Timestamp {
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
    pub(crate) view: FlowFacts,
    pub(crate) member: Option<Membership>,
    pub(crate) detector: Detector,
    pub(crate) losses: Losses,
    /// Chunks sent and lost since the last acknowledgement.
    uncounted: (u32, u32),
    pub(crate) sizes: Sizes,
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
    /// When a packet with the association's tag last passed.
    pub(crate) heard_at: Timestamp,
    /// Where heartbeats are answered from, if not from where they went, and how many have been answered rightly since.
    answered_from: Option<(IpAddr, u32)>,
    /// It was dead, and no DATA was acknowledged since: what is sent again was lost then.
    after_outage: bool,
    seen: Seen,
    /// The deadline under which the engine has it.
    pub(crate) deadline: Option<Timestamp>,
    /// What the record was last told of its association.
    pub(crate) link: Option<(u32, u32, u32)>,
    /// The first and the last packet since when every one has had another tag than the association's.
    pub(crate) mismatching: Option<(Timestamp, Timestamp)>,
    pub(crate) mismatched_tag: u32,
    /// Packets with another tag that nobody has asked about yet.
    pub(crate) strangers: u64,
    /// Packets with another tag that a handshake explains, and that the record has not told of yet.
    pub(crate) explained: u64,
    /// It carried nothing but what strangers send each other: INITs, and the answers to what belongs to nobody.
    pub(crate) is_aside: bool,
    untagged: u32,
    /// The last next-hop MTU that an ICMP error named.
    pub(crate) path_mtu: Option<u32>,
    meter: Meter,
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
            latency: Latency::default(),
            latency_by_data: false,
            sacks_seen: false,
            cum_tsn_ack: None,
            new_data_at: (record.data_chunks > 0).then(|| Timestamp::from_nanos(record.first_seen_ns)),
            acked_at: None,
            heard_at: at_ticks(record, record.last_seen_ticks, tick),
            answered_from: (record.answered_elsewhere > 0).then(|| (record.ack_source.to_ip(), 0)),
            after_outage: false,
            seen: Seen::of(record),
            deadline: None,
            link: None,
            mismatching: None,
            mismatched_tag: 0,
            strangers: 0,
            explained: 0,
            is_aside: is_aside(record),
            untagged: record.untagged,
            path_mtu: None,
            meter: Meter::default(),
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

    /// Takes a newer record.
    pub(crate) fn update(&mut self, record: &FlowRecord, tick: Duration, now: Timestamp) {
        let view = FlowFacts::of(record, tick);
        let packets = view.packets.saturating_sub(self.view.packets);
        let mismatches = view.tag_mismatches.wrapping_sub(self.view.tag_mismatches) & u64::from(u32::MAX);
        // An INIT has no tag: anyone can send one.
        let untagged = u64::from(record.untagged.wrapping_sub(self.untagged));
        self.untagged = record.untagged;
        self.is_aside = is_aside(record);
        let explained = self.explained.min(mismatches);
        self.explained -= explained;
        let strangers = mismatches - explained;
        if packets > mismatches.saturating_add(untagged) {
            self.mismatching = None;
            self.heard_at = view.last_seen;
        } else if strangers > 0 {
            self.mismatching.get_or_insert((now, now)).1 = now;
        }
        if strangers > 0 {
            self.strangers = self.strangers.saturating_add(strangers);
            self.mismatched_tag = record.mismatched_tag;
        }
        let throughput = self.view.throughput;
        self.view = FlowFacts { throughput, ..view };
    }

    /// Finds out what the flow carries at present.
    pub(crate) fn read_meter(&mut self, now: Timestamp) {
        self.view.throughput = self.meter.read(&self.view, now);
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

    /// Whether all its packets have had another tag for so long.
    pub(crate) fn mismatches_for_long(&self, long: Duration) -> bool {
        let for_long = |(first, last): (Timestamp, Timestamp)| last.since(first) >= long;
        self.mismatched_tag != 0 && self.mismatching.is_some_and(for_long)
    }

    /// Weighs what the newest record says.
    pub(crate) fn observe(
        &mut self,
        record: &FlowRecord,
        context: Context,
        counted: Counted,
        tick: Duration,
        config: &Config,
        now: Timestamp,
    ) {
        let before = std::mem::replace(&mut self.seen, Seen::of(record));
        let new = self.seen.since(&before);
        self.sacks_seen = record.shows_sacks();
        self.cum_tsn_ack = cum_tsn_ack(record);
        self.detector.handle(record, context, tick, config, now);
        if new.credits > 0 {
            self.acked_at = Some(at_ticks(record, record.acked_ticks, tick));
        }
        if self.seen.highest_sent != before.highest_sent {
            self.new_data_at = Some(self.view.last_seen);
        }
        if new.elsewhere > 0 {
            self.answered_from = Some((record.ack_source.to_ip(), 0));
        } else if let Some((_, rightly)) = &mut self.answered_from {
            *rightly = rightly.saturating_add(new.answers);
        }
        self.answered_from = self.answered_from.filter(|(_, rightly)| *rightly < RIGHTLY);
        let works = !matches!(self.detector.verdict(), Verdict::Dead(_));
        let lost = match counted {
            Counted::Ahead => new.lost.saturating_sub(new.spurious),
            Counted::Behind => new.late,
            Counted::Both => new.lost.saturating_sub(new.spurious).saturating_add(new.late),
        };
        // What is lost in an outage is no loss rate, whenever it is sent again. It counts once the path has shown that it works.
        let in_outage = !works || self.after_outage;
        self.after_outage = !works || (self.after_outage && new.credits == 0);
        self.uncounted.0 = self.uncounted.0.saturating_add(new.data_chunks);
        self.uncounted.1 = self.uncounted.1.saturating_add(lost);
        let answered = new.credits > 0 || counted == Counted::Behind;
        if in_outage {
            self.uncounted = (0, 0);
        } else if answered {
            let (sent, lost) = std::mem::take(&mut self.uncounted);
            self.losses.count(sent, lost, config, now);
        }
        if !works {
            self.sizes = Sizes::default();
        }
        if works && lost > 0 {
            self.sizes.on_lost(record.lost_bytes, now);
        }
        if works && new.credits > 0 {
            self.sizes.on_passed(record.credited_bytes, now);
        }
        self.time(record, new, config, now);
    }

    /// How often DATA on it was acknowledged.
    pub(crate) fn credits(&self) -> u32 {
        self.seen.credits
    }

    /// DATA tells of the round trip many times a second; heartbeats where there is none.
    fn time(&mut self, record: &FlowRecord, new: New, config: &Config, now: Timestamp) {
        // The answer to a single packet may have waited.
        let at_once = record.credited_packets > 1 || record.data_rtt.last_ns < at_once_ns(config);
        let by_data = new.credits > 0 && record.credited_bytes > 0 && at_once;
        if by_data != self.latency_by_data && by_data {
            self.latency = Latency::default();
            self.latency_by_data = true;
        }
        if by_data {
            let rtt = Duration::from_nanos(record.data_rtt.last_ns);
            self.latency.sample(rtt, config, now);
        } else if new.answers > 0 && !self.latency_by_data {
            let rtt = Duration::from_nanos(record.heartbeat_rtt.last_ns);
            self.latency.sample(rtt, config, now);
        }
    }
}

/// Whether all that passed were INITs, and answers to what belongs to nobody (RFC 9260 sections 5.1, 8.4). A host sends
/// such an answer to whoever sends it anything.
fn is_aside(record: &FlowRecord) -> bool {
    let aside = [
        ChunkKind::Init,
        ChunkKind::InitAck,
        ChunkKind::Abort,
        ChunkKind::ShutdownComplete,
    ]
    .map(|kind| record.chunk_count(kind));
    record.packets <= aside.into_iter().fold(0, u64::saturating_add)
}

/// The last cumulative TSN ack of the direction, if the record holds its TSN state.
pub(crate) fn cum_tsn_ack(record: &FlowRecord) -> Option<u32> {
    let holds_it = record.data_slot == record.slot && record.sender.sack_seen();
    holds_it.then_some(record.sender.cum_tsn_ack)
}

/// An answer that came sooner was not delayed, as far as one can tell.
fn at_once_ns(config: &Config) -> u64 {
    u64::try_from((config.delayed_ack / 2).as_nanos()).unwrap_or(u64::MAX)
}

/// Which losses on a flow are the network's, seen from where the monitor stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted {
    /// What this host sends is lost further on: it is sent again.
    Ahead,
    /// What this host receives was lost before: it comes late.
    Behind,
    /// Between the hosts it may be lost on either side.
    Both,
}

/// Counters of a record.
#[derive(Debug, Clone, Copy)]
struct Seen {
    credits: u32,
    lost: u32,
    late: u32,
    spurious: u32,
    answers: u32,
    elsewhere: u32,
    data_chunks: u64,
    highest_sent: u32,
}

/// What counters have grown by.
#[derive(Debug, Clone, Copy)]
struct New {
    credits: u32,
    lost: u32,
    late: u32,
    spurious: u32,
    answers: u32,
    elsewhere: u32,
    data_chunks: u32,
}

impl Seen {
    fn of(record: &FlowRecord) -> Self {
        Self {
            credits: record.credits,
            lost: record.lost,
            late: record.late,
            spurious: record.spurious,
            answers: record.heartbeats_answered,
            elsewhere: record.answered_elsewhere,
            data_chunks: record.data_chunks,
            highest_sent: record.highest_sent,
        }
    }

    fn since(&self, before: &Self) -> New {
        New {
            credits: self.credits.wrapping_sub(before.credits),
            lost: self.lost.wrapping_sub(before.lost),
            late: self.late.wrapping_sub(before.late),
            spurious: self.spurious.wrapping_sub(before.spurious),
            answers: self.answers.wrapping_sub(before.answers),
            elsewhere: self.elsewhere.wrapping_sub(before.elsewhere),
            data_chunks: u32::try_from(self.data_chunks.saturating_sub(before.data_chunks))
                .unwrap_or(u32::MAX),
        }
    }
}

/// So many heartbeats in a row that are answered from where they went: one may be by chance of a route.
const RIGHTLY: u32 = 3;
