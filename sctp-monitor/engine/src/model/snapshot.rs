//! Everything that is known at a moment, owned: what a reader is handed, on whatever task it runs.
//!
//! Nothing in it is the programs' own: a reader knows neither their records nor the engine's.

use std::{collections::BTreeMap, net::IpAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{
    AddressSource, AssociationId, AssociationRef, Direction, End, Finding, FlowView, HandshakeTimes,
    IncidentView, Offers, Origin, PathId, PathState, ProbesView, Reason, Schema, Side, SteeringView,
    Timestamp, units,
};

/// Associations, paths, flows, incidents and what else was found, at a moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Snapshot {
    /// The version of the snapshot's schema.
    pub schema: Schema,
    /// The time of the snapshot.
    pub time: Timestamp,
    /// The associations that are known, by number.
    pub associations: Vec<AssociationView>,
    /// The incidents that are open, by number.
    pub incidents: Vec<IncidentView>,
    /// Findings that are of no single association: about two hosts, or one sender.
    #[serde(default)]
    pub findings: Vec<Finding>,
}

/// An association at the time of the snapshot. Its paths have the engine's figures, or those of a reader that counts for
/// itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "AssociationView")]
pub struct AssociationView<P = PathView> {
    /// Number, ports and tags.
    #[serde(flatten)]
    pub reference: AssociationRef,
    /// Whether the handshake was seen.
    pub origin: Origin,
    /// When the association was first seen.
    #[serde(rename = "began")]
    pub since: Timestamp,
    /// The phase of the association.
    #[serde(flatten)]
    pub phase: PhaseView,
    /// Whether only one direction was seen: the other one takes a route that is not watched, or NAT between two watched
    /// NICs gives it other addresses.
    pub one_sided: bool,
    /// The association that this handshake restarted, if it did.
    pub restarts: Option<AssociationId>,
    /// Addresses of the local endpoint.
    pub local_addresses: Vec<AddressView>,
    /// Addresses of the remote endpoint.
    pub remote_addresses: Vec<AddressView>,
    /// Streams and extensions that each endpoint offered, if the handshake was seen.
    #[serde(flatten)]
    pub offers: Option<Offers>,
    /// How long the handshake took, as far as it was seen.
    #[serde(default)]
    pub handshake_times: HandshakeTimes,
    /// The path of new DATA to the remote endpoint, if any was seen.
    pub primary_forward: Option<PathId>,
    /// The path of new DATA from the remote endpoint, if any was seen.
    pub primary_return: Option<PathId>,
    /// Findings about the association itself or about one address of the remote endpoint.
    pub findings: Vec<Finding>,
    /// The paths, ordered by their addresses.
    pub paths: Vec<P>,
    /// Address pairs that are not among the paths: no packets were seen, and the paths name each of their addresses already.
    #[serde(default)]
    pub more_unused_paths: u64,
}

/// The phases of an association.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum PhaseView {
    /// A few packets were seen; nothing was reported yet.
    Opening,
    /// The association is established and was reported.
    Established,
    /// SHUTDOWN was seen; the paths are judged until the shutdown is complete.
    ShuttingDown {
        /// The endpoint that sent SHUTDOWN.
        #[serde(rename = "shutdown_by")]
        by: Side,
    },
    /// The association has ended.
    Ended {
        /// When the end was found.
        #[serde(rename = "ended")]
        at: Timestamp,
        /// Why the association has ended.
        #[serde(flatten, with = "units::how_it_ended")]
        #[schemars(with = "units::how_it_ended::Ended")]
        end: End,
    },
}

/// An address of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AddressView {
    /// The address, as the endpoint itself has it.
    pub address: IpAddr,
    /// How the address became known.
    pub source: AddressSource,
    /// The address that the other endpoint sees, if NAT replaces it.
    pub seen_as: Option<IpAddr>,
}

/// One path of an association.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PathView {
    /// The addresses of the path.
    #[serde(flatten)]
    pub id: PathId,
    /// The state of the path.
    pub state: PathState,
    /// When the path entered this state.
    pub since: Timestamp,
    /// The evidence for this state; `None` while there is none.
    #[serde(flatten, with = "units::optionally_told")]
    #[schemars(with = "units::optionally_told::Told<Reason>")]
    pub reason: Option<Reason>,
    /// The agent's own probes of this path; `None` if it sends none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probes: Option<ProbesView>,
    /// Findings about this path.
    pub findings: Vec<Finding>,
    /// From the local to the remote address, if any packet was seen.
    pub forward: Option<Box<FlowView>>,
    /// From the remote to the local address, if any packet was seen.
    #[serde(rename = "return")]
    pub return_: Option<Box<FlowView>>,
    /// What was moved to another path, if anything ever was or is to be.
    #[serde(default)]
    pub steering: Option<SteeringView>,
}

impl PathView {
    /// Whether any packet was seen on it, in either direction.
    #[must_use]
    pub fn is_used(&self) -> bool {
        self.forward.is_some() || self.return_.is_some()
    }
}

/// Chunks by the name that RFC 9260 and its extensions give them.
pub type ChunkCounts = BTreeMap<String, u64>;

impl<P> AssociationView<P> {
    /// The same association with other paths.
    #[must_use]
    pub fn with_paths<Q>(self, paths: Vec<Q>) -> AssociationView<Q> {
        AssociationView {
            reference: self.reference,
            origin: self.origin,
            since: self.since,
            phase: self.phase,
            one_sided: self.one_sided,
            restarts: self.restarts,
            local_addresses: self.local_addresses,
            remote_addresses: self.remote_addresses,
            offers: self.offers,
            handshake_times: self.handshake_times,
            primary_forward: self.primary_forward,
            primary_return: self.primary_return,
            findings: self.findings,
            paths,
            more_unused_paths: self.more_unused_paths,
        }
    }

    /// Whether it was reported and is not over.
    #[must_use]
    pub fn is_up(&self) -> bool {
        matches!(
            self.phase,
            PhaseView::Established | PhaseView::ShuttingDown { .. }
        )
    }

    /// Whether anything was reported of it.
    #[must_use]
    pub fn is_reported(&self) -> bool {
        self.phase != PhaseView::Opening
    }

    /// The addresses of one endpoint.
    #[must_use]
    pub fn addresses(&self, side: Side) -> &[AddressView] {
        match side {
            Side::Local => &self.local_addresses,
            Side::Remote => &self.remote_addresses,
        }
    }

    /// The path of new DATA in a direction, if any was seen.
    #[must_use]
    pub fn primary(&self, direction: Direction) -> Option<PathId> {
        match direction {
            Direction::Forward => self.primary_forward,
            Direction::Return => self.primary_return,
        }
    }
}

impl PathView {
    /// The flow in a direction, if any packet was seen.
    #[must_use]
    pub fn flow(&self, direction: Direction) -> Option<&FlowView> {
        match direction {
            Direction::Forward => self.forward.as_deref(),
            Direction::Return => self.return_.as_deref(),
        }
    }
}
