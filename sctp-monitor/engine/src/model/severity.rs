//! The kinds of findings, and how bad they are.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How severe a finding is, in rising order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing; nothing is lost.
    Info,
    /// Redundancy or quality is lost.
    Warning,
    /// The service is at risk now.
    Critical,
}

/// Kinds of findings, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum FindingKind {
    /// All paths to the peer are inactive.
    PeerDown,
    /// The peer answers HEARTBEATs, but does not serve the association.
    Zombie,
    /// HEARTBEATs and small packets pass, large ones do not.
    PathMtuBlackHole,
    /// The path is inactive.
    PathDown,
    /// The local NIC has no link, or does not exist any more.
    LinkDown,
    /// Packets claim to come from an endpoint, but did not.
    SpoofingSuspected,
    /// Associations between the same two hosts do not last, one after the other.
    ShortLived,
    /// No path to this address of the peer was ever confirmed.
    SecondaryUnconfirmed,
    /// A single failure would end the association.
    NotRedundant,
    /// The path fails and recovers again and again.
    Flapping,
    /// Part of the DATA is lost.
    GreyLoss,
    /// HEARTBEATs are answered from another address than the one that they were sent to.
    AnsweredElsewhere,
    /// The round-trip time has grown.
    LatencyDegraded,
    /// A kind that a later version added; this version never finds one.
    Unknown,
}

impl FindingKind {
    /// All kinds that this version finds.
    pub const ALL: [Self; 13] = [
        Self::PeerDown,
        Self::Zombie,
        Self::PathMtuBlackHole,
        Self::PathDown,
        Self::LinkDown,
        Self::SpoofingSuspected,
        Self::ShortLived,
        Self::SecondaryUnconfirmed,
        Self::NotRedundant,
        Self::Flapping,
        Self::GreyLoss,
        Self::AnsweredElsewhere,
        Self::LatencyDegraded,
    ];

    /// The name in reports, as `path_down`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PeerDown => "peer_down",
            Self::Zombie => "zombie",
            Self::PathMtuBlackHole => "path_mtu_black_hole",
            Self::PathDown => "path_down",
            Self::LinkDown => "link_down",
            Self::SpoofingSuspected => "spoofing_suspected",
            Self::SecondaryUnconfirmed => "secondary_unconfirmed",
            Self::NotRedundant => "not_redundant",
            Self::ShortLived => "short_lived",
            Self::Flapping => "flapping",
            Self::GreyLoss => "grey_loss",
            Self::AnsweredElsewhere => "answered_elsewhere",
            Self::LatencyDegraded => "latency_degraded",
            Self::Unknown => "unknown",
        }
    }

    /// Whether it is a risk for the future only: nothing has failed yet.
    #[must_use]
    pub const fn is_weakness(self) -> bool {
        matches!(self, Self::NotRedundant | Self::SecondaryUnconfirmed)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        })
    }
}

/// For people: `path down`.
impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name().replace('_', " "))
    }
}

impl Serialize for FindingKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for FindingKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let known = Self::ALL.into_iter().find(|kind| kind.name() == name);
        Ok(known.unwrap_or(Self::Unknown))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_listed_from_the_worst_on() {
        assert!(FindingKind::ALL.is_sorted());
        assert_eq!(FindingKind::PathMtuBlackHole.to_string(), "path mtu black hole");
    }
}
