//! How packets between two addresses would leave by a NIC that the host itself may not have chosen for them.

use std::{fmt, net::IpAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Neighbour, NextHop, PathId};

/// An address pair and the NIC by which its packets are to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WayQuestion {
    /// The address pair.
    pub path: PathId,
    /// The index of the NIC.
    pub if_index: u32,
}

/// The answer, as the host's routes and its neighbour table have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Way {
    /// The index of the NIC to which the host's own routes lead, whatever NIC was asked about; `None` without a route.
    pub host_nic: Option<u32>,
    /// The next hop by the NIC that was asked about; `None` if no route leads there.
    pub next_hop: Option<NextHop>,
    /// The largest IP packet that passes, if the route names it or a router has told it.
    pub mtu: Option<u32>,
}

/// How a NIC stands to others of its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NicTies {
    /// The index of the bond, team or bridge whose member it is. A VRF is none: it leaves its members their packets.
    pub master: Option<u32>,
    /// The index of the NIC below it, if it is a VLAN, MACVLAN or the like.
    pub lower: Option<u32>,
}

/// What a host does with IPv4 packets from an address to which its routes lead by another NIC (`rp_filter`, RFC 3704).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReversePathFilter {
    /// It takes them.
    Off,
    /// It drops them.
    Strict,
    /// It takes them if it has any route to that address.
    Loose,
}

impl ReversePathFilter {
    /// By the larger one of the values of `net.ipv4.conf.all.rp_filter` and of the NIC's own, which is the one that holds.
    #[must_use]
    pub fn from_sysctl(value: u8) -> Self {
        match value {
            0 => Self::Off,
            1 => Self::Strict,
            _ => Self::Loose,
        }
    }
}

impl fmt::Display for ReversePathFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Off => "off",
            Self::Strict => "strict",
            Self::Loose => "loose",
        })
    }
}

/// How packets that are moved to a path leave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WayView {
    /// The NIC.
    pub interface: String,
    /// The NIC by which the host's own routes lead, if it is another one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub routed_by: Option<String>,
    /// The next hop; `None` if there is no route by that NIC, or nobody could say.
    pub next_hop: Option<IpAddr>,
    /// What the neighbour table holds of it.
    pub neighbour: Option<Neighbour>,
    /// The largest IP packet that passes, as far as is known.
    pub mtu: Option<u32>,
    /// Reverse-path filtering on the NIC by which answers arrive (IPv4), if that is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub answers_filtered: Option<ReversePathFilter>,
}
