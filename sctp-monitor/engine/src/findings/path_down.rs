//! A path carries nothing, in one direction at least.
//!
//! A warning: the association goes on over its other paths. When none is left, that is `peer_down`.

use std::{fmt, time::Duration};

use crate::{
    config::Vantage,
    findings::seen::PathSeen,
    model::{Broken, Direction, Evidence, Object, PathDown, Reason, Severity, Sides, Timestamp},
    path::{detector::Verdict, flow::Flow, under_way::LATE_BY},
};

impl PathDown {
    pub(crate) const SEVERITY: Severity = Severity::Warning;

    /// What to check next.
    pub(crate) fn check(&self, object: Object, sides: Sides) -> String {
        let Object::Path(path) = object else {
            return "routes and filters between the two endpoints".to_owned();
        };
        let (local, remote) = (path.local, path.remote);
        if let Reason::NextHopUnresolved {
            next_hop, interface, ..
        } = &self.reason
        {
            return format!(
                "whether {next_hop} is up and in the same network segment as {interface}: its NIC, cable, switch port \
                 and VLAN; `ip neighbour show {next_hop} dev {interface}`"
            );
        }
        let one_way = |from, to| {
            format!(
                "route from {from} to {to}; filters on IP protocol 132 on the way; reverse-path filter at {to}"
            )
        };
        match (self.broken, sides) {
            (Broken::Forward, _) => one_way(local, remote),
            (Broken::Return, Sides::ThisHost) => format!(
                "route and source address of the peer from {remote} to {local}; filters on IP protocol 132 on the way; \
                 reverse-path filter at {local}"
            ),
            (Broken::Return, _) => one_way(remote, local),
            (Broken::Both | Broken::Unknown, Sides::ThisHost) => format!(
                "ping {remote} from {local}; ARP/neighbour entry of the next hop; switches between the two"
            ),
            // Whoever reads it has one of the two hosts, or neither.
            (Broken::Both | Broken::Unknown, _) => {
                let [one, other] = [local.min(remote), local.max(remote)];
                format!(
                    "ping {other} from {one}, or {one} from {other}; ARP/neighbour entries of the next hops; switches \
                     between the two"
                )
            }
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

/// Why an inactive path whose NIC has a link is so: what was missed first. A link that is back is no reason any more, though
/// nothing proves the path yet.
pub(super) fn rule(seen: &PathSeen<'_>) -> Option<Evidence> {
    let dead = Direction::BOTH.into_iter().filter_map(|direction| {
        let flow = seen.flow(direction)?;
        match flow.verdict() {
            Verdict::Dead(reason) => Some((flow, reason, direction)),
            _ => None,
        }
    });
    let is_judged = |direction| direction == Direction::Forward || seen.config.vantage == Vantage::Gateway;
    let (flow, reason, direction) = dead.min_by_key(|(flow, reason, direction)| {
        (!is_judged(*direction), reason.is_nic(), missed_since(seen, flow))
    })?;
    (!reason.is_nic()).then(|| {
        Evidence::PathDown(PathDown {
            broken: broken(seen, flow, direction),
            reason: reason.clone(),
        })
    })
}

/// Since when answers are missing on a dead flow.
fn missed_since(seen: &PathSeen<'_>, dead: &Flow) -> Timestamp {
    dead.detector.first_missed().unwrap_or(seen.path.since())
}

/// Which direction of a dead path is broken. What arrives that was sent after the break proves that a direction works: by what
/// is acknowledged late, or arrives twice by the peer's word; or by being here. That one does not is proved by what was sent
/// again another way, because the peer had it not; and by HEARTBEATs of the peer that stay out.
fn broken(seen: &PathSeen<'_>, dead: &Flow, direction: Direction) -> Broken {
    if let Some(broken) = by_what_is_received(dead) {
        return broken;
    }
    let opposite = seen.flow(direction.reversed());
    let since = missed_since(seen, dead);
    let arrives = dead
        .detector
        .arrives_at()
        .is_some_and(|(first_at, last_at)| last_at > since && seen.now >= first_at + HEALED_WITHIN);
    let heard = opposite.filter(|_| dead.detector.comes_back());
    let broken = match (arrives, heard) {
        (true, _) => Broken::Return,
        (false, Some(flow)) => if_heard(seen.config.vantage, flow, since),
        (false, None)
            if dead.detector.is_lost() && opposite.is_some_and(|flow| stays_out(flow, since, seen.now)) =>
        {
            Broken::Both
        }
        (false, None) => Broken::Unknown,
    };
    match (direction, broken) {
        (Direction::Return, Broken::Return) => Broken::Forward,
        (Direction::Return, Broken::Forward) => Broken::Return,
        _ => broken,
    }
}

/// What an endpoint concludes from what it receives: the peer's packets do not arrive, or its answers do not arrive there.
fn by_what_is_received(dead: &Flow) -> Option<Broken> {
    let (Verdict::Dead(reason) | Verdict::Suspect(reason)) = dead.verdict() else {
        return None;
    };
    match *reason {
        Reason::HeartbeatsStayOut { .. } | Reason::DataElsewhere { duplicates: 0, .. } => {
            Some(Broken::Return)
        }
        Reason::HeartbeatsRepeated { .. } | Reason::DataElsewhere { missing: 0, .. } => Some(Broken::Forward),
        Reason::DataElsewhere { .. } => Some(Broken::Unknown),
        _ => None,
    }
}

/// What it means that packets of the other direction still come. At an endpoint they have made the whole way. A gateway
/// sees them before they are dropped, by its own packet filter for one, and so does a capture at their sender: there, what they
/// bring about must come back.
fn if_heard(vantage: Vantage, flow: &Flow, since: Timestamp) -> Broken {
    let is_answered = flow.detector.alive_at().is_some_and(|at| at > since + LATE_BY);
    match (vantage, flow.verdict()) {
        (Vantage::Endpoint, _) => Broken::Forward,
        (Vantage::Gateway, Verdict::Dead(_)) => Broken::Both,
        (Vantage::Gateway, _) if is_answered => Broken::Forward,
        (Vantage::Gateway, _) => Broken::Unknown,
    }
}

/// Whether the peer's HEARTBEATs should have come since the break, by their rhythm, and have not.
fn stays_out(flow: &Flow, since: Timestamp, now: Timestamp) -> bool {
    let limit = flow.rhythm.overdue_after();
    limit.is_some_and(|limit| now.since(since.max(flow.heard_at)) > limit)
}

/// What passes one direction when a path is healed is answered over the other one by then: a SACK waits for 500 ms at most (RFC
/// 9260 section 6.2).
const HEALED_WITHIN: Duration = Duration::from_millis(500);
