//! No path to an address of an endpoint was ever confirmed.
//!
//! A warning: redundancy that is configured is not there. Whether anybody tried makes the difference for who reads it.
//!
//! A path has two addresses, and where it fails neither has to answer. The one that was also tried with an address that works is
//! the one that fails, and says enough: what was tried with it alone is not named as well. Two that were tried with each other
//! alone are one finding, of the pair.

use std::{cmp::Reverse, net::IpAddr};

use crate::{
    config::Config,
    findings::seen::Surroundings,
    model::{
        Direction, Evidence, Object, PathId, SecondaryUnconfirmed, Severity, Short, Side, words::plural,
    },
    path::state::Path,
    registry::association::Association,
};

impl SecondaryUnconfirmed {
    pub(crate) const SEVERITY: Severity = Severity::Warning;

    /// What to check next.
    pub(crate) fn check(&self, object: Object) -> String {
        match (object, self.heartbeats) {
            (Object::Path(PathId { local, remote }), 0) => format!(
                "whether {local} and {remote} send HEARTBEATs to each other (heartbeat interval; a capture may lack the NIC): they \
                 have not been shown to take over"
            ),
            (Object::Path(PathId { local, remote }), _) => {
                format!("ping {remote} from {local}, or {local} from {remote}: routes, filters, translation")
            }
            (object, 0) => format!(
                "whether the peer of {0} sends HEARTBEATs to it (heartbeat interval; a capture may lack the NIC): it has not \
                 been shown to take over",
                name(object)
            ),
            (object, _) => format!(
                "whether {} is reachable from the peer: routes, filters, translation",
                name(object)
            ),
        }
    }

    /// For how long, and whether anybody tried.
    pub(super) fn words(&self, object: Object) -> String {
        let known_for = Short(self.known_for);
        let (what, to) = match object {
            Object::Path(_) => ("no path of either address", "between them"),
            _ => ("no path to this address", "to it"),
        };
        let tried = match self.heartbeats {
            0 => format!(
                "no HEARTBEAT {to} seen; heartbeats are off, the stack has not tried, or they pass elsewhere"
            ),
            sent => format!("{} {to}, no answer seen", plural(sent, "HEARTBEAT")),
        };
        format!("{what} confirmed in {known_for}: {tried}")
    }
}

fn name(object: Object) -> String {
    match object {
        Object::Remote(address) | Object::Local(address) => address.to_string(),
        Object::Path(_) | Object::Association => "the address".to_owned(),
    }
}

/// The addresses of either endpoint to which no path was ever confirmed, for too long: one finding a cause.
pub(super) fn rule(
    association: &Association,
    around: Surroundings<'_>,
    config: &Config,
) -> Vec<(Object, Evidence)> {
    let unconfirmed = Unconfirmed::new(association, around, config);
    let with_figures = |object| {
        let figures = unconfirmed.figures(object, around)?;
        Some((object, Evidence::SecondaryUnconfirmed(figures)))
    };
    unconfirmed.named().into_iter().filter_map(with_figures).collect()
}

/// The addresses that were never confirmed, and what was tried.
struct Unconfirmed<'a> {
    association: &'a Association,
    addresses: Vec<(Side, IpAddr)>,
    /// Paths of these addresses that packets crossed.
    tried: Vec<PathId>,
}

impl<'a> Unconfirmed<'a> {
    fn new(association: &'a Association, around: Surroundings<'_>, config: &Config) -> Self {
        let is_due = |(side, address): &(Side, IpAddr)| {
            let paths = association.paths().filter(|(path, _)| side.of(path) == *address);
            let waits: Option<Vec<_>> = paths.map(|(_, path)| path.unconfirmed_for(around.now)).collect();
            let longest = waits.and_then(|waits| waits.into_iter().max());
            longest.is_some_and(|longest| longest >= config.unconfirmed_after)
        };
        let several = |side: &Side| association.addresses(*side).len() > 1;
        let of_side = |side: Side| {
            association
                .addresses(side)
                .iter()
                .map(move |address| (side, *address))
        };
        let sides = [Side::Local, Side::Remote].into_iter().filter(several);
        let addresses: Vec<_> = sides.flat_map(of_side).filter(is_due).collect();
        let is_of_one = |path: &PathId| addresses.iter().any(|(side, address)| side.of(path) == *address);
        let crossed = association.paths().filter(|(_, path)| path.any_flow().is_some());
        let tried = crossed.map(|(id, _)| *id).filter(is_of_one).collect();
        Self {
            association,
            addresses,
            tried,
        }
    }

    /// Whether an endpoint's address on a path is among them.
    fn has(&self, side: Side, path: &PathId) -> bool {
        self.addresses.contains(&(side, side.of(path)))
    }

    /// The fewest addresses and pairs that explain all that was tried, and what was never tried.
    fn named(&self) -> Vec<Object> {
        let mut named = Vec::new();
        let mut left = self.tried.clone();
        for (side, address) in &self.addresses {
            // Its opposite address works there, or is the only one.
            let fails = |path: &PathId| side.of(path) == *address && !self.has(side.other(), path);
            if self.tried.iter().any(fails) {
                named.push(object(*side, *address));
                left.retain(|path| side.of(path) != *address);
            }
        }
        while let Some((side, address)) = self.most_tried(&left) {
            named.push(object(side, address));
            left.retain(|path| side.of(path) != address);
        }
        named.extend(left.into_iter().map(Object::Path));
        named.extend(self.never_tried());
        named
    }

    /// The address that most of these paths have, if it is more than one; of two the lower one, whichever side it is of.
    fn most_tried(&self, paths: &[PathId]) -> Option<(Side, IpAddr)> {
        let times =
            |(side, address): &(Side, IpAddr)| paths.iter().filter(|path| side.of(path) == *address).count();
        let all = self.addresses.iter().copied();
        let most = all.max_by_key(|known| (times(known), Reverse(known.1)))?;
        (times(&most) > 1).then_some(most)
    }

    /// Those that nobody tried: whoever should have is another one for each endpoint.
    fn never_tried(&self) -> impl Iterator<Item = Object> {
        let is_untried =
            |(side, address): &&(Side, IpAddr)| self.tried.iter().all(|path| side.of(path) != *address);
        let untried = self.addresses.iter().filter(is_untried);
        untried.map(|(side, address)| object(*side, *address))
    }

    /// For how long, and how many HEARTBEATs to an address, or between the two of a path.
    fn figures(&self, object: Object, around: Surroundings<'_>) -> Option<SecondaryUnconfirmed> {
        let directions: &[Direction] = match object {
            Object::Local(_) => &[Direction::Return],
            Object::Remote(_) => &[Direction::Forward],
            Object::Path(_) | Object::Association => &Direction::BOTH,
        };
        let is_meant = |(path, _): &(&PathId, &Path)| match object {
            Object::Local(address) => path.local == address,
            Object::Remote(address) => path.remote == address,
            Object::Path(meant) => **path == meant,
            Object::Association => true,
        };
        let paths = self.association.paths().filter(is_meant);
        let known_for = paths
            .clone()
            .filter_map(|(_, path)| path.unconfirmed_for(around.now))
            .max()?;
        let flows =
            paths.flat_map(|(_, path)| directions.iter().filter_map(|direction| path.flow(*direction)));
        let heartbeats = flows
            .filter_map(|slot| around.flows.get(slot))
            .map(|flow| flow.view.heartbeats)
            .sum();
        Some(SecondaryUnconfirmed {
            known_for,
            heartbeats,
        })
    }
}

fn object(side: Side, address: IpAddr) -> Object {
    match side {
        Side::Local => Object::Local(address),
        Side::Remote => Object::Remote(address),
    }
}
