//! Healthy associations, captured in many ways: what is told of them must not depend on how.

use std::path::PathBuf;

use sctp_monitor_testkit::{
    capture_file::Dialect,
    exchange::{Exchange, Form, Header, Plan, disordered},
};
use serde_json::Value as Json;
use tempfile::TempDir;

use crate::case::{ailments, all, list, report};

#[test]
fn a_healthy_association_is_healthy_however_it_is_captured() {
    for seed in 0..SEEDS {
        let exchange = Exchange::from_seed(seed);
        let form = Form::from_seed(seed);
        let told = told(&exchange.records(form), form);
        assert_healthy(&told, &exchange, &format!("seed {seed}, {form:?}"));
        assert_eq!(told["counters"], serde_json::json!({}), "seed {seed}, {form:?}");
    }
}

#[test]
fn packets_captured_twice_count_once() {
    for seed in 0..SEEDS {
        let exchange = Exchange::from_seed(seed);
        let form = Form::from_seed(seed);
        let once = told(&exchange.records(form), form);
        for after_us in [1, 30, 900] {
            let what = format!("seed {seed}, {form:?}, copies after {after_us} us");
            let twice = told(&exchange.records(form.copied(after_us * 1_000)), form);
            assert_healthy(&twice, &exchange, &what);
            assert_eq!(twice["events"], once["events"], "{what}");
            assert_eq!(counts(&twice), counts(&once), "{what}");
            let copies = exchange.packets.len() as u64;
            assert_eq!(
                twice["counters"],
                serde_json::json!({ "captured_twice": copies }),
                "{what}"
            );
        }
    }
}

#[test]
fn copies_of_numbered_packets_may_come_much_later() {
    for seed in 0..SEEDS {
        let exchange = Exchange::of(&Plan::new(seed));
        let form = Form {
            numbered: true,
            ..Form::from_seed(seed)
        };
        // The far side of a satellite link; retransmissions have numbers of their own.
        let twice = told(&exchange.records(form.copied(300_000_000)), form);
        let flows = list(&twice["flows"]);
        let sum = |name: &str| flows.iter().map(|flow| flow[name].as_u64().unwrap()).sum::<u64>();
        assert_eq!(
            sum("capture_duplicates"),
            exchange.packets.len() as u64,
            "seed {seed}"
        );
        assert_eq!(
            sum("data_retransmissions"),
            exchange.retransmissions(),
            "seed {seed}"
        );
    }
}

#[test]
fn the_order_of_records_within_the_window_does_not_matter() {
    for seed in 0..SEEDS {
        let exchange = Exchange::from_seed(seed);
        let form = Form::from_seed(seed);
        let records = exchange.records(form);
        let expected = told(&records, form);
        let records = disordered(&records, 90_000_000, seed);
        assert!(!records.is_sorted_by_key(|(time, _)| *time), "seed {seed}");
        assert_eq!(told(&records, form), expected, "seed {seed}, {form:?}");
    }
}

#[test]
fn records_later_than_the_window_are_counted() {
    for seed in 0..SEEDS {
        let exchange = Exchange::from_seed(seed);
        let form = Form {
            header: Header::Raw,
            ..Form::from_seed(seed)
        };
        let mut records = exchange.records(form);
        // The handshake stays in front.
        let rest = records.split_off(4);
        records.extend(disordered(&rest, 800_000_000, seed));
        let told = told(&records, form);
        assert!(told["counters"]["records_late"].as_u64() > Some(0), "seed {seed}");
        assert_eq!(told["counters"]["clock_set_back"], Json::Null, "seed {seed}");
        assert_eq!(
            told["capture"]["sctp_packets"],
            exchange.packets.len(),
            "seed {seed}"
        );
        assert_eq!(list(&told["associations"]).len(), 1, "seed {seed}");
    }
}

fn assert_healthy(told: &Json, exchange: &Exchange, what: &str) {
    assert_eq!(
        ailments(&all(&told["events"])).collect::<Vec<_>>(),
        Vec::<&Json>::new(),
        "{what}"
    );
    let associations = list(&told["associations"]);
    assert_eq!(associations.len(), 1, "{what}");
    assert_eq!(associations[0]["origin"], "handshake", "{what}");
    let counts = counts(told);
    let sum = |name: &str| {
        counts
            .iter()
            .map(|counts| counts[name].as_u64().unwrap())
            .sum::<u64>()
    };
    // All but the INIT, which has no tag.
    assert_eq!(sum("packets"), exchange.packets.len() as u64 - 1, "{what}");
    assert_eq!(sum("data_retransmissions"), exchange.retransmissions(), "{what}");
    assert_eq!(sum("heartbeats"), exchange.heartbeats(), "{what}");
    assert_eq!(sum("heartbeats_answered"), exchange.heartbeats(), "{what}");
}

/// What crossed each direction of each path, but for times, which are those of one copy or the other, and the copies.
fn counts(told: &Json) -> Vec<Json> {
    let mut all = Vec::new();
    for association in list(&told["associations"]) {
        for path in list(&association["paths"]) {
            for direction in ["forward", "return"] {
                let mut counts = path[direction].clone();
                if let Some(counts) = counts.as_object_mut() {
                    for name in ["first_seen", "last_seen", "heartbeat_rtt", "capture_duplicates"] {
                        counts.remove(name);
                    }
                    all.push(Json::Object(counts.clone()));
                }
            }
        }
    }
    all
}

/// What is told of a capture, without its name.
pub(crate) fn told(records: &[(u64, Vec<u8>)], form: Form) -> Json {
    let dialect = Dialect {
        link: form.link(),
        ..Dialect::default()
    };
    let folder = TempDir::new().unwrap();
    let file: PathBuf = folder.path().join("capture.pcap");
    std::fs::write(&file, dialect.file(records)).unwrap();
    let mut told = report(&[file], &[]);
    told["capture"]["files"] = Json::Null;
    told
}

const SEEDS: u64 = 20;
