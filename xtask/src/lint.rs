//! `cargo xtask lint`.

use std::process::{Command, Stdio};

use anyhow::bail;

use crate::{
    cargo::{cargo, nightly, root, run},
    house,
    setup::CARGO_DENY,
};

/// Checks format, lints, documentation, what the rooms know of each other, and the dependencies.
pub(crate) fn lint() -> anyhow::Result<()> {
    run(&mut cargo(&["fmt", "--all", "--check"]))?;
    house()?;
    run(&mut cargo(&[
        "clippy",
        "--all-targets",
        "--",
        "--deny",
        "warnings",
    ]))?;
    run(
        nightly(&["clippy", "--package", "sctp-monitor-ebpf", "--release"])
            .args(BPF_TARGET)
            .args(["--", "--deny", "warnings"]),
    )?;
    run(cargo(&["doc", "--no-deps"]).env("RUSTDOCFLAGS", "--deny warnings"))?;
    dependencies()
}

/// Checks who knows whom.
fn house() -> anyhow::Result<()> {
    let faults = house::faults(&root())?;
    for fault in &faults {
        eprintln!("house: {fault}");
    }
    if !faults.is_empty() {
        bail!("the rooms know what they should not (docs/architecture.md)");
    }
    Ok(())
}

/// Checks licences, duplicates and sources of the dependencies, by deny.toml; and advisories, whose database comes from
/// GitHub: a machine that cannot reach it says so and goes on.
fn dependencies() -> anyhow::Result<()> {
    CARGO_DENY.install()?;
    run(&mut deny(&["check", "bans", "licenses", "sources"]))?;
    // Git waits for minutes where packets vanish.
    let fetched = Command::new("timeout")
        .args(["60", "cargo", "deny", "--log-level", "off", "fetch", "db"])
        .current_dir(root())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    if !fetched.success() {
        println!("advisories NOT CHECKED: their database cannot be fetched from here");
        return Ok(());
    }
    run(&mut deny(&["check", "--disable-fetch", "advisories"]))
}

fn deny(arguments: &[&str]) -> Command {
    let mut command = cargo(&["deny", "--log-level", "warn"]);
    command.args(arguments);
    command
}

/// As aya-build builds the programs, in a folder of its own.
const BPF_TARGET: [&str; 6] = [
    "-Z",
    "build-std=core",
    "--target",
    "bpfel-unknown-none",
    "--target-dir",
    "target/bpf-lint",
];
