//! Small packets pass, large ones do not.
//!
//! Critical: the sender takes the path for good and stays on it, while its DATA is lost.

use std::fmt;

use crate::{
    findings::seen::PathSeen,
    model::{Direction, Evidence, Object, PathMtuBlackHole, Severity},
    path::flow::Flow,
};

impl PathMtuBlackHole {
    pub(crate) const SEVERITY: Severity = Severity::Critical;

    /// What to check next.
    pub(crate) fn check(&self, object: Object) -> String {
        let ping = match (object, self.direction) {
            (Object::Path(path), Direction::Forward) => format!("ping {} from {}", path.remote, path.local),
            (Object::Path(path), Direction::Return) => format!("ping {} from {}", path.local, path.remote),
            _ => "ping the peer".to_owned(),
        };
        format!(
            "{ping} with the don't-fragment bit and growing sizes; tunnels on the way; filters that drop ICMP; the MTU \
             of the NICs on both sides"
        )
    }

    /// Whether `other` says the same.
    pub(crate) fn says(&self, other: &Self) -> bool {
        let figures = |hole: &Self| {
            (
                hole.lost_bytes,
                hole.passed_bytes,
                hole.path_mtu,
                hole.missing_tsn,
            )
        };
        self.heartbeats_pass == other.heartbeats_pass && figures(self) == figures(other)
    }
}

impl fmt::Display for PathMtuBlackHole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "path MTU black hole, {} direction: ", self.direction)?;
        let missing = self
            .missing_tsn
            .map(|tsn| format!("TSN {tsn} never arrives, later ones do"));
        let heartbeats = (self.heartbeats_pass && self.missing_tsn.is_none())
            .then(|| "HEARTBEATs pass, DATA does not".to_owned());
        let lost = self
            .lost_bytes
            .map(|bytes| format!("packets of {bytes} bytes and more are lost"));
        let passed = self.passed_bytes.map(|bytes| format!("up to {bytes} bytes pass"));
        let told = self
            .path_mtu
            .map(|bytes| format!("ICMP reports an MTU of {bytes} bytes"));
        let all: Vec<_> = [missing, heartbeats, lost, passed, told]
            .into_iter()
            .flatten()
            .collect();
        f.write_str(&all.join(", "))
    }
}

/// Packets too large for the path, in either direction: by what is retransmitted, on a flow whose answers are judged; or by
/// what the receiver misses.
pub(super) fn rule(seen: &PathSeen<'_>) -> Vec<Evidence> {
    let losses = seen.config.black_hole_losses;
    let by_sizes = seen.judged().filter_map(|flow| by_sizes(flow, losses));
    let mut holes: Vec<_> = by_sizes.collect();
    for hole in seen.flows().filter_map(|flow| by_missing(flow, seen)) {
        if holes.iter().all(|known| known.direction != hole.direction) {
            holes.push(hole);
        }
    }
    holes.into_iter().map(Evidence::PathMtuBlackHole).collect()
}

/// By the sizes of what is retransmitted, or because only heartbeats pass.
fn by_sizes(flow: &Flow, losses: u32) -> Option<PathMtuBlackHole> {
    let heartbeats_pass = flow.detector.only_heartbeats_pass();
    let by_size = flow
        .sizes
        .black_hole(losses)
        .filter(|(_, passed)| passed.is_some() || heartbeats_pass);
    if by_size.is_none() && !heartbeats_pass {
        return None;
    }
    Some(PathMtuBlackHole {
        direction: flow.member?.direction,
        lost_bytes: by_size.map(|(lost, _)| lost),
        passed_bytes: by_size.and_then(|(_, passed)| passed),
        path_mtu: flow.path_mtu,
        missing_tsn: None,
        heartbeats_pass,
    })
}

/// By a TSN that never comes by, though the receiver has later ones.
fn by_missing(flow: &Flow, seen: &PathSeen<'_>) -> Option<PathMtuBlackHole> {
    let missing = flow.missing.filter(|missing| missing.never_arrives(seen.now))?;
    Some(PathMtuBlackHole {
        direction: flow.member?.direction,
        lost_bytes: None,
        passed_bytes: (missing.largest > 0).then_some(missing.largest),
        path_mtu: flow.path_mtu,
        missing_tsn: Some(missing.tsn),
        heartbeats_pass: false,
    })
}
