//! A sender at full rate fills the queues on its way: no failure, no black hole. Those that are real are found all the same.

use std::time::Duration;

use sctp_monitor_engine::model::FindingKind;

use crate::model::{scenario::Scenario, trial::broken, world::Break};

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
            let found = world.take_incidents();
            if !found.is_empty() {
                incidents.push(format!("{}, seed {seed}: {found:?}", scenario.name));
            }
        }
    }
    assert!(incidents.is_empty(), "\n{}", incidents.join("\n"));
}

#[test]
fn a_break_under_full_load_is_found() {
    // The first, where nothing stands still.
    for scenario in Scenario::bulk().iter().take(7) {
        for direction in Break::ALL {
            for seed in 0..2 {
                let tally = broken(scenario, seed, direction);
                let what = format!("{}, {direction:?}, seed {seed}", scenario.name);
                assert_eq!((tally.missed, tally.misplaced), (0, 0), "{what}");
                assert!(tally.detected[0] < SOON, "{what}: {:?}", tally.detected);
            }
        }
    }
}

#[test]
fn a_black_hole_under_full_load_is_found() {
    for scenario in Scenario::bulk().iter().take(7) {
        for seed in 0..2 {
            let mut world = scenario.world(seed);
            world.advance(Duration::from_secs(15));
            let what = format!("{}, seed {seed}", scenario.name);
            assert_eq!(world.take_incidents(), [], "{what}");
            world.shrink_path(world.data_path(), 1_300);
            world.advance(Duration::from_secs(30));
            let found = world.take_incidents();
            assert!(found.contains(&FindingKind::PathMtuBlackHole), "{what}: {found:?}");
        }
    }
}

/// The queue holds up to a second of packets.
const SOON: Duration = Duration::from_secs(4);
