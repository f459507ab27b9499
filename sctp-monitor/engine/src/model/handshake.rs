//! Handshakes that did not lead to an association.

use std::{net::IpAddr, time::Duration};

use schemars::JsonSchema;
use sctp_monitor_common::wire::icmp::IcmpMessage;
use serde::{Deserialize, Serialize};

use crate::model::{ErrorCause, Timestamp, units};

/// A handshake, or several between the same two addresses, that did not lead to an association: what was seen of it since
/// it was last reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnfinishedHandshake {
    /// The address that the INITs came from.
    pub initiator: IpAddr,
    /// The address that they went to.
    pub responder: IpAddr,
    /// The port that they went to.
    pub port: u16,
    /// Where its packets were seen.
    pub seen_at: SeenAt,
    /// Different initiate tags: INITs that were not retransmissions.
    pub attempts: u64,
    /// INITs that were sent.
    pub inits: u64,
    /// Bytes of the largest packet with an INIT, from the SCTP header on.
    pub init_bytes: u32,
    /// INIT ACKs that answered them with the right tag.
    pub init_acks: u64,
    /// Bytes of the largest packet with an INIT ACK, from the SCTP header on.
    pub init_ack_bytes: u32,
    /// COOKIE ECHOs that were sent.
    pub cookie_echoes: u64,
    /// Bytes of the largest packet with a COOKIE ECHO, from the SCTP header on.
    pub cookie_echo_bytes: u32,
    /// When the first of these packets was seen.
    pub first: Timestamp,
    /// When the last of them was seen.
    pub last: Timestamp,
    /// All that came back, each kind once.
    pub answers: Vec<HandshakeAnswer>,
}

/// Where the packets of a handshake were seen. A filter of the host lies behind that place for what arrives there, and before it for what
/// leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SeenAt {
    /// On the initiator's host.
    Initiator,
    /// On the responder's host.
    Responder,
    /// Between the hosts, or on one of them that is not known: captures and gateways.
    Between,
}

/// An answer in a handshake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HandshakeAnswer {
    /// How often it came.
    pub times: u64,
    /// What came.
    #[serde(flatten)]
    pub what: Reply,
}

/// Kinds of answers in a handshake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Reply {
    /// INIT ACK with the initiator's tag.
    InitAck {
        /// The address that it came from.
        source: IpAddr,
        /// Whether it lists the address that was asked, or came from there.
        lists_asked: bool,
    },
    /// COOKIE ACK with the initiator's tag, from an address that the responder has not listed.
    CookieAck {
        /// The address that it came from.
        source: IpAddr,
    },
    /// ABORT with the tag of this handshake.
    Abort {
        /// The address that it came from.
        source: IpAddr,
        /// The initiator sent it.
        by_initiator: bool,
        /// The T bit is set.
        t_bit: bool,
        /// The error causes in it.
        causes: Vec<ErrorCause>,
    },
    /// ERROR with the initiator's tag.
    Error {
        /// The address that it came from.
        source: IpAddr,
        /// The error causes in it.
        causes: Vec<ErrorCause>,
    },
    /// An ICMP error that quotes a packet of the initiator.
    Icmp {
        /// The ICMP version, type and code.
        #[serde(flatten, with = "units::icmp")]
        #[schemars(with = "units::icmp::Icmp")]
        what: IcmpMessage,
        /// The address that sent the ICMP error.
        reporter: IpAddr,
        /// Whether it quotes the tag of the handshake: without it anyone can send it.
        #[serde(default)]
        quotes_tag: bool,
    },
}

impl UnfinishedHandshake {
    /// Whether it is about the same two addresses and the same port.
    #[must_use]
    pub fn is_between_same(&self, other: &Self) -> bool {
        (self.initiator, self.responder, self.port) == (other.initiator, other.responder, other.port)
    }

    /// One more between the same addresses.
    pub fn merge(&mut self, other: Self) {
        self.attempts += other.attempts;
        self.inits += other.inits;
        self.init_bytes = self.init_bytes.max(other.init_bytes);
        self.init_acks += other.init_acks;
        self.init_ack_bytes = self.init_ack_bytes.max(other.init_ack_bytes);
        self.cookie_echoes += other.cookie_echoes;
        self.cookie_echo_bytes = self.cookie_echo_bytes.max(other.cookie_echo_bytes);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        for answer in other.answers {
            self.answered(answer.what, answer.times);
        }
    }

    /// The same answer so many times more.
    pub fn answered(&mut self, what: Reply, times: u64) {
        if let Some(known) = self.answers.iter_mut().find(|known| known.what == what) {
            known.times += times;
        } else if self.answers.len() < MOST_ANSWERS {
            self.answers.push(HandshakeAnswer { times, what });
        }
    }
}

/// How long the legs of a handshake took. What was retransmitted is left out: which packet was answered is not known then
/// (Karn's algorithm, RFC 9260 section 6.3.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HandshakeTimes {
    /// From INIT to INIT ACK.
    #[serde(rename = "init_to_init_ack_ms", with = "units::optional_ms")]
    #[schemars(with = "Option<f64>")]
    pub init: Option<Duration>,
    /// From COOKIE ECHO to COOKIE ACK.
    #[serde(rename = "cookie_echo_to_cookie_ack_ms", with = "units::optional_ms")]
    #[schemars(with = "Option<f64>")]
    pub cookie: Option<Duration>,
}

/// Different answers that are kept. Honest ones are one or two; whoever guesses a tag may send many.
const MOST_ANSWERS: usize = 8;
