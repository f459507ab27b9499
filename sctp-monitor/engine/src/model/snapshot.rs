//! Everything that is known at a moment, owned: what a reader is handed, on whatever task it runs.
//!
//! Nothing in it is the programs' own: a reader knows neither their records nor the engine's.

use std::{collections::BTreeMap, net::IpAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{
    AddressSource, AssociationId, AssociationRef, Direction, EndReason, Finding, FlowView, IncidentView,
    Offers, Origin, PathId, PathState, Reason, Schema, Side, Timestamp, units,
};

/// Associations, paths, flows and incidents at a moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Snapshot {
    /// Of this and all that is in it.
    pub schema: Schema,
    /// The moment.
    pub time: Timestamp,
    /// The associations that are known, by number.
    pub associations: Vec<AssociationView>,
    /// The incidents that are open, by number.
    pub incidents: Vec<IncidentView>,
}

/// An association. Its paths have the engine's figures, or those of a reader that counts for itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "AssociationView")]
pub struct AssociationView<P = PathView> {
    /// Its name.
    #[serde(flatten)]
    pub reference: AssociationRef,
    /// How it became known.
    pub origin: Origin,
    /// Since when it is known.
    #[serde(rename = "began")]
    pub since: Timestamp,
    /// Where it is in its life.
    #[serde(flatten)]
    pub phase: PhaseView,
    /// Only one direction was seen: the other one passes elsewhere, or a translator between two watched NICs gives it
    /// other addresses.
    pub one_sided: bool,
    /// The association that its handshake restarted.
    pub restarts: Option<AssociationId>,
    /// Addresses of the local endpoint.
    pub local_addresses: Vec<AddressView>,
    /// Addresses of the remote endpoint.
    pub remote_addresses: Vec<AddressView>,
    /// What the endpoints agreed on, if the handshake was seen.
    #[serde(flatten)]
    pub offers: Option<Offers>,
    /// The path of new DATA to the remote endpoint, if any was seen.
    pub primary_forward: Option<PathId>,
    /// The path of new DATA from the remote endpoint, if any was seen.
    pub primary_return: Option<PathId>,
    /// What is wrong with it as a whole, or with one address of the remote endpoint.
    pub findings: Vec<Finding>,
    /// Its paths, by their addresses.
    pub paths: Vec<P>,
}

/// Where an association is in its life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum PhaseView {
    /// A few packets were seen, and nothing is reported of it yet.
    Opening,
    /// It was reported.
    Established,
    /// SHUTDOWN was seen; until it is complete, the paths are what they were.
    ShuttingDown {
        /// The endpoint that asked for it.
        #[serde(rename = "shutdown_by")]
        by: Side,
    },
    /// It is over.
    Ended {
        /// When that was found out.
        #[serde(rename = "ended")]
        at: Timestamp,
        /// Why.
        #[serde(flatten, with = "units::how_it_ended")]
        #[schemars(with = "units::how_it_ended::Ended<EndReason>")]
        end: EndReason,
    },
}

/// An address of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AddressView {
    /// The address, as the endpoint itself has it.
    pub address: IpAddr,
    /// How it is known.
    pub source: AddressSource,
    /// As the other endpoint sees it, if a translator replaces it.
    pub seen_as: Option<IpAddr>,
}

/// One path of an association.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PathView {
    /// Its addresses.
    #[serde(flatten)]
    pub id: PathId,
    /// Its state.
    pub state: PathState,
    /// Since when it has this state.
    pub since: Timestamp,
    /// Why it has this state; `None` while nothing was found out.
    #[serde(flatten, with = "units::optionally_told")]
    #[schemars(with = "units::optionally_told::Told<Reason>")]
    pub reason: Option<Reason>,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
    /// From the local to the remote address, if any packet was seen.
    pub forward: Option<FlowView>,
    /// From the remote to the local address, if any packet was seen.
    #[serde(rename = "return")]
    pub return_: Option<FlowView>,
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
            primary_forward: self.primary_forward,
            primary_return: self.primary_return,
            findings: self.findings,
            paths,
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
            Direction::Forward => self.forward.as_ref(),
            Direction::Return => self.return_.as_ref(),
        }
    }
}
