//! Verdicts on made-up facts.

mod hosts;
mod native_xdp;
mod nics;
mod shown;
mod steering;

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
        steering: None,
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
