//! What is reported of packets that may be forged.

use std::{fmt, net::IpAddr, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use sctp_monitor_common::wire::ChunkKind;

use crate::model::units;

/// Kinds of packets that may be forged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Forgery {
    /// Packets between the association's addresses and ports with a wrong verification tag.
    WrongTag,
    /// INITs between the association's addresses and ports that would have restarted it, while their endpoint goes on
    /// as before.
    Init,
    /// ICMP errors that quote a packet with a wrong verification tag.
    IcmpError,
}

impl fmt::Display for Forgery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::WrongTag => "wrong_tag",
            Self::Init => "init",
            Self::IcmpError => "icmp_error",
        })
    }
}

/// Figures about packets that may be forged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Suspicion {
    /// The kind of the packets.
    #[serde(rename = "kind")]
    pub forgery: Forgery,
    /// The number of such packets.
    pub packets: u64,
    /// The verification tag of the last packet; for an INIT its Initiate Tag.
    #[serde(with = "units::tag")]
    #[schemars(with = "String")]
    pub tag: u32,
    /// Control chunks that were found in these packets. Of a flood only a sample is read.
    #[serde(with = "units::chunk_names", default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    pub chunks: Vec<ChunkKind>,
    /// Source addresses of these packets, a few at most.
    pub sources: Vec<IpAddr>,
    /// The NIC on which the last one was seen, if its name is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// Time from the first such packet to the last.
    #[serde(rename = "lasting_ms", with = "units::ms")]
    #[schemars(with = "f64")]
    pub lasting: Duration,
}

impl Suspicion {
    /// The control chunks by their names, with commas.
    #[must_use]
    pub fn chunk_names(&self) -> String {
        let names: Vec<_> = self.chunks.iter().map(|kind| kind.name()).collect();
        names.join(", ")
    }

    /// The sources, with commas.
    #[must_use]
    pub fn source_names(&self) -> String {
        let names: Vec<_> = self.sources.iter().map(ToString::to_string).collect();
        names.join(", ")
    }

    /// Whether `other` says something that is worth an update: twice as many, or something new in them.
    pub(crate) fn differs(&self, other: &Self) -> bool {
        other.packets >= self.packets.saturating_mul(2)
            || other.chunks.len() > self.chunks.len()
            || other.sources.len() > self.sources.len()
    }
}
