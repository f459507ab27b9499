//! `cargo xtask setup`: what the other commands need, installed if it is missing.
//!
//! What is there is found by looking at files, so a machine that has everything pays nothing.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};

use crate::cargo::run;

/// Installs what is missing, and says what.
///
/// # Errors
/// If something is missing that cannot be installed here, with the steps to do by hand.
pub(crate) fn setup() -> anyhow::Result<()> {
    let missing = Missing::look();
    if missing.is_empty() {
        return Ok(());
    }
    if missing.rust_src {
        println!("setup: installing the nightly toolchain's rust-src");
        run(Command::new("rustup")
            .args(["toolchain", "install", "nightly", "--profile", "minimal"])
            .args(["--component", "rust-src,clippy,rustfmt", "--no-self-update"]))
        .or_else(|_| {
            run(Command::new("rustup").args(["component", "add", "rust-src", "--toolchain", "nightly"]))
        })
        .with_context(|| by_hand(&missing, "rustup could not install rust-src"))?;
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

/// The LLVM of the nightly compiler, with which the linker must agree.
const LLVM: &str = "22";
const BPF_LINKER_VERSION: &str = "0.13.0";

/// Packages of the lab, each with a file by which it is found.
const LAB_PACKAGES: [(&str, &str); 6] = [
    ("libusrsctp-dev", "include/usrsctp.h"),
    ("iproute2", "sbin/ip"),
    ("nftables", "sbin/nft"),
    ("ethtool", "sbin/ethtool"),
    ("tcpdump", "bin/tcpdump"),
    ("tshark", "bin/tshark"),
];

struct Missing {
    rust_src: bool,
    bpf_linker: bool,
    packages: Vec<String>,
}

impl Missing {
    fn look() -> Self {
        let bpf_linker = which::which("bpf-linker").is_err();
        let mut packages: Vec<_> = LAB_PACKAGES
            .iter()
            .filter(|(_, file)| !Path::new("/usr").join(file).exists())
            .map(|(package, _)| (*package).to_owned())
            .collect();
        if bpf_linker && !Path::new(&format!("/usr/lib/llvm-{LLVM}/lib/libPolly.a")).exists() {
            packages.extend([format!("llvm-{LLVM}-dev"), format!("libpolly-{LLVM}-dev")]);
        }
        Self {
            rust_src: !rust_src_is_there(),
            bpf_linker,
            packages,
        }
    }

    fn is_empty(&self) -> bool {
        !self.rust_src && !self.bpf_linker && self.packages.is_empty()
    }
}

/// Looks where rustup keeps the nightly toolchain of this machine's kind.
fn rust_src_is_there() -> bool {
    let home = std::env::var_os("RUSTUP_HOME").map(PathBuf::from).or_else(|| {
        let home = std::env::var_os("HOME")?;
        Some(PathBuf::from(home).join(".rustup"))
    });
    let Some(toolchains) = home.map(|home| home.join("toolchains")) else {
        return false;
    };
    let Ok(entries) = std::fs::read_dir(toolchains) else {
        return false;
    };
    entries
        .flatten()
        .filter(|entry| {
            entry.file_name().to_str().is_some_and(|name| {
                // Not a dated nightly: `rustup run nightly` is what builds the programs.
                name == "nightly" || (name.starts_with("nightly-") && !name.starts_with("nightly-2"))
            })
        })
        .any(|entry| {
            entry
                .path()
                .join("lib/rustlib/src/rust/library/core/src/lib.rs")
                .exists()
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
        steps.push("  rustup toolchain install nightly --component rust-src".to_owned());
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
