//! The kernel and what this process may do with it.

use std::fmt;

use serde::Serialize;

/// What holds for every NIC.
#[derive(Debug, Clone, Serialize)]
pub struct HostFacts {
    /// The kernel.
    pub kernel: KernelFacts,
    /// What this process may do.
    pub privileges: Privileges,
    /// Whether the maps could be made.
    pub maps: Maps,
    /// The programs that `run` may load here, in the order in which it would.
    pub programs: Vec<Program>,
    /// How TC programs are attached.
    pub tc: Tc,
}

/// The kernel, as far as everybody may read it.
#[derive(Debug, Clone, Serialize)]
pub struct KernelFacts {
    /// As `uname -r` prints it.
    pub release: String,
    /// Its number; `None` if the release does not begin with one.
    pub version: Option<Version>,
    /// As Rust names it, e.g. `x86_64`.
    pub architecture: &'static str,
    /// CPUs that may ever be there.
    pub cpus: Option<u32>,
    /// Bytes of a page.
    pub page_bytes: u32,
    /// `net.core.bpf_jit_enable`; only the first network namespace shows it.
    pub jit_sysctl: Option<u8>,
    /// Whether the kernel describes its types (`/sys/kernel/btf/vmlinux`).
    pub btf: bool,
    /// The lockdown mode, if the kernel has lockdown and shows it.
    pub lockdown: Option<String>,
    /// Whether XDP programs may see packets that span buffers, and so large MTUs.
    pub xdp_fragments: bool,
}

/// The first two numbers of a kernel release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Version {
    /// 6 in 6.12.
    pub major: u16,
    /// 12 in 6.12.
    pub minor: u16,
}

impl Version {
    /// `major`.`minor`.
    #[must_use]
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }

    /// Reads the beginning of a release such as `6.1.0-26-amd64`.
    #[must_use]
    pub fn parse(release: &str) -> Option<Self> {
        let mut numbers = release.split(|c: char| !c.is_ascii_digit());
        Some(Self {
            major: numbers.next()?.parse().ok()?,
            minor: numbers.next()?.parse().ok()?,
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Effective capabilities of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Privileges {
    /// The effective user id.
    pub uid: u32,
    /// Whether this is a user namespace of its own, whose capabilities do not count for BPF.
    pub user_namespace: bool,
    /// CAP_BPF.
    pub bpf: bool,
    /// CAP_NET_ADMIN.
    pub net_admin: bool,
    /// CAP_PERFMON.
    pub perfmon: bool,
    /// CAP_SYS_ADMIN, which includes CAP_BPF and CAP_PERFMON.
    pub sys_admin: bool,
}

impl Privileges {
    /// The capabilities that `run` asks for and this process has not.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        let has = [
            ("CAP_BPF", self.bpf || self.sys_admin),
            ("CAP_NET_ADMIN", self.net_admin),
            ("CAP_PERFMON", self.perfmon || self.sys_admin),
        ];
        has.iter()
            .filter(|(_, has)| !has)
            .map(|(name, _)| *name)
            .collect()
    }
}

/// Whether the maps could be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Maps {
    /// Ring buffer, mapped records, index and queue were made, and given back.
    Made,
    /// The kernel refused.
    Refused(Refusal),
}

/// A program that `run` may load.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Program {
    /// Its name in the object.
    pub name: &'static str,
    /// Where it goes.
    pub side: Side,
    /// What the kernel made of it.
    #[serde(flatten)]
    pub load: Load,
}

/// Where a program is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// XDP: what arrives.
    Xdp,
    /// TC ingress: what arrives where XDP cannot be had.
    TcIngress,
    /// TC egress: what the host sends.
    TcEgress,
}

/// What the kernel made of a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Load {
    /// The verifier took it.
    Verified {
        /// Instructions that the verifier looked at; Linux 5.16 tells.
        instructions: Option<u32>,
        /// Whether it was compiled; interpreted otherwise.
        compiled: bool,
    },
    /// The kernel refused it.
    Refused(Refusal),
    /// Not tried, because the maps could not be made.
    NotTried,
}

/// The kernel's answer to something it did not do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// In the kernel's words.
    pub why: String,
    /// Whether it was for want of a privilege (EPERM). A verifier that rejects says EACCES or EINVAL.
    pub denied: bool,
    /// The end of the verifier's log.
    #[serde(skip)]
    pub log: Vec<String>,
}

/// How TC programs are attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "hook", rename_all = "snake_case")]
pub enum Tc {
    /// By links (Linux 6.6).
    Tcx,
    /// By filters of the clsact qdisc.
    Clsact {
        /// The qdisc's module, sch_ingress.
        qdisc: Module,
        /// The filter's module, cls_bpf.
        filter: Module,
    },
}

impl Tc {
    /// Its name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcx => "tcx",
            Self::Clsact { .. } => "clsact",
        }
    }
}

/// A part of the kernel that may be a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Module {
    /// In the kernel, or loaded.
    Present,
    /// On disk; the kernel loads it when it is asked for.
    Loadable,
    /// Neither.
    Absent,
    /// The kernel's module lists cannot be read.
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_read_whatever_follows_its_numbers() {
        assert_eq!(Version::parse("6.18.44-fc-v595"), Some(Version::new(6, 18)));
        assert_eq!(Version::parse("6.1.0-26-amd64"), Some(Version::new(6, 1)));
        assert_eq!(Version::parse("5.15"), Some(Version::new(5, 15)));
        assert_eq!(Version::parse("7.0-rc1"), Some(Version::new(7, 0)));
        assert_eq!(Version::parse("mainline"), None);
        assert_eq!(Version::parse(""), None);
    }

    #[test]
    fn versions_compare_as_numbers() {
        assert!(Version::new(5, 15) > Version::new(5, 4));
        assert!(Version::new(6, 0) > Version::new(5, 19));
    }

    #[test]
    fn cap_sys_admin_stands_for_bpf_and_perfmon_but_not_for_net_admin() {
        let none = Privileges {
            uid: 1000,
            user_namespace: false,
            bpf: false,
            net_admin: false,
            perfmon: false,
            sys_admin: false,
        };
        assert_eq!(none.missing(), ["CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON"]);
        let admin = Privileges {
            sys_admin: true,
            ..none
        };
        assert_eq!(admin.missing(), ["CAP_NET_ADMIN"]);
    }
}
