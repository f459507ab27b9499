//! `cargo xtask setup`: what the other commands need, installed if it is missing. [`needs`] says who needs what.
//!
//! What is there is found by looking at files, so a machine that has everything pays next to nothing. Only what builds the product
//! is asked for its version: a build is the same everywhere, or it says what is not.

use std::{path::Path, process::Command};

use anyhow::{Context as _, bail};
use clap::ValueEnum as _;

pub(crate) use self::needs::Need;
use crate::{
    cargo::run,
    toolchain::{self, LLVM, PINNED, has_rust_src, toolchain},
};

mod needs;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only for this command; for all of them if none is named.
    #[arg(value_enum)]
    command: Option<Need>,
    /// Print which package is needed by which command, and what of it is missing here; install nothing.
    #[arg(long)]
    list: bool,
}

/// Installs what one command needs, or all of them.
///
/// # Errors
/// If something is missing that cannot be installed here, with the steps to do by hand.
pub(crate) fn run_setup(args: &Args) -> anyhow::Result<()> {
    let needs = match &args.command {
        Some(need) => std::slice::from_ref(need),
        None => Need::value_variants(),
    };
    if args.list {
        let missing = Missing::look(needs);
        println!("{}\nmissing: {}", needs::table(), missing.words());
        return Ok(());
    }
    setup(needs)?;
    for tool in CARGO_TOOLS.iter().filter(|tool| needs.contains(&tool.needed_by)) {
        tool.install()?;
    }
    println!("everything is there");
    Ok(())
}

/// Installs the packages and toolchains that are needed and missing, and says what. Cargo's own tools are installed by
/// the commands that call them.
///
/// # Errors
/// If something is missing that cannot be installed here, with the steps to do by hand.
pub(crate) fn setup(needs: &[Need]) -> anyhow::Result<()> {
    let missing = Missing::look(needs);
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
        if let Some(other) = version("bpf-linker") {
            println!(
                "setup: it takes the place of bpf-linker {other}, with which nobody has tested the programs"
            );
        }
        run(Command::new("cargo")
            .args([
                "install",
                "bpf-linker",
                "--locked",
                "--force",
                "--version",
                BPF_LINKER_VERSION,
            ])
            .args(["--no-default-features", "--features", &format!("llvm-{LLVM}")])
            .env("LLVM_PREFIX", format!("/usr/lib/llvm-{LLVM}")))
        .with_context(|| by_hand(&missing, "bpf-linker did not build"))?;
    }
    Ok(())
}

/// A subcommand of cargo that is built from crates.io.
#[derive(Debug)]
pub(crate) struct CargoTool {
    name: &'static str,
    version: &'static str,
    /// How long the build takes on two cores.
    takes: &'static str,
    needed_by: Need,
}

/// Builds the fuzz targets.
pub(crate) const CARGO_FUZZ: CargoTool = CargoTool {
    name: "cargo-fuzz",
    version: "0.13.2",
    takes: "a minute",
    needed_by: Need::Fuzz,
};

/// Checks licences, sources and duplicates of the dependencies.
pub(crate) const CARGO_DENY: CargoTool = CargoTool {
    name: "cargo-deny",
    version: "0.20.2",
    takes: "three minutes",
    needed_by: Need::Lint,
};

/// Puts the list of dependencies into the binary.
pub(crate) const CARGO_AUDITABLE: CargoTool = CargoTool {
    name: "cargo-auditable",
    version: "0.7.7",
    takes: "half a minute",
    needed_by: Need::Dist,
};

/// Makes the .deb.
pub(crate) const CARGO_DEB: CargoTool = CargoTool {
    name: "cargo-deb",
    version: "3.8.0",
    takes: "two minutes",
    needed_by: Need::Dist,
};

/// Makes the .rpm.
pub(crate) const CARGO_GENERATE_RPM: CargoTool = CargoTool {
    name: "cargo-generate-rpm",
    version: "0.21.1",
    takes: "two minutes",
    needed_by: Need::Dist,
};

/// Lists what a binary is made of.
pub(crate) const CARGO_CYCLONEDX: CargoTool = CargoTool {
    name: "cargo-cyclonedx",
    version: "0.5.9",
    takes: "a minute",
    needed_by: Need::Dist,
};

const CARGO_TOOLS: [CargoTool; 6] = [
    CARGO_FUZZ,
    CARGO_DENY,
    CARGO_AUDITABLE,
    CARGO_DEB,
    CARGO_GENERATE_RPM,
    CARGO_CYCLONEDX,
];

/// Adds the standard library of another target to the toolchain of this workspace.
///
/// # Errors
/// If rustup cannot install it.
pub(crate) fn install_target(target: &str) -> anyhow::Result<()> {
    run(Command::new("rustup")
        .args(["--quiet", "target", "add", target])
        .current_dir(crate::cargo::root()))
    .with_context(|| {
        format!("rustup could not install the standard library of {target} (is the machine offline?)")
    })
}

impl CargoTool {
    /// Builds it if it is missing.
    ///
    /// # Errors
    /// If it cannot be built here, with the step to do by hand.
    pub(crate) fn install(&self) -> anyhow::Result<()> {
        let found = installed(self.name);
        if found.as_deref() == Some(self.version) {
            return Ok(());
        }
        println!("setup: building {} {} ({})", self.name, self.version, self.takes);
        if let Some(other) = found {
            println!("setup: it takes the place of {} {other}", self.name);
        }
        let install = [
            "install",
            self.name,
            "--locked",
            "--force",
            "--version",
            self.version,
        ];
        let mut command = Command::new("cargo");
        // Each runs for seconds, and would be optimised for minutes.
        command.args(install).env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0");
        run(command.env("CARGO_PROFILE_RELEASE_LTO", "off")).with_context(|| {
            format!(
                "{} did not build (is the machine offline?); to do it by hand:\n  cargo {}",
                self.name,
                install.join(" ")
            )
        })
    }
}

/// The version of what cargo has installed. Not all of its subcommands tell it.
fn installed(name: &str) -> Option<String> {
    let output = Command::new("cargo").args(["install", "--list"]).output().ok()?;
    let list = String::from_utf8(output.stdout).ok()?;
    let before = format!("{name} v");
    let line = list.lines().find_map(|line| line.strip_prefix(&before))?;
    line.split([':', ' ']).next().map(str::to_owned)
}

const BPF_LINKER_VERSION: &str = "0.13.0";

/// The version that a program on the path names: its last word.
fn version(program: &str) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok()?;
    let words = String::from_utf8(output.stdout).ok()?;
    words.split_whitespace().last().map(str::to_owned)
}

struct Missing {
    rust_src: bool,
    bpf_linker: bool,
    packages: Vec<String>,
}

impl Missing {
    fn look(needs: &[Need]) -> Self {
        let bpf_linker = needs.iter().any(|need| need.programs())
            && version("bpf-linker").as_deref() != Some(BPF_LINKER_VERSION);
        let is_missing = |file: &str| !Path::new("/usr").join(file).exists();
        let mut packages: Vec<_> = needs::packages(needs)
            .filter(|package| is_missing(package.file))
            .map(|package| package.name.to_owned())
            .collect();
        if bpf_linker {
            packages.extend(packages_of_bpf_linker(is_missing));
            packages.sort_unstable();
            packages.dedup();
        }
        Self {
            rust_src: needs.iter().any(|need| need.nightly()) && !has_rust_src(toolchain()),
            bpf_linker,
            packages,
        }
    }

    fn words(&self) -> String {
        let mut words = self.packages.clone();
        if self.rust_src {
            words.push(format!("rust-src for {}", toolchain()));
        }
        if self.bpf_linker {
            words.push(format!("bpf-linker {BPF_LINKER_VERSION}"));
        }
        if words.is_empty() {
            "nothing".to_owned()
        } else {
            words.join(", ")
        }
    }

    fn is_empty(&self) -> bool {
        !self.rust_src && !self.bpf_linker && self.packages.is_empty()
    }
}

/// What bpf-linker is built with: LLVM's libraries, and a compiler of C++ to link them.
fn packages_of_bpf_linker(is_missing: impl Fn(&str) -> bool) -> Vec<String> {
    let mut packages = Vec::new();
    if is_missing(&format!("lib/llvm-{LLVM}/lib/libPolly.a")) {
        packages.extend([format!("llvm-{LLVM}-dev"), format!("libpolly-{LLVM}-dev")]);
    }
    if is_missing("bin/c++") {
        packages.push("g++".to_owned());
    }
    packages
}

/// Adds rust-src to the machine's nightly, which is left at its version: a newer one may have another LLVM.
fn install_rust_src(missing: &Missing) -> anyhow::Result<()> {
    println!("setup: installing rust-src for the toolchain {}", toolchain());
    let rustup = |arguments: &[&str]| run(Command::new("rustup").args(arguments));
    if toolchain() == PINNED {
        if let Some(date) = toolchain::date("nightly") {
            println!("setup: the nightly of {date} that is here stays, and is not used: nobody has tested its programs");
        }
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
