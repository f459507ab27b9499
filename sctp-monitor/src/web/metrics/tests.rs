use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use sctp_monitor_engine::model::{
    AddressSource, AddressView, AssociationView, Direction, Evidence, Finding, FlowView, GreyLoss, Object,
    PathState, Rate, RttView, Severity, SteeringCounts, SteeringMode, SteeringView, Timestamp,
};

use super::*;
use crate::report::samples::{FIRST, LOCAL, SECOND, association, flow, now, summary};

/// With traffic on each path, in both directions.
fn in_use(id: u16, paths: &[(&str, PathState)]) -> AssociationView {
    let mut association = association(id, paths);
    for path in &mut association.paths {
        let rtt = RttView {
            last: std::time::Duration::from_millis(2),
            min: std::time::Duration::from_millis(1),
            srtt: std::time::Duration::from_millis(2),
            rttvar: std::time::Duration::from_micros(300),
        };
        let flow = FlowView {
            heartbeat_rtt: Some(rtt),
            data_to_sack: Some(rtt),
            ..flow(LOCAL, now())
        };
        path.forward = Some(Box::new(flow.clone()));
        path.return_ = Some(Box::new(flow));
    }
    association
}

fn healthy(id: u16) -> AssociationView {
    in_use(id, &[(FIRST, PathState::Active), (SECOND, PathState::Active)])
}

fn metrics_of(summary: &Summary, max_series: usize) -> String {
    Metrics::new(max_series)
        .of(summary, Figures::default())
        .prometheus()
        .unwrap()
}

/// The values by name and labels.
fn samples(text: &str) -> BTreeMap<&str, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let mut samples = BTreeMap::new();
    for line in lines {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let before = samples.insert(series, value.parse().unwrap());
        assert!(before.is_none(), "{series} stands there twice");
    }
    samples
}

/// The samples of a family with this label, summed.
fn sum(text: &str, name: &str, label: &str) -> f64 {
    let all = samples(text);
    let of_it = all
        .iter()
        .filter(|(series, _)| series.starts_with(&format!("{name}{{")) && series.contains(label));
    of_it.map(|(_, value)| value).sum()
}

#[test]
fn a_path_is_in_one_state_and_has_its_figures() {
    let known = summary(&[in_use(
        1,
        &[(FIRST, PathState::Active), (SECOND, PathState::Inactive)],
    )]);
    let text = metrics_of(&known, 1_000);
    let all = samples(&text);
    let labels = "endpoint=\"10.1.1.1\",peer=\"10.1.1.2\",local_port=\"40001\",remote_port=\"3868\"";
    for (series, value) in [
        (
            format!("sctp_path_state{{{labels},local=\"10.1.1.1\",remote=\"10.1.2.2\",state=\"inactive\"}}"),
            1.0,
        ),
        (
            format!("sctp_path_state{{{labels},local=\"10.1.1.1\",remote=\"10.1.2.2\",state=\"active\"}}"),
            0.0,
        ),
        (format!("sctp_association_paths{{{labels}}}"), 2.0),
        (format!("sctp_association_paths_active{{{labels}}}"), 1.0),
        (format!("sctp_association_without_redundancy{{{labels}}}"), 1.0),
        (
            format!(
                "sctp_path_bytes_total{{{labels},local=\"10.1.1.1\",remote=\"10.1.1.2\",direction=\"forward\"}}"
            ),
            1_000.0,
        ),
        (
            format!(
                "sctp_path_heartbeat_rtt_seconds{{{labels},local=\"10.1.1.1\",remote=\"10.1.1.2\",direction=\"return\"}}"
            ),
            0.002,
        ),
        ("sctp_paths{state=\"inactive\"}".to_owned(), 1.0),
        ("sctp_associations".to_owned(), 1.0),
        (
            "sctp_findings{finding=\"path_down\",severity=\"\"}".to_owned(),
            0.0,
        ),
        (
            "sctp_monitor_interface_watched{interface=\"path1\",hook=\"xdp-native\"}".to_owned(),
            1.0,
        ),
        (
            format!(
                "sctp_monitor_build_info{{version=\"{}\"}}",
                env!("CARGO_PKG_VERSION")
            ),
            1.0,
        ),
    ] {
        assert_eq!(all.get(series.as_str()), Some(&value), "{series} in\n{text}");
    }
}

#[test]
fn loss_and_steering_are_told_while_there_are_any() {
    let mut association = healthy(1);
    let path = &mut association.paths[0];
    path.findings.push(Finding {
        evidence: Evidence::GreyLoss(GreyLoss {
            direction: Direction::Return,
            rate: Rate {
                percent: 12.5,
                chunks: 400,
            },
        }),
        severity: Severity::Warning,
        object: Object::Path(path.id),
        since: now(),
        incident: None,
        text: String::new(),
        check: String::new(),
    });
    path.steering = Some(SteeringView {
        onto: Some(path.id),
        mode: SteeringMode::Move,
        since: now(),
        counts: SteeringCounts {
            packets: 7,
            ..SteeringCounts::default()
        },
    });
    let text = metrics_of(&summary(&[association]), 1_000);
    for (name, label, value) in [
        (
            "sctp_path_loss_ratio",
            "remote=\"10.1.1.2\",direction=\"return\"",
            0.125,
        ),
        ("sctp_path_steered", "mode=\"move\"", 1.0),
        ("sctp_path_steered_packets_total", "", 7.0),
        ("sctp_finding", "finding=\"grey_loss\",severity=\"warning\"", 1.0),
        ("sctp_findings", "finding=\"grey_loss\",severity=\"warning\"", 1.0),
    ] {
        assert_eq!(sum(&text, name, label), value, "{name} in\n{text}");
    }
}

#[test]
fn both_formats_say_the_same() {
    let known = summary(&[healthy(1)]);
    let exposition = Metrics::new(1_000).of(&known, Figures::default());
    let open = exposition.open_metrics().unwrap();
    assert!(open.ends_with("# EOF\n"));
    let prometheus = exposition.prometheus().unwrap();
    assert_eq!(samples(&open), samples(&prometheus));
}

#[test]
fn a_name_of_a_nic_cannot_forge_a_line() {
    let mut known = summary(&[]);
    known.interfaces[0].interface = "a\"} 1\nsctp_associations 9\\".to_owned();
    let text = metrics_of(&known, 1_000);
    assert_eq!(samples(&text)["sctp_associations"], 0.0);
    assert!(
        text.contains(r#"interface="a\"} 1\nsctp_associations 9\\""#),
        "{text}"
    );
}

#[test]
fn ten_thousand_associations_cost_what_the_limit_says_and_the_broken_one_is_seen() {
    let mut all: Vec<_> = (0..10_000).map(healthy).collect();
    all[9_000] = in_use(
        9_000,
        &[(FIRST, PathState::Active), (SECOND, PathState::Inactive)],
    );
    let known = summary(&all);
    let begun = crate::clock::Clock::now().unwrap();
    let text = metrics_of(&known, 2_000);
    println!(
        "10,000 associations, 2,000 series: {} bytes in {:?}",
        text.len(),
        crate::clock::Clock::now().unwrap().since(begun)
    );
    assert!(text.len() < 5_000_000, "{} bytes", text.len());
    let own = samples(&text)
        .keys()
        .filter(|series| series.contains("peer=\"10.1.1.2\""))
        .count();
    assert!((1_900..=2_000).contains(&own), "{own} series");
    assert_eq!(
        sum(
            &text,
            "sctp_path_state",
            "local_port=\"49000\",remote_port=\"3868\",local=\"10.1.1.1\",remote=\"10.1.2.2\",state=\"inactive\""
        ),
        1.0
    );
    let summed = samples(&text)["sctp_monitor_metrics_associations_summed"];
    assert!(summed > 9_900.0, "{summed}");
    assert_eq!(sum(&text, "sctp_path_state", "peer=\"other\""), summed * 2.0);
    assert_eq!(sum(&text, "sctp_association_paths", ""), 20_000.0);
    // Everything is counted once.
    assert_eq!(sum(&text, "sctp_path_packets_total", "forward"), 200_000.0);
}

#[test]
fn what_the_others_count_never_falls() {
    let mut metrics = Metrics::new(70);
    let mut scrape = |associations: &[AssociationView]| {
        let text = metrics
            .of(&summary(associations), Figures::default())
            .prometheus()
            .unwrap();
        let summed = samples(&text)["sctp_monitor_metrics_associations_summed"];
        (summed, sum(&text, "sctp_path_packets_total", "peer=\"other\""))
    };
    let (first, mut second) = (healthy(1), healthy(2));
    // The younger one is among the others with all it has counted: 10 packets each way on two paths.
    assert_eq!(scrape(&[first.clone(), second.clone()]), (1.0, 40.0));
    // Something happens to it: now the older one is.
    second.paths[1].state = PathState::Inactive;
    assert_eq!(scrape(&[first.clone(), second.clone()]), (1.0, 40.0));
    let mut more = first.clone();
    more.paths[0].forward.as_mut().unwrap().packets += 5;
    assert_eq!(scrape(&[more, second.clone()]), (1.0, 45.0));
    // It has ended.
    assert_eq!(scrape(&[second]), (0.0, 45.0));
}

#[test]
fn two_that_look_alike_are_not_told_twice() {
    let mut twin = healthy(1);
    twin.reference.id = AssociationId(2);
    let text = metrics_of(&summary(&[healthy(1), twin]), 1_000);
    assert_eq!(samples(&text)["sctp_monitor_metrics_associations_summed"], 1.0);
}

#[test]
fn an_address_that_becomes_known_later_does_not_rename_an_association_that_has_a_lower_one() {
    let mut association = healthy(1);
    let before = Name::of(&association);
    association.remote_addresses.push(AddressView {
        address: "10.9.9.9".parse().unwrap(),
        source: AddressSource::Listed,
        seen_as: None,
    });
    assert_eq!(Name::of(&association), before);
}

#[test]
fn every_metric_is_on_the_page_and_named_as_prometheus_wants() {
    let all: Vec<_> = paths::FAMILIES.iter().chain(agent::FAMILIES).collect();
    let names: BTreeSet<_> = all.iter().map(|family| family.name()).collect();
    assert_eq!(names.len(), all.len(), "a name stands there twice");
    let mut known = summary(&[healthy(1)]);
    known.since = Some(Timestamp::from_nanos(1));
    known.counters.insert("tag_mismatch".to_owned(), 1);
    let own = Own {
        max_series: 1,
        summed: 0,
        web: Figures::default(),
    };
    let mut made = agent::samples(&known, &own);
    made.append(paths::of_one(&Name::of(&healthy(1)), &healthy(1)));
    for family in made.families() {
        assert!(
            names.contains(&family.name()),
            "{} is not on the page",
            family.name()
        );
    }
    for family in &all {
        assert!(!family.help.ends_with('.'), "{}", family.help);
        assert!(family.stem.starts_with("sctp_"), "{}", family.stem);
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
    let expected = page();
    if std::env::var_os("SCTP_MONITOR_RENEW").is_some() {
        fs::write(&file, &expected).unwrap();
    }
    assert!(
        fs::read_to_string(&file).unwrap_or_default() == expected,
        "docs/metrics.md is not that of the code; `SCTP_MONITOR_RENEW=1 cargo test -p sctp-monitor --lib web::metrics` renews it"
    );
}
