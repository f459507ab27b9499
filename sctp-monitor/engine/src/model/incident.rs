//! Incidents as they are reported: failures that have one cause.

use std::{fmt, net::IpAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{AssociationId, FindingKind, IncidentId, Severity, Timestamp, units};

/// An incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IncidentView {
    /// The number of the incident.
    #[serde(rename = "incident")]
    pub id: IncidentId,
    /// The kind of its findings (of the first one, if they differ); `peer_down` when they share only the peer, and no
    /// path to it is left.
    pub finding: FindingKind,
    /// How severe the incident is.
    pub severity: Severity,
    /// What all members share.
    #[serde(serialize_with = "units::in_words::serialize")]
    #[schemars(with = "units::in_words::InWords<Scope>")]
    pub scope: Scope,
    /// The number of findings that belong to it now.
    pub members: usize,
    /// The largest number of findings that belonged to it at a time.
    pub most_members: usize,
    /// The number of associations that these findings are about.
    pub associations: usize,
    /// When its first finding began.
    pub since: Timestamp,
    /// The finding in words; of several, what they are and how many.
    pub reason: String,
    /// What to check next.
    pub next: String,
}

/// What the members of an incident share: everything that is set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Scope {
    /// The most telling of the shared things.
    pub kind: ScopeKind,
    /// The local NIC; between the hosts those on both sides.
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
    /// The addresses of which no path worked in an association when it failed, if `kind` is `address` or `addresses`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failing: Vec<IpAddr>,
    /// All addresses of the remote endpoint; empty if there are several endpoints.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub peer: Vec<IpAddr>,
    /// Between the hosts, where neither is local, all addresses of one endpoint or of two.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<Vec<IpAddr>>,
}

/// What the members of an incident share, the most telling of all.
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
    /// An address between the hosts, where neither is local.
    Address,
    /// Addresses of one association, each with no path that works, while the association has others.
    Addresses,
    /// All paths between two endpoints, or several of them that share no address that fails.
    Peer,
    /// The same between the hosts, where neither is the peer: of one of them, or between two.
    Hosts,
}

impl fmt::Display for ScopeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Path => "path",
            Self::Interface => "interface",
            Self::LocalAddress => "local_address",
            Self::RemoteAddress => "remote_address",
            Self::Address => "address",
            Self::Addresses => "addresses",
            Self::Peer => "peer",
            Self::Hosts => "hosts",
        })
    }
}
