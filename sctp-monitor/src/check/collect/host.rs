//! The kernel and this process, from /proc, /sys and by loading the programs.

use std::{fs, path::Path};

use caps::{CapSet, Capability};
use nix::unistd::{SysconfVar, geteuid, sysconf};
use tracing::debug;

use super::{
    super::facts::{HostFacts, KernelFacts, Module, Privileges, Tc, Version},
    programs,
};
use crate::kernel;

pub(super) fn facts(steers: bool) -> HostFacts {
    let kernel = kernel_facts();
    let tc = tc(&kernel.release);
    let (maps, programs) = programs::load(steers);
    HostFacts {
        kernel,
        privileges: privileges(),
        maps,
        programs,
        tc,
    }
}

fn kernel_facts() -> KernelFacts {
    let release = read("/proc/sys/kernel/osrelease").unwrap_or_else(|| "unknown".to_owned());
    KernelFacts {
        version: Version::parse(&release),
        release,
        architecture: std::env::consts::ARCH,
        cpus: read("/sys/devices/system/cpu/possible").and_then(|list| count_of(&list)),
        page_bytes: page_bytes(),
        jit_sysctl: read("/proc/sys/net/core/bpf_jit_enable").and_then(|value| value.parse().ok()),
        btf: Path::new("/sys/kernel/btf/vmlinux").exists(),
        lockdown: read("/sys/kernel/security/lockdown").and_then(|modes| chosen_mode(&modes)),
        xdp_fragments: kernel::xdp_program() == "xdp_ingress_frags",
    }
}

fn page_bytes() -> u32 {
    sysconf(SysconfVar::PAGE_SIZE)
        .ok()
        .flatten()
        .and_then(|bytes| u32::try_from(bytes).ok())
        .unwrap_or(4096)
}

fn privileges() -> Privileges {
    let has = |capability| {
        caps::has_cap(None, CapSet::Effective, capability).unwrap_or_else(|error| {
            debug!("{capability} cannot be read: {error}");
            false
        })
    };
    Privileges {
        uid: geteuid().as_raw(),
        user_namespace: read("/proc/self/uid_map").is_some_and(|map| !is_first_user_namespace(&map)),
        bpf: has(Capability::CAP_BPF),
        net_admin: has(Capability::CAP_NET_ADMIN),
        perfmon: has(Capability::CAP_PERFMON),
        sys_admin: has(Capability::CAP_SYS_ADMIN),
    }
}

fn tc(release: &str) -> Tc {
    if kernel::has_tcx() {
        return Tc::Tcx;
    }
    Tc::Clsact {
        qdisc: module(release, "sch_ingress"),
        filter: module(release, "cls_bpf"),
    }
}

/// Where a module is, by what modprobe goes by.
fn module(release: &str, name: &str) -> Module {
    if Path::new("/sys/module").join(name).exists() {
        return Module::Present;
    }
    let lists = Path::new("/lib/modules").join(release);
    let file = format!("/{name}.ko");
    let lists_it = |list: &str| {
        let text = fs::read_to_string(lists.join(list)).ok()?;
        Some(text.lines().any(|line| path_of(line).contains(&file)))
    };
    match (lists_it("modules.builtin"), lists_it("modules.dep")) {
        (Some(true), _) => Module::Present,
        (_, Some(true)) => Module::Loadable,
        (Some(false), Some(false)) => Module::Absent,
        _ => Module::Unknown,
    }
}

/// `modules.dep` names a module, a colon, and the modules that it needs.
fn path_of(line: &str) -> &str {
    line.split(':').next().unwrap_or(line)
}

/// The CPUs in a list such as `0-3` or `0-3,8-11`: its last number and one.
fn count_of(list: &str) -> Option<u32> {
    let last = list.rsplit(['-', ',']).next()?;
    last.parse::<u32>().ok()?.checked_add(1)
}

/// The mode in brackets: `none [integrity] confidentiality`.
fn chosen_mode(modes: &str) -> Option<String> {
    let (_, rest) = modes.split_once('[')?;
    let (mode, _) = rest.split_once(']')?;
    Some(mode.to_owned())
}

/// The first user namespace maps every id to itself.
fn is_first_user_namespace(map: &str) -> bool {
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

fn read(path: &str) -> Option<String> {
    match fs::read_to_string(path) {
        Ok(text) => Some(text.trim().to_owned()),
        Err(error) => {
            debug!("{path}: {error}");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_are_counted_by_the_last_of_the_list() {
        assert_eq!(count_of("0"), Some(1));
        assert_eq!(count_of("0-63"), Some(64));
        assert_eq!(count_of("0-3,8-11"), Some(12));
        assert_eq!(count_of(""), None);
    }

    #[test]
    fn the_lockdown_mode_stands_in_brackets() {
        assert_eq!(
            chosen_mode("none [integrity] confidentiality").as_deref(),
            Some("integrity")
        );
        assert_eq!(chosen_mode("none"), None);
    }

    #[test]
    fn only_the_first_user_namespace_maps_every_id() {
        assert!(is_first_user_namespace("         0          0 4294967295"));
        assert!(!is_first_user_namespace("         0       1000          1"));
    }

    #[test]
    fn a_module_that_nobody_has_is_not_present() {
        let found = module("0.0.0-no-such-kernel", "sm_no_such_module");
        assert_eq!(found, Module::Unknown);
    }
}
