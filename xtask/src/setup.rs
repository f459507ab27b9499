//! `cargo xtask setup`: what the other commands need, installed if it is missing.
//!
//! What is there is found by looking at files, so a machine that has everything pays nothing.

use std::{path::Path, process::Command};

use anyhow::{Context as _, bail};

use crate::{
    cargo::run,
    toolchain::{LLVM, PINNED, has_rust_src, toolchain},
};

/// Installs what is missing, and says what. Guests need packages of their own.
///
/// # Errors
/// If something is missing that cannot be installed here, with the steps to do by hand.
pub(crate) fn setup(with_guests: bool) -> anyhow::Result<()> {
    let missing = Missing::look(with_guests);
    if missing.is_empty() {
        return Ok(());
    }
    if missing.rust_src {
        install_rust_src(&missing)?;
    }
    if !missing.packages.is_empty() {
        install_packages(&missing)?;
    }
    if missing.bpf_linker {
        println!("setup: building bpf-linker {BPF_LINKER_VERSION} with LLVM {LLVM} (a minute)");
        run(Command::new("cargo")
            .args([
                "install",
                "bpf-linker",
                "--locked",
                "--version",
                BPF_LINKER_VERSION,
            ])
            .args(["--no-default-features", "--features", &format!("llvm-{LLVM}")])
            .env("LLVM_PREFIX", format!("/usr/lib/llvm-{LLVM}")))
        .with_context(|| by_hand(&missing, "bpf-linker did not build"))?;
    }
    Ok(())
}

/// Installs what fuzzing needs beyond that. Whoever only wants to run the agent does not wait for it.
///
/// # Errors
/// If cargo-fuzz cannot be built here, with the steps to do by hand.
pub(crate) fn setup_fuzzing() -> anyhow::Result<()> {
    if which::which("cargo-fuzz").is_ok() {
        return Ok(());
    }
    println!("setup: building cargo-fuzz {CARGO_FUZZ_VERSION} (a minute)");
    let install = [
        "install",
        "cargo-fuzz",
        "--locked",
        "--version",
        CARGO_FUZZ_VERSION,
    ];
    run(Command::new("cargo").args(install)).with_context(|| {
        format!(
            "cargo-fuzz did not build (is the machine offline?); to do it by hand:\n  cargo {}",
            install.join(" ")
        )
    })
}

const BPF_LINKER_VERSION: &str = "0.13.0";
const CARGO_FUZZ_VERSION: &str = "0.13.2";

/// Packages of the lab, of the tests, and the compiler of libFuzzer, each with a file by which it is found.
const LAB_PACKAGES: [(&str, &str); 10] = [
    ("g++", "bin/c++"),
    ("libusrsctp-dev", "include/usrsctp.h"),
    ("iproute2", "sbin/ip"),
    ("nftables", "sbin/nft"),
    ("conntrack", "sbin/conntrack"),
    ("ethtool", "sbin/ethtool"),
    ("tcpdump", "bin/tcpdump"),
    ("tshark", "bin/tshark"),
    ("user-mode-linux", "bin/linux.uml"),
    ("chromium", "bin/chromium"),
];

/// Packages that boot other kernels. Guests use the tools of the lab too.
const GUEST_PACKAGES: [(&str, &str); 5] = [
    ("qemu-system-x86", "bin/qemu-system-x86_64"),
    ("busybox-static", "bin/busybox"),
    ("kmod", "sbin/modprobe"),
    ("xz-utils", "bin/xz"),
    ("zstd", "bin/zstd"),
];

struct Missing {
    rust_src: bool,
    bpf_linker: bool,
    packages: Vec<String>,
}

impl Missing {
    fn look(with_guests: bool) -> Self {
        let bpf_linker = which::which("bpf-linker").is_err();
        let guests = if with_guests {
            GUEST_PACKAGES.as_slice()
        } else {
            &[]
        };
        let mut packages: Vec<_> = LAB_PACKAGES
            .iter()
            .chain(guests)
            .filter(|(_, file)| !Path::new("/usr").join(file).exists())
            .map(|(package, _)| (*package).to_owned())
            .collect();
        if bpf_linker && !Path::new(&format!("/usr/lib/llvm-{LLVM}/lib/libPolly.a")).exists() {
            packages.extend([format!("llvm-{LLVM}-dev"), format!("libpolly-{LLVM}-dev")]);
        }
        Self {
            rust_src: !has_rust_src(toolchain()),
            bpf_linker,
            packages,
        }
    }

    fn is_empty(&self) -> bool {
        !self.rust_src && !self.bpf_linker && self.packages.is_empty()
    }
}

/// Adds rust-src to the machine's nightly, which is left at its version: a newer one may have another LLVM.
fn install_rust_src(missing: &Missing) -> anyhow::Result<()> {
    println!("setup: installing rust-src for the toolchain {}", toolchain());
    let rustup = |arguments: &[&str]| run(Command::new("rustup").args(arguments));
    if toolchain() == PINNED {
        rustup(&[
            "toolchain",
            "install",
            PINNED,
            "--profile",
            "minimal",
            "--component",
            "rust-src,clippy",
            "--no-self-update",
        ])
    } else {
        rustup(&[
            "component",
            "add",
            "rust-src",
            "clippy",
            "--toolchain",
            toolchain(),
        ])
    }
    .with_context(|| {
        by_hand(
            missing,
            "rustup could not install rust-src (is the machine offline?)",
        )
    })
}

fn install_packages(missing: &Missing) -> anyhow::Result<()> {
    if which::which("apt-get").is_err() {
        bail!(by_hand(
            missing,
            "this is not Debian, so the packages cannot be installed from here"
        ));
    }
    println!("setup: installing {}", missing.packages.join(" "));
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command
            .args(["-q", "-o", "DPkg::Lock::Timeout=120"])
            .args(arguments);
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    crate::cargo::require_root("setup").with_context(|| by_hand(missing, "not root"))?;
    let packages: Vec<_> = missing.packages.iter().map(String::as_str).collect();
    let install = [&["install", "-y", "--no-install-recommends"], packages.as_slice()].concat();
    run(&mut apt(&["update"]))
        .and_then(|()| run(&mut apt(&install)))
        .with_context(|| by_hand(missing, "apt-get failed (is the machine offline?)"))
}

/// The reason, and the steps that remain.
fn by_hand(missing: &Missing, reason: &str) -> String {
    let mut steps = vec![format!("{reason}; to do it by hand:")];
    if missing.rust_src {
        steps.push(format!(
            "  rustup toolchain install {PINNED} --component rust-src,clippy"
        ));
    }
    if !missing.packages.is_empty() {
        steps.push(format!(
            "  sudo apt-get install {}   (or what your distribution calls them)",
            missing.packages.join(" ")
        ));
    }
    if missing.bpf_linker {
        steps.push(format!(
            "  LLVM_PREFIX=/usr/lib/llvm-{LLVM} cargo install bpf-linker --version {BPF_LINKER_VERSION} \
             --no-default-features --features llvm-{LLVM}"
        ));
        steps.push("  (or a binary: cargo binstall bpf-linker)".to_owned());
    }
    steps.join("\n")
}
