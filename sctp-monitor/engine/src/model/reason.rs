//! Why a path changed its state: the evidence, in words and in figures.

use std::{net::IpAddr, time::Duration};

use schemars::JsonSchema;
use sctp_monitor_common::wire::icmp::IcmpMessage;
use serde::{Deserialize, Serialize};

use crate::model::{Neighbour, PathId, units};

/// Why a path changed its state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Reason {
    /// A HEARTBEAT was answered.
    HeartbeatAnswered {
        /// Time from HEARTBEAT to HEARTBEAT ACK.
        #[serde(rename = "rtt_ms", with = "units::ms")]
        #[schemars(with = "f64")]
        rtt: Duration,
    },
    /// DATA was acknowledged.
    DataAcknowledged {
        /// Time since the last answer on this path, if there was one.
        #[serde(
            rename = "last_alive_ago_ms",
            with = "units::optional_ms",
            default,
            skip_serializing_if = "Option::is_none"
        )]
        #[schemars(with = "Option<f64>")]
        after: Option<Duration>,
    },
    /// COOKIE ECHO crossed the path, and COOKIE ACK answered it: the handshake confirms the path (RFC 9260 section 5.4).
    HandshakeCompleted,
    /// A HEARTBEAT of the peer arrived and was answered.
    PeerHeartbeatAnswered,
    /// A HEARTBEAT was not answered in time.
    HeartbeatUnanswered {
        /// Time since the HEARTBEAT was sent.
        #[serde(rename = "sent_ago_ms", with = "units::ms")]
        #[schemars(with = "f64")]
        sent_ago: Duration,
        /// The path's time-out.
        #[serde(rename = "timeout_ms", with = "units::ms")]
        #[schemars(with = "f64")]
        timeout: Duration,
        /// HEARTBEATs in a row without an answer.
        #[serde(rename = "heartbeats_unanswered")]
        misses: u32,
        /// Time since the last answer on this path, if there was one.
        #[serde(
            rename = "last_alive_ago_ms",
            with = "units::optional_ms",
            default,
            skip_serializing_if = "Option::is_none"
        )]
        #[schemars(with = "Option<f64>")]
        last_alive_ago: Option<Duration>,
    },
    /// DATA was not acknowledged in time, on any path.
    DataUnacknowledged {
        /// The TSN that is not acknowledged.
        tsn: u32,
        /// The highest Cumulative TSN Ack of the peer.
        cum_tsn_ack: u32,
        /// Time since this TSN was sent.
        #[serde(rename = "sent_ago_ms", with = "units::ms")]
        #[schemars(with = "f64")]
        sent_ago: Duration,
        /// The path's time-out.
        #[serde(rename = "timeout_ms", with = "units::ms")]
        #[schemars(with = "f64")]
        timeout: Duration,
        /// Packets with new DATA that were sent on the path since then.
        packets: u32,
        /// SACKs that are overdue.
        #[serde(rename = "sacks_missing")]
        missed: u32,
        /// How often the TSN was retransmitted on the path since then; packets that follow each other at once count as one.
        #[serde(rename = "retransmitted", default, skip_serializing_if = "is_zero")]
        tries: u32,
        /// Time since the last answer on this path, if there was one.
        #[serde(
            rename = "last_alive_ago_ms",
            with = "units::optional_ms",
            default,
            skip_serializing_if = "Option::is_none"
        )]
        #[schemars(with = "Option<f64>")]
        last_alive_ago: Option<Duration>,
    },
    /// A probe of the agent's own was answered.
    ProbeAnswered {
        /// Time from the probe to its answer.
        #[serde(rename = "rtt_ms", with = "units::ms")]
        #[schemars(with = "f64")]
        rtt: Duration,
    },
    /// Probes of the agent's own were not answered on this path, while others, sent at the same time or later, were answered on
    /// another path of the association.
    ProbesUnanswered {
        /// Probes in a row without an answer on this path.
        #[serde(rename = "probes_unanswered")]
        probes: u32,
        /// Time since the first of them was sent.
        #[serde(rename = "sent_ago_ms", with = "units::ms")]
        #[schemars(with = "f64")]
        sent_ago: Duration,
        /// Time that an answer may take.
        #[serde(rename = "timeout_ms", with = "units::ms")]
        #[schemars(with = "f64")]
        timeout: Duration,
        /// The path on which probes were answered.
        sibling: PathId,
        /// Probes that were sent on that path since then.
        sibling_probes: u32,
        /// Those of them that were answered.
        sibling_answered: u32,
        /// Time since the last answer on this path, if there was one.
        #[serde(
            rename = "last_alive_ago_ms",
            with = "units::optional_ms",
            default,
            skip_serializing_if = "Option::is_none"
        )]
        #[schemars(with = "Option<f64>")]
        last_alive_ago: Option<Duration>,
    },
    /// An ICMP error quotes a packet of the association, with its verification tag.
    IcmpError {
        /// The ICMP version, type and code.
        #[serde(flatten, with = "units::icmp")]
        #[schemars(with = "units::icmp::Icmp")]
        what: IcmpMessage,
        /// The address that sent the ICMP error.
        reporter: IpAddr,
    },
    /// DATA arrives, but no SACK for it returns.
    AnswersLost {
        /// Chunks that were retransmitted although the peer had received them (it reports them as duplicates).
        #[serde(rename = "duplicates")]
        chunks: u32,
        /// Least time since the last packet in return direction on this path.
        #[serde(rename = "silent_for_ms", with = "units::ms")]
        #[schemars(with = "f64")]
        silent_for: Duration,
    },
    /// The next hop of the path does not answer when this host asks for its link-layer address: nothing can leave.
    NextHopUnresolved {
        /// Its address: a router's, or the remote address itself.
        next_hop: IpAddr,
        /// The NIC that leads to it.
        interface: String,
        /// Its entry in the neighbour table.
        neighbour: Neighbour,
        /// Time since anything was heard on the path.
        #[serde(rename = "silent_for_ms", with = "units::ms")]
        #[schemars(with = "f64")]
        silent_for: Duration,
    },
    /// The next hop, which did not answer, does so again; the peer has not answered yet.
    NextHopResolved {
        /// Its address: a router's, or the remote address itself.
        next_hop: IpAddr,
        /// The NIC that leads to it.
        interface: String,
    },
    /// The peer's DATA of this path came again over another path, and none comes on this one any more. Of an endpoint, which only
    /// receives.
    DataElsewhere {
        /// Chunks that had not arrived on this path.
        missing: u32,
        /// Chunks that had: the peer does not know it.
        duplicates: u32,
        /// Time since the last packet with DATA on this path.
        #[serde(rename = "silent_for_ms", with = "units::ms")]
        #[schemars(with = "f64")]
        silent_for: Duration,
    },
    /// The peer's HEARTBEATs stay out on this path, while it is heard on others.
    HeartbeatsStayOut {
        /// Time since the peer's last packet on this path.
        #[serde(rename = "silent_for_ms", with = "units::ms")]
        #[schemars(with = "f64")]
        silent_for: Duration,
        /// The longest time from one HEARTBEAT to the next while all was well.
        #[serde(rename = "usual_interval_ms", with = "units::ms")]
        #[schemars(with = "f64")]
        usual: Duration,
    },
    /// The peer repeats its HEARTBEATs on this path sooner than usual, as a sender does that gets no answer, though they arrive and
    /// are answered.
    HeartbeatsRepeated {
        /// HEARTBEATs in a row that came too soon.
        heartbeats: u32,
        /// Time between the last two.
        #[serde(rename = "interval_ms", with = "units::ms")]
        #[schemars(with = "f64")]
        interval: Duration,
        /// The longest time from one HEARTBEAT to the next while all was well.
        #[serde(rename = "usual_interval_ms", with = "units::ms")]
        #[schemars(with = "f64")]
        usual: Duration,
    },
    /// The NIC that the path uses has no link.
    LinkDown {
        /// The name of the NIC.
        interface: String,
    },
    /// The NIC that the path uses does not exist any more.
    InterfaceGone {
        /// The name of the NIC.
        interface: String,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl Reason {
    /// Whether an endpoint concludes it from what it receives.
    pub(crate) fn is_of_receiver(&self) -> bool {
        matches!(
            self,
            Self::DataElsewhere { .. } | Self::HeartbeatsStayOut { .. } | Self::HeartbeatsRepeated { .. }
        )
    }

    /// Whether it is the NIC's, and not the network's.
    pub(crate) fn is_nic(&self) -> bool {
        matches!(self, Self::LinkDown { .. } | Self::InterfaceGone { .. })
    }

    /// Whether it is that nothing can be sent to the next hop.
    pub(crate) fn is_next_hop(&self) -> bool {
        matches!(self, Self::NextHopUnresolved { .. })
    }
}
