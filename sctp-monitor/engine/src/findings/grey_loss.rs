//! Part of the DATA is lost, and the path counts as active all the while.
//!
//! A warning: quality is lost, not the service.

use std::fmt;

use crate::model::{GreyLoss, Severity};

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
