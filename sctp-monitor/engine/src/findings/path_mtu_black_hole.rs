//! Heartbeats and small packets pass, large ones do not.
//!
//! Critical: the sender takes the path for good and stays on it, while its DATA is lost.

use std::fmt;

use crate::{
    findings::seen::PathSeen,
    model::{Evidence, Object, PathMtuBlackHole, Severity},
    path::flow::Flow,
};

impl PathMtuBlackHole {
    pub(crate) const SEVERITY: Severity = Severity::Critical;

    /// What to check next.
    pub(crate) fn check(object: Object) -> String {
        let ping = match object {
            Object::Path(path) => format!("ping {} from {}", path.remote, path.local),
            _ => "ping the peer".to_owned(),
        };
        format!(
            "{ping} with the don't-fragment bit and growing sizes; tunnels on the way; filters that drop ICMP; the MTU \
             of the NICs on both sides"
        )
    }
}

impl fmt::Display for PathMtuBlackHole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("path MTU black hole: HEARTBEATs pass, large DATA does not")?;
        let lost = self
            .lost_bytes
            .map(|bytes| format!("packets of {bytes} bytes and more are lost"));
        let passed = self.passed_bytes.map(|bytes| format!("up to {bytes} bytes pass"));
        let told = self
            .path_mtu
            .map(|bytes| format!("ICMP reports an MTU of {bytes} bytes"));
        let figures: Vec<_> = [lost, passed, told].into_iter().flatten().collect();
        if figures.is_empty() {
            return Ok(());
        }
        write!(f, " ({})", figures.join(", "))
    }
}

/// Packets too large for the path, on a flow whose answers are judged.
pub(super) fn rule(seen: &PathSeen<'_>) -> Option<Evidence> {
    let losses = seen.config.black_hole_losses;
    seen.judged().find_map(|flow| black_hole(flow, losses))
}

/// Packets too large for the path, by their sizes or because only heartbeats pass.
fn black_hole(flow: &Flow, losses: u32) -> Option<Evidence> {
    let only_heartbeats = flow.detector.only_heartbeats_pass();
    let by_size = flow
        .sizes
        .black_hole(losses)
        .filter(|(_, passed)| passed.is_some() || only_heartbeats);
    if by_size.is_none() && !only_heartbeats {
        return None;
    }
    Some(Evidence::PathMtuBlackHole(PathMtuBlackHole {
        lost_bytes: by_size.map(|(lost, _)| lost),
        passed_bytes: by_size.and_then(|(_, passed)| passed),
        path_mtu: flow.path_mtu,
    }))
}
