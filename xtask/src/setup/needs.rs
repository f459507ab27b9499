//! Which command needs what. Whoever only wants to see the demo installs neither a browser nor an emulator for it.
//!
//! The table is the only place that says so: `cargo xtask setup --list` prints it, CONTRIBUTING.md shows it, and a test
//! holds the two equal.

use clap::ValueEnum;

/// What has needs of its own: a command, or a part of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Need {
    /// `build` and `run`.
    Build,
    /// `demo`.
    Demo,
    /// `lint`, and `test` without `--no-lint`.
    Lint,
    /// `test`: the tests on this machine's kernel.
    Test,
    /// `vm`, and `test` without `--no-vm`.
    Vm,
    /// `fuzz`, and `test`.
    Fuzz,
    /// `bench programs`.
    BenchPrograms,
    /// `bench engine`.
    BenchEngine,
    /// `bench detection`.
    BenchDetection,
    /// `bench pcap`.
    BenchPcap,
    /// `bench peers`.
    BenchPeers,
    /// `bench probing`.
    BenchProbing,
    /// `simulate`.
    Simulate,
    /// `dist`.
    Dist,
    /// `dist --test`.
    DistTest,
}

impl Need {
    /// Whether a nightly toolchain is needed: for the programs, or for libFuzzer.
    pub(crate) fn nightly(self) -> bool {
        self != Self::Simulate
    }

    /// Whether the BPF programs are built.
    pub(crate) fn programs(self) -> bool {
        !matches!(self, Self::Simulate | Self::Fuzz)
    }

    /// As on the command line.
    fn name(self) -> String {
        let separator = if self == Self::DistTest { " --" } else { " " };
        self.to_possible_value()
            .map(|value| value.get_name().replacen('-', separator, 1))
            .unwrap_or_default()
    }
}

/// A package of the distribution.
#[derive(Debug)]
pub(crate) struct Package {
    /// As Debian calls it.
    pub(crate) name: &'static str,
    /// A file below `/usr` that shows that it is installed.
    pub(crate) file: &'static str,
    /// What for, in a few words.
    what_for: &'static str,
    /// Who needs it.
    pub(crate) needed_by: &'static [Need],
}

/// All of them. `bpf-linker` needs some more to be built, see [`super`].
pub(crate) const PACKAGES: [Package; 23] = [
    Package {
        name: "libusrsctp-dev",
        file: "include/usrsctp.h",
        what_for: "SCTP in user space: the lab's endpoints",
        needed_by: LAB,
    },
    Package {
        name: "iproute2",
        file: "sbin/ip",
        what_for: "network namespaces and their NICs",
        needed_by: &[
            Need::Demo,
            Need::Test,
            Need::Vm,
            Need::BenchPrograms,
            Need::BenchDetection,
            Need::BenchPeers,
            Need::BenchProbing,
        ],
    },
    Package {
        name: "nftables",
        file: "sbin/nft",
        what_for: "loss, and breaks of one direction",
        needed_by: &[
            Need::Test,
            Need::Vm,
            Need::BenchDetection,
            Need::BenchPeers,
            Need::BenchProbing,
        ],
    },
    Package {
        name: "conntrack",
        file: "sbin/conntrack",
        what_for: "firewalls that forget",
        needed_by: &[Need::Test, Need::Vm],
    },
    Package {
        name: "ethtool",
        file: "sbin/ethtool",
        what_for: "what a hook does to a NIC's offloads",
        needed_by: &[Need::Test, Need::Vm],
    },
    Package {
        name: "tcpdump",
        file: "bin/tcpdump",
        what_for: "captures to count against",
        needed_by: &[Need::Test, Need::Vm],
    },
    Package {
        name: "tshark",
        file: "bin/tshark",
        what_for: "reads those captures; the peer of `bench pcap`",
        needed_by: &[Need::Test, Need::Vm, Need::BenchPcap],
    },
    Package {
        name: "user-mode-linux",
        file: "bin/linux.uml",
        what_for: "the kernel's own SCTP, as a process",
        needed_by: &[Need::Test, Need::Vm, Need::BenchPeers],
    },
    Package {
        name: "frr",
        file: "lib/frr/bfdd",
        what_for: "BFD: the peer of `bench probing`",
        needed_by: &[Need::BenchProbing],
    },
    Package {
        name: "prometheus",
        file: "bin/prometheus",
        what_for: "reads the agent's metrics; promtool checks them",
        needed_by: &[Need::Test],
    },
    Package {
        name: "prometheus-alertmanager",
        file: "bin/prometheus-alertmanager",
        what_for: "makes notifications of alerts",
        needed_by: &[Need::Test],
    },
    Package {
        name: "jsonnet",
        file: "bin/jsonnet",
        what_for: "reads the mixin",
        needed_by: &[Need::Test],
    },
    Package {
        name: "chromium",
        file: "bin/chromium",
        what_for: "opens the HTML report and the agent's page",
        needed_by: &[Need::Test],
    },
    Package {
        name: "tmux",
        file: "bin/tmux",
        what_for: "a terminal for `top`",
        needed_by: &[Need::Test],
    },
    Package {
        name: "g++",
        file: "bin/c++",
        what_for: "libFuzzer",
        needed_by: &[Need::Fuzz],
    },
    Package {
        name: "qemu-system-x86",
        file: "bin/qemu-system-x86_64",
        what_for: "boots other kernels",
        needed_by: &[Need::Vm],
    },
    Package {
        name: "busybox-static",
        file: "bin/busybox",
        what_for: "a guest's first process; the shell of a scratch folder",
        needed_by: &[Need::Vm, Need::DistTest],
    },
    Package {
        name: "kmod",
        file: "sbin/modprobe",
        what_for: "modules of User Mode Linux and of the guests",
        needed_by: &[Need::Test, Need::Vm, Need::BenchPeers],
    },
    Package {
        name: "musl-tools",
        file: "bin/musl-gcc",
        what_for: "the C in a crate, for the static binary",
        needed_by: &[Need::Dist],
    },
    Package {
        name: "lintian",
        file: "bin/lintian",
        what_for: "judges the .deb",
        needed_by: &[Need::DistTest],
    },
    Package {
        name: "rpm",
        file: "bin/rpm",
        what_for: "installs the .rpm into a scratch root",
        needed_by: &[Need::DistTest],
    },
    Package {
        name: "xz-utils",
        file: "bin/xz",
        what_for: "unpacks a kernel",
        needed_by: &[Need::Vm],
    },
    Package {
        name: "zstd",
        file: "bin/zstd",
        what_for: "unpacks a kernel",
        needed_by: &[Need::Vm],
    },
];

/// Who builds the lab, which links libusrsctp.
const LAB: &[Need] = &[
    Need::Demo,
    Need::Lint,
    Need::Test,
    Need::Vm,
    Need::BenchPrograms,
    Need::BenchEngine,
    Need::BenchDetection,
    Need::BenchPcap,
    Need::BenchPeers,
    Need::BenchProbing,
];

/// The packages that one or more of `needs` ask for.
pub(crate) fn packages(needs: &[Need]) -> impl Iterator<Item = &'static Package> {
    PACKAGES
        .iter()
        .filter(|package| package.needed_by.iter().any(|need| needs.contains(need)))
}

/// The table, as Markdown.
pub(crate) fn table() -> String {
    let mut table = String::from("| package | needed by | what for |\n|---|---|---|\n");
    for package in &PACKAGES {
        let needs: Vec<_> = package
            .needed_by
            .iter()
            .map(|need| format!("`{}`", need.name()))
            .collect();
        table += &format!(
            "| {} | {} | {} |\n",
            package.name,
            needs.join(", "),
            package.what_for
        );
    }
    table
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::cargo::root;

    fn names(need: Need) -> Vec<&'static str> {
        packages(&[need]).map(|package| package.name).collect()
    }

    #[test]
    fn the_demo_asks_for_nothing_but_namespaces_and_a_stack() {
        assert_eq!(names(Need::Demo), ["libusrsctp-dev", "iproute2"]);
        for heavy in ["chromium", "tshark", "user-mode-linux", "qemu-system-x86"] {
            assert!(PACKAGES.iter().any(|package| package.name == heavy), "{heavy}");
            assert!(!names(Need::Demo).contains(&heavy), "{heavy}");
        }
    }

    #[test]
    fn building_the_agent_asks_for_no_package() {
        assert_eq!(names(Need::Build), [""; 0]);
    }

    #[test]
    fn every_package_is_asked_for_by_a_command_and_used_by_the_sources() {
        let mut sources = String::new();
        for folder in ["sctp-monitor", "xtask/src"] {
            read(&root().join(folder), &mut sources);
        }
        for package in &PACKAGES {
            assert!(
                !package.needed_by.is_empty(),
                "{} is asked for by nobody",
                package.name
            );
            let file = package.file.rsplit('/').next().unwrap();
            // What is not called by the name of its file.
            let traces = match package.name {
                "libusrsctp-dev" => ["libusrsctp.a".to_owned()],
                "g++" => ["libfuzzer-sys".to_owned()],
                "kmod" => ["\"insmod\"".to_owned()],
                "busybox-static" => ["busybox reboot".to_owned()],
                "user-mode-linux" => [format!("/usr/{}", package.file)],
                "chromium" => [format!("join(\"{file}\")")],
                _ => [format!("\"{file}\"")],
            };
            assert!(
                traces.iter().all(|trace| sources.contains(trace)),
                "{}: no source has {traces:?}",
                package.name
            );
        }
    }

    /// Its SCTP is a module, which the lab loads.
    #[test]
    fn user_mode_linux_does_not_come_alone() {
        let needs = |name| {
            let package = PACKAGES.iter().find(|package| package.name == name);
            package.unwrap().needed_by
        };
        assert_eq!(needs("user-mode-linux"), needs("kmod"));
    }

    /// All that may start a program, but for this folder and for what was built.
    fn read(folder: &Path, sources: &mut String) {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if path.is_dir()
                && !["setup", "target", "pcaps", "oracle", "regressions"].contains(&name.as_str())
            {
                read(&path, sources);
            } else if [".rs", ".sh", ".toml"].iter().any(|end| name.ends_with(end)) {
                *sources += &std::fs::read_to_string(&path).unwrap();
            }
        }
    }

    /// `simulate` is the engine's: it needs the lab's libraries for as long as the engine's tests use the lab.
    #[test]
    fn simulate_needs_the_lab_exactly_if_the_engine_does() {
        let manifest = std::fs::read_to_string(root().join("sctp-monitor/engine/Cargo.toml")).unwrap();
        assert_eq!(
            names(Need::Simulate).contains(&"libusrsctp-dev"),
            manifest.contains("sctp-monitor-lab")
        );
    }

    #[test]
    fn contributing_shows_this_table() {
        let page = std::fs::read_to_string(root().join("CONTRIBUTING.md")).unwrap();
        assert!(
            page.contains(&table()),
            "CONTRIBUTING.md should have:\n{}",
            table()
        );
    }
}
