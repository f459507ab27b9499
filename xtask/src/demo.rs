//! `cargo xtask demo`.

use std::process::Command;

use clap::Args as ClapArgs;

use crate::cargo::{cargo, require_root, run, target};

/// Arguments of `demo`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// Open the terminal view on the lab; a path breaks and heals by itself.
    #[arg(long, conflicts_with = "web")]
    top: bool,
    /// Serve the page about the lab on this host; a path breaks and heals by keys.
    #[arg(long)]
    web: bool,
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
    let mut demo = Command::new(built.join("sctp-lab-demo"));
    demo.arg("--monitor").arg(built.join("sctp-monitor"));
    if args.top {
        demo.arg("--top");
    }
    if args.web {
        demo.arg("--web");
    }
    if args.quick {
        demo.arg("--quick");
    }
    run(&mut demo)
}
