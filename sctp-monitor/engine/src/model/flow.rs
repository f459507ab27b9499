//! One direction of a path, in figures.

use std::{net::IpAddr, time::Duration};

use sctp_monitor_common::abi::{FlowKey, Interface, Rtt};

use crate::model::Timestamp;

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
    /// The receiver window in the last SACK, if there was one.
    pub a_rwnd: Option<u32>,
    /// Heartbeats that were answered from another address, and the last such address.
    pub answered_elsewhere: Option<(u32, IpAddr)>,
    /// The next hop's Ethernet address when the flow began, if it was seen.
    pub next_hop: Option<[u8; 6]>,
    /// From HEARTBEAT to HEARTBEAT ACK, if measured.
    pub heartbeat_rtt: Option<RttView>,
    /// From the DATA packet that obliges the peer to acknowledge (the second one, RFC 9260 section 6.2) to the SACK, if
    /// measured; from a single one with the peer's delayed ack.
    pub data_rtt: Option<RttView>,
    /// When the first packet passed.
    pub first_seen: Timestamp,
    /// When the last packet passed, to one tick.
    pub last_seen: Timestamp,
    /// What it carries at present.
    pub throughput: Throughput,
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
    pub(crate) fn of(rtt: &Rtt) -> Option<Self> {
        rtt.is_known().then(|| Self {
            last: Duration::from_nanos(rtt.last_ns),
            min: Duration::from_nanos(rtt.min_ns),
            srtt: Duration::from_nanos(rtt.srtt_ns),
            rttvar: Duration::from_nanos(rtt.rttvar_ns),
        })
    }
}

/// Traffic of one flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Throughput {
    /// SCTP packets per second.
    pub packets_per_second: u64,
    /// Their bytes per second, by the IP header.
    pub bytes_per_second: u64,
}
