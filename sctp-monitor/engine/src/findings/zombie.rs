//! The peer's host lives, the association does not.
//!
//! Critical: HEARTBEATs are answered, so that nobody else notices.

use std::fmt;

use crate::model::{Severity, Short, Zombie};

impl Zombie {
    pub(crate) const SEVERITY: Severity = Severity::Critical;

    /// What to check next.
    pub(crate) fn check() -> String {
        "the peer's application: it holds the association, but does not serve it".to_owned()
    }
}

impl fmt::Display for Zombie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NobodyReads { window_zero_for } => {
                write!(
                    f,
                    "zombie: the peer's receiver window is zero for {}",
                    Short(*window_zero_for)
                )
            }
            Self::AnswersAfterEnd => {
                f.write_str("zombie: the association was ended, but its HEARTBEATs are still answered")
            }
            Self::ShutdownPending { pending } => {
                write!(f, "zombie: shutdown not finished for {}", Short(*pending))
            }
        }
    }
}
