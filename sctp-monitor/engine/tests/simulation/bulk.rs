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
fn most_black_holes_under_full_load_are_found() {
    let (mut worlds, mut missed) = (0, Vec::new());
    for scenario in Scenario::bulk().into_iter().take(CALM) {
        let scenario = scenario.with_short_messages();
        for seed in 0..4 {
            let mut world = scenario.world(seed);
            world.advance(Duration::from_secs(15));
            let what = format!("{}, seed {seed}", scenario.name);
            world.take_incidents();
            world.shrink_path(world.data_path(), 1_300);
            world.advance(MINUTE);
            let found = world.take_incidents();
            let is_hole = |incident: &IncidentView| incident.finding == FindingKind::PathMtuBlackHole;
            worlds += 1;
            if !found.iter().any(is_hole) {
                let found = found
                    .iter()
                    .map(|incident| format!("{:?} {}", incident.since.since(BEGINNING), incident.reason));
                missed.push(format!("{what}: {}", found.collect::<Vec<_>>().join("; ")));
            }
        }
    }
    // Where DATA soon leaves the path for good, or each flight is one packet, there is nothing to compare.
    assert!(missed.len() * 3 <= worlds, "\n{}", missed.join("\n"));
}

/// So many of the kinds of worlds, in which nothing stands still and others leave room for more than a packet or two: where most
/// packets of a window are lost anyway, a break hardly shows.
const CALM: usize = 6;
/// DATA moves after a time-out, which a queue of a second makes long, and HEARTBEATs at such intervals must tell then.
const SOON: Duration = Duration::from_secs(45);
