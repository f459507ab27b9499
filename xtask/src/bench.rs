//! `cargo xtask bench`.

use crate::cargo::{cargo, require_root, run};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// One JSON object a line instead of a table.
    #[arg(long)]
    json: bool,
}

/// Measures the programs.
pub(crate) fn bench(args: &Args) -> anyhow::Result<()> {
    require_root("cargo xtask bench")?;
    let mut command = cargo(&[
        "bench",
        "--quiet",
        "--package",
        "sctp-monitor",
        "--bench",
        "programs",
    ]);
    if args.json {
        command.args(["--", "--json"]);
    }
    run(&mut command)
}
