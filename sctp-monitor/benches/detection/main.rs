//! How long it takes from a fault to the first alarm, against a real SCTP stack at its default timers, or with
//! `--tuned` at short ones.
//!
//! `cargo xtask bench detection` runs it; `--breaks` says how many breaks of each kind, `--json` prints one object a
//! line. Each break happens to an association with 20 messages a second, at another moment between two of them. The
//! time runs from the system call that made the fault to the time in the agent's event: a path inactive, or a finding
//! that a path, a link or a peer is down. A doubt is a path potentially failed. With `--flood` somebody sends packets of
//! forged new flows meanwhile.

#[path = "../common/moments.rs"]
mod moments;
mod scenario;
mod stage;
#[path = "../common/times.rs"]
mod times;

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use anyhow::Context as _;
use clap::Parser as _;
use serde_json::{Value, json};

use crate::{
    scenario::Scenario,
    stage::{Flood, Sample, Stage},
    times::Times,
};

#[derive(Debug, clap::Parser)]
struct Cli {
    /// Breaks of each kind.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    breaks: u16,
    /// Labs in which breaks happen at the same time; one takes some 3 % of a core.
    #[arg(long, default_value_t = Scenario::ALL.len())]
    jobs: usize,
    /// Short timers instead of the stack's defaults.
    #[arg(long)]
    tuned: bool,
    /// Packets a second, each of a forged new flow, that flood the watched NIC during each break.
    #[arg(long, default_value_t = 0)]
    flood: u64,
    /// They all come from one address.
    #[arg(long, requires = "flood")]
    one_source: bool,
    /// Only the scenarios whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// One JSON object a line instead of a table.
    #[arg(long)]
    json: bool,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let flood = Flood {
        per_second: cli.flood,
        is_of_one_source: cli.one_source,
    };
    // All agents load their programs before the first break: the verifier keeps a core busy.
    let stages: Vec<Stage> = Scenario::ALL
        .into_iter()
        .filter(|scenario| scenario.name().contains(&cli.only))
        .map(|scenario| Stage::build(scenario, cli.tuned, flood))
        .collect::<Result<_, _>>()?;
    let results: Vec<Mutex<Vec<Sample>>> = stages.iter().map(|_| Mutex::default()).collect();
    let next = AtomicUsize::new(0);
    let work = || -> anyhow::Result<()> {
        while let Some((stage, samples)) = claim(&next, &stages, &results) {
            for number in 0..cli.breaks {
                let what = format!("{}, break {number}", stage.scenario.name());
                let sample = stage.play(number).with_context(|| what.clone())?;
                sample.explain(&what);
                samples
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(sample);
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..cli.jobs.max(1)).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| {
            worker
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    })?;
    if !cli.json {
        println!(
            "{:<16} {:>6} {:>8} {:>6} {:>6} {:>6}   {:>6} {:>6} {:>6} {:>6}",
            "ms after fault", "breaks", "reported", "min", "median", "p99", "doubt", "median", "p99", "false"
        );
    }
    for (stage, samples) in stages.iter().zip(results) {
        let samples = samples.into_inner().unwrap_or_else(PoisonError::into_inner);
        let row = Row::of(stage.scenario, &samples);
        if cli.json {
            println!("{}", row.json());
        } else {
            row.print();
        }
    }
    Ok(())
}

fn claim<'a, T>(next: &AtomicUsize, stages: &'a [Stage], results: &'a [T]) -> Option<(&'a Stage, &'a T)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    stages.get(index).zip(results.get(index))
}

/// What became of the breaks of one kind.
struct Row {
    scenario: Scenario,
    breaks: usize,
    alarms: Times,
    doubts: Times,
    false_alarms: usize,
}

impl Row {
    fn of(scenario: Scenario, samples: &[Sample]) -> Self {
        Self {
            scenario,
            breaks: samples.len(),
            alarms: Times::of(samples.iter().filter_map(|sample| sample.alarm_ns)),
            doubts: Times::of(samples.iter().filter_map(|sample| sample.doubt_ns)),
            false_alarms: samples.iter().map(|sample| sample.false_alarms).sum(),
        }
    }

    fn print(&self) {
        let (alarms, doubts) = (&self.alarms, &self.doubts);
        println!(
            "{:<16} {:>6} {:>8} {:>6} {:>6} {:>6}   {:>6} {:>6} {:>6} {:>6}",
            self.scenario.name(),
            self.breaks,
            alarms.count(),
            shown(alarms.at(0.0)),
            shown(alarms.at(0.5)),
            shown(alarms.at(0.99)),
            shown(doubts.at(0.0)),
            shown(doubts.at(0.5)),
            shown(doubts.at(0.99)),
            self.false_alarms,
        );
    }

    fn json(&self) -> Value {
        let times = |times: &Times| {
            json!({
                "count": times.count(),
                "min": times.at(0.0),
                "median": times.at(0.5),
                "p99": times.at(0.99),
                "max": times.at(1.0),
            })
        };
        json!({
            "scenario": self.scenario.name(),
            "breaks": self.breaks,
            "alarm_ms": times(&self.alarms),
            "doubt_ms": times(&self.doubts),
            "false_alarms": self.false_alarms,
        })
    }
}

fn shown(ms: Option<f64>) -> String {
    ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.0}"))
}
