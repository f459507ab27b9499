//! The agent's own probes of a path: what came back, or why none are sent.

use std::{fmt, net::IpAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::RttView;

/// The probes of one path. They are HEARTBEATs that the agent itself sends, and count in no other figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProbesView {
    /// Why no probes are sent, or why nothing is concluded from those that are; `None` if nothing stands in the way.
    pub obstacle: Option<ProbeObstacle>,
    /// Probes that the agent sent.
    pub sent: u64,
    /// Probes that left by a watched NIC.
    pub left: u64,
    /// Probes that were answered.
    pub answered: u64,
    /// Probes without an answer after a second.
    pub unanswered: u64,
    /// Unanswered probes in percent, of all that are older than a second; `None` if there are none.
    pub loss_percent: Option<f32>,
    /// Time from probe to answer, if one was answered.
    pub rtt: Option<RttView>,
    /// Probes that were answered from another address than the one probed.
    pub answered_elsewhere: u64,
    /// The last such address.
    pub ack_source: Option<IpAddr>,
    /// Answers that came bundled with other chunks, and were passed on to this host's stack.
    pub passed_on: u64,
    /// Probes that were not sent because of the limits on probes per second.
    pub limited: u64,
}

impl ProbesView {
    /// Of a path that is not probed.
    pub(crate) const fn none(obstacle: Option<ProbeObstacle>) -> Self {
        Self {
            obstacle,
            sent: 0,
            left: 0,
            answered: 0,
            unanswered: 0,
            loss_percent: None,
            rtt: None,
            answered_elsewhere: 0,
            ack_source: None,
            passed_on: 0,
            limited: 0,
        }
    }
}

/// Why no probes are sent on a path, or why nothing is concluded from those that are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "obstacle", rename_all = "snake_case")]
pub enum ProbeObstacle {
    /// The association is not established, or it is being shut down.
    NotEstablished,
    /// The verification tags are not certain: the handshake was not seen, and nothing has proved them yet.
    TagsUncertain,
    /// This host has sent nothing on the path yet.
    NothingSent,
    /// The association is encapsulated in UDP (RFC 6951).
    InUdp,
    /// The NIC of the path has no link.
    NoLink,
    /// Packets of the association cross a NIC that is not watched now.
    NotWatched,
    /// This host's SCTP stack has sent no HEARTBEAT yet: which answers it stands is known by their length.
    StackUnknown,
    /// This host's SCTP stack is none that is known to stand the answers.
    StackNotKnown {
        /// The length of its HEARTBEAT chunks in bytes.
        heartbeat_bytes: u16,
    },
    /// All places for probed paths are taken.
    TooManyPaths,
    /// This host could not send the probe.
    NotSent,
    /// The probes do not leave by the NIC that the path uses.
    LeavesElsewhere,
    /// No probe was answered yet: that one is not answered tells nothing.
    NeverAnswered,
}

impl ProbeObstacle {
    /// Whether it stands in the way of sending, and not just of a conclusion.
    pub(crate) const fn keeps_from_sending(self) -> bool {
        !matches!(self, Self::NotSent | Self::LeavesElsewhere | Self::NeverAnswered)
    }

    /// Whether it is worth an event when it lasts: it is no ordinary phase of a path's life.
    pub(crate) const fn is_remarkable(self) -> bool {
        !matches!(
            self,
            Self::NotEstablished | Self::NothingSent | Self::NoLink | Self::NotWatched
        )
    }
}

impl fmt::Display for ProbeObstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotEstablished => f.write_str("the association is not established, or is being shut down"),
            Self::TagsUncertain => {
                f.write_str("its verification tags are not certain: the handshake was not seen, nothing has proved them")
            }
            Self::NothingSent => f.write_str("this host has sent nothing on this path yet"),
            Self::InUdp => f.write_str("the association is encapsulated in UDP"),
            Self::NoLink => f.write_str("the NIC of this path has no link"),
            Self::NotWatched => f.write_str("packets of the association cross a NIC that is not watched now"),
            Self::StackUnknown => f.write_str(
                "this host's SCTP stack has sent no HEARTBEAT on this association yet, so it is not known which answers \
                 it stands",
            ),
            Self::StackNotKnown { heartbeat_bytes } => write!(
                f,
                "this host's SCTP stack sends HEARTBEATs of {heartbeat_bytes} bytes: it is not known which answers it stands"
            ),
            Self::TooManyPaths => f.write_str("too many paths are probed already"),
            Self::NotSent => f.write_str("this host could not send the probe"),
            Self::LeavesElsewhere => f.write_str("the probes do not leave by the NIC that this path uses"),
            Self::NeverAnswered => f.write_str("no probe was answered on this path yet"),
        }
    }
}
