//! Part of the DATA is lost, and the path counts as active all the while.
//!
//! A warning: quality is lost, not the service.

use std::fmt;

use crate::{
    findings::seen::PathSeen,
    model::{Direction, Evidence, GreyLoss, Severity},
};

impl GreyLoss {
    pub(crate) const SEVERITY: Severity = Severity::Warning;

    /// What to check next.
    pub(crate) fn check() -> String {
        "error counters of NICs and switch ports on the way (`ethtool -S`), duplex, congestion, policers"
            .to_owned()
    }
}

impl fmt::Display for GreyLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { direction, rate } = self;
        write!(
            f,
            "{:.1} % of {direction} DATA lost (of {} chunks)",
            rate.percent, rate.chunks
        )
    }
}

/// The loss rate of each direction, if it is too high.
pub(super) fn rule(seen: &PathSeen<'_>) -> impl Iterator<Item = Evidence> {
    let flows = [(Direction::Forward, seen.forward), (Direction::Return, seen.back)];
    flows.into_iter().filter_map(|(direction, flow)| {
        let rate = flow?.losses.rate()?;
        Some(Evidence::GreyLoss(GreyLoss { direction, rate }))
    })
}
