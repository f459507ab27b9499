//! Heartbeats and small packets pass, large ones do not.

use crate::{findings::seen::PathSeen, model::Diagnosis, path::flow::Flow};

/// Packets too large for the path, on a flow whose answers are judged.
pub(super) fn rule(seen: &PathSeen<'_>) -> Option<Diagnosis> {
    let losses = seen.config.black_hole_losses;
    seen.judged().find_map(|flow| black_hole(flow, losses))
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
