//! No path to an address of the peer was ever confirmed.
//!
//! A warning: redundancy that is configured is not there.

use std::{fmt, net::IpAddr};

use crate::{
    config::Config,
    model::{Evidence, Object, SecondaryUnconfirmed, Severity, Short, Side, Timestamp},
    registry::association::Association,
};

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

/// The addresses of the peer to which no path was ever confirmed, for too long.
pub(super) fn rule(association: &Association, config: &Config, now: Timestamp) -> Vec<(Object, Evidence)> {
    if association.addresses(Side::Remote).len() < 2 {
        return Vec::new();
    }
    let unconfirmed_for = |remote: &IpAddr| {
        let paths = association.paths().filter(|(path, _)| path.remote == *remote);
        let waits: Option<Vec<_>> = paths.map(|(_, path)| path.unconfirmed_for(now)).collect();
        waits?.into_iter().max()
    };
    association
        .addresses(Side::Remote)
        .iter()
        .filter_map(|remote| Some((*remote, unconfirmed_for(remote)?)))
        .filter(|(_, known_for)| *known_for >= config.unconfirmed_after)
        .map(|(remote, known_for)| {
            (
                Object::Remote(remote),
                Evidence::SecondaryUnconfirmed(SecondaryUnconfirmed { known_for }),
            )
        })
        .collect()
}
