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

/// Something that is wrong, as long as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// What was found, and by what.
    #[serde(flatten)]
    pub evidence: Evidence,
    /// How bad it is.
    pub severity: Severity,
    /// What it is about.
    #[serde(flatten)]
    pub object: Object,
    /// Since when.
    pub since: Timestamp,
    /// The incident that it is part of.
    pub incident: Option<IncidentId>,
    /// In words.
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
    /// All of it.
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

/// What was found, by kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "finding", content = "evidence", rename_all = "snake_case")]
pub enum Evidence {
    /// The path carries nothing, in one direction at least.
    PathDown(PathDown),
    /// All paths to the peer are down.
    PeerDown(PeerDown),
    /// The local NIC has no link, or is gone.
    LinkDown(LinkDown),
    /// Heartbeats and small packets pass, large ones do not.
    PathMtuBlackHole(PathMtuBlackHole),
    /// Part of the DATA is lost.
    GreyLoss(GreyLoss),
    /// The path has become slow.
    LatencyDegraded(Slow),
    /// The path comes and goes.
    Flapping(Flapping),
    /// Heartbeats are answered from another address than the one that they went to.
    AnsweredElsewhere(AnsweredElsewhere),
    /// No path to this address of the peer was ever confirmed.
    SecondaryUnconfirmed(SecondaryUnconfirmed),
    /// The peer's host lives, the association does not.
    Zombie(Zombie),
    /// Somebody sends packets in an endpoint's name.
    SpoofingSuspected(Suspicion),
    /// One failure would end the association.
    NotRedundant(NotRedundant),
    /// A kind that a later version added. The engine itself finds none.
    #[serde(untagged)]
    Unknown {
        /// Its name.
        #[serde(deserialize_with = "unknown_name")]
        finding: String,
    },
}

/// The path carries nothing, in one direction at least.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PathDown {
    /// In which direction.
    #[serde(rename = "direction")]
    pub broken: Broken,
    /// By what it was noticed.
    #[serde(flatten)]
    pub reason: Reason,
}

/// The direction in which a path is broken, as far as the evidence tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Broken {
    /// Not known yet.
    Unknown,
    /// What the local endpoint sends does not arrive.
    Forward,
    /// What the remote endpoint sends does not arrive.
    Return,
    /// Neither.
    Both,
}

/// All paths to the peer are down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PeerDown {
    /// How many.
    pub paths: usize,
}

/// The local NIC has no link, or is gone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LinkDown {
    /// Which of the two.
    #[serde(flatten)]
    pub reason: Reason,
}

/// Heartbeats and small packets pass, large ones do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PathMtuBlackHole {
    /// The smallest packet that was lost, bytes by the IP header; none while no size is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_bytes: Option<u32>,
    /// The largest one that passed since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passed_bytes: Option<u32>,
    /// What the network itself said, by ICMP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_mtu: Option<u32>,
}

/// Part of the DATA is lost.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GreyLoss {
    /// Of which direction.
    pub direction: Direction,
    /// How much.
    #[serde(flatten)]
    pub rate: Rate,
}

/// The path comes and goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Flapping {
    /// Failures in the window.
    pub failures: usize,
    /// The window.
    #[serde(rename = "within_ms", with = "units::ms")]
    #[schemars(with = "f64")]
    pub within: Duration,
}

/// Heartbeats are answered from another address than the one that they went to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AnsweredElsewhere {
    /// From which.
    #[serde(rename = "ack_source")]
    pub source: IpAddr,
}

/// No path to this address of the peer was ever confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecondaryUnconfirmed {
    /// How long it is known.
    #[serde(rename = "known_for_ms", with = "units::ms")]
    #[schemars(with = "f64")]
    pub known_for: Duration,
}

/// How an association is dead alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Zombie {
    /// The peer advertises a window of zero: nobody reads.
    NobodyReads {
        /// For so long.
        #[serde(rename = "window_zero_for_ms", with = "units::ms")]
        #[schemars(with = "f64")]
        window_zero_for: Duration,
    },
    /// It was ended, but heartbeats are still answered.
    AnswersAfterEnd,
    /// A shutdown does not come to its end.
    ShutdownPending {
        /// For so long.
        #[serde(rename = "shutdown_pending_ms", with = "units::ms")]
        #[schemars(with = "f64")]
        pending: Duration,
    },
}

/// One failure would end the association.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NotRedundant {
    /// What all its paths share.
    pub shared: Vec<Shared>,
}

/// Something that all paths of an association share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Shared {
    /// There is only one local address.
    LocalAddress(IpAddr),
    /// There is only one remote address.
    RemoteAddress(IpAddr),
    /// The local NIC.
    Interface(String),
    /// The next hop's Ethernet address.
    NextHop(
        #[serde(with = "units::ethernet")]
        #[schemars(with = "String")]
        [u8; 6],
    ),
    /// The local addresses' subnet, as its first address: of 24 bits for IPv4, of 64 bits for IPv6.
    Subnet(IpAddr),
}

impl Evidence {
    /// Of what kind it is.
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
            Self::Unknown { .. } => FindingKind::Unknown,
        }
    }

    /// Its name in reports.
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
            | Self::Unknown { .. } => return None,
        })
    }

    /// Whether `other` is about the same trouble, with other figures perhaps.
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
            (Self::Flapping(_), Self::Flapping(_))
            | (Self::SecondaryUnconfirmed(_), Self::SecondaryUnconfirmed(_))
            | (Self::LinkDown(_), Self::LinkDown(_))
            | (Self::Zombie(_), Self::Zombie(_)) => false,
            _ => self != other,
        }
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
