//! Verdicts on made-up facts.

use super::{
    assess::assess,
    facts::{
        AttachedXdp, Channels, Facts, Framing, HostFacts, KernelFacts, Load, Maps, Merging, Module, Nic,
        NicFacts, Offload, Peer, Privileges, Program, Refusal, Side, Tc, TcxPrograms, Tie, Ties, Version,
        XdpFeatures, XdpMode,
    },
    finding::{Finding, Level},
    predict::{Attached, Prediction, predict},
    render,
};
use crate::kernel::Hook;

const NATIVE: XdpFeatures = XdpFeatures(0b1);
const NATIVE_WITH_FRAGMENTS: XdpFeatures = XdpFeatures(0b10_0001);
const NO_XDP: XdpFeatures = XdpFeatures(0);

/// Root on Linux 6.12, where everything loads.
fn host() -> HostFacts {
    let verified = Load::Verified {
        instructions: Some(20_000),
        compiled: true,
    };
    let program = |name, side| Program {
        name,
        side,
        load: verified.clone(),
    };
    HostFacts {
        kernel: KernelFacts {
            release: "6.12.0-test".to_owned(),
            version: Some(Version::new(6, 12)),
            architecture: "x86_64",
            cpus: Some(8),
            page_bytes: 4096,
            jit_sysctl: Some(1),
            btf: true,
            lockdown: None,
            xdp_fragments: true,
        },
        privileges: Privileges {
            uid: 0,
            user_namespace: false,
            bpf: true,
            net_admin: true,
            perfmon: true,
            sys_admin: true,
        },
        maps: Maps::Made,
        programs: vec![
            program("xdp_ingress_frags", Side::Xdp),
            program("tc_ingress", Side::TcIngress),
            program("tc_egress", Side::TcEgress),
        ],
        tc: Tc::Tcx,
    }
}

/// Linux 5.15: no fragments, no TCX, and drivers that say nothing.
fn old_host() -> HostFacts {
    let mut host = host();
    host.kernel.release = "5.15.0-91-generic".to_owned();
    host.kernel.version = Some(Version::new(5, 15));
    host.kernel.xdp_fragments = false;
    host.tc = Tc::Clsact {
        qdisc: Module::Loadable,
        filter: Module::Present,
    };
    host
}

/// A process without privileges, as the kernel answers it.
fn unprivileged() -> HostFacts {
    let mut host = host();
    host.privileges = Privileges {
        uid: 65534,
        user_namespace: false,
        bpf: false,
        net_admin: false,
        perfmon: false,
        sys_admin: false,
    };
    host.maps = Maps::Refused(refusal(true));
    for program in &mut host.programs {
        program.load = Load::NotTried;
    }
    host
}

fn refusal(denied: bool) -> Refusal {
    Refusal {
        why: "as the test wants".to_owned(),
        denied,
        log: vec!["R1 invalid mem access".to_owned()],
    }
}

/// A device that is up, with native XDP and fragments, and nothing in the way.
fn device(driver: &str) -> NicFacts {
    NicFacts {
        index: 2,
        kind: None,
        driver: Some(driver.to_owned()),
        framing: Framing::Ethernet,
        up: true,
        link: true,
        mtu: 1500,
        merging: Some(Merging::default()),
        channels: None,
        xdp: Vec::new(),
        xdp_features: Some(NATIVE_WITH_FRAGMENTS),
        tcx: TcxPrograms::Listed {
            ingress: Vec::new(),
            egress: Vec::new(),
        },
        ties: Ties::default(),
    }
}

fn software(kind: &str, features: XdpFeatures) -> NicFacts {
    NicFacts {
        kind: Some(kind.to_owned()),
        driver: None,
        xdp_features: Some(features),
        ..device("")
    }
}

fn nic(facts: NicFacts) -> Nic {
    Nic {
        name: "eth0".to_owned(),
        facts: Some(Box::new(facts)),
    }
}

fn prediction(facts: NicFacts, host: &HostFacts) -> Prediction {
    predict(&nic(facts), host)
}

#[track_caller]
fn attached(facts: NicFacts, host: &HostFacts) -> Attached {
    match prediction(facts, host) {
        Prediction::Watched(attached) => attached,
        other => panic!("{other:?}"),
    }
}

/// The findings on one NIC.
fn findings(facts: NicFacts, host: HostFacts) -> Vec<Finding> {
    let report = assess(&Facts {
        host,
        nics: vec![nic(facts)],
        no_listing: None,
    });
    report.nics.into_iter().flat_map(|nic| nic.findings).collect()
}

fn on<'a>(findings: &'a [Finding], topic: &str) -> &'a Finding {
    let found = findings.iter().find(|finding| finding.topic == topic);
    found.unwrap_or_else(|| panic!("nothing on {topic} in {findings:#?}"))
}

fn works(host: HostFacts, nics: Vec<Nic>) -> bool {
    assess(&Facts {
        host,
        nics,
        no_listing: None,
    })
    .works()
}

mod hosts {
    use super::*;

    #[test]
    fn root_on_a_supported_kernel_has_nothing_but_ok() {
        let report = assess(&Facts {
            host: host(),
            nics: Vec::new(),
            no_listing: None,
        });
        assert!(
            report.host.iter().all(|finding| finding.level == Level::Ok),
            "{report:#?}"
        );
        assert!(report.works());
    }

    #[test]
    fn the_oldest_supported_kernel_works_with_limitations() {
        let report = assess(&Facts {
            host: old_host(),
            nics: Vec::new(),
            no_listing: None,
        });
        assert_eq!(on(&report.host, "kernel").level, Level::Ok);
        assert_eq!(on(&report.host, "tc").level, Level::Limitation);
        assert_eq!(on(&report.host, "fragments").level, Level::Limitation);
        assert!(report.works());
    }

    #[test]
    fn an_older_kernel_is_a_problem_unless_everything_loads() {
        let mut host = old_host();
        host.kernel.version = Some(Version::new(5, 10));
        assert!(works(host.clone(), vec![nic(device("ice"))]));
        host.programs[0].load = Load::Refused(refusal(false));
        assert!(!works(host, vec![nic(device("ice"))]));
    }

    #[test]
    fn without_capabilities_the_rest_is_unknown_and_says_how_to_get_them() {
        let facts = Facts {
            host: unprivileged(),
            nics: vec![nic(software("veth", NATIVE_WITH_FRAGMENTS))],
            no_listing: None,
        };
        let report = assess(&facts);
        let privileges = on(&report.host, "privileges");
        assert_eq!(privileges.level, Level::Problem);
        assert!(privileges.says.contains("CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON"));
        assert!(
            privileges
                .advice
                .as_ref()
                .unwrap()
                .contains("AmbientCapabilities")
        );
        let maps = on(&report.host, "maps");
        assert_eq!(maps.level, Level::Unknown);
        assert!(maps.says.starts_with("unknown without CAP_BPF"));
        assert!(!report.works());
        assert!(matches!(report.nics[0].prediction, Prediction::Refused { .. }));
        assert_eq!(on(&report.nics[0].findings, "link").level, Level::Ok);
    }

    #[test]
    fn cap_perfmon_is_no_problem_where_the_programs_load_without() {
        let mut host = host();
        host.privileges.perfmon = false;
        host.privileges.sys_admin = false;
        assert!(works(host.clone(), Vec::new()));
        host.programs[0].load = Load::Refused(refusal(false));
        assert!(!works(host, Vec::new()));
    }

    #[test]
    fn a_refusal_in_spite_of_the_capabilities_names_what_else_may_forbid_it() {
        let mut host = host();
        host.maps = Maps::Refused(refusal(true));
        let report = assess(&Facts {
            host: host.clone(),
            nics: Vec::new(),
            no_listing: None,
        });
        assert!(
            on(&report.host, "maps")
                .advice
                .as_ref()
                .unwrap()
                .contains("seccomp")
        );
        host.privileges.user_namespace = true;
        let findings = super::super::assess::host(&host);
        assert!(on(&findings, "maps").says.contains("user namespace"));
    }

    #[test]
    fn what_the_verifier_rejects_keeps_the_end_of_its_log() {
        let mut host = host();
        host.programs[0].load = Load::Refused(refusal(false));
        let findings = super::super::assess::host(&host);
        let program = on(&findings, "program");
        assert_eq!(program.level, Level::Problem);
        assert_eq!(program.detail, ["R1 invalid mem access"]);
        let mut report = assess(&Facts {
            host,
            nics: Vec::new(),
            no_listing: None,
        });
        report.drop_details();
        assert!(on(&report.host, "program").detail.is_empty());
    }

    #[test]
    fn our_own_programs_tell_more_of_the_jit_than_its_setting() {
        let mut host = host();
        for program in &mut host.programs {
            program.load = Load::Verified {
                instructions: None,
                compiled: false,
            };
        }
        assert_eq!(
            on(&super::super::assess::host(&host), "jit").level,
            Level::Limitation
        );
        let mut unprivileged = unprivileged();
        unprivileged.kernel.jit_sysctl = None;
        assert_eq!(
            on(&super::super::assess::host(&unprivileged), "jit").level,
            Level::Unknown
        );
    }

    #[test]
    fn a_kernel_without_the_clsact_qdisc_is_a_problem_before_tcx() {
        let mut host = old_host();
        host.tc = Tc::Clsact {
            qdisc: Module::Absent,
            filter: Module::Present,
        };
        assert!(!works(host, Vec::new()));
    }

    #[test]
    fn a_namespace_without_a_nic_is_said_to_be_one() {
        let report = assess(&Facts {
            host: host(),
            nics: Vec::new(),
            no_listing: None,
        });
        assert!(on(&report.host, "interfaces").says.contains("none"));
    }
}

mod native_xdp {
    use super::*;

    #[test]
    fn a_veth_gets_it_and_its_peer_loses_gso() {
        let veth = software("veth", NATIVE_WITH_FRAGMENTS);
        let attached = attached(veth.clone(), &host());
        assert_eq!(attached.hook, Hook::XdpNative);
        assert!(attached.certain);
        assert!(on(&findings(veth, host()), "side_effects").says.contains("GSO"));
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
                ..software("veth", NATIVE_WITH_FRAGMENTS)
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
    fn the_peers_mtu_counts_on_a_veth() {
        let mut veth = software("veth", NATIVE_WITH_FRAGMENTS);
        veth.ties.peer = Some(Peer {
            name: "peer0".to_owned(),
            mtu: 9000,
            tx_queues: Some(1),
        });
        assert_eq!(attached(veth.clone(), &host()).hook, Hook::XdpNative);
        assert_eq!(attached(veth, &old_host()).hook, Hook::Tc);
    }

    #[test]
    fn a_veth_with_too_few_receive_queues_gives_tc() {
        let mut veth = software("veth", NO_XDP);
        assert!(
            attached(veth.clone(), &host())
                .why
                .contains("fewer receive queues")
        );
        veth.channels = Some(Channels {
            rx: 1,
            tx: 1,
            ..Channels::default()
        });
        veth.ties.peer = Some(Peer {
            name: "peer0".to_owned(),
            mtu: 1500,
            tx_queues: Some(4),
        });
        let attached = attached(veth, &host());
        assert_eq!(
            attached.advice.as_deref(),
            Some("for native XDP: ethtool -L eth0 rx 4")
        );
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
}

mod nics {
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
    fn without_an_ethernet_header_run_is_blind() {
        let mut tun = software("tun", NO_XDP);
        tun.framing = Framing::Other("none".to_owned());
        assert!(matches!(
            prediction(tun.clone(), &host()),
            Prediction::Blind { .. }
        ));
        let refused = prediction(tun.clone(), &unprivileged());
        assert!(matches!(&refused, Prediction::Refused { why, .. } if why.contains("no Ethernet header")));
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
            ..software("veth", NATIVE_WITH_FRAGMENTS)
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
            vec![nic(software("veth", NATIVE_WITH_FRAGMENTS))]
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
}

mod shown {
    use super::*;

    fn facts() -> Facts {
        Facts {
            host: host(),
            nics: vec![
                nic(software("veth", NATIVE_WITH_FRAGMENTS)),
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
                let follows = finding.says.contains("unknown without the maps");
                assert!(finding.advice.is_some() || follows, "{finding:?}");
            }
        }
    }
}
