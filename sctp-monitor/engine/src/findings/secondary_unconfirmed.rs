//! No path to an address of the peer was ever confirmed.
//!
//! A warning: redundancy that is configured is not there.

use std::{fmt, net::IpAddr};

use crate::{
    config::Config,
    findings::seen::Surroundings,
    model::{Direction, Evidence, Object, SecondaryUnconfirmed, Severity, Short, Side, words::plural},
    registry::association::Association,
};

impl SecondaryUnconfirmed {
    pub(crate) const SEVERITY: Severity = Severity::Warning;

    /// What to check next.
    pub(crate) fn check(&self, object: Object) -> String {
        let address = match object {
            Object::Remote(remote) => remote.to_string(),
            _ => "the address".to_owned(),
        };
        if self.heartbeats_sent == 0 {
            return format!(
                "whether HEARTBEATs to {address} are switched on (HB.interval, SPP_HB_ENABLE); nobody knows whether it \
                 would take over"
            );
        }
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
        )?;
        match self.heartbeats_sent {
            0 => f.write_str(": no HEARTBEAT was sent to it; heartbeats are off, or the stack has not tried"),
            sent => write!(f, ": {} sent to it, no answer", plural(sent, "HEARTBEAT")),
        }
    }
}

/// The addresses of the peer to which no path was ever confirmed, for too long.
pub(super) fn rule(
    association: &Association,
    around: Surroundings<'_>,
    config: &Config,
) -> Vec<(Object, Evidence)> {
    let now = around.now;
    if association.addresses(Side::Remote).len() < 2 {
        return Vec::new();
    }
    let unconfirmed_for = |remote: &IpAddr| {
        let paths = association.paths().filter(|(path, _)| path.remote == *remote);
        let waits: Option<Vec<_>> = paths.map(|(_, path)| path.unconfirmed_for(now)).collect();
        waits?.into_iter().max()
    };
    let heartbeats_sent = |remote: IpAddr| {
        let paths = association.paths().filter(|(path, _)| path.remote == remote);
        let flows = paths.filter_map(|(_, path)| around.flows.get(path.flow(Direction::Forward)?));
        flows.map(|flow| flow.view.heartbeats).sum()
    };
    association
        .addresses(Side::Remote)
        .iter()
        .filter_map(|remote| Some((*remote, unconfirmed_for(remote)?)))
        .filter(|(_, known_for)| *known_for >= config.unconfirmed_after)
        .map(|(remote, known_for)| {
            (
                Object::Remote(remote),
                Evidence::SecondaryUnconfirmed(SecondaryUnconfirmed {
                    known_for,
                    heartbeats_sent: heartbeats_sent(remote),
                }),
            )
        })
        .collect()
}
