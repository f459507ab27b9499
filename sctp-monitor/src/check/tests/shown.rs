//! The report as it is shown.

use super::*;

fn facts() -> Facts {
    Facts {
        host: host(),
        nics: vec![
            nic(software("tun", NATIVE_WITH_FRAGMENTS)),
            Nic {
                name: "eth9".to_owned(),
                facts: None,
            },
        ],
        no_listing: None,
    }
}

#[test]
fn the_table_gives_every_finding_a_line_and_every_problem_an_advice() {
    let mut out = Vec::new();
    render::table(&mut out, &assess(&facts())).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("ok          run           xdp-native"), "{text}");
    assert!(
        text.contains("PROBLEM     run           would fail: there is no interface eth9"),
        "{text}"
    );
    assert!(
        text.ends_with("run would not work on eth9; it would on eth0\n"),
        "{text}"
    );
}

#[test]
fn the_table_is_said_in_these_words() {
    let tables = [host(), old_host(), unprivileged()].map(|host| {
        let mut out = Vec::new();
        render::table(&mut out, &assess(&Facts { host, ..facts() })).unwrap();
        String::from_utf8(out).unwrap()
    });
    insta::assert_snapshot!(tables.join("\n---\n\n"));
}

#[test]
fn the_json_is_one_object_on_one_line() {
    let facts = facts();
    let mut out = Vec::new();
    render::json(&mut out, &assess(&facts), &facts).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text.lines().count(), 1);
    let object: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(object["ok"], false);
    assert_eq!(
        object["interfaces"][0]["prediction"]["attached"]["hook"],
        "xdp-native"
    );
    assert_eq!(object["interfaces"][0]["facts"]["mtu"], 1500);
    assert_eq!(object["interfaces"][1]["prediction"]["outcome"], "refused");
    assert_eq!(object["host"]["facts"]["maps"]["state"], "made");
}

#[test]
fn problems_and_unknowns_come_with_an_advice() {
    for host in [host(), old_host(), unprivileged()] {
        let report = assess(&Facts { host, ..facts() });
        for finding in report
            .host
            .iter()
            .filter(|finding| finding.level > Level::Limitation)
        {
            let follows = finding.says.contains("could not be tested without the maps");
            assert!(finding.advice.is_some() || follows, "{finding:?}");
        }
    }
}
