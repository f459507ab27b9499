//! How long a break takes to be reported by the agent, and by the Linux kernel whose association it is.
//!
//! `cargo xtask bench peers` runs it; `--breaks` says how many breaks of each kind, `--tuned` makes the kernel's timers
//! short. Linux 6.1 (User Mode Linux) stands at `mme` with the agent beside it and sends 20 messages a second; usrsctp
//! at `hss` opens a new association for each break. The times run from the system call that made the fault to the time
//! in the agent's event, and to that of the kernel's `SCTP_PEER_ADDR_CHANGE`: potentially failed, then unreachable.
//!
//! A link that goes down at that host is left out: the kernel does not see it, and its NIC is dead from then on.

#[path = "../detection/scenario.rs"]
#[expect(dead_code, reason = "some of it is for the other bench")]
mod scenario;
mod stage;

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use anyhow::Context as _;
use clap::Parser as _;
use serde_json::{Value, json};

use crate::{
    scenario::Scenario,
    stage::{Sample, Stage},
};

#[derive(Debug, clap::Parser)]
struct Cli {
    /// Breaks of each kind.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    breaks: u16,
    /// Labs in which breaks happen at the same time.
    #[arg(long, default_value_t = SCENARIOS.len())]
    jobs: usize,
    /// Short timers instead of the kernel's defaults, with which a break takes up to two minutes.
    #[arg(long)]
    tuned: bool,
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

const SCENARIOS: [Scenario; 5] = [
    Scenario::SilentBreak,
    Scenario::ForwardOnly,
    Scenario::ReturnOnly,
    Scenario::LinkDownThere,
    Scenario::IdlePath,
];

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let scenarios: Vec<_> = SCENARIOS
        .into_iter()
        .filter(|scenario| scenario.name().contains(&cli.only))
        .collect();
    let results: Vec<Mutex<Vec<Sample>>> = scenarios.iter().map(|_| Mutex::default()).collect();
    let next = AtomicUsize::new(0);
    // A machine ends with the thread that started it, so each thread builds its own stages.
    let work = || -> anyhow::Result<()> {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(scenario) = scenarios.get(index) else {
                return Ok(());
            };
            let mut stage = Stage::build(*scenario, cli.tuned).context(scenario.name())?;
            for number in 0..cli.breaks {
                let sample = stage
                    .play(number)
                    .with_context(|| format!("{}, break {number}", scenario.name()))?;
                eprintln!("{} {number}: {sample:?}", scenario.name());
                let mut samples = results[index].lock().unwrap_or_else(PoisonError::into_inner);
                samples.push(sample);
            }
        }
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
            "{:<16} {:>6}   {:<24} {:<24} {:<24} {:>5}",
            "ms after fault",
            "breaks",
            "agent: alarm",
            "kernel: potentially f.",
            "kernel: unreachable",
            "false"
        );
    }
    for (scenario, samples) in scenarios.iter().zip(results) {
        let samples = samples.into_inner().unwrap_or_else(PoisonError::into_inner);
        let false_alarms: usize = samples.iter().map(|sample| sample.false_alarms).sum();
        let columns = [
            Times::of(samples.iter().map(|sample| sample.alarm_ns)),
            Times::of(samples.iter().map(|sample| sample.potentially_failed_ns)),
            Times::of(samples.iter().map(|sample| sample.unreachable_ns)),
        ];
        if cli.json {
            let [alarm, potentially_failed, unreachable] = columns.map(|times| times.json());
            println!(
                "{}",
                json!({
                    "scenario": scenario.name(),
                    "breaks": samples.len(),
                    "agent_alarm_ms": alarm,
                    "kernel_potentially_failed_ms": potentially_failed,
                    "kernel_unreachable_ms": unreachable,
                    "false_alarms": false_alarms,
                })
            );
        } else {
            let [alarm, potentially_failed, unreachable] = columns.map(|times| times.shown());
            println!(
                "{:<16} {:>6}   {alarm:<24} {potentially_failed:<24} {unreachable:<24} {false_alarms:>5}",
                scenario.name(),
                samples.len(),
            );
        }
    }
    Ok(())
}

/// Durations in nanoseconds, in order, and how many did not come.
struct Times {
    known: Vec<u64>,
    missing: usize,
}

impl Times {
    fn of(times: impl Iterator<Item = Option<u64>>) -> Self {
        let all: Vec<_> = times.collect();
        let mut known: Vec<_> = all.iter().copied().flatten().collect();
        known.sort_unstable();
        Self {
            missing: all.len() - known.len(),
            known,
        }
    }

    /// The smallest, the middle one and the largest, in milliseconds.
    fn spread(&self) -> Option<[f64; 3]> {
        let (first, last) = (self.known.first()?, self.known.last()?);
        let middle = &self.known[(self.known.len() - 1) / 2];
        Some([first, middle, last].map(|ns| *ns as f64 / 1e6))
    }

    fn shown(&self) -> String {
        let spread = self.spread().map_or_else(
            || "-".to_owned(),
            |[min, median, max]| format!("{min:.0} / {median:.0} / {max:.0}"),
        );
        if self.missing == 0 {
            spread
        } else {
            format!("{spread} ({} never)", self.missing)
        }
    }

    fn json(&self) -> Value {
        let [min, median, max] = self.spread().map_or([None; 3], |spread| spread.map(Some));
        json!({"count": self.known.len(), "min": min, "median": median, "max": max})
    }
}
