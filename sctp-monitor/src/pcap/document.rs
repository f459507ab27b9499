//! A capture as JSON has it: the model's events and associations, and exact counts of what the capture holds.

use std::{collections::BTreeMap, net::IpAddr};

use schemars::JsonSchema;
use sctp_monitor_common::wire::ChunkKind;
use sctp_monitor_engine::model::{
    AssociationView, ChunkCounts, Direction, Event, Finding, IncidentView, PathId, PathState, Reason,
    RttView, Schema, Timestamp, UnfinishedHandshake, units, units::optionally_told,
};
use serde::{Deserialize, Serialize};

use super::{
    conclusion::{Conclusion, Flow},
    entry::Entry,
    figures::{Rtts, wall},
    ledger::Ledger,
    story::{Change, Found, PathNumbers, Story},
};

/// All of a capture in one object.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "CaptureDocument")]
pub struct Document {
    schema: Schema,
    events: Vec<Event>,
    associations: Vec<AssociationStory>,
    flows: Vec<FlowCounts>,
    #[serde(flatten)]
    summary: CaptureSummary,
}

/// A line about a capture; `event` says which kind it is.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum CaptureLine {
    /// An event of the engine.
    Event(Event),
    /// A line that follows all events.
    Rest(RestLine),
}

/// A line that follows all events.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RestLine {
    schema: Schema,
    #[serde(flatten)]
    what: Rest,
}

/// What stands after all events.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Rest {
    Association(Box<AssociationStory>),
    Flow(FlowCounts),
    Summary(CaptureSummary),
}

/// An association at its end, or at the end of the capture, with its history.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct AssociationStory {
    #[serde(flatten)]
    view: AssociationView<PathStory>,
    /// All findings, also those that are over.
    found: Vec<Found>,
}

/// A path: its state, what happened to it, and exact counts of its packets.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct PathStory {
    #[serde(flatten)]
    id: PathId,
    /// The state; null for an address pair that the engine does not list, though packets with the association's tags
    /// crossed it.
    state: Option<PathState>,
    /// Since when it has this state.
    since: Option<Timestamp>,
    /// Why it has this state; null while nothing was found out.
    #[serde(flatten, with = "optionally_told")]
    #[schemars(with = "optionally_told::Told<Reason>")]
    reason: Option<Reason>,
    /// Findings about the path that are open.
    findings: Vec<Finding>,
    /// All changes of the path's state.
    changes: Vec<Change>,
    /// Counts from the local to the remote address, if any packet was seen.
    forward: Option<Counts>,
    /// Counts from the remote to the local address, if any packet was seen.
    r#return: Option<Counts>,
}

/// Counts of one direction of a path: packets with the association's verification tag (an INIT has none, and is not among
/// them). Packets that were captured twice count once.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Counts {
    source: IpAddr,
    destination: IpAddr,
    source_port: u16,
    destination_port: u16,
    tag: Tag,
    packets: u64,
    /// Bytes of these packets (IP total length).
    bytes: u64,
    /// By name; those that were not seen are left out.
    chunks: ChunkCounts,
    data_chunks: u64,
    /// Bytes of user data.
    data_bytes: u64,
    /// DATA chunks whose TSN had been seen before.
    data_retransmissions: u64,
    /// Packets that were captured twice.
    capture_duplicates: u64,
    /// DATA chunks that were lost; null if the flow was not tracked.
    data_lost: Option<u64>,
    /// The lost share of the DATA chunks, from 0 to 1; null without DATA, or while `data_lost` is.
    loss: Option<f64>,
    heartbeats: u64,
    /// Null if the opposite direction was never seen: then nothing is known of answers.
    heartbeats_answered: Option<u64>,
    /// Null if the opposite direction was never seen.
    heartbeats_unanswered: Option<u64>,
    /// HEARTBEATs that were answered by another path.
    answered_elsewhere: u64,
    heartbeat_rtt: Option<Rtts>,
    /// Time from DATA to SACK, with the peer's delay of SACKs; null if it was not measured.
    data_to_sack: Option<RttView>,
    /// Payload protocol identifier of the last DATA chunk; null without DATA.
    ppid: Option<u32>,
    first_seen: Timestamp,
    last_seen: Timestamp,
}

/// Counts of one direction of an address and port pair, whatever the tags, as the capture has them: packets that were
/// captured twice count twice.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct FlowCounts {
    source: IpAddr,
    destination: IpAddr,
    source_port: u16,
    destination_port: u16,
    /// The tunnels around these packets; empty if none.
    encapsulation: String,
    packets: u64,
    /// Bytes of these packets (IP total length).
    bytes: u64,
    /// Chunks by their names in the RFCs.
    chunks: ChunkCounts,
    data_chunks: u64,
    /// Bytes of user data.
    data_bytes: u64,
    /// DATA chunks whose TSN had been seen before.
    data_retransmissions: u64,
    /// Packets that were captured twice.
    capture_duplicates: u64,
    sacks: u64,
    heartbeats: u64,
    heartbeat_acks: u64,
    heartbeats_answered: u64,
    heartbeat_rtts_ns: Vec<i64>,
    tags: Vec<Tag>,
    first_seen: Timestamp,
    last_seen: Timestamp,
}

/// A verification tag in hexadecimal.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
struct Tag(
    #[serde(with = "units::tag")]
    #[schemars(with = "String")]
    u32,
);

/// What belongs to no association.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct CaptureSummary {
    /// Handshakes that were not completed.
    unfinished_handshakes: Vec<UnfinishedHandshake>,
    /// Findings of no single association, also those that are over.
    found: Vec<Found>,
    /// Incidents that were open at the end of the capture.
    open_incidents: Vec<IncidentView>,
    capture: CaptureFacts,
    /// Packets that were not understood or not kept, by reason.
    counters: BTreeMap<String, u64>,
    /// Faults of the capture files.
    errors: Vec<ReadError>,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct CaptureFacts {
    files: Vec<String>,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    records: u64,
    bytes: u64,
    sctp_packets: u64,
    capture_duplicates: u64,
    /// SCTP packets in tunnels that were not analysed, by the kind of tunnel.
    tunnelled: BTreeMap<String, u64>,
    link_types_passed_over: Vec<PassedOver>,
}

/// Packets of a link type that is not supported.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct PassedOver {
    file: String,
    link_type: u32,
    packets: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct ReadError {
    file: String,
    /// The offset of the fault in the file, in bytes.
    offset: Option<u64>,
    reason: String,
    message: String,
}

impl From<AssociationStory> for RestLine {
    fn from(story: AssociationStory) -> Self {
        Self::new(Rest::Association(Box::new(story)))
    }
}

impl From<FlowCounts> for RestLine {
    fn from(counts: FlowCounts) -> Self {
        Self::new(Rest::Flow(counts))
    }
}

impl From<CaptureSummary> for RestLine {
    fn from(summary: CaptureSummary) -> Self {
        Self::new(Rest::Summary(summary))
    }
}

impl RestLine {
    fn new(what: Rest) -> Self {
        Self { schema: Schema, what }
    }
}

impl AssociationStory {
    pub(crate) fn new(story: &Story, ledger: &Ledger) -> Self {
        let paths = story.path_table(ledger);
        let paths = paths.iter().map(|path| PathStory::new(path, story)).collect();
        Self {
            view: story.view.clone().with_paths(paths),
            found: story.found.clone(),
        }
    }
}

impl PathStory {
    fn new(path: &PathNumbers<'_>, story: &Story) -> Self {
        let counts = |direction| {
            let entry = path.flow(direction)?;
            Some(Counts::new(entry, !story.view.one_sided))
        };
        Self {
            id: path.id,
            state: path.view.map(|view| view.state),
            since: path.view.map(|view| view.since),
            reason: path.view.and_then(|view| view.reason.clone()),
            findings: path.view.map_or_else(Vec::new, |view| view.findings.clone()),
            changes: story.changes(path.id).to_vec(),
            forward: counts(Direction::Forward),
            r#return: counts(Direction::Return),
        }
    }
}

impl Counts {
    fn new(entry: &Entry, answers_seen: bool) -> Self {
        let key = entry.key.flow;
        let heartbeats = entry.count_once(ChunkKind::Heartbeat);
        Self {
            source: key.src.to_ip(),
            destination: key.dst.to_ip(),
            source_port: key.src_port,
            destination_port: key.dst_port,
            tag: Tag(entry.key.tag),
            packets: entry.packets_once(),
            bytes: entry.bytes - entry.copies.bytes,
            chunks: entry.chunks_once_by_name().collect(),
            data_chunks: entry.data_chunks_once(),
            data_bytes: entry.data_bytes - entry.copies.data_bytes,
            data_retransmissions: entry.data_retransmissions,
            capture_duplicates: entry.capture_duplicates,
            data_lost: entry.lost(),
            loss: entry.loss(),
            heartbeats,
            heartbeats_answered: answers_seen.then_some(entry.heartbeats_answered),
            heartbeats_unanswered: answers_seen.then(|| heartbeats.saturating_sub(entry.heartbeats_answered)),
            answered_elsewhere: entry.answered_elsewhere,
            heartbeat_rtt: Rtts::of(&entry.heartbeat_rtts_once()),
            data_to_sack: entry.data_to_sack_view(),
            ppid: entry.ppid,
            first_seen: wall(entry.first_ns),
            last_seen: wall(entry.last_ns),
        }
    }
}

impl FlowCounts {
    pub(crate) fn new(flow: &Flow) -> Self {
        let sum = &flow.sum;
        let key = sum.key.flow;
        Self {
            source: key.src.to_ip(),
            destination: key.dst.to_ip(),
            source_port: key.src_port,
            destination_port: key.dst_port,
            encapsulation: sum.key.chain.to_string(),
            packets: sum.packets,
            bytes: sum.bytes,
            chunks: sum.chunks_by_name().collect(),
            data_chunks: sum.data_chunks(),
            data_bytes: sum.data_bytes,
            data_retransmissions: sum.data_retransmissions,
            capture_duplicates: sum.capture_duplicates,
            sacks: sum.count(ChunkKind::Sack) + sum.count(ChunkKind::NrSack),
            heartbeats: sum.count(ChunkKind::Heartbeat),
            heartbeat_acks: sum.count(ChunkKind::HeartbeatAck),
            heartbeats_answered: sum.heartbeats_answered,
            heartbeat_rtts_ns: sum.heartbeat_rtts_ns.clone(),
            tags: flow.tags.iter().copied().map(Tag).collect(),
            first_seen: wall(sum.first_ns),
            last_seen: wall(sum.last_ns),
        }
    }
}

impl CaptureSummary {
    pub(crate) fn new(conclusion: &Conclusion<'_>) -> Self {
        let seen = conclusion.seen();
        let span = conclusion.span();
        let passed_over = conclusion.unknown_links.iter();
        let tunnelled = conclusion.tunnelled().iter();
        Self {
            unfinished_handshakes: conclusion.unfinished.iter().copied().cloned().collect(),
            found: conclusion.apart.iter().copied().cloned().collect(),
            open_incidents: conclusion.open_incidents(),
            capture: CaptureFacts {
                files: conclusion
                    .files
                    .iter()
                    .map(|path| path.display().to_string())
                    .collect(),
                first: span.map(|(first, _)| first),
                last: span.map(|(_, last)| last),
                records: seen.records,
                bytes: seen.bytes,
                sctp_packets: seen.sctp_packets,
                capture_duplicates: seen.capture_duplicates,
                tunnelled: tunnelled
                    .map(|(kind, packets)| (kind.to_string(), *packets))
                    .collect(),
                link_types_passed_over: passed_over
                    .map(|(file, link_type, packets)| PassedOver {
                        file: file.clone(),
                        link_type: *link_type,
                        packets: *packets,
                    })
                    .collect(),
            },
            counters: conclusion.counters.iter().cloned().collect(),
            errors: conclusion
                .errors
                .iter()
                .map(|error| ReadError {
                    file: error.file.clone(),
                    offset: error.offset,
                    reason: error.problem.to_string(),
                    message: error.to_string(),
                })
                .collect(),
        }
    }
}
