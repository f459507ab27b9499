//! `cargo xtask bench`.

use clap::ValueEnum;

use crate::{
    cargo::{cargo, require_root, run},
    setup::Need,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to measure; everything if nothing is named.
    #[arg(value_enum)]
    bench: Option<Bench>,
    /// Breaks of each kind in `detection`, `peers`, `steering` and `probing` [default: 20, 10 in `steering`, or 5 if everything is
    /// measured].
    #[arg(long)]
    breaks: Option<u16>,
    /// Short timers in `detection` and `peers` instead of the stack's defaults.
    #[arg(long)]
    tuned: bool,
    /// Forged new flows a second that flood the watched NIC during each break of `detection`.
    #[arg(long)]
    flood: Option<u64>,
    /// They all come from one address.
    #[arg(long, requires = "flood")]
    one_source: bool,
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
    /// What the summary of thousands of associations with many addresses takes.
    Summary,
    /// How long it takes to read a capture of a million packets, beside tshark.
    Pcap,
    /// The same beside the Linux kernel's own reports; not part of everything, it takes minutes.
    Peers,
    /// What a break costs an application, without an agent and with packets moved; not part of everything, it takes minutes.
    Steering,
    /// How soon probes find a dead path, beside FRR's bfdd, and what each costs; not part of everything, it takes minutes.
    Probing,
}

/// What the chosen benches need.
pub(crate) fn needs(args: &Args) -> Vec<Need> {
    match args.bench {
        Some(bench) => vec![bench.need()],
        None => EVERYTHING.map(Bench::need).to_vec(),
    }
}

/// Measures.
pub(crate) fn bench(args: &Args) -> anyhow::Result<()> {
    require_root("cargo xtask bench")?;
    match args.bench {
        Some(bench) => bench.run(args, args.breaks),
        None => EVERYTHING.into_iter().try_for_each(|bench| {
            let breaks = (bench == Bench::Detection).then(|| args.breaks.unwrap_or(FEW_BREAKS));
            bench.run(args, breaks)
        }),
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
        if matches!(
            self,
            Self::Detection | Self::Peers | Self::Steering | Self::Probing
        ) {
            // The endpoints are a program of another package, which cargo does not build for this one's benches.
            let endpoints = ["--package", "sctp-monitor-lab", "--bins"];
            run(cargo(&["build", "--release", "--quiet"]).args(endpoints))?;
            if let Some(breaks) = breaks {
                command.args(["--breaks", &breaks.to_string()]);
            }
            let is_default_only = matches!(self, Self::Steering | Self::Probing);
            if args.tuned && !is_default_only {
                command.arg("--tuned");
            }
            if let Some(flood) = args.flood.filter(|_| !is_default_only) {
                // One lab at a time: the flood alone keeps a core busy.
                command.args(["--flood", &flood.to_string(), "--jobs", "1"]);
                if args.one_source {
                    command.arg("--one-source");
                }
            }
        }
        run(&mut command)
    }

    fn need(self) -> Need {
        match self {
            Self::Programs => Need::BenchPrograms,
            Self::Engine | Self::Summary => Need::BenchEngine,
            Self::Detection | Self::Steering => Need::BenchDetection,
            Self::Pcap => Need::BenchPcap,
            Self::Peers => Need::BenchPeers,
            Self::Probing => Need::BenchProbing,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Programs => "programs",
            Self::Engine => "engine",
            Self::Summary => "summary",
            Self::Detection => "detection",
            Self::Pcap => "pcap",
            Self::Peers => "peers",
            Self::Steering => "steering",
            Self::Probing => "probing",
        }
    }
}

/// What is measured if nothing is named.
const EVERYTHING: [Bench; 4] = [Bench::Programs, Bench::Engine, Bench::Detection, Bench::Pcap];

/// Enough to see whether something has changed for the worse, in half a minute.
const FEW_BREAKS: u16 = 5;
