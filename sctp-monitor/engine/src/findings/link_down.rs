//! The local NIC of a path has no link, or is gone.

use crate::{findings::seen::PathSeen, model::Diagnosis};

/// The fault of the NIC that an inactive path needs.
pub(super) fn rule(seen: &PathSeen<'_>) -> Option<Diagnosis> {
    let fault = seen.nics.fault_of(seen.config.vantage, seen.forward, seen.back);
    fault.map(|reason| Diagnosis::LinkDown { reason })
}
