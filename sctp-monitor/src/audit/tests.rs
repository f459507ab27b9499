//! Audits of made-up summaries.

use std::{net::IpAddr, time::Duration};

use sctp_monitor_engine::model::{
    AssociationView, Direction, End, EndReason, Evidence, Finding, IncidentId, NotRedundant, Object, Origin,
    PathId, PathMtuBlackHole, PathState, PhaseView, SecondaryUnconfirmed, Shared, Sides, Slow, Zombie,
};
use serde_json::{Value, json};

use super::{Outcome, judge::Audit, render};
use crate::report::{
    Summary,
    samples::{FIRST, LOCAL, SECOND, association, flow, long_ago, summary},
};

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn path(remote: &str) -> PathId {
    PathId {
        local: address(LOCAL),
        remote: address(remote),
    }
}

fn finding(object: Object, evidence: Evidence) -> Finding {
    Finding::new(object, Sides::ThisHost, long_ago(), evidence, None)
}

fn not_redundant() -> Finding {
    let shared = vec![Shared::Interface("path1".to_owned())];
    finding(
        Object::Association,
        Evidence::NotRedundant(NotRedundant { shared }),
    )
}

fn unconfirmed(remote: &str) -> Finding {
    let known_for = Duration::from_micros(35_000_040);
    finding(
        Object::Remote(address(remote)),
        Evidence::SecondaryUnconfirmed(SecondaryUnconfirmed {
            known_for,
            heartbeats: 2,
        }),
    )
}

const BOTH_ACTIVE: [(&str, PathState); 2] = [(FIRST, PathState::Active), (SECOND, PathState::Active)];

fn audit(associations: &[AssociationView]) -> Audit {
    audit_of(&summary(associations))
}

fn audit_of(summary: &Summary) -> Audit {
    // As it is in a file.
    let read: Summary = serde_json::from_str(&serde_json::to_string(summary).unwrap()).unwrap();
    assert_eq!(read, *summary);
    Audit::of(read, None)
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
        "association 1, ports 40001 > 3868: fine, 2 active paths\n\
         1 association on path1: 0 at risk, 0 not proven, 1 fine\n"
    );
    assert_eq!(json["associations"], 1);
    assert_eq!(json["at_risk"], 0);
    assert_eq!(json["findings"], json!([]));
}

#[test]
fn findings_are_told_in_full_and_the_worst_come_first() {
    let mut slow = association(1, &BOTH_ACTIVE);
    let degraded = Slow {
        rtt: Duration::from_millis(80),
        baseline: Duration::from_millis(10),
    };
    slow.paths[1].findings = vec![finding(
        Object::Path(path(SECOND)),
        Evidence::LatencyDegraded(degraded),
    )];
    let mut broken = association(3, &BOTH_ACTIVE);
    broken.findings = vec![not_redundant(), unconfirmed(SECOND)];
    let black_hole = PathMtuBlackHole {
        direction: Direction::Forward,
        lost_bytes: Some(1_400),
        passed_bytes: None,
        path_mtu: None,
        missing_tsn: None,
        heartbeats_pass: true,
    };
    let mut hole = finding(Object::Path(path(FIRST)), Evidence::PathMtuBlackHole(black_hole));
    hole.incident = Some(IncidentId(7));
    broken.paths[0].findings = vec![hole];
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
    assert_eq!(json["findings"][0]["evidence"]["lost_bytes"], 1_400);
    assert_eq!(json["findings"][0]["severity"], "critical");
    assert_eq!(json["schema"], 1);
    for words in [
        "critical: path 10.1.1.1 > 10.1.1.2: path MTU black hole, forward direction: HEARTBEATs pass",
        "warning: remote address 10.1.2.2: no path to this address confirmed in 35.0 s",
        "known for 35000.0 ms",
        "since 2026-11-23 16:00:00.000 UTC; direction forward; lost bytes 1400; heartbeats pass true; incident 7",
        "Check: whether 10.1.2.2 is reachable",
        "since 2026-11-23 16:00:00.000 UTC; shared interface path1",
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
    let unknown = Evidence::Unknown {
        finding: "gremlins".to_owned(),
    };
    association.findings = vec![finding(Object::Association, unknown)];
    association.findings[0].text = "words about gremlins".to_owned();
    let audit = audit(&[association]);
    assert_eq!(audit.outcome(false), Outcome::Found);
    assert!(shown(&audit).0.contains("words about gremlins"));
}

#[test]
fn an_address_without_a_confirmed_path_is_not_proven() {
    let audit = audit(&[association(
        1,
        &[(FIRST, PathState::Active), (SECOND, PathState::Unconfirmed)],
    )]);
    assert_eq!(audit.outcome(false), Outcome::NotProven);
    assert_eq!(audit.outcome(true), Outcome::Found);
    let (table, json) = shown(&audit);
    assert!(table.contains("no path to 10.1.2.2 confirmed yet"), "{table}");
    assert_eq!(json["not_proven"], 1);
    assert_eq!(json["doubts"][0]["remote"], "10.1.2.2");
}

#[test]
fn what_was_not_heard_from_is_not_fine() {
    let mut silent = association(1, &BOTH_ACTIVE);
    silent.paths[1].return_ = Some(Box::new(flow(SECOND, long_ago())));
    let mut never = association(2, &BOTH_ACTIVE);
    never.paths[1].return_ = None;
    let audit = audit(&[silent, never]);
    assert_eq!(audit.outcome(false), Outcome::NotProven);
    let (table, json) = shown(&audit);
    assert_eq!(
        table
            .matches("10.1.2.2 not seen: nothing came from it in 35 s")
            .count(),
        2,
        "{table}"
    );
    assert_eq!(json["not_proven"], 2);
}

#[test]
fn one_address_of_an_association_whose_handshake_was_not_seen_is_not_fine() {
    let mut one = association(1, &[(FIRST, PathState::Active)]);
    one.origin = Origin::MidLife;
    let mut two = association(2, &BOTH_ACTIVE);
    two.origin = Origin::MidLife;
    let audit = audit(&[one, two]);
    assert_eq!(audit.outcome(false), Outcome::NotProven);
    let (table, _) = shown(&audit);
    assert!(
        table.contains("others that are silent, or down, are not known"),
        "{table}"
    );
    assert!(table.ends_with("0 at risk, 1 not proven, 1 fine\n"), "{table}");
}

#[test]
fn an_address_that_was_found_unconfirmed_is_not_doubted_besides() {
    let mut association = association(1, &[(FIRST, PathState::Active), (SECOND, PathState::Unconfirmed)]);
    association.findings = vec![unconfirmed(SECOND)];
    assert_eq!(shown(&audit(&[association])).1["doubts"], json!([]));
}

#[test]
fn an_association_that_has_just_begun_or_is_half_seen_is_not_proven() {
    let mut young = association(1, &BOTH_ACTIVE);
    for path in &mut young.paths {
        path.since = "2026-11-23T16:59:58Z".parse().unwrap();
    }
    let mut half = association(2, &[(FIRST, PathState::Unconfirmed)]);
    half.one_sided = true;
    // All that was seen of it is one path; what else it has may pass elsewhere.
    half.findings = vec![not_redundant()];
    let audit = audit(&[young, half]);
    let (table, json) = shown(&audit);
    assert_eq!(json["not_proven"], 2);
    assert_eq!(json["findings"], json!([]));
    assert!(table.contains("first seen in the last 5 s"), "{table}");
    assert!(table.contains("only one direction is seen here"), "{table}");
}

#[test]
fn what_is_over_is_left_out_unless_it_still_lives() {
    let mut over = association(1, &BOTH_ACTIVE);
    over.phase = PhaseView::Ended {
        at: long_ago(),
        end: End::new(EndReason::Shutdown { by: None }, Sides::ThisHost),
    };
    let mut zombie = over.clone();
    zombie.findings = vec![finding(
        Object::Association,
        Evidence::Zombie(Zombie::AnswersAfterEnd),
    )];
    let nothing = audit(&[over.clone()]);
    assert_eq!(nothing.outcome(false), Outcome::NothingFound);
    assert_eq!(nothing.outcome(true), Outcome::Found);
    let (table, json) = shown(&nothing);
    assert_eq!(table, "no association now on path1: 1 ended\n");
    assert_eq!(
        (&json["associations"], &json["associations_ended"]),
        (&json!(0), &json!(1))
    );
    let zombie = audit(&[over, zombie, association(2, &BOTH_ACTIVE)]);
    assert_eq!(zombie.outcome(false), Outcome::Found);
    let table = shown(&zombie).0;
    assert!(
        table.ends_with("1 at risk, 0 not proven, 1 fine; 2 ended\n"),
        "{table}"
    );
}

#[test]
fn no_packet_seen_is_said_only_if_none_was() {
    let said = |summary: &Summary| shown(&audit_of(summary)).0;
    let mut seen = summary(&[]);
    assert_eq!(said(&seen), "no association on path1: no SCTP packet seen\n");
    seen.counters.insert("tag_mismatch".to_owned(), 3);
    assert_eq!(
        said(&seen),
        "no association on path1: 0 flows opened, none of an established association; counted: 3 tag mismatch\n"
    );
    seen.counters.clear();
    seen.flows.opened = 1;
    assert_eq!(
        said(&seen),
        "no association on path1: 1 flow opened, none of an established association\n"
    );
    seen.associations_ended = 2;
    assert_eq!(said(&seen), "no association now on path1: 2 ended\n");
}
