//! `cargo xtask simulate`.

use std::path::PathBuf;

use crate::cargo::{cargo, run};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Hours that are watched for false reports, for each row of the tables.
    #[arg(long, default_value_t = 25)]
    hours: u32,
    /// Silent breaks for each row of the tables.
    #[arg(long, default_value_t = 300)]
    breaks: u32,
    /// The first seed: another one draws other worlds.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Only kinds of worlds whose name contains this ("calm" is the table over the loss rate).
    #[arg(long)]
    only: Option<String>,
    /// One JSON object a row instead of tables.
    #[arg(long)]
    json: bool,
    /// Draw detection time and false reports over the loss rate, as SVG (docs/detection.svg is such a plot).
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
}

/// Runs the simulator. It needs no privileges.
pub(crate) fn simulate(args: &Args) -> anyhow::Result<()> {
    let mut command = cargo(&[
        "bench",
        "--quiet",
        "--package",
        "sctp-monitor-engine",
        "--bench",
        "simulate",
        "--",
    ]);
    command
        .arg(format!("--hours={}", args.hours))
        .arg(format!("--breaks={}", args.breaks))
        .arg(format!("--seed={}", args.seed));
    if let Some(only) = &args.only {
        command.arg(format!("--only={only}"));
    }
    if args.json {
        command.arg("--json");
    }
    if let Some(file) = &args.plot {
        // Cargo runs a benchmark in its package's folder.
        command.arg("--plot").arg(std::path::absolute(file)?);
    }
    run(&mut command)
}
