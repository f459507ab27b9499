//! What keeps native XDP away, and what does not.

use super::*;

#[test]
fn one_of_a_pair_is_better_off_with_tc() {
    for kind in ["veth", "netkit"] {
        let attached = attached(software(kind, NATIVE_WITH_FRAGMENTS), &host());
        assert_eq!((attached.hook, attached.certain), (Hook::Tc, true));
        assert!(attached.why.contains("segmentation offload"), "{}", attached.why);
    }
    assert_eq!(
        attached(software("tun", NATIVE_WITH_FRAGMENTS), &host()).hook,
        Hook::XdpNative
    );
}

#[test]
fn a_driver_has_the_last_word_on_a_device() {
    let attached = attached(device("ice"), &host());
    assert_eq!((attached.hook, attached.certain), (Hook::XdpNative, false));
    assert!(
        on(&findings(device("ice"), host()), "side_effects")
            .says
            .contains("link")
    );
}

#[test]
fn a_driver_without_it_gives_tc() {
    let attached = attached(software("dummy", NO_XDP), &host());
    assert_eq!((attached.hook, attached.certain), (Hook::Tc, true));
    assert!(attached.why.contains("dummy"));
}

#[test]
fn a_kernel_that_does_not_say_is_judged_by_what_is_known_of_the_driver() {
    let unsaid = |facts: NicFacts| NicFacts {
        xdp_features: None,
        ..facts
    };
    let hook = |facts| {
        let attached = attached(unsaid(facts), &old_host());
        (attached.hook, attached.certain)
    };
    assert_eq!(hook(device("ixgbe")), (Hook::XdpNative, false));
    assert_eq!(hook(device("vmxnet3")), (Hook::Tc, true));
    assert_eq!(hook(device("never-heard-of")), (Hook::XdpNative, false));
    assert_eq!(hook(software("macvlan", NO_XDP)), (Hook::Tc, true));
    let findings = findings(unsaid(device("ixgbe")), old_host());
    assert_eq!(on(&findings, "native_xdp").level, Level::Unknown);
}

#[test]
fn another_program_in_either_mode_gives_tc() {
    for mode in [XdpMode::Native, XdpMode::Generic] {
        let occupied = NicFacts {
            xdp: vec![AttachedXdp {
                mode,
                id: 7,
                name: Some("xdp_ingress_fra".to_owned()),
            }],
            ..software("tun", NATIVE_WITH_FRAGMENTS)
        };
        let attached = attached(occupied.clone(), &host());
        assert_eq!((attached.hook, attached.certain), (Hook::Tc, true));
        assert!(attached.why.contains("another sctp-monitor"), "{}", attached.why);
        assert_eq!(
            on(&findings(occupied, host()), "other_xdp").level,
            Level::Limitation
        );
    }
}

#[test]
fn an_offloaded_program_is_not_in_the_way() {
    let offloaded = NicFacts {
        xdp: vec![AttachedXdp {
            mode: XdpMode::Offloaded,
            id: 7,
            name: None,
        }],
        ..device("nfp")
    };
    assert_eq!(attached(offloaded, &host()).hook, Hook::XdpNative);
}

#[test]
fn a_program_on_the_bond_keeps_it_from_the_member() {
    let mut member = device("ice");
    member.ties.uppers_with_xdp = vec!["bond0".to_owned()];
    assert_eq!(attached(member, &host()).hook, Hook::Tc);
}

#[test]
fn a_bond_has_what_its_members_have_and_takes_it_without_any() {
    let bond = |features, members: &[&str]| {
        let mut bond = software("bond", features);
        bond.ties.members = members.iter().map(|&name| name.to_owned()).collect();
        attached(bond, &host()).hook
    };
    assert_eq!(bond(NO_XDP, &[]), Hook::XdpNative);
    assert_eq!(bond(NO_XDP, &["eth1"]), Hook::Tc);
    assert_eq!(bond(NATIVE, &["eth1"]), Hook::XdpNative);
}

#[test]
fn lro_keeps_it_away_and_the_advice_switches_it_off() {
    let with_lro = |driver, lro| NicFacts {
        merging: Some(Merging {
            lro,
            ..Merging::default()
        }),
        ..device(driver)
    };
    let known = attached(with_lro("mlx5_core", Offload::On), &host());
    assert_eq!((known.hook, known.certain), (Hook::Tc, true));
    assert_eq!(
        known.advice.as_deref(),
        Some("for native XDP: ethtool -K eth0 lro off")
    );
    let unknown = attached(with_lro("never-heard-of", Offload::On), &host());
    assert_eq!((unknown.hook, unknown.certain), (Hook::Tc, false));
    assert_eq!(
        attached(with_lro("vmxnet3", Offload::On), &host()).hook,
        Hook::XdpNative
    );
    assert_eq!(
        attached(with_lro("mlx5_core", Offload::Off), &host()).hook,
        Hook::XdpNative
    );
}

#[test]
fn virtio_refuses_over_hardware_gro_only_if_it_cannot_switch_it_off() {
    let with_gro_hw = |gro_hw| NicFacts {
        merging: Some(Merging {
            gro_hw,
            ..Merging::default()
        }),
        ..device("virtio_net")
    };
    assert_eq!(attached(with_gro_hw(Offload::On), &host()).hook, Hook::XdpNative);
    assert_eq!(attached(with_gro_hw(Offload::Fixed), &host()).hook, Hook::Tc);
}

#[test]
fn a_jumbo_mtu_without_fragments_gives_tc() {
    let jumbo = |features| NicFacts {
        mtu: 9000,
        xdp_features: features,
        ..device("ena")
    };
    let without = attached(jumbo(Some(NATIVE)), &host());
    assert_eq!((without.hook, without.certain), (Hook::Tc, true));
    assert_eq!(
        without.advice.as_deref(),
        Some("for native XDP: ip link set eth0 mtu 3498")
    );
    assert_eq!(
        attached(jumbo(Some(NATIVE_WITH_FRAGMENTS)), &host()).hook,
        Hook::XdpNative
    );
    let unsaid = attached(jumbo(None), &host());
    assert_eq!((unsaid.hook, unsaid.certain), (Hook::Tc, false));
    let old = attached(jumbo(Some(NATIVE_WITH_FRAGMENTS)), &old_host());
    assert!(old.why.contains("Linux 5.18"), "{}", old.why);
}

#[test]
fn a_driver_may_have_a_smaller_limit() {
    let igc = NicFacts {
        mtu: 1600,
        xdp_features: Some(NATIVE),
        ..device("igc")
    };
    assert_eq!(attached(igc, &host()).hook, Hook::Tc);
}

#[test]
fn drivers_that_want_other_queues_give_tc() {
    let with = |driver, channels| NicFacts {
        channels: Some(channels),
        ..device(driver)
    };
    let all = Channels {
        combined: 8,
        combined_max: 8,
        ..Channels::default()
    };
    let half = Channels { combined: 4, ..all };
    let separate = Channels {
        rx: 4,
        tx: 4,
        combined: 0,
        combined_max: 8,
    };
    let advice = |facts| attached(facts, &host()).advice.unwrap();
    assert!(advice(with("ena", all)).contains("combined 4"));
    assert_eq!(attached(with("ena", half), &host()).hook, Hook::XdpNative);
    assert!(advice(with("bnxt_en", separate)).contains("combined 4"));
    assert_eq!(attached(with("bnxt_en", all), &host()).hook, Hook::XdpNative);
}
