//! The kernel and this process.

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
        nics: vec![nic(software("tun", NATIVE_WITH_FRAGMENTS))],
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
    assert!(
        maps.says
            .starts_with("could not be tested: this process lacks CAP_BPF")
    );
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
    let findings = super::super::host::host(&host);
    assert!(on(&findings, "maps").says.contains("user namespace"));
}

#[test]
fn what_the_verifier_rejects_keeps_the_end_of_its_log() {
    let mut host = host();
    host.programs[0].load = Load::Refused(refusal(false));
    let findings = super::super::host::host(&host);
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
        on(&super::super::host::host(&host), "jit").level,
        Level::Limitation
    );
    let mut unprivileged = unprivileged();
    unprivileged.kernel.jit_sysctl = None;
    assert_eq!(
        on(&super::super::host::host(&unprivileged), "jit").level,
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
