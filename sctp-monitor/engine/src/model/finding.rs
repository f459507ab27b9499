//! Findings: what is wrong with a path or an association, with the evidence in figures and what to check next.
//!
//! A kind is a struct of its evidence. How bad it is, its words and what to check stand beside its rule, in
//! `findings/`.

use std::{fmt, mem::discriminant, net::IpAddr, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::Error};

use crate::model::{
    Direction, FindingKind, IncidentId, PathId, Rate, Reason, Severity, Slow, Suspicion, Timestamp, units,
};

/// Something that is wrong, as long as it lasts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// The kind of the finding, and the figures that prove it.
    #[serde(flatten)]
    pub evidence: Evidence,
    /// How severe it is.
    pub severity: Severity,
    /// The association, address or path that it is about.
    #[serde(flatten)]
    pub object: Object,
    /// When it began.
    pub since: Timestamp,
    /// The incident that it belongs to, if any.
    pub incident: Option<IncidentId>,
    /// The finding in words, with its figures.
    #[serde(rename = "reason")]
    pub text: String,
    /// What to check next.
    #[serde(rename = "next")]
    pub check: String,
}

/// What a finding is about, in its association.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Addresses", into = "Addresses")]
#[schemars(with = "Addresses")]
pub enum Object {
    /// The association as a whole.
    Association,
    /// One address of the remote endpoint.
    Remote(IpAddr),
    /// One path.
    Path(PathId),
}

/// An object by its addresses: both for a path, the remote one alone for an address, none for the association.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
struct Addresses {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    local: Option<IpAddr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    remote: Option<IpAddr>,
}

impl From<Addresses> for Object {
    fn from(addresses: Addresses) -> Self {
        match (addresses.local, addresses.remote) {
            (Some(local), Some(remote)) => Self::Path(PathId { local, remote }),
            (None, Some(remote)) => Self::Remote(remote),
            (_, None) => Self::Association,
        }
    }
}

impl From<Object> for Addresses {
    fn from(object: Object) -> Self {
        let (local, remote) = match object {
            Object::Association => (None, None),
            Object::Remote(remote) => (None, Some(remote)),
            Object::Path(path) => (Some(path.local), Some(path.remote)),
        };
        Self { local, remote }
    }
}

/// Kinds of findings, each with the figures that prove it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "finding", content = "evidence", rename_all = "snake_case")]
pub enum Evidence {
    /// The path is inactive.
    PathDown(PathDown),
    /// All paths to the peer are inactive.
    PeerDown(PeerDown),
    /// The local NIC has no link, or does not exist any more.
    LinkDown(LinkDown),
    /// HEARTBEATs and small packets pass, large ones do not.
    PathMtuBlackHole(PathMtuBlackHole),
    /// Part of the DATA is lost.
    GreyLoss(GreyLoss),
    /// The round-trip time has grown.
    LatencyDegraded(Slow),
    /// The path fails and recovers again and again.
    Flapping(Flapping),
    /// HEARTBEATs are answered from another address than the one that they were sent to.
    AnsweredElsewhere(AnsweredElsewhere),
    /// No path to this address of the peer was ever confirmed.
    SecondaryUnconfirmed(SecondaryUnconfirmed),
    /// The peer answers HEARTBEATs, but does not serve the association.
    Zombie(Zombie),
    /// Packets claim to come from an endpoint, but did not.
    SpoofingSuspected(Suspicion),
    /// A single failure would end the association.
    NotRedundant(NotRedundant),
    /// Associations between the same two hosts do not last, one after the other.
    ShortLived(ShortLived),
    /// A kind that a later version added; this version never finds one.
    #[serde(untagged)]
    Unknown {
        /// The name of the kind.
        #[serde(deserialize_with = "unknown_name")]
        finding: String,
    },
}

/// The path is inactive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PathDown {
    /// The direction that is broken.
    #[serde(rename = "direction")]
    pub broken: Broken,
    /// The evidence for the failure.
    #[serde(flatten)]
    pub reason: Reason,
}

/// The direction in which a path is broken, as far as the evidence shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Broken {
    /// The evidence does not show the direction yet.
    Unknown,
    /// Packets from the local endpoint do not arrive.
    Forward,
    /// Packets from the remote endpoint do not arrive.
    Return,
    /// Packets of neither endpoint arrive.
    Both,
}

/// All paths to the peer are inactive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PeerDown {
    /// The number of paths.
    pub paths: usize,
}

/// The local NIC has no link, or does not exist any more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LinkDown {
    /// No link, or no NIC.
    #[serde(flatten)]
    pub reason: Reason,
}

/// HEARTBEATs and small packets pass, large ones do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PathMtuBlackHole {
    /// Size of the smallest lost packet, in bytes (IP total length); `None` while no size is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_bytes: Option<u32>,
    /// Size of the largest packet that has passed since, in bytes (IP total length).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passed_bytes: Option<u32>,
    /// The MTU that ICMP reported, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_mtu: Option<u32>,
}

/// Part of the DATA is lost.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GreyLoss {
    /// The direction of the lost DATA.
    pub direction: Direction,
    /// The share of DATA chunks that is lost.
    #[serde(flatten)]
    pub rate: Rate,
}

/// The path fails and recovers again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Flapping {
    /// The number of failures within the window.
    pub failures: usize,
    /// The length of the window.
    #[serde(rename = "within_ms", with = "units::ms")]
    #[schemars(with = "f64")]
    pub within: Duration,
}

/// HEARTBEATs are answered from another address than the one that they were sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AnsweredElsewhere {
    /// The address that the last such HEARTBEAT ACK came from.
    #[serde(rename = "ack_source")]
    pub source: IpAddr,
}

/// No path to this address of the peer was ever confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecondaryUnconfirmed {
    /// How long the address has been known.
    #[serde(rename = "known_for_ms", with = "units::ms")]
    #[schemars(with = "f64")]
    pub known_for: Duration,
    /// HEARTBEATs that were sent to the address.
    #[serde(default)]
    pub heartbeats_sent: u64,
}

/// Why an association is not served although the peer answers HEARTBEATs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Zombie {
    /// The peer advertises a receiver window of zero: its application reads nothing.
    NobodyReads {
        /// How long the window has been zero.
        #[serde(rename = "window_zero_for_ms", with = "units::ms")]
        #[schemars(with = "f64")]
        window_zero_for: Duration,
    },
    /// The association has ended, but its HEARTBEATs are still answered.
    AnswersAfterEnd,
    /// A shutdown is not finished.
    ShutdownPending {
        /// Time since SHUTDOWN was seen.
        #[serde(rename = "shutdown_pending_ms", with = "units::ms")]
        #[schemars(with = "f64")]
        pending: Duration,
    },
}

/// Associations between the same two hosts do not last, one after the other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShortLived {
    /// Handshakes that the responder refused by ABORT.
    pub refused: u32,
    /// Associations that ended soon after their handshake.
    pub associations: u32,
    /// Associations that were restarted soon after their handshake.
    pub restarts: u32,
    /// The longest life of these associations.
    #[serde(rename = "longest_life_ms", with = "units::ms")]
    #[schemars(with = "f64")]
    pub longest: Duration,
    /// Addresses that refused or ended them.
    pub ended_by: Vec<IpAddr>,
}

/// A single failure would end the association.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NotRedundant {
    /// What all paths share.
    pub shared: Vec<Shared>,
}

/// Something that all paths of an association share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Shared {
    /// All paths have this local address.
    LocalAddress(IpAddr),
    /// All paths have this remote address.
    RemoteAddress(IpAddr),
    /// All paths use this local NIC.
    Interface(String),
    /// All paths use the next hop with this Ethernet address.
    NextHop(
        #[serde(with = "units::ethernet")]
        #[schemars(with = "String")]
        [u8; 6],
    ),
    /// All local addresses are in one subnet, of which this is the first address: 24 bits for IPv4, 64 bits for IPv6.
    Subnet(IpAddr),
}

impl Evidence {
    /// The kind of the finding.
    #[must_use]
    pub fn kind(&self) -> FindingKind {
        match self {
            Self::PathDown(_) => FindingKind::PathDown,
            Self::PeerDown(_) => FindingKind::PeerDown,
            Self::LinkDown(_) => FindingKind::LinkDown,
            Self::PathMtuBlackHole(_) => FindingKind::PathMtuBlackHole,
            Self::GreyLoss(_) => FindingKind::GreyLoss,
            Self::LatencyDegraded(_) => FindingKind::LatencyDegraded,
            Self::Flapping(_) => FindingKind::Flapping,
            Self::AnsweredElsewhere(_) => FindingKind::AnsweredElsewhere,
            Self::SecondaryUnconfirmed(_) => FindingKind::SecondaryUnconfirmed,
            Self::Zombie(_) => FindingKind::Zombie,
            Self::SpoofingSuspected(_) => FindingKind::SpoofingSuspected,
            Self::NotRedundant(_) => FindingKind::NotRedundant,
            Self::ShortLived(_) => FindingKind::ShortLived,
            Self::Unknown { .. } => FindingKind::Unknown,
        }
    }

    /// The name of the kind in reports.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Unknown { finding } => finding,
            known => known.kind().name(),
        }
    }

    /// Whether failures of this kind may have one cause; such findings are members of incidents.
    pub(crate) fn cause(&self) -> Option<Cause> {
        Some(match self {
            Self::PathDown(_) | Self::LinkDown(_) => Cause::Failure,
            Self::PathMtuBlackHole(_) => Cause::BlackHole,
            Self::GreyLoss(_) => Cause::Loss,
            Self::LatencyDegraded(_) => Cause::Latency,
            Self::Flapping(_) => Cause::Flapping,
            Self::PeerDown(_)
            | Self::AnsweredElsewhere(_)
            | Self::SecondaryUnconfirmed(_)
            | Self::Zombie(_)
            | Self::SpoofingSuspected(_)
            | Self::NotRedundant(_)
            | Self::ShortLived(_)
            | Self::Unknown { .. } => return None,
        })
    }

    /// Whether `other` is of the same kind; its figures may differ.
    #[must_use]
    pub fn is_same_kind(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::GreyLoss(known), Self::GreyLoss(now)) => known.direction == now.direction,
            (Self::SpoofingSuspected(known), Self::SpoofingSuspected(now)) => known.forgery == now.forgery,
            _ => discriminant(self) == discriminant(other),
        }
    }

    /// Whether `other` says something that is worth an update.
    pub(crate) fn differs(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::PathDown(known), Self::PathDown(now)) => known.broken != now.broken,
            (Self::GreyLoss(known), Self::GreyLoss(now)) => {
                (known.rate.percent - now.rate.percent).abs() > LOSS_POINTS
            }
            (Self::LatencyDegraded(slow), Self::LatencyDegraded(now)) => {
                now.rtt > slow.rtt * 3 / 2 || now.rtt < slow.rtt * 2 / 3
            }
            (Self::SpoofingSuspected(known), Self::SpoofingSuspected(now)) => known.differs(now),
            (Self::ShortLived(known), Self::ShortLived(now)) => now.times() >= 2 * known.times(),
            (Self::Flapping(_), Self::Flapping(_))
            | (Self::SecondaryUnconfirmed(_), Self::SecondaryUnconfirmed(_))
            | (Self::LinkDown(_), Self::LinkDown(_))
            | (Self::Zombie(_), Self::Zombie(_)) => false,
            _ => self != other,
        }
    }
}

impl ShortLived {
    /// How often something did not last.
    pub(crate) fn times(&self) -> u32 {
        self.refused + self.associations + self.restarts
    }
}

/// A kind that is known, but with other figures than it has, is damaged and not unknown.
fn unknown_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    if FindingKind::ALL.iter().any(|kind| kind.name() == name) {
        return Err(D::Error::custom(format_args!("{name} without its evidence")));
    }
    Ok(name)
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Unknown => "unknown",
            Self::Forward => "forward",
            Self::Return => "return",
            Self::Both => "both",
        })
    }
}

/// What failures of one kind have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cause {
    Failure,
    BlackHole,
    Loss,
    Latency,
    Flapping,
}

/// A rate that moves by more is worth an update.
const LOSS_POINTS: f32 = 3.0;
