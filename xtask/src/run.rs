//! `cargo xtask run`.

use crate::cargo::{cargo, require_root, run};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Arguments of sctp-monitor, e.g. `run --iface eth0`.
    #[arg(last = true, required = true)]
    arguments: Vec<String>,
}

/// Builds the agent and runs it.
pub(crate) fn run_agent(args: &Args) -> anyhow::Result<()> {
    require_root("sctp-monitor")?;
    let mut command = cargo(&["run", "--quiet", "--release", "--package", "sctp-monitor", "--"]);
    run(command.args(&args.arguments))
}
