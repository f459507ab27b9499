//! Audits of made-up summaries.

use serde_json::{Value, json};

use super::{Outcome, judge::Audit, render, summary};

const NOW: &str = "2026-11-23T17:00:00.5Z";
const LONG_AGO: &str = "2026-11-23T16:00:00Z";

fn finding(kind: &str, object: Value) -> Value {
    let mut finding = json!({
        "finding": kind, "incident": null, "since": LONG_AGO, "reason": format!("words about {kind}"),
        "evidence": { "known_for_ms": 35000.04, "paths": 2, "shared": "the interface path1" },
        "next": "the cable",
    });
    if let (Value::Object(finding), Value::Object(object)) = (&mut finding, object) {
        finding.extend(object);
    }
    finding
}

/// One with a path to each of these remote addresses, in these states.
fn association(id: u64, paths: &[(&str, &str)]) -> Value {
    let path = |(remote, state): &(&str, &str)| {
        json!({
            "local": "10.1.1.1", "remote": remote, "state": state, "since": LONG_AGO, "reason": null,
            "findings": [], "sent": null, "received": null,
        })
    };
    let address =
        |(remote, _): &(&str, &str)| json!({ "address": remote, "source": "INIT", "seen_as": null });
    json!({
        "association": id, "local_port": 40_000 + id, "remote_port": 3868, "up": true, "one_sided": false,
        "findings": [],
        "remote_addresses": paths.iter().map(address).collect::<Vec<_>>(),
        "paths": paths.iter().map(path).collect::<Vec<_>>(),
    })
}

const BOTH_ACTIVE: [(&str, &str); 2] = [("10.1.1.2", "active"), ("10.1.2.2", "active")];

fn audit(associations: &[Value]) -> Audit {
    let line = json!({ "event": "summary", "time": NOW, "associations": associations, "counters": {} });
    Audit::of(summary::last(line.to_string().as_bytes()).unwrap().summary)
}

fn shown(audit: &Audit) -> (String, Value) {
    let (mut table, mut json) = (Vec::new(), Vec::new());
    render::table(&mut table, audit, "on path1").unwrap();
    render::json(&mut json, audit).unwrap();
    (
        String::from_utf8(table).unwrap(),
        serde_json::from_slice(&json).unwrap(),
    )
}

#[test]
fn an_association_whose_addresses_all_answer_is_fine() {
    let audit = audit(&[association(1, &BOTH_ACTIVE)]);
    assert_eq!(audit.outcome(true), Outcome::NothingFound);
    let (table, json) = shown(&audit);
    assert_eq!(
        table,
        "association 1 (40001 > 3868): fine, 2 active paths\n\
         1 association on path1: 0 at risk, 0 not proven, 1 fine\n"
    );
    assert_eq!(json["associations"], 1);
    assert_eq!(json["at_risk"], 0);
    assert_eq!(json["findings"], json!([]));
}

#[test]
fn findings_are_told_in_full_and_the_worst_come_first() {
    let mut slow = association(1, &BOTH_ACTIVE);
    slow["paths"][1]["findings"] = json!([finding(
        "latency_degraded",
        json!({ "local": "10.1.1.1", "remote": "10.1.2.2" })
    )]);
    let mut broken = association(3, &BOTH_ACTIVE);
    broken["findings"] = json!([
        finding("not_redundant", json!({})),
        finding("secondary_unconfirmed", json!({ "remote": "10.1.2.2" })),
    ]);
    broken["paths"][0]["findings"] = json!([finding(
        "path_mtu_black_hole",
        json!({ "local": "10.1.1.1", "remote": "10.1.1.2", "incident": 7 })
    )]);
    let audit = audit(&[slow, association(2, &BOTH_ACTIVE), broken]);
    assert_eq!(audit.outcome(false), Outcome::Found);
    let (table, json) = shown(&audit);
    let kinds: Vec<_> = json["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| {
            (
                finding["association"].as_u64().unwrap(),
                finding["finding"].as_str().unwrap(),
            )
        })
        .collect();
    let expected = [
        (3, "path_mtu_black_hole"),
        (3, "secondary_unconfirmed"),
        (3, "not_redundant"),
        (1, "latency_degraded"),
    ];
    assert_eq!(kinds, expected);
    assert_eq!(json["at_risk"], 2);
    assert_eq!(json["findings"][0]["incident"], 7);
    assert_eq!(json["findings"][0]["local_port"], 40_003);
    assert_eq!(json["findings"][1]["remote"], "10.1.2.2");
    assert!(json["findings"][1].get("local").is_none());
    assert_eq!(json["findings"][2]["evidence"]["paths"], 2);
    for words in [
        "path 10.1.1.1 > 10.1.1.2: words about path_mtu_black_hole",
        "remote address 10.1.2.2: words about secondary_unconfirmed",
        "known for 35000.0 ms; paths 2; shared the interface path1",
        "since 2026-11-23T16:00:00Z",
        "> check the cable",
        "3 associations on path1: 2 at risk, 0 not proven, 1 fine",
    ] {
        assert!(table.contains(words), "{words}: {table}");
    }
    assert!(
        table.find("association 3") < table.find("association 1"),
        "{table}"
    );
    assert!(
        table.find("association 1") < table.find("association 2"),
        "{table}"
    );
}

#[test]
fn a_kind_of_finding_from_a_newer_agent_counts_as_well() {
    let mut association = association(1, &BOTH_ACTIVE);
    association["findings"] = json!([finding("gremlins", json!({}))]);
    let audit = audit(&[association]);
    assert_eq!(audit.outcome(false), Outcome::Found);
    assert!(shown(&audit).0.contains("words about gremlins"));
}

#[test]
fn an_address_without_a_confirmed_path_is_not_proven() {
    let audit = audit(&[association(
        1,
        &[("10.1.1.2", "active"), ("10.1.2.2", "unconfirmed")],
    )]);
    assert_eq!(audit.outcome(false), Outcome::NothingFound);
    assert_eq!(audit.outcome(true), Outcome::Found);
    let (table, json) = shown(&audit);
    assert!(table.contains("no path to 10.1.2.2 is confirmed yet"), "{table}");
    assert_eq!(json["not_proven"], 1);
    assert_eq!(json["doubts"][0]["remote"], "10.1.2.2");
}

#[test]
fn an_address_that_was_found_unconfirmed_is_not_doubted_besides() {
    let mut association = association(1, &[("10.1.1.2", "active"), ("10.1.2.2", "unconfirmed")]);
    association["findings"] = json!([finding("secondary_unconfirmed", json!({ "remote": "10.1.2.2" }))]);
    assert_eq!(shown(&audit(&[association])).1["doubts"], json!([]));
}

#[test]
fn an_association_that_has_just_begun_or_is_half_seen_is_not_proven() {
    let mut young = association(1, &BOTH_ACTIVE);
    for path in young["paths"].as_array_mut().unwrap() {
        path["since"] = "2026-11-23T16:59:58Z".into();
    }
    let mut half = association(2, &[("10.1.1.2", "unconfirmed")]);
    half["one_sided"] = true.into();
    // All that was seen of it is one path; what else it has may pass elsewhere.
    half["findings"] = json!([finding("not_redundant", json!({}))]);
    let audit = audit(&[young, half]);
    let (table, json) = shown(&audit);
    assert_eq!(json["not_proven"], 2);
    assert_eq!(json["findings"], json!([]));
    assert!(table.contains("it was first seen in the last 5 s"), "{table}");
    assert!(table.contains("only one direction of it is seen here"), "{table}");
}

#[test]
fn what_is_over_is_left_out_unless_it_still_lives() {
    let mut over = association(1, &BOTH_ACTIVE);
    over["up"] = false.into();
    let mut zombie = over.clone();
    zombie["findings"] = json!([finding("zombie", json!({}))]);
    let nothing = audit(&[over.clone()]);
    assert_eq!(nothing.outcome(false), Outcome::NothingFound);
    assert_eq!(nothing.outcome(true), Outcome::Found);
    assert_eq!(shown(&nothing).0, "no association on path1\n");
    assert_eq!(audit(&[over, zombie]).outcome(false), Outcome::Found);
}
