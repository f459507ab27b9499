//! What tshark says of a capture, as `oracle.py` of the corpus writes it down.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use serde::Deserialize;

/// Everything it says.
#[derive(Debug, Deserialize)]
pub(crate) struct Oracle {
    pub(crate) paths: Vec<Path>,
    #[serde(default)]
    pub(crate) associations: Vec<Association>,
}

/// What crossed one flow.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Path {
    pub(crate) src: IpAddr,
    pub(crate) dst: IpAddr,
    pub(crate) sport: u16,
    pub(crate) dport: u16,
    pub(crate) encap: String,
    /// What was in front of the first IP header.
    pub(crate) link: BTreeMap<String, u64>,
    pub(crate) packets: u64,
    pub(crate) ip_bytes: u64,
    pub(crate) chunks: BTreeMap<String, u64>,
    pub(crate) data_chunks: u64,
    pub(crate) data_payload_bytes: u64,
    pub(crate) data_retrans: u64,
    pub(crate) data_retrans_capture_dup: u64,
    pub(crate) capture_dup_packets: u64,
    pub(crate) capture_dup_packets_no_ip_id: u64,
    pub(crate) sacks: u64,
    pub(crate) hb: u64,
    pub(crate) hb_ack: u64,
    /// Seconds.
    pub(crate) hb_rtts: Vec<f64>,
    pub(crate) vtags: BTreeMap<String, u64>,
    /// Packets by what their checksum is.
    pub(crate) checksum: BTreeMap<String, u64>,
    pub(crate) malformed_frames: u64,
    pub(crate) fragmented_datagrams: u64,
}

/// A handshake's two lists.
#[derive(Debug, Deserialize)]
pub(crate) struct Association {
    pub(crate) tag_a: String,
    pub(crate) tag_b: String,
    pub(crate) init_frame: Option<u64>,
    pub(crate) addrs_a: BTreeSet<IpAddr>,
    pub(crate) addrs_b: BTreeSet<IpAddr>,
}

/// Names a flow: addresses, ports, what it was wrapped in.
pub(crate) type Key = (IpAddr, IpAddr, u16, u16, String);

/// What is held against the oracle, flow by flow.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Facts {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) chunks: BTreeMap<String, u64>,
    pub(crate) data_chunks: u64,
    pub(crate) data_bytes: u64,
    /// `None` where the road at hand does not count them exactly.
    pub(crate) exact: Option<Exact>,
}

/// What only an exact count tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Exact {
    pub(crate) data_retransmissions: u64,
    pub(crate) capture_duplicates: u64,
    pub(crate) sacks: u64,
    pub(crate) heartbeats: u64,
    pub(crate) heartbeat_acks: u64,
    pub(crate) tags: BTreeSet<String>,
}

impl Path {
    pub(crate) fn key(&self) -> Key {
        (self.src, self.dst, self.sport, self.dport, self.encap.clone())
    }

    /// MPLS stands in front of the first IP header, so the oracle calls its contents plain; they are not for us.
    pub(crate) fn is_labelled(&self) -> bool {
        self.link.keys().any(|link| link.contains("mpls"))
    }

    pub(crate) fn facts(&self) -> Facts {
        let mut chunks = self.chunks.clone();
        // A packet without any chunk is no chunk.
        chunks.remove("(no chunk)");
        Facts {
            packets: self.packets,
            bytes: self.ip_bytes,
            chunks,
            data_chunks: self.data_chunks,
            data_bytes: self.data_payload_bytes,
            exact: Some(Exact {
                data_retransmissions: self.data_retrans - self.data_retrans_capture_dup,
                capture_duplicates: self.capture_dup_packets + self.capture_dup_packets_no_ip_id,
                sacks: self.sacks,
                heartbeats: self.hb,
                heartbeat_acks: self.hb_ack,
                tags: self.vtags.keys().cloned().collect(),
            }),
        }
    }
}
