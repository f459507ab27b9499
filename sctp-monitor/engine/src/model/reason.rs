//! Why a path changed its state: the evidence, in words and in figures.

use std::{net::IpAddr, time::Duration};

use schemars::JsonSchema;
use sctp_monitor_common::wire::icmp::IcmpMessage;
use serde::{Deserialize, Serialize};

use crate::model::units;

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
        /// Time since the path last worked, if it did before.
        #[serde(
            rename = "last_alive_ago_ms",
            with = "units::optional_ms",
            default,
            skip_serializing_if = "Option::is_none"
        )]
        #[schemars(with = "Option<f64>")]
        after: Option<Duration>,
    },
    /// A HEARTBEAT of the peer was answered: it arrives, and the answer leaves.
    PeerHeartbeatAnswered,
    /// A HEARTBEAT was not answered in time.
    HeartbeatUnanswered {
        /// Time since it was sent.
        #[serde(rename = "sent_ago_ms", with = "units::ms")]
        #[schemars(with = "f64")]
        sent_ago: Duration,
        /// The path's time-out.
        #[serde(rename = "timeout_ms", with = "units::ms")]
        #[schemars(with = "f64")]
        timeout: Duration,
        /// Heartbeats in a row without an answer.
        #[serde(rename = "heartbeats_unanswered")]
        misses: u32,
        /// Time since the path last worked, if it did before.
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
        /// The TSN that is waited for.
        tsn: u32,
        /// The highest cumulative TSN ack of the peer.
        cum_tsn_ack: u32,
        /// Time since it was sent.
        #[serde(rename = "sent_ago_ms", with = "units::ms")]
        #[schemars(with = "f64")]
        sent_ago: Duration,
        /// The path's time-out.
        #[serde(rename = "timeout_ms", with = "units::ms")]
        #[schemars(with = "f64")]
        timeout: Duration,
        /// Packets with new DATA on the path since then.
        packets: u32,
        /// Acknowledgements that should have come by now.
        #[serde(rename = "sacks_missing")]
        missed: u32,
        /// Time since the path last worked, if it did before.
        #[serde(
            rename = "last_alive_ago_ms",
            with = "units::optional_ms",
            default,
            skip_serializing_if = "Option::is_none"
        )]
        #[schemars(with = "Option<f64>")]
        last_alive_ago: Option<Duration>,
    },
    /// A router or the remote host answered a packet with an ICMP error that quotes it, with the association's tag.
    IcmpError {
        /// What it says.
        #[serde(flatten, with = "units::icmp")]
        #[schemars(with = "units::icmp::Icmp")]
        what: IcmpMessage,
        /// Who sent it.
        reporter: IpAddr,
    },
    /// DATA arrives, but its SACKs do not come back.
    AnswersLost {
        /// Chunks that were sent again although they had arrived, by the peer's word.
        #[serde(rename = "duplicates")]
        chunks: u32,
        /// Time since anything came back on this path, at least.
        #[serde(rename = "silent_for_ms", with = "units::ms")]
        #[schemars(with = "f64")]
        silent_for: Duration,
    },
    /// The NIC that the path uses has no link.
    LinkDown {
        /// Its name.
        interface: String,
    },
    /// The NIC that the path uses is gone.
    InterfaceGone {
        /// Its name.
        interface: String,
    },
}

impl Reason {
    /// Whether it is the NIC's, and not the network's.
    pub(crate) fn is_nic(&self) -> bool {
        matches!(self, Self::LinkDown { .. } | Self::InterfaceGone { .. })
    }
}
