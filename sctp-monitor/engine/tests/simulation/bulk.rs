//! A sender at full rate fills the queues on its way: no failure, no black hole. Those that are real are found all the same.

use std::time::Duration;

use sctp_monitor_engine::model::{FindingKind, IncidentView};

use crate::model::{
    scenario::Scenario,
    trial::is_report,
    world::{BEGINNING, Break},
};

/// Worlds of each kind, of a minute each.
const WORLDS: u64 = 6;
const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn full_queues_are_no_incident() {
    let mut incidents = Vec::new();
    for scenario in Scenario::bulk() {
        for seed in 0..WORLDS {
            let mut world = scenario.world(seed);
            world.advance(MINUTE);
            for incident in world.take_incidents() {
                let at = incident.since.since(BEGINNING);
                incidents.push(format!(
                    "{}, seed {seed}, {at:?}: {}",
                    scenario.name, incident.reason
                ));
            }
        }
    }
    assert!(incidents.is_empty(), "\n{}", incidents.join("\n"));
}

#[test]
fn a_break_under_full_load_is_found() {
    let mut late = Vec::new();
    for scenario in Scenario::bulk().iter().take(CALM) {
        for direction in Break::ALL {
            for seed in 0..2 {
                let mut world = scenario.world(seed);
                world.advance(Duration::from_secs(15));
                let path = world.data_path();
                let broken_at = world.now;
                world.break_path(path, direction);
                let changes = world.advance(MINUTE);
                let found = changes.iter().find(|change| is_report(change, path));
                let after = found.map(|change| change.at.since(broken_at));
                println!("{}, {direction:?}, seed {seed}: {after:?}", scenario.name);
                if after.is_none_or(|after| after > SOON) {
                    late.push(format!(
                        "{}, {direction:?}, seed {seed}: {after:?}",
                        scenario.name
                    ));
                }
            }
        }
    }
    assert!(late.is_empty(), "\n{}", late.join("\n"));
}

#[test]
fn loss_that_no_queue_explains_is_told_though_the_sender_is_at_full_rate() {
    let ms = Duration::from_millis;
    let (mut silent, mut worlds) = (Vec::new(), 0);
    for scenario in Scenario::bulk().into_iter().take(CALM) {
        for (seed, loss) in [(0, 0.05), (1, 0.07), (2, 0.1)] {
            let mut world = scenario.clone().over(ms(20), ms(50)).losing(loss).world(seed);
            world.advance(MINUTE);
            let found = world.take_incidents();
            let is_told = |incident: &IncidentView| incident.finding == FindingKind::GreyLoss;
            worlds += 1;
            if !found.iter().any(is_told) {
                silent.push(format!("{}, {loss}, seed {seed}", scenario.name));
            }
        }
    }
    assert!(
        silent.is_empty(),
        "{} of {worlds}:\n{}",
        silent.len(),
        silent.join("\n")
    );
}

#[test]
fn a_black_hole_under_full_load_is_told() {
    let (mut worlds, mut silent, mut unnamed) = (0, Vec::new(), Vec::new());
    for scenario in Scenario::bulk().into_iter().take(CALM) {
        let scenario = scenario.with_short_messages();
        for seed in 0..4 {
            let mut world = scenario.world(seed);
            world.advance(Duration::from_secs(15));
            let what = format!("{}, seed {seed}", scenario.name);
            world.take_incidents();
            // DATA prefers this path: on the other one nothing large may ever be sent, and nothing tells.
            world.shrink_path(0, 1_300);
            world.advance(MINUTE);
            let found = world.take_incidents();
            let has = |kind| {
                found
                    .iter()
                    .any(|incident: &IncidentView| incident.finding == kind)
            };
            worlds += 1;
            if !has(FindingKind::PathMtuBlackHole) {
                unnamed.push(what.clone());
                if !has(FindingKind::PathDown) {
                    silent.push(what);
                }
            }
        }
    }
    assert!(silent.is_empty(), "\n{}", silent.join("\n"));
    // Where each flight is one packet and no small one passes, nothing tells that small ones would: the path is down.
    assert!(unnamed.len() * 3 <= worlds, "\n{}", unnamed.join("\n"));
}

/// So many of the kinds of worlds, in which nothing stands still and others leave room for more than a packet or two: where most
/// packets of a window are lost anyway, a break hardly shows.
const CALM: usize = 6;
/// DATA moves after a time-out, which a queue of a second makes long, and HEARTBEATs at such intervals must tell then.
const SOON: Duration = Duration::from_secs(45);
