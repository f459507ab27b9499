//! No path to an address of the peer was ever confirmed.

use std::net::IpAddr;

use crate::{
    config::Config,
    model::{Diagnosis, Object, Side, Timestamp},
    registry::association::Association,
};

/// The addresses of the peer to which no path was ever confirmed, for too long.
pub(super) fn rule(association: &Association, config: &Config, now: Timestamp) -> Vec<(Object, Diagnosis)> {
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
                Diagnosis::SecondaryUnconfirmed { known_for },
            )
        })
        .collect()
}
