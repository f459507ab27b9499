//! No path to an address of an endpoint was ever confirmed.
//!
//! A warning: redundancy that is configured is not there. Whether anybody tried makes the difference for who reads it.

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
            Object::Remote(address) | Object::Local(address) => address.to_string(),
            _ => "the address".to_owned(),
        };
        if self.heartbeats == 0 {
            format!(
                "whether the peer of {address} sends HEARTBEATs to it (heartbeat interval; a capture may lack the NIC): it has not \
                 been shown to take over"
            )
        } else {
            format!("whether {address} is reachable from the peer: routes, filters, translation")
        }
    }
}

impl fmt::Display for SecondaryUnconfirmed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known_for = Short(self.known_for);
        write!(f, "no path to this address confirmed in {known_for}: ")?;
        match self.heartbeats {
            0 => f.write_str(
                "no HEARTBEAT to it seen; heartbeats are off, the stack has not tried, or they pass elsewhere",
            ),
            sent => write!(f, "{} to it, no answer seen", plural(sent, "HEARTBEAT")),
        }
    }
}

/// The addresses of either endpoint to which no path was ever confirmed, for too long.
pub(super) fn rule(
    association: &Association,
    around: Surroundings<'_>,
    config: &Config,
) -> impl Iterator<Item = (Object, Evidence)> {
    let of_side = move |side: Side| {
        let addresses = association.addresses(side);
        let several = addresses.len() > 1;
        let addresses = addresses.iter().filter(move |_| several);
        addresses.filter_map(move |address| {
            let evidence = unconfirmed(association, side, *address, around)?;
            let is_due = evidence.known_for >= config.unconfirmed_after;
            let object = match side {
                Side::Local => Object::Local(*address),
                Side::Remote => Object::Remote(*address),
            };
            is_due.then_some((object, Evidence::SecondaryUnconfirmed(evidence)))
        })
    };
    [Side::Local, Side::Remote].into_iter().flat_map(of_side)
}

/// How an address is unconfirmed, if all paths to it are.
fn unconfirmed(
    association: &Association,
    side: Side,
    address: IpAddr,
    around: Surroundings<'_>,
) -> Option<SecondaryUnconfirmed> {
    let towards = match side {
        Side::Local => Direction::Return,
        Side::Remote => Direction::Forward,
    };
    let paths = association.paths().filter(|(path, _)| side.of(path) == address);
    let waits: Option<Vec<_>> = paths
        .clone()
        .map(|(_, path)| path.unconfirmed_for(around.now))
        .collect();
    let heartbeats = paths
        .filter_map(|(_, path)| around.flows.get(path.flow(towards)?))
        .map(|flow| flow.view.heartbeats)
        .sum();
    Some(SecondaryUnconfirmed {
        known_for: waits?.into_iter().max()?,
        heartbeats,
    })
}
