//! `cargo xtask build`.

use crate::cargo::{cargo, run, target};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Build without optimisation (the BPF programs are always optimised).
    #[arg(long)]
    debug: bool,
}

/// Builds the agent.
pub(crate) fn build(args: &Args) -> anyhow::Result<()> {
    let profile = if args.debug { "dev" } else { "release" };
    run(&mut cargo(&[
        "build",
        "--package",
        "sctp-monitor",
        "--profile",
        profile,
    ]))?;
    let folder = if args.debug { "debug" } else { "release" };
    println!("built {}", target(folder).join("sctp-monitor").display());
    Ok(())
}
