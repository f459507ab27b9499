//! Names of associations, paths and incidents in everything that is reported.

use std::{fmt, net::IpAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Sides, units};

/// An association in reports: number, ports and tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AssociationRef {
    /// The number of the association, unique while the engine runs.
    #[serde(rename = "association")]
    pub id: AssociationId,
    /// Which endpoint is the local one.
    #[serde(default, rename = "local_is")]
    pub sides: Sides,
    /// SCTP port of the local endpoint.
    pub local_port: u16,
    /// SCTP port of the remote endpoint.
    pub remote_port: u16,
    /// The tag in packets to the local endpoint, if known.
    #[serde(with = "units::optional_tag")]
    #[schemars(with = "Option<String>")]
    pub local_tag: Option<u32>,
    /// The tag in packets to the remote endpoint, if known.
    #[serde(with = "units::optional_tag")]
    #[schemars(with = "Option<String>")]
    pub remote_tag: Option<u32>,
}

/// A number for an association, unique while the engine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct AssociationId(pub u64);

impl fmt::Display for AssociationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// One (local address, remote address) pair of an association.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct PathId {
    /// The local address.
    pub local: IpAddr,
    /// The remote address.
    pub remote: IpAddr,
}

impl PathId {
    /// The same pair as the other endpoint has it.
    #[must_use]
    pub const fn reversed(self) -> Self {
        Self {
            local: self.remote,
            remote: self.local,
        }
    }
}

/// A number for an incident, unique while the engine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct IncidentId(pub u64);

impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
