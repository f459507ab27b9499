//! No path to an address of the peer was ever confirmed.
//!
//! A warning: redundancy that is configured is not there.

use std::fmt;

use crate::model::{Object, SecondaryUnconfirmed, Severity, Short};

impl SecondaryUnconfirmed {
    pub(crate) const SEVERITY: Severity = Severity::Warning;

    /// What to check next.
    pub(crate) fn check(object: Object) -> String {
        let address = match object {
            Object::Remote(remote) => remote.to_string(),
            _ => "the address".to_owned(),
        };
        format!(
            "whether {address} is reachable: it would not take over today; routes, filters, the peer's configuration"
        )
    }
}

impl fmt::Display for SecondaryUnconfirmed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "no path to this address confirmed in {}",
            Short(self.known_for)
        )
    }
}
