//! What is read, and what is shown.

use sctp_monitor_testkit::{
    capture_file::Dialect,
    frames::{self, Packet},
};
use serde_json::Value;

use crate::outage::{BEGAN, capture, events, file, json, pcap, records};

/// The outage, and a handshake that nobody answers.
fn with_another() -> tempfile::NamedTempFile {
    let mut records = records();
    for second in [1, 2, 4] {
        let init = Packet::v4(0, vec![frames::init(7, &["10.9.0.1"])])
            .between("10.9.0.1", "10.9.0.2")
            .ports(50_000, 2_905);
        records.push(((BEGAN + second) * 1_000_000_000, init.ethernet()));
    }
    records.sort_by_key(|(time, _)| *time);
    file(&Dialect::default().file(&records))
}

fn shown(arguments: &[&str]) -> Value {
    let arguments = [&["--format", "json"], arguments].concat();
    json(&pcap(&arguments, &[with_another().path()]))
}

fn length(value: &Value) -> usize {
    value.as_array().unwrap().len()
}

#[test]
fn an_association_or_an_address_can_be_asked_for() {
    let all = shown(&[]);
    assert_eq!((length(&all["associations"]), length(&all["flows"])), (1, 5));
    for arguments in [&["--assoc", "1"][..], &["--address", "10.0.2.1"]] {
        let some = shown(arguments);
        assert_eq!(
            (length(&some["associations"]), length(&some["flows"])),
            (1, 4),
            "{arguments:?}"
        );
        assert_eq!(length(&some["events"]), length(&all["events"]), "{arguments:?}");
    }
    let other = shown(&["--address", "10.9.0.2"]);
    assert_eq!((length(&other["associations"]), length(&other["flows"])), (0, 1));
    assert!(events(&other, "path_state_changed").is_empty());
    let none = shown(&["--assoc", "77"]);
    assert_eq!((length(&none["associations"]), length(&none["flows"])), (0, 0));
}

#[test]
fn a_part_of_the_time_can_be_read() {
    let part = shown(&["--from", "2023-11-14T22:13:25Z", "--to", "2023-11-14T22:13:28.5Z"]);
    assert_eq!(part["capture"]["first"], "2023-11-14T22:13:25.000000000Z");
    let last = part["capture"]["last"].as_str().unwrap();
    assert!(
        ("2023-11-14T22:13:28.4".."2023-11-14T22:13:28.6").contains(&last),
        "{last}"
    );
    assert_eq!(
        part["associations"][0]["origin"], "mid-life",
        "the handshake was before"
    );
    assert!(events(&part, "data_moved").is_empty(), "the break is behind");
}

#[test]
fn a_handshake_that_nobody_answers_is_told() {
    let report = shown(&[]);
    let unfinished = report["unfinished_handshakes"].as_array().unwrap();
    assert_eq!(unfinished.len(), 1);
    assert_eq!(
        (&unfinished[0]["inits"], &unfinished[0]["answers"]),
        (&3.into(), &serde_json::json!([]))
    );
    let text = pcap(&[], &[with_another().path()]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(
        text.contains("No association from 10.9.0.1 to 10.9.0.2 port 2905: 3 INITs ("),
        "{text}"
    );
}

#[test]
fn flows_beyond_the_bound_are_left_out_and_counted() {
    let mut records = records();
    for port in 0..500 {
        let data = Packet::v4(9, vec![frames::data(1, 10)]).ports(1_000 + port, 7);
        records.push(((BEGAN + 100) * 1_000_000_000, data.ethernet()));
    }
    let many = file(&Dialect::default().file(&records));
    let report = json(&pcap(&["--format", "json", "--max-flows", "100"], &[many.path()]));
    assert!(length(&report["flows"]) <= 100);
    let left_out = report["counters"]["packets_beyond_max_flows"].as_u64().unwrap();
    assert!((400..500).contains(&left_out), "{left_out}");
    assert_eq!(length(&report["associations"]), 1, "what was known stays");
}

#[test]
fn whoever_stops_reading_is_no_error() {
    // It must be there until it is opened.
    let capture = capture();
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_sctp-monitor"))
        .args(["pcap", "--format", "ndjson"])
        .arg(capture.path())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
}
