//! All paths to a peer are down, and not for want of a link on this side.
//!
//! Critical: no path is left.

use std::net::IpAddr;

use crate::{
    config::{Config, Vantage},
    findings::seen::Surroundings,
    model::{Direction, Evidence, PathState, PeerDown, Severity, Side, Sides, SilentEndpoint, Timestamp},
    path::{detector::Verdict, flow::Flow, state::Path, under_way::LATE_BY},
    registry::association::Association,
};

impl PeerDown {
    pub(crate) const SEVERITY: Severity = Severity::Critical;

    /// What to check next.
    pub(crate) fn check(&self, sides: Sides) -> String {
        let whose = match (sides, &self.silent) {
            (Sides::ThisHost, _) => "the peer's host and its SCTP process run".to_owned(),
            (_, Some(silent)) => {
                let addresses = silent.addresses();
                format!("the host of {addresses} and its SCTP process run; the way from here to it")
            }
            (Sides::Initiator | Sides::SideA, None) => "both hosts and their SCTP processes run".to_owned(),
        };
        format!("whether {whose}; what all paths share")
    }

    /// Between the hosts, either may be the one that is down.
    pub(crate) fn words(&self, sides: Sides) -> String {
        let down = match sides {
            Sides::ThisHost => "peer down",
            Sides::Initiator | Sides::SideA => "no path left",
        };
        let silent = self.silent.as_ref().map_or_else(String::new, |silent| {
            format!("; nothing comes from {} any more", silent.addresses())
        });
        format!("{down}: all {} paths inactive{silent}", self.paths)
    }
}

impl SilentEndpoint {
    /// The first few of its addresses.
    fn addresses(&self) -> String {
        let named = self.addresses.iter().take(NAMED).map(IpAddr::to_string);
        let mut named = named.collect::<Vec<_>>().join(", ");
        if self.addresses.len() > NAMED {
            named.push_str(", ...");
        }
        named
    }
}

/// All paths that anything is known of are down, and not for want of a link on this side.
pub(super) fn rule(association: &Association, around: Surroundings<'_>, config: &Config) -> Option<Evidence> {
    let mut known = association
        .paths()
        .map(|(_, path)| path)
        .filter(|path| path.state() != PathState::Unconfirmed);
    let paths = known.clone().count();
    let all_down = known.clone().all(|path| path.state() == PathState::Inactive);
    let is_down = association.is_established() && paths > 1 && all_down && !known.all(Path::is_cut_off);
    is_down.then(|| {
        Evidence::PeerDown(PeerDown {
            paths,
            silent: silent(association, around, config),
        })
    })
}

/// Between the hosts: the endpoint from which nothing has come since its answers stay out, while the other one went on. What is
/// broken lies there, or on the way to it.
fn silent(association: &Association, around: Surroundings<'_>, config: &Config) -> Option<SilentEndpoint> {
    if config.vantage != Vantage::Gateway || config.may_lack_packets {
        return None;
    }
    let heard_at = |direction| {
        let flows = around.flows.all_of(association.flows(direction));
        flows.map(|flow| flow.heard_at).max()
    };
    let is_silent = |from: &Direction| {
        let from = *from;
        let missed = around.flows.all_of(association.flows(from.reversed()));
        // The path that failed last: until then it may have been heard over that one.
        let missed_since = missed.filter_map(missed_since).max();
        let (Some(missed_since), Some(heard_at), Some(asked_at)) =
            (missed_since, heard_at(from), heard_at(from.reversed()))
        else {
            return false;
        };
        heard_at <= missed_since + LATE_BY && asked_at > heard_at
    };
    let mut silent = Direction::BOTH.into_iter().filter(is_silent).map(Side::sending);
    let (Some(side), None) = (silent.next(), silent.next()) else {
        return None;
    };
    let mut addresses: Vec<_> = association.addresses(side).iter().copied().collect();
    addresses.sort_unstable();
    Some(SilentEndpoint { side, addresses })
}

/// Since when a flow that is dead misses answers.
fn missed_since(flow: &Flow) -> Option<Timestamp> {
    let is_dead = matches!(flow.verdict(), Verdict::Dead(_));
    flow.detector.first_missed().filter(|_| is_dead)
}

/// Addresses of an endpoint that are named.
const NAMED: usize = 4;
