//! Incidents as they are reported: failures that have one cause.

use std::{fmt, net::IpAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{AssociationId, FindingKind, IncidentId, Severity, Timestamp, units};

/// An incident as it is reported.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IncidentView {
    /// Its number.
    #[serde(rename = "incident")]
    pub id: IncidentId,
    /// The kind of the findings that it consists of: of the first one, if they differ; `peer_down` once all that they share
    /// is the peer, and no path to it is left.
    pub finding: FindingKind,
    /// How bad they are.
    pub severity: Severity,
    /// What all of them share.
    #[serde(serialize_with = "units::in_words::serialize")]
    #[schemars(with = "units::in_words::InWords<Scope>")]
    pub scope: Scope,
    /// Findings that are part of it now.
    pub members: usize,
    /// The most that ever were.
    pub most_members: usize,
    /// Associations that they belong to.
    pub associations: usize,
    /// Since when.
    pub since: Timestamp,
    /// The first finding, in words, or what all of them come to.
    pub reason: String,
    /// What to check next.
    pub next: String,
}

/// What the members of an incident share: everything that is set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Scope {
    /// What stands out.
    pub kind: ScopeKind,
    /// The local NIC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// The local address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<IpAddr>,
    /// The remote address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<IpAddr>,
    /// The association.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub association: Option<AssociationId>,
    /// All addresses of the remote endpoint; none if there are several endpoints.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub peer: Vec<IpAddr>,
}

/// What the members of an incident share most remarkably.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScopeKind {
    /// One pair of addresses, and so one path through the network.
    Path,
    /// A local NIC without a link, or with several dead local or remote addresses.
    Interface,
    /// A local address.
    LocalAddress,
    /// A remote address.
    RemoteAddress,
    /// All paths between two endpoints.
    Peer,
}

impl fmt::Display for ScopeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Path => "path",
            Self::Interface => "interface",
            Self::LocalAddress => "local_address",
            Self::RemoteAddress => "remote_address",
            Self::Peer => "peer",
        })
    }
}
