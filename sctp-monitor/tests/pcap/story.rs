//! What the capture of an outage tells.

use sctp_monitor_testkit::capture_file::Dialect;
use serde_json::Value;

use crate::outage::{BEGAN, BREAK, capture, events, json, pcap, pcap_of, records};

fn report() -> Value {
    json(&pcap(&["--format", "json"], &[capture().path()]))
}

#[test]
fn the_break_is_found_when_it_would_have_been_live() {
    let report = report();
    let inactive: Vec<_> = events(&report, "path_state_changed")
        .into_iter()
        .filter(|event| event["to"] == "inactive")
        .collect();
    let [event] = inactive[..] else {
        panic!("{inactive:?}");
    };
    assert_eq!(
        (&event["local"], &event["remote"]),
        (&"10.0.1.1".into(), &"10.0.1.2".into())
    );
    let time: jiff::Timestamp = event["time"].as_str().unwrap().parse().unwrap();
    let after_ms = (time.as_nanosecond() - i128::from(BEGAN + BREAK) * 1_000_000_000) / 1_000_000;
    assert!((50..=350).contains(&after_ms), "{after_ms} ms");
    let down: Vec<_> = events(&report, "finding")
        .into_iter()
        .filter(|event| event["finding"] == "path_down" && event["status"] == "opened")
        .collect();
    assert_eq!(down.len(), 1, "{down:?}");
    assert_eq!(events(&report, "incident").len(), 1);
    let moved = events(&report, "data_moved");
    assert_eq!(moved.len(), 1);
    assert_eq!(moved[0]["to"]["remote"], "10.0.2.2");
    let gap_ms = moved[0]["gap_ms"].as_f64().unwrap();
    assert!((500.0..=700.0).contains(&gap_ms), "{gap_ms} ms");
}

#[test]
fn the_story_of_the_association_is_told() {
    let report = report();
    let associations = report["associations"].as_array().unwrap();
    let [association] = &associations[..] else {
        panic!("{associations:?}");
    };
    assert_eq!(association["origin"], "handshake");
    assert_eq!(association["began"], "2023-11-14T22:13:20.003000000Z");
    assert_eq!(association["phase"], "established");
    assert_eq!(
        association["local_addresses"],
        serde_json::json!([
            { "address": "10.0.1.1", "source": "listed", "seen_as": null },
            { "address": "10.0.2.1", "source": "listed", "seen_as": null },
        ])
    );
    assert_eq!(association["local_tag"], "0x11111111");
    assert_eq!(association["primary_forward"]["remote"], "10.0.2.2");
    let path = |remote: &str| {
        let paths = association["paths"].as_array().unwrap();
        let path = |path: &&Value| path["remote"] == remote && path["forward"] != Value::Null;
        paths
            .iter()
            .find(path)
            .cloned()
            .unwrap_or_else(|| panic!("{remote} in {paths:#?}"))
    };
    let (first, second) = (path("10.0.1.2"), path("10.0.2.2"));
    assert_eq!(
        (&first["state"], &second["state"]),
        (&"inactive".into(), &"active".into())
    );
    let changes = first["changes"].as_array().unwrap();
    assert_eq!(changes.last().unwrap()["to"], "inactive", "{changes:#?}");
    assert_eq!(first["forward"]["data_chunks"], 20 * BREAK + 10);
    assert_eq!(first["forward"]["data_lost"], 10, "{first:#}");
    assert_eq!(second["forward"]["data_retransmissions"], 10);
    assert_eq!(
        second["forward"]["heartbeats"],
        second["forward"]["heartbeats_answered"]
    );
    assert_eq!(second["forward"]["heartbeat_rtt"]["median_ms"], 1.0);
    let down = association["found"].as_array().unwrap();
    assert!(
        down.iter()
            .any(|finding| finding["finding"] == "path_down" && finding["until"] == Value::Null)
    );
}

#[test]
fn people_read_it_in_order() {
    let output = pcap(&[], &[capture().path()]);
    let text = String::from_utf8(output.stdout).unwrap();
    let place = |words: &str| text.find(words).unwrap_or_else(|| panic!("{words} in\n{text}"));
    let order = [
        "What happened",
        "association 1 established (handshake seen), ports 40000 > 3868: initiator 10.0.1.1, 10.0.2.1 to \
         responder 10.0.1.2, 10.0.2.2",
        "2023-11-14 22:13:30.",
        "INCIDENT 1",
        "Association 1: ports 40000 > 3868, tags 0x11111111 / 0x22222222",
        "began     2023-11-14 22:13:20.003 (handshake seen)",
        "FOUND",
        "HEARTBEATs answered",
        "SCTP in 4 flows, 1 association, 2023-11-14 22:13:20.000 to 2023-11-14 22:13:40",
    ]
    .map(place);
    assert!(order.is_sorted(), "{order:?} in\n{text}");
}

#[test]
fn however_the_records_come_the_story_is_the_same() {
    let expected = report();
    let same = |mut report: Value, what: &str| {
        report["capture"]["files"] = expected["capture"]["files"].clone();
        assert_eq!(report, expected, "{what}");
    };
    let whole = Dialect::default().file(&records());
    same(json(&pcap_of(&["--format", "json"], &whole)), "standard input");
    let all = records();
    let (odd, even): (Vec<_>, Vec<_>) = all
        .iter()
        .cloned()
        .enumerate()
        .partition(|(number, _)| number % 2 == 1);
    let part = |part: Vec<(usize, (u64, Vec<u8>))>| {
        let records: Vec<_> = part.into_iter().map(|(_, record)| record).collect();
        crate::outage::file(&Dialect::default().file(&records))
    };
    let (odd, even) = (part(odd), part(even));
    same(
        json(&pcap(&["--format", "json"], &[even.path(), odd.path()])),
        "two files",
    );
    let lines = pcap(&["--format", "ndjson"], &[capture().path()]);
    let lines: Vec<Value> = lines
        .stdout
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let count = |name: &str| lines.iter().filter(|line| line["event"] == name).count();
    assert_eq!(count("flow"), expected["flows"].as_array().unwrap().len());
    assert_eq!((count("association"), count("summary")), (1, 1));
    assert_eq!(count("data_moved"), 1);
    assert_eq!(lines.last().unwrap()["event"], "summary");
}

#[test]
fn a_clock_that_was_set_back_does_not_end_the_story() {
    let mut records = records();
    let last = records.len() / 2;
    for (time, _) in &mut records[..last] {
        *time += 3_600 * 1_000_000_000;
    }
    let file = crate::outage::file(&Dialect::default().file(&records));
    let report = json(&pcap(&["--format", "json"], &[file.path()]));
    assert_eq!(report["counters"]["clock_set_back"], 1);
    assert_eq!(report["associations"].as_array().unwrap().len(), 1);
    assert_eq!(events(&report, "data_moved").len(), 1);
    let down = events(&report, "path_state_changed");
    assert_eq!(down.iter().filter(|event| event["to"] == "inactive").count(), 1);
}
