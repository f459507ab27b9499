//! Which way packets go, and whose they are. `Forward` is from the local endpoint to the remote one, everywhere; which one is
//! local, [`Sides`] says.

use std::{fmt, net::IpAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::PathId;

/// The direction of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the local to the remote endpoint.
    Forward,
    /// From the remote to the local endpoint.
    Return,
}

impl Direction {
    /// Forward, then return.
    pub const BOTH: [Self; 2] = [Self::Forward, Self::Return];

    /// The opposite direction.
    #[must_use]
    pub fn reversed(self) -> Self {
        match self {
            Self::Forward => Self::Return,
            Self::Return => Self::Forward,
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Forward => "forward",
            Self::Return => "return",
        })
    }
}

/// One of the two endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The local endpoint.
    Local,
    /// The remote endpoint.
    Remote,
}

impl Side {
    /// The endpoint that sends in this direction.
    pub(crate) fn sending(direction: Direction) -> Self {
        match direction {
            Direction::Forward => Self::Local,
            Direction::Return => Self::Remote,
        }
    }

    pub(crate) fn other(self) -> Self {
        match self {
            Self::Local => Self::Remote,
            Self::Remote => Self::Local,
        }
    }

    /// The address of this endpoint on a path.
    pub(crate) fn of(self, path: &PathId) -> IpAddr {
        match self {
            Self::Local => path.local,
            Self::Remote => path.remote,
        }
    }
}

/// What tells the two endpoints of an association apart: which of them is called local.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sides {
    /// The host on which the agent runs.
    #[default]
    ThisHost,
    /// Between the hosts: the endpoint that sent the INIT.
    Initiator,
    /// Between the hosts, and the handshake was not seen: side A, of all known addresses the lowest is its own, and of equal
    /// addresses the lower port.
    SideA,
}
