//! The next hop of a path, and whether this host can reach it.

use std::{fmt, net::IpAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The next hop of a path, by the host's routes, and what its neighbour table holds of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextHop {
    /// Its address: a router's, or the remote address itself.
    pub address: IpAddr,
    /// The index of the NIC that the route leads to.
    pub if_index: u32,
    /// The entry of the neighbour table.
    pub neighbour: Neighbour,
}

/// The entry of a next hop in the host's neighbour table (ARP, RFC 826; neighbour discovery, RFC 4861 section 7.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Neighbour {
    /// Its link-layer address is known, if only from before.
    Resolved,
    /// The host is asking for its link-layer address.
    Incomplete,
    /// It did not answer when the host asked.
    Failed,
    /// There is no entry: nobody has sent anything to it for a while.
    Absent,
}

impl fmt::Display for Neighbour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Resolved => "resolved",
            Self::Incomplete => "incomplete",
            Self::Failed => "failed",
            Self::Absent => "absent",
        })
    }
}
