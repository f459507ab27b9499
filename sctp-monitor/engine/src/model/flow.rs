//! One direction of a path, in figures.

use std::{net::IpAddr, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{ChunkCounts, Timestamp, units};

/// One direction of a path, in figures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FlowView {
    /// Where its packets come from, as they show it.
    pub source: IpAddr,
    /// Where they go, as they show it.
    pub destination: IpAddr,
    /// The SCTP port that they come from.
    pub source_port: u16,
    /// The SCTP port that they go to.
    pub destination_port: u16,
    /// The verification tag; 0 while unknown.
    #[serde(with = "units::tag")]
    #[schemars(with = "String")]
    pub tag: u32,
    /// The NIC on which the last packet was seen, if its name is known.
    pub interface: Option<String>,
    /// SCTP packets.
    pub packets: u64,
    /// Their bytes, by the IP header.
    pub bytes: u64,
    /// Chunks by their name; those that were not seen are left out. `None` while unknown.
    pub chunks: Option<ChunkCounts>,
    /// DATA and I-DATA chunks.
    pub data_chunks: u64,
    /// Bytes of user data.
    pub data_bytes: u64,
    /// DATA chunks whose TSN had been seen before.
    #[serde(rename = "data_retransmissions")]
    pub retransmissions: u64,
    /// HEARTBEAT chunks.
    pub heartbeats: u64,
    /// Those of them that were answered.
    pub heartbeats_answered: u64,
    /// Those of them that were answered from another address.
    pub answered_elsewhere: u64,
    /// The last such address.
    pub ack_source: Option<IpAddr>,
    /// Packets with another tag.
    pub tag_mismatches: u64,
    /// The last DATA chunk's payload protocol identifier.
    pub ppid: u32,
    /// The receiver window in the last SACK, if there was one.
    pub a_rwnd: Option<u32>,
    /// From HEARTBEAT to HEARTBEAT ACK, if measured.
    pub heartbeat_rtt: Option<RttView>,
    /// From the DATA packet that obliges the peer to acknowledge (the second one, RFC 9260 section 6.2) to the SACK, if
    /// measured; from a single one with the peer's delayed ack.
    pub data_rtt: Option<RttView>,
    /// When the first packet passed.
    pub first_seen: Timestamp,
    /// When the last packet passed, to one tick of the kernel's coarse clock.
    pub last_seen: Timestamp,
    /// What it carries at present.
    #[serde(flatten)]
    pub throughput: Throughput,
}

/// A round-trip time, smoothed (RFC 9260 section 6.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RttView {
    /// The last sample.
    #[serde(rename = "last_ms", with = "units::ms")]
    #[schemars(with = "f64")]
    pub last: Duration,
    /// The smallest sample.
    #[serde(rename = "min_ms", with = "units::ms")]
    #[schemars(with = "f64")]
    pub min: Duration,
    /// Smoothed.
    #[serde(rename = "srtt_ms", with = "units::ms")]
    #[schemars(with = "f64")]
    pub srtt: Duration,
    /// Its variation.
    #[serde(rename = "rttvar_ms", with = "units::ms")]
    #[schemars(with = "f64")]
    pub rttvar: Duration,
}

/// Traffic of one flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Throughput {
    /// SCTP packets per second.
    pub packets_per_second: u64,
    /// Their bytes per second, by the IP header.
    pub bytes_per_second: u64,
}
