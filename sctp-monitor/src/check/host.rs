//! The kernel and this process.

use super::{
    facts::{HostFacts, KernelFacts, Load, Maps, Module, Privileges, Program, Refusal, Side, Tc, Version},
    finding::{Finding, Level},
};

/// What `check` reports about the kernel and this process. With a problem here `run` cannot watch any NIC.
pub(super) fn host(host: &HostFacts) -> Vec<Finding> {
    let mut findings = vec![kernel(host), privileges(host), maps(host)];
    findings.extend(host.programs.iter().map(|program| self::program(program, host)));
    findings.push(tc(host.tc));
    findings.push(fragments(&host.kernel));
    findings.push(jit(host));
    findings.push(btf(&host.kernel));
    findings.extend(lockdown(&host.kernel));
    findings
}

fn kernel(host: &HostFacts) -> Finding {
    let KernelFacts {
        release,
        architecture,
        version,
        ..
    } = &host.kernel;
    let says = format!("Linux {release} on {architecture}");
    let advice = format!("use Linux {OLDEST} or later");
    match version {
        Some(version) if *version >= OLDEST => Finding::ok("kernel", says),
        // It works all the same when everything loads, but nobody tests it.
        Some(_) if everything_loads(host) => Finding::new(
            Level::Limitation,
            "kernel",
            format!("{says}: older than {OLDEST}, the oldest supported release; the programs can be loaded nevertheless"),
        )
        .advise(advice),
        Some(_) => Finding::new(
            Level::Problem,
            "kernel",
            format!("{says}: older than {OLDEST}, the oldest supported release"),
        )
        .advise(advice),
        None => {
            Finding::new(Level::Unknown, "kernel", format!("{says}: the release number was not understood")).advise(advice)
        }
    }
}

fn everything_loads(host: &HostFacts) -> bool {
    let loads = |program: &Program| matches!(program.load, Load::Verified { .. });
    host.maps == Maps::Made && host.programs.iter().all(loads)
}

fn privileges(host: &HostFacts) -> Finding {
    let missing = host.privileges.missing();
    if missing.is_empty() {
        return Finding::ok("privileges", "CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON");
    }
    let missing = missing.join(", ");
    let says = format!("uid {} lacks {missing}", host.privileges.uid);
    if host.privileges.net_admin && everything_loads(host) {
        let says = format!("{says}; the programs can be loaded nevertheless");
        return Finding::new(Level::Limitation, "privileges", says).advise(PRIVILEGE_ADVICE);
    }
    Finding::new(Level::Problem, "privileges", says).advise(PRIVILEGE_ADVICE)
}

fn maps(host: &HostFacts) -> Finding {
    let refusal = match &host.maps {
        Maps::Made => {
            return Finding::ok(
                "maps",
                "all maps can be created (ring buffer, flow records, index, free list)",
            );
        }
        Maps::Refused(refusal) => refusal,
    };
    if refusal.denied {
        return denied("maps", host.privileges);
    }
    Finding::new(Level::Problem, "maps", format!("the kernel did not create a map: {}", refusal.why)).advise(
        "use a kernel with CONFIG_BPF_SYSCALL, Linux 5.8 or later; if the error is ENOMEM, raise the memory limit of the \
         service or the container",
    )
}

fn program(program: &Program, host: &HostFacts) -> Finding {
    let Program { name, side, load } = program;
    let of = match side {
        Side::Xdp => "for XDP",
        Side::TcIngress => "for TC ingress",
        Side::TcEgress => "for TC egress",
    };
    let refusal = match load {
        Load::Verified { instructions, .. } => {
            let count = match instructions {
                Some(count) => {
                    let percent = u64::from(*count) * 100 / u64::from(MAX_INSTRUCTIONS);
                    format!(
                        "verified in {count} instructions, {percent} % of the limit of {MAX_INSTRUCTIONS}"
                    )
                }
                None => "verified".to_owned(),
            };
            return Finding::ok("program", format!("{name} ({of}): {count}"));
        }
        Load::NotTried => {
            let says = format!("{name} ({of}): could not be tested without the maps");
            return Finding::new(Level::Unknown, "program", says);
        }
        Load::Refused(refusal) => refusal,
    };
    if refusal.denied {
        return denied("program", host.privileges);
    }
    // Without TC ingress `run` still watches NICs that take native XDP: that is for the prediction to say.
    let level = if *side == Side::TcIngress {
        Level::Limitation
    } else {
        Level::Problem
    };
    rejected(level, &format!("{name} ({of})"), refusal, host.privileges)
}

fn rejected(level: Level, program: &str, refusal: &Refusal, privileges: Privileges) -> Finding {
    let says = format!("{program}: the kernel did not load it: {}", refusal.why);
    let advice = if privileges.missing().contains(&"CAP_PERFMON") {
        // The verifier is stricter then (pointer comparisons, speculation).
        PRIVILEGE_ADVICE
    } else {
        VERIFIER_ADVICE
    };
    let mut finding = Finding::new(level, "program", says).advise(advice);
    finding.detail.clone_from(&refusal.log);
    finding
}

/// EPERM: for want of a capability, or because something else than capabilities forbids it.
fn denied(topic: &'static str, privileges: Privileges) -> Finding {
    let missing = privileges.missing();
    if !missing.is_empty() {
        let says = format!("could not be tested: this process lacks {}", missing.join(", "));
        return Finding::new(Level::Unknown, topic, says).advise(PRIVILEGE_ADVICE);
    }
    if privileges.user_namespace {
        let says = "the kernel does not permit it: BPF needs capabilities of the initial user namespace";
        return Finding::new(Level::Problem, topic, says)
            .advise("run it as root of the host, not in a rootless container");
    }
    Finding::new(Level::Problem, topic, "the kernel does not permit it, although the capabilities are there").advise(
        "allow bpf(2) in the seccomp profile and the security module (in a container, try seccomp=unconfined to see whether \
         that is the reason)",
    )
}

fn tc(tc: Tc) -> Finding {
    let Tc::Clsact { qdisc, filter } = tc else {
        return Finding::ok(
            "tc",
            "TCX: the programs are removed when the agent ends, also when it is killed",
        );
    };
    if qdisc == Module::Absent || filter == Module::Absent {
        let absent = if qdisc == Module::Absent {
            "sch_ingress"
        } else {
            "cls_bpf"
        };
        let says = format!("this kernel has no {absent}; before Linux 6.6, TC programs need it");
        return Finding::new(Level::Problem, "tc", says)
            .advise("install the kernel's extra modules, or build the kernel with CONFIG_NET_SCH_INGRESS and CONFIG_NET_CLS_BPF");
    }
    let says =
        "clsact: if the agent is killed, its programs stay on the NIC until the next start of the agent";
    Finding::new(Level::Limitation, "tc", says).advise("use Linux 6.6 or later, which has TCX")
}

fn fragments(kernel: &KernelFacts) -> Finding {
    if kernel.xdp_fragments {
        return Finding::ok(
            "fragments",
            "supported: XDP programs see packets that span several buffers (large MTU)",
        );
    }
    let says = "not supported: NICs with a large MTU are watched by TC";
    Finding::new(Level::Limitation, "fragments", says).advise("use Linux 5.18 or later for XDP on such NICs")
}

/// What became of our own programs is better evidence than the setting, which shows in one namespace only.
fn jit(host: &HostFacts) -> Finding {
    let compiled = host.programs.iter().find_map(|program| match program.load {
        Load::Verified { compiled, .. } => Some(compiled),
        Load::Refused(_) | Load::NotTried => None,
    });
    match compiled.or(host.kernel.jit_sysctl.map(|value| value != 0)) {
        Some(true) => Finding::ok("jit", "BPF programs are compiled"),
        Some(false) => Finding::new(
            Level::Limitation,
            "jit",
            "BPF programs are interpreted: each packet costs several times as much",
        )
        .advise("sysctl net.core.bpf_jit_enable=1"),
        None => Finding::new(
            Level::Unknown,
            "jit",
            "not known: net.core.bpf_jit_enable is visible only in the initial network namespace",
        )
        .advise(PRIVILEGE_ADVICE),
    }
}

fn btf(kernel: &KernelFacts) -> Finding {
    Finding::ok(
        "btf",
        if kernel.btf {
            "present (/sys/kernel/btf/vmlinux); not needed"
        } else {
            "absent; not needed"
        },
    )
}

fn lockdown(kernel: &KernelFacts) -> Option<Finding> {
    let mode = kernel.lockdown.as_deref()?;
    Some(Finding::ok(
        "lockdown",
        match mode {
            "none" => "none".to_owned(),
            mode => format!("{mode}: it does not affect these programs"),
        },
    ))
}

/// The oldest supported kernel.
const OLDEST: Version = Version::new(5, 15);

/// BPF_COMPLEXITY_LIMIT_INSNS (include/linux/bpf.h).
const MAX_INSTRUCTIONS: u32 = 1_000_000;

/// For a program that the verifier rejects.
pub(super) const VERIFIER_ADVICE: &str =
    "try another kernel, and report this with the output of `sctp-monitor -v check` and `uname -a`";

const PRIVILEGE_ADVICE: &str = "run as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON (AmbientCapabilities= in a \
                                systemd unit, capabilities.add in a pod, setcap on the file)";
