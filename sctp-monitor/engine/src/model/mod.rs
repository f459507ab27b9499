//! What the engine says: the one model between it and every reader.
//!
//! Meaning travels as these types; text is made from them (`words`, and `findings/` for what was found), and never read
//! back. Their JSON is flat, has units in its names and carries [`SCHEMA`]. Times are those of the engine's feeder until
//! [`WallClock`] dates them.

mod address;
mod cause;
mod dated;
mod direction;
mod end;
mod event;
mod evidence;
mod finding;
mod flow;
mod handshake;
mod ids;
mod incident;
mod next_hop;
mod offer;
pub mod ppid;
mod probe;
mod quality;
mod reason;
mod schema;
mod severity;
mod snapshot;
mod state;
mod steering;
mod suspicion;
mod time;
pub mod units;
mod way;
pub mod words;

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;

pub(crate) use self::evidence::Cause;
pub use self::{
    address::{AddressSource, Translation},
    cause::ErrorCause,
    dated::WallClock,
    direction::{Direction, Side, Sides},
    end::{Abort, Answered, End, EndReason, FromElsewhere, GaveUp},
    event::{Event, EventKind, Missing, Status},
    finding::{
        AddressListSuspect, AnsweredElsewhere, BadChecksum, Broken, Evidence, Finding, Flapping, GreyLoss,
        LinkDown, ListProblem, NotRedundant, Object, PathDown, PathMtuBlackHole, PeerDown, RtoBelowSackDelay,
        SecondaryUnconfirmed, Shared, ShortLived, SilentEndpoint, Zombie,
    },
    flow::{FlowView, RttView, Throughput},
    handshake::{HandshakeAnswer, HandshakeTimes, Reply, SeenAt, UnfinishedHandshake},
    ids::{AssociationId, AssociationRef, IncidentId, PathId},
    incident::{IncidentView, Scope, ScopeKind},
    next_hop::{Neighbour, NextHop},
    offer::{Offer, Offers},
    ppid::Ppid,
    probe::{ProbeObstacle, ProbesView},
    quality::{Rate, Slow},
    reason::Reason,
    schema::{SCHEMA, Schema},
    severity::{FindingKind, Severity},
    snapshot::{AddressView, AssociationView, ChunkCounts, PathView, PhaseView, Snapshot},
    state::{Origin, PathState},
    steering::{
        SteeredPath, SteeringCause, SteeringCounts, SteeringEnd, SteeringMode, SteeringObstacle,
        SteeringProspect, SteeringView,
    },
    suspicion::{Forgery, Suspicion},
    time::{NoTime, Short, Timestamp},
    way::{NicTies, ReversePathFilter, Way, WayQuestion, WayView},
};
