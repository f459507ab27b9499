//! The words of everything that is said, and its JSON: what is written is read back as it was.

mod reference;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{samples::path, *};

/// Every line that an operator may read; a change of words is a change of the snapshot.
#[test]
fn everything_is_said_in_these_words() {
    let lines: Vec<_> = samples::events()
        .iter()
        .map(|event| event.words().to_string())
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn every_kind_of_finding_is_among_the_samples() {
    let kinds: BTreeSet<_> = samples::evidence()
        .iter()
        .map(|(_, evidence)| evidence.kind())
        .collect();
    assert_eq!(kinds, FindingKind::ALL.into_iter().collect());
}

#[test]
fn times_of_day_and_lengths_are_short() {
    assert_eq!(words::time_of_day(samples::NOW), "22:13:20.000");
    assert_eq!(words::date_time(samples::NOW), "2023-11-14 22:13:20.000");
}

fn written(event: &Event) -> Value {
    let text = serde_json::to_string(event).unwrap();
    let read: Event = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(read, *event, "{text}");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn every_line_is_read_back_as_it_was() {
    for event in samples::events() {
        let line = written(&event);
        assert_eq!(line["schema"], 1);
        assert_eq!(line["time"], "2023-11-14T22:13:20.000000005Z");
    }
}

#[test]
fn a_line_is_flat() {
    let line = written(&samples::event(EventKind::PathStateChanged {
        path: path(1),
        from: PathState::Active,
        to: PathState::Inactive,
        reason: samples::reasons().swap_remove(7),
    }));
    assert_eq!(
        line,
        json!({
            "schema": 1, "event": "path_state_changed", "time": "2023-11-14T22:13:20.000000005Z",
            "association": 1, "local_is": "this_host", "local_port": 58910, "remote_port": 3868, "local_tag": "0x00abcdef", "remote_tag": null,
            "local": "10.1.1.1", "remote": "10.1.1.2", "from": "active", "to": "inactive",
            "reason": "no SACK for TSN 3063329962 for 216 ms (limit 160 ms; 1 SACK overdue, 1 packet sent since)",
            "evidence": {
                "kind": "data_unacknowledged", "tsn": 3_063_329_962_u32, "cum_tsn_ack": 3_063_329_961_u32,
                "sent_ago_ms": 216.0, "timeout_ms": 160.0, "packets": 1, "sacks_missing": 1,
            },
        })
    );
}

#[test]
fn an_end_has_its_kind_beside_its_words() {
    let reason = EndReason::Abort(samples::abort(vec![ErrorCause::UserInitiated { said: None }]));
    let end = End::new(reason, Sides::ThisHost);
    let line = written(&samples::event(EventKind::AssociationDown { end }));
    assert_eq!(
        line["reason"],
        "aborted by the remote endpoint: ABORT from 10.1.1.2 to 10.1.1.1: user-initiated abort"
    );
    assert_eq!(
        line["end"],
        json!({
            "kind": "abort", "by": "remote", "source": "10.1.1.2", "destination": "10.1.1.1", "t_bit": false,
            "causes": [{ "cause": "user_initiated", "said": null }], "answers": null, "gave_up": null,
        })
    );
}

#[test]
fn a_finding_has_its_kind_and_its_figures() {
    let finding = |object, evidence, incident| {
        written(&samples::event(EventKind::Finding {
            status: Status::Opened,
            finding: Finding::new(object, Sides::ThisHost, samples::NOW, evidence, incident),
        }))
    };
    let down = Evidence::PathDown(PathDown {
        broken: Broken::Forward,
        reason: Reason::LinkDown {
            interface: "path1".to_owned(),
        },
    });
    let line = finding(Object::Path(path(1)), down, Some(IncidentId(3)));
    assert_eq!(
        (
            &line["finding"],
            &line["severity"],
            &line["incident"],
            &line["remote"]
        ),
        (
            &"path_down".into(),
            &"warning".into(),
            &3.into(),
            &"10.1.1.2".into()
        )
    );
    assert_eq!(
        line["evidence"],
        json!({ "direction": "forward", "kind": "link_down", "interface": "path1" })
    );
    let weak = Evidence::NotRedundant(NotRedundant {
        shared: vec![
            Shared::NextHop([2, 0, 0, 0, 0, 1]),
            Shared::RemoteAddress(path(1).remote),
        ],
    });
    let line = finding(Object::Association, weak, None);
    assert!(line.get("remote").is_none(), "{line}");
    assert_eq!(
        line["evidence"]["shared"],
        json!([{ "next_hop": "02:00:00:00:00:01" }, { "remote_address": "10.1.1.2" }])
    );
}

#[test]
fn a_kind_that_a_later_version_added_is_read_as_unknown() {
    let finding = json!({
        "finding": "gremlins", "evidence": { "teeth": 44 }, "severity": "warning", "since": "2023-11-14T22:13:20Z",
        "incident": null, "reason": "gremlins in the machine", "next": "the cable", "remote": "10.1.1.2",
    });
    let read: Finding = serde_json::from_value(finding).unwrap();
    assert_eq!(
        (read.evidence.name(), read.evidence.kind()),
        ("gremlins", FindingKind::Unknown)
    );
    assert_eq!(read.object, Object::Remote(path(1).remote));
    assert_eq!(read.text, "gremlins in the machine");
}

#[test]
fn a_known_kind_without_its_figures_is_refused() {
    let finding = json!({
        "finding": "peer_down", "evidence": { "teeth": 44 }, "severity": "warning", "since": "2023-11-14T22:13:20Z",
        "incident": null, "reason": "peer down", "next": "the peer",
    });
    assert!(serde_json::from_value::<Finding>(finding).is_err());
}

#[test]
fn another_schema_is_refused_by_its_number() {
    let line =
        r#"{"schema":2,"event":"association_shutting_down","time":"2023-11-14T22:13:20Z","by":"local"}"#;
    let error = serde_json::from_str::<Event>(line).unwrap_err().to_string();
    assert!(
        error.contains("it has schema 2, and this version reads schema 1"),
        "{error}"
    );
}
