//! A path has become slow.
//!
//! A warning: quality is lost, not the service.

use std::fmt;

use crate::{
    findings::seen::PathSeen,
    model::{Evidence, Severity, Short, Slow},
};

impl Slow {
    pub(crate) const SEVERITY: Severity = Severity::Warning;

    /// What to check next.
    pub(crate) fn check() -> String {
        "whether the route has changed; queues and policers on the way".to_owned()
    }
}

impl fmt::Display for Slow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rtt, baseline } = self;
        write!(f, "round-trip time {}, was {}", Short(*rtt), Short(*baseline))
    }
}

/// The round-trip time now and before, on a flow whose answers are judged; of two the one that has grown more.
pub(super) fn rule(seen: &PathSeen<'_>) -> Option<Evidence> {
    let growth = |slow: &Slow| slow.rtt.as_secs_f64() / slow.baseline.as_secs_f64();
    let slow = seen.judged().filter_map(|flow| flow.latency.slow());
    let worst = slow.max_by(|one, other| growth(one).total_cmp(&growth(other)))?;
    Some(Evidence::LatencyDegraded(worst))
}
