//! `cargo xtask bench`.

use clap::ValueEnum;

use crate::cargo::{cargo, require_root, run};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to measure; everything if nothing is named.
    #[arg(value_enum)]
    bench: Option<Bench>,
    /// Breaks of each kind in `detection` [default: 20, or 5 if everything is measured].
    #[arg(long)]
    breaks: Option<u16>,
    /// Short timers in `detection` instead of the stack's defaults.
    #[arg(long)]
    tuned: bool,
    /// One JSON object a line instead of tables.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Bench {
    /// What a packet costs in each program.
    Programs,
    /// What a flow record costs the engine, and what a path takes of its memory.
    Engine,
    /// How long it takes from a fault to the first alarm.
    Detection,
    /// How long it takes to read a capture of a million packets, beside tshark.
    Pcap,
}

/// Measures.
pub(crate) fn bench(args: &Args) -> anyhow::Result<()> {
    require_root("cargo xtask bench")?;
    match args.bench {
        Some(bench) => bench.run(args, args.breaks),
        None => [
            (Bench::Programs, None),
            (Bench::Engine, None),
            (Bench::Detection, Some(args.breaks.unwrap_or(FEW_BREAKS))),
            (Bench::Pcap, None),
        ]
        .into_iter()
        .try_for_each(|(bench, breaks)| bench.run(args, breaks)),
    }
}

impl Bench {
    fn run(self, args: &Args, breaks: Option<u16>) -> anyhow::Result<()> {
        let mut command = cargo(&[
            "bench",
            "--quiet",
            "--package",
            "sctp-monitor",
            "--bench",
            self.name(),
        ]);
        command.arg("--");
        if args.json {
            command.arg("--json");
        }
        if self == Self::Detection {
            // The endpoints are a program of another package, which cargo does not build for this one's benches.
            let endpoints = ["--package", "sctp-monitor-lab", "--bins"];
            run(cargo(&["build", "--release", "--quiet"]).args(endpoints))?;
            if let Some(breaks) = breaks {
                command.args(["--breaks", &breaks.to_string()]);
            }
            if args.tuned {
                command.arg("--tuned");
            }
        }
        run(&mut command)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Programs => "programs",
            Self::Engine => "engine",
            Self::Detection => "detection",
            Self::Pcap => "pcap",
        }
    }
}

/// Enough to see whether something has changed for the worse, in half a minute.
const FEW_BREAKS: u16 = 5;
