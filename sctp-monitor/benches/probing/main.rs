//! How soon a path that carries nothing is known to be dead: by this project's continuous probes, and by BFD (FRR's bfdd, three
//! packets in a row), on the same NICs; and what each of them takes of a CPU.
//!
//! `cargo xtask bench probing` runs it; `--breaks` says how many breaks of each kind, `--json` prints one object a line. The time
//! runs from the system call that made the fault to the time in the agent's event, or in bfdd's log. With two paths both
//! watch at once, and meet the same breaks; with 500 one after the other, because each keeps the machine busy. Half of the paths
//! break. `false` counts reports of paths that worked.

mod bfdd;
#[path = "../common/moments.rs"]
mod moments;
mod ours;
mod stage;
#[path = "../common/times.rs"]
mod times;
mod watcher;

use std::time::Duration;

use anyhow::ensure;
use clap::Parser as _;
use serde_json::json;

use crate::{
    stage::{Outcome, Scene, Who, play},
    times::Times,
};

#[derive(Debug, clap::Parser)]
struct Cli {
    /// Breaks of each kind.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    breaks: u16,
    /// Only the scenes with so many paths.
    #[arg(long)]
    paths: Option<u16>,
    /// Only the scenes in which this one watches: `ours` or `bfdd`.
    #[arg(long)]
    who: Option<Who>,
    /// One JSON object a line instead of a table.
    #[arg(long)]
    json: bool,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    ensure!(
        bfdd::is_installed(),
        "FRR's bfdd is not installed; run `cargo xtask setup bench-probing`"
    );
    if !cli.json {
        println!(
            "{:<5} {:>8} {:>6} {:>6} {:<8} {:>6} {:>7} {:>7} {:>7} {:>6} {:>6} {:>8}",
            "who",
            "interval",
            "paths",
            "up",
            "break",
            "breaks",
            "median",
            "p99 ms",
            "missed",
            "false",
            "CPU %",
            "far host"
        );
    }
    let is_wanted = |scene: &Scene| {
        cli.paths.is_none_or(|paths| paths == scene.paths)
            && cli.who.is_none_or(|who| scene.who.contains(&who))
    };
    for scene in scenes().filter(is_wanted) {
        // Each break of many paths gives many figures.
        let breaks = cli
            .breaks
            .min(if scene.paths > FEW { FEW_BREAKS } else { u16::MAX });
        for outcome in play(&scene, breaks)? {
            print(&scene, breaks, &outcome, cli.json);
        }
    }
    Ok(())
}

fn scenes() -> impl Iterator<Item = Scene> {
    let together = [(vec![Who::Ours, Who::Bfdd], FEW)];
    let apart = [(vec![Who::Ours], MANY), (vec![Who::Bfdd], MANY)];
    together.into_iter().chain(apart).flat_map(|(who, paths)| {
        INTERVALS_MS.map(|interval| Scene {
            who: who.clone(),
            paths,
            interval: Duration::from_millis(interval),
        })
    })
}

fn print(scene: &Scene, breaks: u16, outcome: &Outcome, is_json: bool) {
    let interval = scene.interval.as_millis();
    let [near, far] = outcome.cpu_percent;
    for (kind, said) in &outcome.said {
        let times = Times::of(said.down_ns.iter().copied());
        let [median, p99] = [0.5, 0.99].map(|share| times.at(share));
        if is_json {
            let row = json!({
                "who": outcome.who,
                "interval_ms": interval,
                "paths": scene.paths,
                "up": outcome.up,
                "break": kind.name(),
                "breaks": breaks,
                "detect_ms_median": median,
                "detect_ms_p99": p99,
                "detected": times.count(),
                "missed": said.missed,
                "false": said.wrong,
                "cpu_percent": near,
                "far_cpu_percent": far,
            });
            println!("{row}");
        } else {
            let [median, p99] = [median, p99].map(|ms| ms.map_or("-".to_owned(), |ms| format!("{ms:.0}")));
            println!(
                "{:<5} {interval:>8} {:>6} {:>6} {:<8} {breaks:>6} {median:>7} {p99:>7} {:>7} {:>6} {near:>6.1} {far:>8.1}",
                outcome.who,
                scene.paths,
                outcome.up,
                kind.name(),
                said.missed,
                said.wrong
            );
        }
    }
}

/// An association with two paths: of a single one nothing can be concluded by probes.
const FEW: u16 = 2;
const MANY: u16 = 500;
const FEW_BREAKS: u16 = 3;
const INTERVALS_MS: [u64; 2] = [10, 50];
