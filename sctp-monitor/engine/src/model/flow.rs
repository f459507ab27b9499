//! One direction of a path, in figures.

use std::{net::IpAddr, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{ChunkCounts, Timestamp, units};

/// Counts and figures of one direction of a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FlowView {
    /// Source address in the packets.
    pub source: IpAddr,
    /// Destination address in the packets.
    pub destination: IpAddr,
    /// Source SCTP port.
    pub source_port: u16,
    /// Destination SCTP port.
    pub destination_port: u16,
    /// The verification tag; 0 while unknown.
    #[serde(with = "units::tag")]
    #[schemars(with = "String")]
    pub tag: u32,
    /// The NIC on which the last packet was seen, if its name is known.
    pub interface: Option<String>,
    /// Number of SCTP packets.
    pub packets: u64,
    /// Bytes of these packets (IP total length).
    pub bytes: u64,
    /// Number of chunks by their names in the RFCs; those that are zero are left out. `None` while unknown.
    pub chunks: Option<ChunkCounts>,
    /// Number of DATA and I-DATA chunks.
    pub data_chunks: u64,
    /// Bytes of user data.
    pub data_bytes: u64,
    /// DATA chunks whose TSN had been seen before.
    #[serde(rename = "data_retransmissions")]
    pub retransmissions: u64,
    /// Number of HEARTBEAT chunks.
    pub heartbeats: u64,
    /// Number of HEARTBEATs that were answered.
    pub heartbeats_answered: u64,
    /// Number of HEARTBEATs that were answered from another address.
    pub answered_elsewhere: u64,
    /// The address that the last such HEARTBEAT ACK came from.
    pub ack_source: Option<IpAddr>,
    /// Number of packets with a wrong verification tag.
    pub tag_mismatches: u64,
    /// Payload protocol identifier of the last DATA chunk.
    pub ppid: u32,
    /// Advertised receiver window of the last SACK in bytes, if there was one.
    pub a_rwnd: Option<u32>,
    /// Round-trip time from HEARTBEAT to HEARTBEAT ACK, if measured.
    pub heartbeat_rtt: Option<RttView>,
    /// Time from DATA to SACK, if measured, which is a round-trip time only where the peer acknowledges at once: from the second of
    /// two packets (RFC 9260 section 6.2); from a single packet it contains the peer's delay of SACKs.
    #[serde(alias = "data_rtt")]
    pub data_to_sack: Option<RttView>,
    /// When the first packet was seen.
    pub first_seen: Timestamp,
    /// When the last packet was seen, to one tick of the kernel's coarse clock.
    pub last_seen: Timestamp,
    /// Packets and bytes per second at present.
    #[serde(flatten)]
    pub throughput: Throughput,
}

/// Times from packets to their answers, smoothed as round-trip times are (RFC 9260 section 6.3.1).
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
    /// Smoothed: SRTT, if they are round-trip times.
    #[serde(rename = "srtt_ms", with = "units::ms")]
    #[schemars(with = "f64")]
    pub srtt: Duration,
    /// Their variation: RTTVAR, if they are round-trip times.
    #[serde(rename = "rttvar_ms", with = "units::ms")]
    #[schemars(with = "f64")]
    pub rttvar: Duration,
}

/// Traffic of one flow; unknown until it was measured for a second or two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Throughput {
    /// SCTP packets per second, if known.
    pub packets_per_second: Option<u64>,
    /// Bytes per second (IP total length), if known.
    pub bytes_per_second: Option<u64>,
}
