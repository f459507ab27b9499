//! HEARTBEATs are answered from another address than the one that they went to.
//!
//! Information: the path works, but shares its return direction with another one.

use std::fmt;

use crate::{
    findings::seen::PathSeen,
    model::{AnsweredElsewhere, Evidence, Severity},
    path::flow::Flow,
};

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

/// Where the answers to this side's heartbeats come from.
pub(super) fn rule(seen: &PathSeen<'_>) -> Option<Evidence> {
    let source = seen.forward.and_then(Flow::answered_from)?;
    Some(Evidence::AnsweredElsewhere(AnsweredElsewhere { source }))
}
