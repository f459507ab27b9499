//! The local NIC of a path has no link, or is gone.
//!
//! A warning: the association goes on over its other paths, if these use another NIC.

use std::fmt;

use crate::{
    findings::seen::PathSeen,
    model::{Evidence, LinkDown, Reason, Severity},
};

impl LinkDown {
    pub(crate) const SEVERITY: Severity = Severity::Warning;

    /// What to check next.
    pub(crate) fn check(&self) -> String {
        match &self.reason {
            Reason::LinkDown { interface } => format!(
                "cable, transceiver and switch port of {interface}; `ip link show {interface}`, `ethtool {interface}`"
            ),
            Reason::InterfaceGone { interface } => format!(
                "what removed {interface}: `dmesg`, the network configuration, the virtual machine's devices"
            ),
            _ => "the local NIC: `ip link`".to_owned(),
        }
    }
}

impl fmt::Display for LinkDown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "link down: {}", self.reason)
    }
}

/// The fault of the NIC that an inactive path needs.
pub(super) fn rule(seen: &PathSeen<'_>) -> Option<Evidence> {
    let fault = seen.nics.fault_of(seen.config.vantage, seen.forward, seen.back);
    fault.map(|reason| Evidence::LinkDown(LinkDown { reason }))
}
