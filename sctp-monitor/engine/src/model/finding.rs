//! Findings: what is wrong with a path or an association, with the evidence in figures and what to check next.
//!
//! A kind is a struct of its evidence. How bad it is, its words and what to check stand beside its rule, in
//! `findings/`.

use std::{fmt, net::IpAddr, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::Error};

use crate::model::{
    AssociationId, Direction, FindingKind, IncidentId, PathId, Rate, Reason, Severity, Side, Slow, Suspicion,
    Timestamp, units,
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
    /// One address of the local endpoint.
    Local(IpAddr),
    /// One address of the remote endpoint.
    Remote(IpAddr),
    /// One path.
    Path(PathId),
}

/// An object by its addresses: both for a path, one alone for an address, none for the association.
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
            (Some(local), None) => Self::Local(local),
            (None, None) => Self::Association,
        }
    }
}

impl From<Object> for Addresses {
    fn from(object: Object) -> Self {
        let (local, remote) = match object {
            Object::Association => (None, None),
            Object::Local(local) => (Some(local), None),
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
    /// Small packets pass, large ones do not.
    PathMtuBlackHole(PathMtuBlackHole),
    /// Part of the DATA is lost.
    GreyLoss(GreyLoss),
    /// The round-trip time has grown.
    LatencyDegraded(Slow),
    /// A sender's packets have a wrong CRC32c and get no answer.
    BadChecksum(BadChecksum),
    /// A sender retransmits what has arrived: its time-out is shorter than the peer's delay of SACKs.
    RtoBelowSackDelay(RtoBelowSackDelay),
    /// The path fails and recovers again and again.
    Flapping(Flapping),
    /// HEARTBEATs are answered from another address than the one that they were sent to.
    AnsweredElsewhere(AnsweredElsewhere),
    /// No path to this address was ever confirmed.
    SecondaryUnconfirmed(SecondaryUnconfirmed),
    /// An endpoint's list of its addresses holds some that its peer can hardly reach.
    AddressListSuspect(AddressListSuspect),
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PeerDown {
    /// The number of paths.
    pub paths: usize,
    /// Between the hosts: the endpoint from which nothing comes any more while the other one goes on, if that can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent: Option<SilentEndpoint>,
}

/// An endpoint from which nothing comes any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SilentEndpoint {
    /// Which of the two.
    pub side: Side,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
}

/// The local NIC has no link, or does not exist any more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LinkDown {
    /// No link, or no NIC.
    #[serde(flatten)]
    pub reason: Reason,
}

/// Small packets pass, large ones do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PathMtuBlackHole {
    /// The direction in which large packets are lost.
    pub direction: Direction,
    /// Size of the smallest lost packet, in bytes (IP total length); `None` while no size is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost_bytes: Option<u32>,
    /// Size of the largest packet that has passed since, in bytes (IP total length).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passed_bytes: Option<u32>,
    /// The MTU that ICMP reported, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_mtu: Option<u32>,
    /// The TSN that the receiver misses, and that never came by here, while later ones arrive; `None` where the lost packets
    /// themselves were seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_tsn: Option<u32>,
    /// HEARTBEATs are answered while DATA is lost.
    pub heartbeats_pass: bool,
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
    /// The direction of the HEARTBEATs.
    #[serde(default = "forward")]
    pub direction: Direction,
    /// The address that the last such HEARTBEAT ACK came from.
    #[serde(rename = "ack_source")]
    pub source: IpAddr,
}

/// A sender retransmits what has arrived: its time-out is shorter than the peer's delay of SACKs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RtoBelowSackDelay {
    /// The direction of the DATA.
    pub direction: Direction,
    /// From the first transmission of a lone packet to the second.
    #[serde(rename = "rto_ms", with = "units::ms")]
    #[schemars(with = "f64")]
    pub rto: Duration,
    /// The longest that the peer took to acknowledge a single packet that was not retransmitted; `None` if each was.
    #[serde(rename = "sack_delay_ms", with = "units::optional_ms")]
    #[schemars(with = "Option<f64>")]
    pub sack_delay: Option<Duration>,
    /// DATA chunks of the last `chunks` that were retransmitted.
    pub retransmitted: u32,
    /// DATA chunks that these figures are about.
    pub chunks: u32,
}

/// A sender's packets have a wrong CRC32c and get no answer, while another's to the same address are right and are answered. It is
/// about the address pair, and no association: local is the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BadChecksum {
    /// Packets with a wrong CRC32c: all that were looked at of the sender, or all since the last one that was right.
    pub packets: u32,
    /// Another sender to the same address, whose packets are right and are answered; none if the sender itself was right before.
    pub other: Option<IpAddr>,
}

/// No path to this address was ever confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecondaryUnconfirmed {
    /// How long the address has been known.
    #[serde(rename = "known_for_ms", with = "units::ms")]
    #[schemars(with = "f64")]
    pub known_for: Duration,
    /// HEARTBEATs to the address that were seen.
    #[serde(default)]
    pub heartbeats: u64,
}

/// An endpoint's list of its addresses holds some that its peer can hardly reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AddressListSuspect {
    /// The endpoint that lists them.
    pub side: Side,
    /// Where its packet with the list came from.
    pub source: IpAddr,
    /// The addresses in question.
    pub addresses: Vec<IpAddr>,
    /// What is wrong with them.
    #[serde(flatten)]
    pub problem: ListProblem,
}

/// What is wrong with addresses that an endpoint lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "problem", rename_all = "snake_case")]
pub enum ListProblem {
    /// They are of a range that no other host can reach: loopback, link-local, multicast and the like.
    UnusableRange,
    /// They are private, and the packet's source and the peer are not.
    PrivateBehindPublic,
    /// The packet's source is not among them, and none of them is confirmed.
    OmitsSource {
        /// What an association before it, between the same ports, listed; empty if that is not known.
        before: Vec<IpAddr>,
    },
    /// Another endpoint with the same port lists them too.
    ListedByAnother {
        /// An association of the other endpoint.
        other_association: AssociationId,
        /// Where the other endpoint's packet with the list came from.
        other_source: IpAddr,
    },
}

/// Why an association is not served although the peer answers HEARTBEATs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Zombie {
    /// An endpoint advertises a receiver window of zero: its application reads nothing.
    NobodyReads {
        /// The endpoint that advertises it.
        #[serde(default = "remote")]
        side: Side,
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
    /// All addresses of the local endpoint, or between the hosts of either, are in one subnet, of which this is the first
    /// address: 24 bits for IPv4, 64 bits for IPv6.
    Subnet(IpAddr),
}

/// What lines say that were written before the field was there: they are of hosts.
fn remote() -> Side {
    Side::Remote
}

/// The same.
fn forward() -> Direction {
    Direction::Forward
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
