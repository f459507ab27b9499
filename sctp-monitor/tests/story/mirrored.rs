//! What is found does not depend on which side sent the INIT.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sctp_monitor_testkit::exchange::{Exchange, Fault, Form, Plan, Side};
use serde_json::{Value as Json, json};

use crate::{case::list, variants::told};

#[test]
fn findings_do_not_depend_on_who_sent_the_init() {
    let mut findings = 0;
    for seed in 0..SEEDS {
        for fault in faults() {
            let [by_a, by_b] = [Side::A, Side::B].map(|initiator| {
                let plan = Plan {
                    initiator,
                    v6: seed % 2 == 1,
                    ports: [[40_000, 3_868], [36_412, 36_412]][seed as usize / 2 % 2],
                    faults: vec![fault],
                    lasts: Duration::from_secs(12),
                    senders: [vec![Side::A, Side::B], vec![Side::A], vec![Side::B], vec![]]
                        [seed as usize % 4]
                        .clone(),
                    ..Plan::new(seed)
                };
                let exchange = Exchange::of(&plan);
                said(&told(
                    &exchange.records(Form::from_seed(seed)),
                    Form::from_seed(seed),
                ))
            });
            let what = format!("seed {seed}, {fault:?}");
            assert_eq!(without_times(&by_a), without_times(&by_b), "{what}");
            for (a, b) in by_a.iter().zip(&by_b) {
                let apart = time(a).duration_since(time(b)).abs();
                assert!(apart <= SWEEP, "{what}: {apart} between {a} and {b}");
            }
            findings += by_a.iter().filter(|said| said["finding"] != Json::Null).count();
        }
    }
    assert!(findings > 0, "nothing was found at all");
}

/// Breaks of path 1.
fn faults() -> [Fault; 5] {
    let [from, to] = [3, 7].map(Duration::from_secs);
    let silence = Fault::silence(0, from, to);
    [
        silence,
        silence.towards(Side::A),
        silence.towards(Side::B),
        Fault {
            per_mille: 300,
            ..silence
        },
        Fault {
            larger_than: 600,
            ..silence
        },
    ]
}

/// What is said of paths, as A would say it: when, what, of which path, of which direction.
fn said(told: &Json) -> Vec<Json> {
    let of_paths = |event: &&Json| event["local"].is_string() && event["remote"].is_string();
    list(&told["events"])
        .iter()
        .filter(of_paths)
        .map(|event| {
            let is_mirrored = ends_in(&event["local"], '2');
            let [ours, theirs] = if is_mirrored {
                ["remote", "local"]
            } else {
                ["local", "remote"]
            };
            let direction = event["evidence"]["direction"].as_str();
            json!({
                "time": event["time"],
                "event": event["event"],
                "finding": event["finding"],
                "status": event["status"],
                "to": event["to"],
                "a": event[ours],
                "b": event[theirs],
                "direction": direction.map(|direction| match direction {
                    "forward" if is_mirrored => "return",
                    "return" if is_mirrored => "forward",
                    direction => direction,
                }),
            })
        })
        .collect()
}

fn ends_in(address: &Json, digit: char) -> bool {
    address.as_str().is_some_and(|address| address.ends_with(digit))
}

fn without_times(said: &[Json]) -> Vec<Json> {
    let mut said = said.to_vec();
    for said in &mut said {
        said["time"] = Json::Null;
    }
    said
}

fn time(said: &Json) -> Timestamp {
    said["time"].as_str().unwrap().parse().unwrap()
}

/// The handshake's packets pass the place of the capture at other times, and so the engine looks at other times, this often.
/// Of two proofs that a path works, it may see the later one first.
const SWEEP: SignedDuration = SignedDuration::from_millis(20);
const SEEDS: u64 = 8;
