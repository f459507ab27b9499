//! Why an association is over.

use std::{fmt, time::Duration};

use crate::model::{AssociationId, Short};

/// Why an association is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndReason {
    /// SHUTDOWN COMPLETE was seen.
    Shutdown,
    /// ABORT was seen, with these error causes.
    Abort(Vec<String>),
    /// A handshake between the same addresses and ports began it anew.
    Restarted,
    /// A new association took its ports and addresses.
    Replaced,
    /// Its packets turned out to be those of another association.
    PartOf(AssociationId),
    /// Nothing was seen of it for so long.
    Silent(Duration),
    /// The flow table fills up, nothing had proved that it works, and it had been silent for so long.
    CrowdedOut(Duration),
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shutdown => f.write_str("shut down"),
            Self::Abort(causes) if causes.is_empty() => f.write_str("aborted without a cause"),
            Self::Abort(causes) => write!(f, "aborted: {}", causes.join(", ")),
            Self::Restarted => f.write_str("restarted by a new handshake between the same addresses"),
            Self::PartOf(id) => write!(f, "found to be part of association {id}"),
            Self::Replaced => f.write_str("replaced by a new association on the same ports and addresses"),
            Self::Silent(time) => write!(f, "nothing seen for {}", Short(*time)),
            Self::CrowdedOut(time) => write!(
                f,
                "the flow table fills up, nothing had proved it and it was silent for {}",
                Short(*time)
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_abort_names_its_causes() {
        assert_eq!(
            EndReason::Abort(vec!["user-initiated abort".to_owned()]).to_string(),
            "aborted: user-initiated abort"
        );
    }
}
