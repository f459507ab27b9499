//! What stands in the way of moving packets to a NIC.

use sctp_monitor_engine::model::ReversePathFilter;

use super::{super::facts::SteeringFacts, *};

fn asked(mut nic: NicFacts, filter: Option<ReversePathFilter>) -> NicFacts {
    nic.steering = Some(SteeringFacts {
        reverse_path_filter: filter,
        ..SteeringFacts::default()
    });
    nic
}

fn loose() -> NicFacts {
    asked(device("ice"), Some(ReversePathFilter::Loose))
}

#[test]
fn nothing_is_said_of_steering_unless_it_is_asked_for() {
    let quiet = findings(device("ice"), host());
    assert!(
        !quiet
            .iter()
            .any(|finding| ["steering", "rp_filter"].contains(&finding.topic))
    );
    let findings = findings(loose(), host());
    assert_eq!(on(&findings, "steering").level, Level::Ok);
    assert_eq!(on(&findings, "rp_filter").level, Level::Ok);
}

#[test]
fn a_member_and_a_nic_below_another_one_take_no_packets() {
    let mut member = loose();
    member.ties.master = Some(Tie {
        name: "bond0".to_owned(),
        kind: Some("bond".to_owned()),
    });
    member.steering.as_mut().unwrap().member = true;
    let told = findings(member, host());
    let told = on(&told, "steering");
    assert_eq!(told.level, Level::Limitation);
    assert!(
        told.advice.as_ref().unwrap().contains("--iface bond0"),
        "{told:?}"
    );
    let mut lower = loose();
    lower.steering.as_mut().unwrap().uppers = vec!["eth0.5".to_owned()];
    let told = findings(lower, host());
    let told = on(&told, "steering");
    assert_eq!(told.level, Level::Limitation);
    assert!(told.says.contains("eth0.5"), "{told:?}");
}

#[test]
fn strict_filtering_comes_with_the_command_that_ends_it() {
    let strict = findings(asked(device("ice"), Some(ReversePathFilter::Strict)), host());
    let strict = on(&strict, "rp_filter");
    assert_eq!(strict.level, Level::Limitation);
    assert!(
        strict
            .advice
            .as_ref()
            .unwrap()
            .contains("net.ipv4.conf.eth0.rp_filter=2"),
        "{strict:?}"
    );
    let unknown = findings(asked(device("ice"), None), host());
    assert_eq!(on(&unknown, "rp_filter").level, Level::Unknown);
}

#[test]
fn the_smaller_mtu_is_named_beside_the_larger_one() {
    let jumbo = Nic {
        name: "eth1".to_owned(),
        facts: Some(Box::new(NicFacts {
            mtu: 9_000,
            ..loose()
        })),
    };
    let report = assess(&Facts {
        host: host(),
        nics: vec![nic(loose()), jumbo],
        no_listing: None,
    });
    let said = |at: usize| {
        let findings = report.nics[at].findings.iter();
        findings.filter(|finding| finding.says.starts_with("MTU")).count()
    };
    assert_eq!((said(0), said(1)), (1, 0));
}
