//! What a flow's record says, in the engine's own types.

use std::{net::IpAddr, time::Duration};

use sctp_monitor_common::{
    abi::{FlowKey, FlowRecord, Interface, Rtt},
    wire::ChunkKind,
};
use serde::{Deserialize, Serialize};

use crate::model::{RttView, Throughput, Timestamp};

/// What is known of a flow, from its last record.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct FlowFacts {
    /// Addresses and ports.
    pub(crate) key: FlowKey,
    /// The verification tag; 0 while unknown.
    pub(crate) tag: u32,
    /// How often its tag was proved, while it is not vouched for.
    pub(crate) proofs: u16,
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
    /// When the last of them was answered.
    pub(crate) answered_at: Option<Timestamp>,
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
    /// SCTP comes in UDP (RFC 6951).
    pub(crate) in_udp: bool,
    /// The length of a HEARTBEAT chunk that it carried without padding, if one was seen.
    pub(crate) heartbeat_length: Option<u16>,
    /// From HEARTBEAT to HEARTBEAT ACK, if measured.
    pub(crate) heartbeat_rtt: Option<RttView>,
    /// From the DATA packet that obliges the peer to acknowledge (the second one, RFC 9260 section 6.2) to the SACK, if
    /// measured; from a single one with the peer's delayed ack.
    pub(crate) data_to_sack: Option<RttView>,
    /// Probes of an agent at the peer's host by which it would send the association's packets on two paths, and by which it does.
    pub(crate) announced: [u32; 2],
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
    pub(super) fn of(record: &FlowRecord, tick: Duration) -> Self {
        Self {
            key: record.key,
            tag: record.tag,
            proofs: record.proofs,
            interface: record.interface,
            packets: record.packets,
            bytes: record.bytes,
            data_chunks: record.data_chunks,
            data_bytes: record.data_bytes,
            retransmissions: u64::from(record.retransmissions),
            heartbeats: record.chunk_count(ChunkKind::Heartbeat),
            heartbeats_answered: u64::from(record.heartbeats_answered),
            answered_at: (record.answered_at_ns != 0).then(|| Timestamp::from_nanos(record.answered_at_ns)),
            tag_mismatches: u64::from(record.tag_mismatches),
            ppid: record.ppid,
            a_rwnd: record.a_rwnd(),
            answered_elsewhere: (record.answered_elsewhere > 0)
                .then(|| (record.answered_elsewhere, record.ack_source.to_ip())),
            next_hop: (record.next_hop != [0; 6]).then_some(record.next_hop),
            in_udp: record.in_udp != 0,
            heartbeat_length: heartbeat_length(record),
            heartbeat_rtt: RttView::of(&record.heartbeat_rtt),
            data_to_sack: RttView::of(&record.data_rtt),
            announced: [record.would_copy, record.copies],
            first_seen: Timestamp::from_nanos(record.first_seen_ns),
            last_seen: at_ticks(record, record.last_seen_ticks, tick),
            throughput: Throughput::default(),
        }
    }
}

/// An entry keeps the length when its HEARTBEAT is answered; one of an association before tells nothing.
fn heartbeat_length(record: &FlowRecord) -> Option<u16> {
    let is_own = |sent_at_ns: u64| sent_at_ns != 0 || record.heartbeats_answered > 0;
    let plain = record
        .outstanding
        .iter()
        .find(|entry| entry.padded == 0 && entry.chunk_length != 0 && is_own(entry.sent_at_ns));
    plain.map(|entry| entry.chunk_length)
}

/// A moment on a record's coarse clock, on the fine one.
pub(crate) fn at_ticks(record: &FlowRecord, ticks: u64, tick: Duration) -> Timestamp {
    let elapsed = ticks.saturating_sub(record.first_seen_ticks);
    let tick = u64::try_from(tick.as_nanos()).unwrap_or(u64::MAX);
    Timestamp::from_nanos(record.first_seen_ns.saturating_add(elapsed.saturating_mul(tick)))
}
