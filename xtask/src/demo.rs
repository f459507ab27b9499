//! `cargo xtask demo`.

use std::process::Command;

use crate::cargo::{cargo, require_root, run, target};

/// Builds everything, and shows the agent at work in a lab of two hosts.
pub(crate) fn demo() -> anyhow::Result<()> {
    require_root("cargo xtask demo")?;
    run(&mut cargo(&[
        "build",
        "--release",
        "--package",
        "sctp-monitor",
        "--package",
        "sctp-monitor-lab",
        "--bins",
    ]))?;
    let built = target("release");
    run(Command::new(built.join("sctp-lab-demo"))
        .arg("--monitor")
        .arg(built.join("sctp-monitor")))
}
