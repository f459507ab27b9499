//! How an address of an endpoint is known.

use std::{fmt, net::IpAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How an address became known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AddressSource {
    /// The endpoint listed it in INIT, INIT ACK or ASCONF.
    Listed,
    /// Packets from or to this address had the association's verification tag.
    Learned,
}

impl fmt::Display for AddressSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Listed => "listed",
            Self::Learned => "learned",
        })
    }
}

/// An address that NAT between two watched NICs replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Translation {
    /// The endpoint's own address.
    pub address: IpAddr,
    /// The address that the other endpoint sees.
    pub seen_as: IpAddr,
}
