//! The rules: what is wrong with a path, and with an association as far as its paths' states tell.

use crate::{
    config::{Config, Vantage},
    findings::seen::{PathSeen, Surroundings},
    model::{Broken, Diagnosis, Direction, PathState, Timestamp, Zombie},
    path::{detector::Verdict, flow::Flow, state::Path, under_way::LATE_BY},
    registry::association::{Association, Phase},
};

/// What is wrong with a path.
pub(super) fn wrong_with_path(seen: &PathSeen<'_>) -> Vec<Diagnosis> {
    let PathSeen {
        path, config, now, ..
    } = *seen;
    let mut found = Vec::new();
    let is_down = path.state() == PathState::Inactive;
    if is_down && !path.is_held() {
        found.extend(cause_of_death(seen));
    }
    if let Some(failures) = path.flapping(config, now) {
        found.push(Diagnosis::Flapping {
            failures,
            within: config.flap_window,
        });
    }
    if is_down {
        return found;
    }
    let judged = match config.vantage {
        Vantage::Endpoint => [seen.forward, None],
        Vantage::Gateway => [seen.forward, seen.back],
    };
    let black_hole = judged
        .into_iter()
        .flatten()
        .find_map(|flow| black_hole(flow, config.black_hole_losses));
    let has_black_hole = black_hole.is_some();
    found.extend(black_hole);
    for (direction, flow) in [(Direction::Forward, seen.forward), (Direction::Return, seen.back)] {
        // What is lost for its size is no loss by chance.
        if let Some(rate) = flow.and_then(|flow| flow.losses.rate())
            && !has_black_hole
        {
            found.push(Diagnosis::GreyLoss { direction, rate });
        }
    }
    if let Some(slow) = judged.into_iter().flatten().find_map(|flow| flow.latency.slow()) {
        found.push(Diagnosis::LatencyDegraded(slow));
    }
    if let Some(source) = seen.forward.and_then(Flow::answered_from) {
        found.push(Diagnosis::AnsweredElsewhere { source });
    }
    found
}

/// Why an inactive path is so, now. A link that is back is no reason any more, though nothing proves the path yet.
fn cause_of_death(seen: &PathSeen<'_>) -> Option<Diagnosis> {
    let fault = seen.nics.fault_of(seen.config.vantage, seen.forward, seen.back);
    if let Some(reason) = fault {
        return Some(Diagnosis::LinkDown { reason });
    }
    let dead = seen.flows().find_map(|flow| match flow.detector.verdict() {
        Verdict::Dead(reason) => Some(reason),
        _ => None,
    })?;
    if dead.is_nic() {
        return None;
    }
    Some(Diagnosis::PathDown {
        broken: broken(seen),
        reason: dead.clone(),
    })
}

/// Which direction of a dead path is broken. What arrives that was sent after the break proves one direction; what is
/// acknowledged late, or arrives twice by the peer's word, the other.
fn broken(seen: &PathSeen<'_>) -> Broken {
    let is_dead =
        |flow: Option<&Flow>| flow.is_some_and(|flow| matches!(flow.detector.verdict(), Verdict::Dead(_)));
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
    match flow.detector.verdict() {
        Verdict::Dead(_) => Broken::Both,
        _ if is_answered => Broken::Forward,
        Verdict::Suspect(_) => Broken::Unknown,
        // It asks for no answer.
        _ if lasts => Broken::Forward,
        _ => Broken::Unknown,
    }
}

/// How an association is dead alive. `window_zero_since` is kept from look to look: since when the peer advertises no
/// window.
pub(super) fn zombie(
    association: &Association,
    around: Surroundings<'_>,
    config: &Config,
    window_zero_since: &mut Option<Timestamp>,
) -> Option<Zombie> {
    let Surroundings { flows, now, .. } = around;
    let after = config.zombie_after;
    let answers_long_after = |at: Timestamp| {
        let alive = flows
            .all_of(association.flows(Direction::Forward))
            .filter_map(|flow| flow.detector.alive_at());
        alive.max().is_some_and(|alive| alive > at + after / 2)
    };
    match association.phase() {
        Phase::Ended { at, .. } => return answers_long_after(*at).then_some(Zombie::AnswersAfterEnd),
        Phase::ShuttingDown { since, .. } => {
            let pending = now.since(*since);
            let is_zombie = pending >= after && answers_long_after(*since);
            return is_zombie.then_some(Zombie::ShutdownPending(pending));
        }
        Phase::Opening | Phase::Established => {}
    }
    let newest_window = flows
        .all_of(association.flows(Direction::Return))
        .filter(|flow| flow.view.a_rwnd.is_some())
        .max_by_key(|flow| flow.view.last_seen)
        .and_then(|flow| flow.view.a_rwnd);
    if newest_window != Some(0) {
        *window_zero_since = None;
        return None;
    }
    let since = *window_zero_since.get_or_insert(now);
    (now.since(since) >= after).then(|| Zombie::NobodyReads(now.since(since)))
}

/// All paths that anything is known of are down, and not for want of a link on this side.
pub(super) fn peer_down(association: &Association) -> Option<Diagnosis> {
    let mut known = association
        .paths()
        .map(|(_, path)| path)
        .filter(|path| path.state() != PathState::Unconfirmed);
    let paths = known.clone().count();
    let all_down = known.clone().all(|path| path.state() == PathState::Inactive);
    let is_down = association.is_up() && paths > 1 && all_down && !known.all(Path::is_cut_off);
    is_down.then_some(Diagnosis::PeerDown { paths })
}

/// Packets too large for the path, by their sizes or because only heartbeats pass.
fn black_hole(flow: &Flow, losses: u32) -> Option<Diagnosis> {
    let only_heartbeats = flow.detector.only_heartbeats_pass();
    let by_size = flow
        .sizes
        .black_hole(losses)
        .filter(|(_, passed)| passed.is_some() || only_heartbeats);
    if by_size.is_none() && !only_heartbeats {
        return None;
    }
    Some(Diagnosis::PathMtuBlackHole {
        lost_bytes: by_size.map(|(lost, _)| lost),
        passed_bytes: by_size.and_then(|(_, passed)| passed),
        path_mtu: flow.path_mtu,
    })
}
