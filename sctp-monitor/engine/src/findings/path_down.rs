//! A path carries nothing, in one direction at least.
//!
//! A warning: the association goes on over its other paths. When none is left, that is `peer_down`.

use std::fmt;

use crate::{
    config::Vantage,
    findings::seen::PathSeen,
    model::{Broken, Direction, Evidence, Object, PathDown, Severity, Timestamp},
    path::{detector::Verdict, flow::Flow, under_way::LATE_BY},
};

impl PathDown {
    pub(crate) const SEVERITY: Severity = Severity::Warning;

    /// What to check next.
    pub(crate) fn check(&self, object: Object) -> String {
        let Object::Path(path) = object else {
            return "routes and filters between the two endpoints".to_owned();
        };
        let (local, remote) = (path.local, path.remote);
        match self.broken {
            Broken::Forward => format!(
                "route from {local} to {remote}; filters on IP protocol 132 on the way; reverse-path filter at {remote}"
            ),
            Broken::Return => format!(
                "route and source address of the peer from {remote} to {local}; filters on IP protocol 132 on the way; \
                 reverse-path filter at {local}"
            ),
            Broken::Both | Broken::Unknown => format!(
                "ping {remote} from {local}; ARP/neighbour entry of the next hop; switches between the two"
            ),
        }
    }
}

impl fmt::Display for PathDown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.broken {
            Broken::Unknown => "path down: ",
            Broken::Forward => "path down, forward direction only: ",
            Broken::Return => "path down, return direction only: ",
            Broken::Both => "path down, both directions: ",
        })?;
        self.reason.fmt(f)
    }
}

/// Why an inactive path whose NIC has a link is so. A link that is back is no reason any more, though nothing proves the path
/// yet.
pub(super) fn rule(seen: &PathSeen<'_>) -> Option<Evidence> {
    let dead = seen.flows().find_map(|flow| match flow.verdict() {
        Verdict::Dead(reason) => Some(reason),
        _ => None,
    });
    let reason = dead.filter(|reason| !reason.is_nic())?.clone();
    Some(Evidence::PathDown(PathDown {
        broken: broken(seen),
        reason,
    }))
}

/// Which direction of a dead path is broken. What arrives that was sent after the break proves one direction; what is
/// acknowledged late, or arrives twice by the peer's word, the other.
fn broken(seen: &PathSeen<'_>) -> Broken {
    let is_dead = |flow: Option<&Flow>| flow.is_some_and(|flow| matches!(flow.verdict(), Verdict::Dead(_)));
    let (dead, opposite, direction) = if is_dead(seen.back) && !is_dead(seen.forward) {
        (seen.back, seen.forward, Direction::Return)
    } else {
        (seen.forward, seen.back, Direction::Forward)
    };
    let Some(dead) = dead else {
        return Broken::Unknown;
    };
    let since = dead.detector.first_missed().unwrap_or(seen.path.since());
    let arrives = dead.detector.arrives_at().is_some_and(|at| at > since);
    let heard = opposite.filter(|_| dead.detector.comes_back());
    let lasts = seen.now.since(since) >= seen.config.direction_after;
    let broken = match (arrives, heard) {
        (true, _) => Broken::Return,
        (false, Some(flow)) => if_heard(seen.config.vantage, flow, since, lasts),
        (false, None) if lasts => Broken::Both,
        (false, None) => Broken::Unknown,
    };
    match (direction, broken) {
        (Direction::Return, Broken::Return) => Broken::Forward,
        (Direction::Return, Broken::Forward) => Broken::Return,
        _ => broken,
    }
}

/// What it means that packets of the other direction still come. At an endpoint they have made the whole way. A gateway
/// sees them before they are dropped, by its own packet filter for one: there, what they bring about must come back.
fn if_heard(vantage: Vantage, flow: &Flow, since: Timestamp, lasts: bool) -> Broken {
    if vantage == Vantage::Endpoint {
        return Broken::Forward;
    }
    let is_answered = flow.detector.alive_at().is_some_and(|at| at > since + LATE_BY);
    match flow.verdict() {
        Verdict::Dead(_) => Broken::Both,
        _ if is_answered => Broken::Forward,
        Verdict::Suspect(_) => Broken::Unknown,
        // It asks for no answer.
        _ if lasts => Broken::Forward,
        _ => Broken::Unknown,
    }
}
