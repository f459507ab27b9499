//! NICs beyond the question of native XDP.

use super::*;

#[test]
fn a_name_that_is_not_there_fails() {
    let nic = Nic {
        name: "eth9".to_owned(),
        facts: None,
    };
    let prediction = predict(&nic, &host());
    assert!(matches!(&prediction, Prediction::Refused { why, .. } if why.contains("no interface eth9")));
    assert!(!works(host(), vec![nic]));
}

#[test]
fn without_an_ethernet_header_run_fails() {
    let mut tun = software("tun", NO_XDP);
    tun.framing = Framing::Other("none".to_owned());
    for host in [host(), unprivileged()] {
        let prediction = prediction(tun.clone(), &host);
        assert!(matches!(&prediction, Prediction::Refused { why, .. } if why.contains("no Ethernet header")));
    }
    assert!(!works(host(), vec![nic(tun)]));
}

#[test]
fn the_loopback_has_an_ethernet_header() {
    let mut loopback = device("");
    loopback.driver = None;
    loopback.framing = Framing::Loopback;
    loopback.xdp_features = Some(NO_XDP);
    assert_eq!(attached(loopback, &host()).hook, Hook::Tc);
}

#[test]
fn an_interface_that_is_down_is_a_limitation() {
    let down = NicFacts {
        up: false,
        link: false,
        ..software("tun", NATIVE_WITH_FRAGMENTS)
    };
    let findings = findings(down.clone(), host());
    assert_eq!(on(&findings, "link").level, Level::Limitation);
    assert!(works(host(), vec![nic(down)]));
}

#[test]
fn the_egress_hook_is_named() {
    let tcx = attached(device("ice"), &host()).egress;
    let clsact = attached(device("ice"), &old_host()).egress;
    assert_eq!((tcx.name(), clsact.name()), ("tcx", "clsact"));
}

#[test]
fn a_kernel_built_without_tcx_takes_no_program() {
    let nic = NicFacts {
        tcx: TcxPrograms::NotThere,
        ..device("ice")
    };
    assert!(matches!(
        prediction(nic.clone(), &host()),
        Prediction::Refused { .. }
    ));
    assert!(matches!(prediction(nic, &old_host()), Prediction::Watched(_)));
}

#[test]
fn a_refused_tc_ingress_matters_only_where_it_is_needed() {
    let mut host = host();
    host.programs[1].load = Load::Refused(refusal(false));
    assert!(works(
        host.clone(),
        vec![nic(software("tun", NATIVE_WITH_FRAGMENTS))]
    ));
    assert!(!works(host, vec![nic(software("dummy", NO_XDP))]));
}

#[test]
fn other_tc_programs_are_named_where_they_run_before_ours() {
    let cilium = NicFacts {
        tcx: TcxPrograms::Listed {
            ingress: vec!["cil_from_netdev".to_owned()],
            egress: vec!["cil_to_netdev".to_owned()],
        },
        ..device("ice")
    };
    let says = &on(&findings(cilium, host()), "other_tc").says.clone();
    assert!(
        says.contains("cil_to_netdev") && !says.contains("cil_from_netdev"),
        "{says}"
    );
}

#[test]
fn members_and_masters_say_what_each_of_them_sees() {
    let mut port = device("ice");
    port.ties.master = Some(Tie {
        name: "br0".to_owned(),
        kind: Some("bridge".to_owned()),
    });
    assert!(
        on(&findings(port, host()), "member")
            .advice
            .as_ref()
            .unwrap()
            .contains("ports")
    );
    let mut bond = software("bond", NATIVE);
    bond.ties.members = vec!["eth1".to_owned(), "eth2".to_owned()];
    assert!(on(&findings(bond, host()), "members").says.contains("eth1, eth2"));
    let mut vlan = software("vlan", NO_XDP);
    vlan.ties.lower = Some("eth1".to_owned());
    assert!(on(&findings(vlan, host()), "lower").says.contains("vlan on eth1"));
}
