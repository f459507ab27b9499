//! What the engine says: the one model between it and every reader.
//!
//! Meaning travels as these types; text is made from them, and never read back.

mod address;
mod dated;
mod direction;
mod end;
mod event;
mod finding;
mod flow;
mod ids;
mod incident;
mod offer;
pub mod ppid;
mod quality;
mod reason;
mod schema;
mod snapshot;
mod state;
mod suspicion;
mod time;

pub(crate) use self::finding::Cause;
pub use self::{
    address::{AddressSource, Translation},
    dated::WallClock,
    direction::{Direction, Side},
    end::EndReason,
    event::{Event, EventKind, Status},
    finding::{Broken, Diagnosis, Finding, Object, Shared, Zombie},
    flow::{FlowView, RttView, Throughput},
    ids::{AssociationId, AssociationRef, IncidentId, PathId},
    incident::{IncidentView, Scope, ScopeKind},
    offer::{Offer, Offers},
    ppid::Ppid,
    quality::{Rate, Slow},
    reason::{Figure, Reason},
    schema::{SCHEMA, Schema},
    snapshot::{AddressView, AssociationView, ChunkCounts, PathView, PhaseView, Snapshot},
    state::{Origin, PathState},
    suspicion::{Forgery, Suspicion},
    time::{Short, Timestamp},
};
