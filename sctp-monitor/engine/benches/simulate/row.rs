//! A row of a table: one kind of world, many seeds, on all CPUs.

use std::{
    num::NonZeroUsize,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use crate::model::{
    scenario::Scenario,
    statistics::Tally,
    trial::{broken, quiet},
    world::Break,
};

/// How much is simulated for a row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    pub(crate) hours: u32,
    pub(crate) breaks: u32,
    pub(crate) first_seed: u64,
}

#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) scenario: Scenario,
    pub(crate) tally: Tally,
}

/// One world.
#[derive(Debug, Clone, Copy)]
struct Job {
    row: usize,
    seed: u64,
    breaks: Option<Break>,
}

/// Runs all scenarios. The rows do not depend on how many CPUs there are: a sum does not mind the order.
pub(crate) fn run(scenarios: Vec<Scenario>, effort: Effort) -> Vec<Row> {
    let jobs = jobs(&scenarios, effort);
    let rows: Vec<_> = scenarios
        .into_iter()
        .map(|scenario| Row {
            scenario,
            tally: Tally::default(),
        })
        .collect();
    let rows = Mutex::new(rows);
    let scenarios: Vec<_> = lock(&rows).iter().map(|row| row.scenario.clone()).collect();
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, NonZeroUsize::get) {
            scope.spawn(|| {
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let tally = job.run(&scenarios[job.row]);
                    lock(&rows)[job.row].tally.add(tally);
                }
            });
        }
    });
    rows.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// A thread that panicked ends the run anyway, when the scope joins it.
fn lock(rows: &Mutex<Vec<Row>>) -> std::sync::MutexGuard<'_, Vec<Row>> {
    rows.lock().unwrap_or_else(PoisonError::into_inner)
}

fn jobs(scenarios: &[Scenario], effort: Effort) -> Vec<Job> {
    let seeds = |count: u32| (effort.first_seed..).take(count as usize);
    let mut jobs = Vec::new();
    for (row, scenario) in scenarios.iter().enumerate() {
        jobs.extend(seeds(effort.hours).map(|seed| Job {
            row,
            seed,
            breaks: None,
        }));
        if scenario.shows_breaks() {
            let directions = Break::ALL.into_iter().cycle();
            jobs.extend(seeds(effort.breaks).zip(directions).map(|(seed, direction)| Job {
                row,
                seed,
                breaks: Some(direction),
            }));
        }
    }
    jobs
}

impl Job {
    fn run(self, scenario: &Scenario) -> Tally {
        match self.breaks {
            None => quiet(scenario, self.seed, HOUR),
            Some(direction) => broken(scenario, self.seed, direction),
        }
    }
}

const HOUR: Duration = Duration::from_secs(3_600);
