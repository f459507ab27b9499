//! `cargo xtask fuzz`: the fuzz targets of `sctp-monitor/fuzz`, under libFuzzer.
//!
//! `cargo fuzz` builds them. They are started from here, so that two can run side by side without waiting for each
//! other's build lock. Without a sanitizer: the code under test forbids unsafe, so it would find nothing, and cost half
//! of the speed. Debug assertions and overflow checks are on, which is `cargo fuzz`'s default.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, bail};

use crate::{
    cargo::{cargo, nightly, root, run},
    setup::CARGO_FUZZ,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The target; all of them if none is named.
    target: Option<String>,
    /// How long each target runs.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

/// Runs targets, two at a time.
pub(crate) fn fuzz(args: &Args) -> anyhow::Result<()> {
    let mut targets = targets()?;
    if let Some(wanted) = &args.target {
        if !targets.contains(wanted) {
            bail!("no fuzz target {wanted}; there are {}", targets.join(", "));
        }
        targets.retain(|target| target == wanted);
    }
    build()?;
    let failed = run_targets(
        &targets,
        Effort::Explore {
            seconds: args.seconds,
        },
    )?;
    if !failed.is_empty() {
        bail!("an input was not stood by {}", failed.join(", "));
    }
    Ok(())
}

/// The targets, by name: a file each in `src/bin`.
pub(crate) fn targets() -> anyhow::Result<Vec<String>> {
    let folder = root().join(PACKAGE).join("src/bin");
    let mut targets: Vec<_> = std::fs::read_dir(&folder)
        .with_context(|| format!("{} cannot be read", folder.display()))?
        .flatten()
        .filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".rs")?.to_owned()))
        .collect();
    targets.sort_unstable();
    Ok(targets)
}

/// Builds all targets, and what they need.
pub(crate) fn build() -> anyhow::Result<()> {
    CARGO_FUZZ.install()?;
    run(
        nightly(&["fuzz", "build", "--fuzz-dir", PACKAGE, "--sanitizer", "none"]).args([
            "--target",
            TRIPLE,
            "--target-dir",
            FOLDER,
        ]),
    )
    .context("the fuzz targets did not build")
}

/// What a run tries.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Effort {
    /// Other inputs each time, from where earlier runs ended, for so long.
    Explore { seconds: u64 },
    /// The same inputs each time, this share of a whole turn in percent, however fast the machine is: what a change did not spoil
    /// passes again.
    Repeat { percent: u64 },
}

/// Runs targets that are built, two at a time, and gives those that failed.
pub(crate) fn run_targets(targets: &[String], effort: Effort) -> anyhow::Result<Vec<String>> {
    let mut failed = Vec::new();
    for pair in targets.chunks(AT_A_TIME) {
        let mut running = Vec::new();
        for target in pair {
            running.push(Run::start(target, effort)?);
        }
        for mut run in running {
            if !run.end()? {
                failed.push(run.target);
            }
        }
    }
    Ok(failed)
}

/// One target at work.
struct Run {
    target: String,
    child: Child,
    log: PathBuf,
}

impl Run {
    fn start(target: &str, effort: Effort) -> anyhow::Result<Self> {
        let folder = |kind: &str| root().join(FOLDER).join(kind).join(target);
        let (seeds, artifacts) = (folder("seeds"), folder("artifacts"));
        let (corpus, limits) = match effort {
            Effort::Explore { seconds } => (folder("corpus"), vec![format!("-max_total_time={seconds}")]),
            Effort::Repeat { percent } => {
                let runs = turn(target) * percent / 100;
                (
                    folder("repeated"),
                    vec![format!("-seed={SEED}"), format!("-runs={runs}")],
                )
            }
        };
        if matches!(effort, Effort::Repeat { .. }) && corpus.exists() {
            std::fs::remove_dir_all(&corpus)
                .with_context(|| format!("{} cannot be emptied", corpus.display()))?;
        }
        for folder in [&corpus, &artifacts] {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("{} cannot be made", folder.display()))?;
        }
        run(cargo(&[
            "run",
            "--quiet",
            "--package",
            "sctp-monitor-fuzz",
            "--bin",
            target,
            "--",
            "--seeds",
        ])
        .arg(&seeds))?;
        let log = artifacts.join("log.txt");
        let output =
            std::fs::File::create(&log).with_context(|| format!("{} cannot be written", log.display()))?;
        let regressions = root().join(PACKAGE).join("regressions").join(target);
        let mut command = Command::new(root().join(FOLDER).join(TRIPLE).join("release").join(target));
        command
            .args([&corpus, &seeds])
            .args(Some(&regressions).filter(|folder| folder.is_dir()))
            .args(limits)
            .arg(format!("-artifact_prefix={}/", artifacts.display()))
            .args(LIMITS)
            .current_dir(root())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(output);
        match effort {
            Effort::Explore { seconds } => println!("fuzz: {target} for {seconds} s"),
            Effort::Repeat { .. } => println!("fuzz: {target}, the same inputs as ever"),
        }
        let child = command
            .spawn()
            .with_context(|| format!("the fuzz target {target} did not start"))?;
        Ok(Self {
            target: target.to_owned(),
            child,
            log,
        })
    }

    /// Waits for the end, and says what happened; `true` if every input was stood.
    fn end(&mut self) -> anyhow::Result<bool> {
        let status = self.child.wait()?;
        let log = std::fs::read_to_string(&self.log)
            .with_context(|| format!("{} cannot be read", self.log.display()))?;
        if status.success() {
            println!("fuzz: {}: {}", self.target, summary(&log));
            return Ok(true);
        }
        // From the panic on, or all that there is.
        println!("{}", &log[log.find("panicked at").unwrap_or_default()..]);
        println!(
            "fuzz: {} did not stand an input ({status}). To see it again: \
             cargo run --package sctp-monitor-fuzz --bin {} -- FILE (named above, under {FOLDER}/artifacts); \
             to have it replayed by every test run, move it to {PACKAGE}/regressions/{}/",
            self.target, self.target, self.target
        );
        Ok(false)
    }
}

/// Inputs of a whole turn: what takes half a minute on two slow cores.
fn turn(target: &str) -> u64 {
    match target {
        "parser" => 3_000_000,
        "capture" => 1_000_000,
        "control" => 100_000,
        "engine" => 40_000,
        _ => 5_000,
    }
}

/// How much was tried, from the statistics at the end of libFuzzer's log.
fn summary(log: &str) -> String {
    let value = |name: &str| {
        log.lines()
            .find_map(|line| line.strip_prefix("stat::")?.strip_prefix(name)?.strip_prefix(':'))
            .unwrap_or("?")
            .trim()
            .to_owned()
    };
    format!(
        "{} inputs, {} a second, {} of them new",
        value("number_of_executed_units"),
        value("average_exec_per_sec"),
        value("new_units_added"),
    )
}

/// The folder of the fuzz package, and the name of its library.
const PACKAGE: &str = "sctp-monitor/fuzz";
/// Builds, corpora and findings: apart from other builds, whose flags differ.
const FOLDER: &str = "target/fuzz";
const TRIPLE: &str = "x86_64-unknown-linux-gnu";
/// Chooses the inputs of a run that is repeated.
const SEED: u32 = 1;
/// A core for each; more would wait for each other.
const AT_A_TIME: usize = 2;
/// What an input may take: seconds and megabytes. An input of more than some packets teaches nothing new.
const LIMITS: [&str; 5] = [
    "-timeout=10",
    "-rss_limit_mb=2048",
    "-max_len=4096",
    "-len_control=0",
    "-print_final_stats=1",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statistics_are_found() {
        let log = "Done 61 runs in 2 second(s)\nstat::number_of_executed_units: 61\n\
                   stat::average_exec_per_sec:     30\nstat::new_units_added:          4\n";
        assert_eq!(summary(log), "61 inputs, 30 a second, 4 of them new");
        assert_eq!(summary(""), "? inputs, ? a second, ? of them new");
    }

    #[test]
    fn targets_are_found() {
        assert!(targets().unwrap().contains(&"parser".to_owned()));
    }
}
