//! A probe that is to be sent.

use sctp_monitor_common::abi::{Announcement, FlowKey};

/// A HEARTBEAT that the agent is to send into an association.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeRequest {
    /// The path's place in the map of probes.
    pub index: u32,
    /// Whose place it is; see [`ProbePath::generation`](sctp_monitor_common::abi::ProbePath::generation).
    pub generation: u32,
    /// One more than the path's last probe.
    pub sequence: u32,
    /// Addresses and ports.
    pub key: FlowKey,
    /// The verification tag of the packet.
    pub tag: u32,
    /// The verification tag of its answer.
    pub ack_tag: u32,
    /// The length of the HEARTBEAT chunk in bytes: this host's stack stands an answer of it.
    pub chunk_length: u16,
    /// What it tells an agent at the other end.
    pub says: Announcement,
}
