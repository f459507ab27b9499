//! A silent break is reported, soon, and as the break of the path that broke.

use sctp_monitor_engine::finding::Broken;

use crate::{
    limits::DETECTION,
    model::{
        scenario::Scenario,
        statistics::Tally,
        trial::{broken, directions},
        world::Break,
    },
    worlds,
};

const BREAKS: u64 = 100;

fn breaks(scenario: &Scenario, direction: Break, count: u64) -> Tally {
    let mut tally = Tally::default();
    for seed in 0..count {
        let one = broken(scenario, seed, direction);
        if one.detected.first().is_none_or(|time| *time > DETECTION[0].1) {
            println!(
                "{}, {} lost, {direction:?}, seed {seed}: {:?}",
                scenario.name, scenario.loss, one.detected
            );
        }
        tally.add(one);
    }
    tally
}

/// 99 of 100 breaks in time, whichever direction breaks.
fn assert_in_time(name: &str) {
    for (loss, limit) in DETECTION {
        let scenario = worlds(name).losing(loss);
        for direction in Break::ALL {
            let tally = breaks(&scenario, direction, BREAKS);
            let p99 = tally.detected_within(0.99);
            assert!(
                p99.is_some_and(|time| time <= limit),
                "{name}, {loss} lost, {direction:?}: p99 is {p99:?}, {} missed",
                tally.missed
            );
        }
    }
}

#[test]
fn breaks_are_reported_in_time() {
    assert_in_time("calm");
}

#[test]
fn breaks_under_load_are_reported_in_time() {
    assert_in_time("200 messages/s");
}

#[test]
fn breaks_under_traffic_both_ways_are_reported_in_time() {
    assert_in_time("20 messages/s both ways");
}

#[test]
fn breaks_are_reported_in_time_to_who_joined_late() {
    assert_in_time("joined mid-life");
}

#[test]
fn breaks_are_reported_in_time_though_ring_records_are_lost() {
    assert_in_time("half the ring records lost");
}

#[test]
fn breaks_behind_a_gateway_are_reported_in_time() {
    assert_in_time("at a gateway");
}

#[test]
fn no_break_under_traffic_is_missed() {
    let mut missed = Vec::new();
    for scenario in Scenario::all().into_iter().filter(Scenario::shows_breaks) {
        for direction in Break::ALL {
            let tally = breaks(&scenario, direction, BREAKS / 5);
            if tally.missed > 0 {
                missed.push((scenario.name, direction, tally.missed));
            }
        }
    }
    assert_eq!(missed, []);
}

#[test]
fn a_break_is_not_reported_of_another_path() {
    let mut misplaced = Vec::new();
    for scenario in Scenario::all() {
        for direction in Break::ALL {
            let tally = breaks(&scenario, direction, BREAKS / 5);
            if tally.misplaced > 0 {
                misplaced.push((scenario.name, direction, tally.misplaced));
            }
        }
    }
    assert_eq!(misplaced, []);
}

/// What was under way at the break, or comes when it is over, must not tell of a direction that works.
#[test]
fn no_direction_is_said_to_work_that_does_not() {
    let mut wrong = Vec::new();
    let mut told = [0; 3];
    for scenario in Scenario::all().into_iter().filter(Scenario::shows_breaks) {
        for direction in Break::ALL {
            for seed in 0..BREAKS / 10 {
                let said = directions(&scenario, seed, direction);
                let lies: &[Broken] = match direction {
                    Break::Both => &[Broken::Forward, Broken::Return],
                    Break::Forward => &[Broken::Return],
                    Break::Return => &[Broken::Forward],
                };
                let truth = [Broken::Both, Broken::Forward, Broken::Return][direction as usize];
                told[direction as usize] += u32::from(said.contains(&truth));
                if said.iter().any(|broken| lies.contains(broken)) {
                    wrong.push((scenario.name, direction, seed, said));
                }
            }
        }
    }
    println!("told: {told:?}");
    assert_eq!(wrong, []);
}
