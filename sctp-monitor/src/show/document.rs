//! What is shown, as one JSON object.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use sctp_monitor_engine::model::{
    AssociationRef, AssociationView, Finding, IncidentView, PathState, PathView, Schema, Timestamp,
};
use serde::Serialize;

use crate::{
    lag::Lag,
    report::{FlowTable, Interface, NotWatched},
};

/// The answer to one question; what was not asked for is left out.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "ShownDocument")]
pub struct Document {
    /// The version of the document's schema.
    pub schema: Schema,
    /// The process id of the agent that was asked.
    pub agent: u32,
    /// The time of the answer.
    pub time: Timestamp,
    /// When the watch began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The NICs that should be watched and cannot be now: what passes them is not seen.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_watched: Vec<NotWatched>,
    /// How the agent is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// The associations, those with the worst paths first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub associations: Option<Vec<AssociationView>>,
    /// The paths, the worst first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paths: Option<Vec<PathOf>>,
    /// The findings that are open, the worst first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub findings: Option<Vec<FindingOf>>,
    /// The incidents that are open, the worst first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incidents: Option<Vec<IncidentView>>,
}

/// How the agent is, and how many of each there are.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Status {
    /// The NICs that are watched.
    pub interfaces: Vec<Interface>,
    /// The number of associations that are established.
    pub established: usize,
    /// The number of associations that ended since the watch began.
    pub ended: u64,
    /// The number of paths of established associations on which packets were seen, by state.
    pub paths: BTreeMap<PathState, usize>,
    /// The number of established associations with more than one path, fewer than two of them active.
    pub without_redundancy: usize,
    /// The number of open incidents.
    pub incidents: usize,
    /// The number of open findings.
    pub findings: usize,
    /// The use of the flow table.
    pub flows: FlowTable,
    /// How late the agent was.
    pub lag: Lag,
    /// Packets that were not understood or not kept, by reason.
    pub counters: BTreeMap<String, u64>,
}

/// A path, and whose it is.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct PathOf {
    /// The association.
    #[serde(flatten)]
    pub association: AssociationRef,
    /// The path.
    #[serde(flatten)]
    pub path: PathView,
}

/// A finding, and whose it is.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct FindingOf {
    /// The association, if it is of one.
    #[serde(flatten)]
    pub association: Option<AssociationRef>,
    /// The finding.
    #[serde(flatten)]
    pub finding: Finding,
}
