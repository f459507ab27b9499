//! `cargo xtask demo`.

use std::process::Command;

use crate::cargo::{cargo, require_root, run, target};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The first act alone: a break and a recovery are reported. Without it the break is shown without steering, with `move` and with
    /// `both` as well.
    #[arg(long)]
    quick: bool,
}

/// Builds everything, and shows the agent at work in a lab of two hosts.
pub(crate) fn demo(args: &Args) -> anyhow::Result<()> {
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
        .arg(built.join("sctp-monitor"))
        .args(args.quick.then_some("--quick")))
}
