//! The detector in thousands of simulated hours: how soon it reports a break, and how often it reports one that is not
//! there, over the loss rate and in every kind of world that the tests know. `cargo xtask simulate` runs it.

#[path = "../../tests/simulation/model/mod.rs"]
#[expect(dead_code, reason = "some of it is for the tests")]
mod model;
mod plot;
mod row;
mod table;

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Parser;
use model::scenario::Scenario;
use row::{Effort, Row};

/// Simulates associations with and without breaks, and shows what the detector makes of them.
#[derive(Debug, Parser)]
struct Args {
    /// Hours that are watched for false reports, for each row; two paths, so twice as many path-hours.
    #[arg(long, default_value_t = 25)]
    hours: u32,
    /// Breaks for each row: a third both ways, a third forward, a third return.
    #[arg(long, default_value_t = 300)]
    breaks: u32,
    /// The first seed: another one draws other worlds.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Only kinds of worlds whose name contains this.
    #[arg(long)]
    only: Option<String>,
    /// One JSON object a row instead of tables.
    #[arg(long)]
    json: bool,
    /// Draw detection time and false reports over the loss rate into this SVG file.
    #[arg(long)]
    plot: Option<PathBuf>,
    /// What cargo adds to the arguments of a benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Of the table over the loss rate.
const LOSS_RATES: [f64; 8] = [0.0, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2];
/// Of the table over the other kinds of worlds.
const FEW_LOSS_RATES: [f64; 2] = [0.0, 0.01];

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let effort = Effort {
        hours: args.hours,
        breaks: args.breaks,
        first_seed: args.seed,
    };
    let wanted = |scenario: &Scenario| {
        args.only
            .as_ref()
            .is_none_or(|only| scenario.name.contains(only.as_str()))
    };
    let calm = Scenario::calm();
    let over_loss = if wanted(&calm) {
        row::run(scenarios(std::slice::from_ref(&calm), &LOSS_RATES), effort)
    } else {
        Vec::new()
    };
    let others: Vec<_> = Scenario::all()
        .into_iter()
        .filter(|scenario| wanted(scenario) && scenario.name != calm.name)
        .collect();
    if over_loss.is_empty() && others.is_empty() {
        bail!("no kind of world has a name like that");
    }
    if !args.json && !over_loss.is_empty() {
        table::print_over_loss(&over_loss);
        println!();
    }
    let other_rows = row::run(scenarios(&others, &FEW_LOSS_RATES), effort);
    if args.json {
        for row in over_loss.iter().chain(&other_rows) {
            println!("{}", table::json(row));
        }
    } else if !other_rows.is_empty() {
        table::print_by_world(&other_rows);
    }
    if let Some(file) = &args.plot {
        if over_loss.is_empty() {
            bail!("the plot is of the calm worlds, which were left out");
        }
        plot::draw(&over_loss, file).with_context(|| format!("{} cannot be drawn", file.display()))?;
    }
    Ok(())
}

fn scenarios(kinds: &[Scenario], loss_rates: &[f64]) -> Vec<Scenario> {
    kinds
        .iter()
        .flat_map(|kind| loss_rates.iter().map(|loss| kind.clone().losing(*loss)))
        .collect()
}

/// Figures of a row that both tables, the JSON lines and the plot show.
impl Row {
    fn path_hours(&self) -> f64 {
        self.tally.path_time.as_secs_f64() / 3_600.0
    }

    fn false_reports_per_hour(&self) -> f64 {
        self.tally.false_reports as f64 / self.path_hours()
    }

    fn doubts_per_hour(&self) -> f64 {
        self.tally.doubts as f64 / self.path_hours()
    }

    /// Milliseconds within which this share of the breaks was reported.
    fn detection_ms(&self, share: f64) -> Option<f64> {
        let time = self.tally.detected_within(share)?;
        Some(time.as_secs_f64() * 1e3)
    }
}
