//! One failure would end the association.
//!
//! A warning: nothing has failed, but there is no redundancy.

use std::fmt;

use crate::model::{NotRedundant, Severity, Shared, words::Ethernet};

impl NotRedundant {
    pub(crate) const SEVERITY: Severity = Severity::Warning;

    /// What to check next.
    pub(crate) fn check() -> String {
        "a second address, NIC or next hop for this association".to_owned()
    }
}

impl fmt::Display for NotRedundant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shared: Vec<_> = self.shared.iter().map(ToString::to_string).collect();
        write!(f, "not redundant: all paths need {}", shared.join(" and "))
    }
}

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LocalAddress(address) => write!(f, "the local address {address}"),
            Self::RemoteAddress(address) => write!(f, "the remote address {address}"),
            Self::Interface(name) => write!(f, "the interface {name}"),
            Self::NextHop(address) => write!(f, "the next hop {}", Ethernet(*address)),
            Self::Subnet(address) => write!(f, "the subnet of {address}"),
        }
    }
}
