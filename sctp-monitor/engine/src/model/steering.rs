//! Packets that leave on another path than the one the host chose: where to, why, why not, and how many.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{AssociationRef, PathId, PathState, Timestamp, WayView};

/// What is done with the packets of a failed path.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum SteeringMode {
    /// Nothing: they leave as the host sends them.
    #[default]
    Off,
    /// All is decided and counted as it would be, but they leave as the host sends them.
    DryRun,
    /// They leave on a path of their association that works.
    Move,
    /// Packets of all paths leave on two paths at once, where that does no harm; elsewhere those of a failed path are moved.
    Both,
}

/// Why packets of a path began to leave on another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SteeringCause {
    /// The path is inactive.
    PathInactive,
    /// They are to leave on two paths at all times.
    Always,
    /// The operator asked for it.
    Operator,
}

/// Why packets of a path leave as the host sends them again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SteeringEnd {
    /// The path has been active for as long as the configuration asks for.
    PathRecovered,
    /// No other path of the association can take its packets any more.
    NoPathLeft,
    /// The operator asked for it.
    Operator,
    /// The association has ended, or the path is no longer one of it.
    PathGone,
    /// The agent at the other end does not send on two paths any more.
    PeerStopped,
    /// The kernel did not take the order.
    Refused,
    /// Packets of the path, or of the other one, cross a NIC that is not watched now.
    NotWatched,
    /// The agent ends.
    AgentEnds,
}

/// Why packets of a path that failed are not moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SteeringObstacle {
    /// No other path of the association is active.
    NoActivePath,
    /// Paths that are active have a smaller MTU.
    MtuTooSmall,
    /// As many associations are steered as the configuration allows.
    TooManyAssociations,
    /// The verification tag of the association is not known.
    TagUnknown,
    /// The operator took it back; it is left alone until the path is active again.
    Operator,
    /// The operator paused all steering.
    Paused,
    /// Steering is off, for all or for this peer.
    Off,
    /// This host has sent nothing on the path that was seen.
    NothingSent,
    /// Packets of other paths leave on it.
    TakesOthers,
    /// Its packets leave by a NIC that is not watched now.
    NotWatched,
    /// The association has no such path.
    NoSuchPath,
    /// There is nothing to take back.
    NothingInForce,
    /// Paths that are active leave by a member of a bond, team or bridge: moved packets would be sent past it.
    NicIsMember,
    /// Paths that are active leave by a NIC below the one that this host sends by, a VLAN or the like: moved packets would be sent
    /// without their tag, or to nobody.
    NicIsLower,
    /// No route of this host leads from and to the addresses of the active paths by their NIC.
    NoRoute,
    /// The next hop of the active paths does not answer this host.
    NextHopUnresolved,
    /// This host drops the answers (strict reverse-path filtering): they arrive by another NIC than its route to the peer leads to.
    AnswersFiltered,
    /// Routes and neighbours are being looked up.
    NotChecked,
    /// No agent at the other end says that it would send on two paths at once as well.
    PeerDoesNotCopy,
    /// The round-trip time of the other path is above `longest_rtt`.
    RttTooLong,
    /// No probe was answered yet on the path or on the other one: a failure of either would not be found.
    NotProbed,
    /// The other path alone carries its packets: what it has is taken back when it is active again.
    CarriesAlone,
}

/// What became of the packets of a path for which there was an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct SteeringCounts {
    /// Packets that left on another path, or on another path as well.
    pub packets: u64,
    /// Bytes of these packets (IP total length).
    pub bytes: u64,
    /// Packets that would have left on another path, in a dry run.
    pub would_have_packets: u64,
    /// Bytes of these packets.
    pub would_have_bytes: u64,
    /// Packets that stayed: they hold other chunks than DATA and SACK, or could not be rewritten and were left untouched.
    pub kept: u64,
    /// Packets that stayed because the agent had not renewed the order in time.
    pub lapsed: u64,
    /// Packets that were lost because they could be rewritten in part only.
    pub failed: u64,
    /// Packets that left on one path only, though they were to leave on both: a NIC cuts them up (SCTP GSO).
    #[serde(default)]
    pub uncopied: u64,
}

/// Whether packets of a path leave on another one, and how many have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SteeringView {
    /// The path on which they leave; `None` if they leave as the host sends them (again).
    pub onto: Option<PathId>,
    /// Whether they are moved, or only counted.
    pub mode: SteeringMode,
    /// Since when.
    pub since: Timestamp,
    /// All packets so far, over all outages of the path.
    #[serde(flatten)]
    pub counts: SteeringCounts,
}

/// A path whose packets leave on another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SteeredPath {
    /// The association.
    #[serde(flatten)]
    pub association: AssociationRef,
    /// The path that the host chose.
    #[serde(flatten)]
    pub path: PathId,
    /// Where they leave, and how many did.
    pub steering: SteeringView,
}

/// What would be done with the packets of a path if it failed now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SteeringProspect {
    /// The path.
    #[serde(flatten)]
    pub path: PathId,
    /// Its state.
    pub state: PathState,
    /// What was moved, if anything ever was or is to be.
    pub steering: Option<SteeringView>,
    /// The path on which they would leave.
    pub onto: Option<PathId>,
    /// Why they would not be moved.
    pub obstacle: Option<SteeringObstacle>,
    /// Why they do not leave on two paths now, if they are to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub not_copied: Option<SteeringObstacle>,
    /// How packets of other paths would leave on this one, if this host has sent anything here.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub way: Option<WayView>,
    /// Why this host cannot move packets of other paths to this one, active or not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub unfit: Option<SteeringObstacle>,
}

impl std::ops::Add for SteeringCounts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            packets: self.packets + other.packets,
            bytes: self.bytes + other.bytes,
            would_have_packets: self.would_have_packets + other.would_have_packets,
            would_have_bytes: self.would_have_bytes + other.would_have_bytes,
            kept: self.kept + other.kept,
            lapsed: self.lapsed + other.lapsed,
            failed: self.failed + other.failed,
            uncopied: self.uncopied + other.uncopied,
        }
    }
}

impl fmt::Display for SteeringMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Off => "off",
            Self::DryRun => "dry-run",
            Self::Move => "move",
            Self::Both => "both",
        })
    }
}
