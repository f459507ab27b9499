//! HEARTBEATs are answered from another address than the one that they went to.
//!
//! Information: the path works, but shares its return direction with another one.

use std::fmt;

use crate::model::{AnsweredElsewhere, Severity};

impl AnsweredElsewhere {
    pub(crate) const SEVERITY: Severity = Severity::Info;

    /// What to check next.
    pub(crate) fn check() -> String {
        "the peer's routes and source address selection: two paths may share one return route".to_owned()
    }
}

impl fmt::Display for AnsweredElsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HEARTBEATs are answered from {}", self.source)
    }
}
