//! `cargo xtask test`.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use anyhow::{Context as _, bail};

use crate::{
    cargo::{cargo, require_root, run, target},
    fuzz, lint, setup, vm,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Leave the lints out.
    #[arg(long)]
    no_lint: bool,
    /// Leave the other kernels out.
    #[arg(long)]
    no_vm: bool,
    /// Run only tests whose name contains this, on this kernel only (`cargo xtask vm -- FILTER` takes others).
    filter: Option<String>,
}

/// Runs the lints and all tests, and ends with one line of counts.
pub(crate) fn test(args: &Args) -> anyhow::Result<()> {
    require_root("cargo xtask test")?;
    if !args.no_lint {
        lint::lint()?;
    }
    // Tests of other crates start it, and cargo builds binaries only for their own crate's tests.
    run(&mut cargo(&["build", "--package", "sctp-monitor-lab", "--bins"]))?;
    let skips = target("debug").join("skipped-tests.txt");
    std::fs::write(&skips, "").with_context(|| format!("{} cannot be written", skips.display()))?;
    let mut command = cargo(&["test", "--no-fail-fast"]);
    command.env("SCTP_MONITOR_SKIPS", &skips);
    if let Some(filter) = &args.filter {
        command.args(["--", filter]);
    }
    let (mut counts, mut success) = counted(&mut command)?;
    fuzzed(args, &mut counts)?;
    let skipped = std::fs::read_to_string(&skips).unwrap_or_default();
    for line in skipped.lines() {
        println!("skipped: {line}");
    }
    let mut skipped = u64::try_from(skipped.lines().count()).unwrap_or(u64::MAX);
    if !args.no_vm && args.filter.is_none() {
        for report in vm::all()? {
            success &= report.is_good();
            skipped += report.skipped();
            counts.merge(&report.counts);
        }
    }
    println!(
        "tests: {} passed, {} failed, {} skipped",
        counts.passed.saturating_sub(skipped),
        counts.failed,
        skipped + counts.ignored
    );
    if !success || counts.failed > 0 {
        bail!("tests failed");
    }
    if counts.passed == 0 {
        bail!("no test ran");
    }
    Ok(())
}

/// Runs the fuzz targets, each of which is a test. They take a minute each where nobody waits.
fn fuzzed(args: &Args, counts: &mut Counts) -> anyhow::Result<()> {
    let mut targets = fuzz::targets()?;
    if let Some(filter) = &args.filter {
        targets.retain(|target| format!("fuzz::{target}").contains(filter));
    }
    if targets.is_empty() {
        return Ok(());
    }
    if let Err(error) = setup::setup_fuzzing() {
        for target in &targets {
            println!("skipped: fuzz::{target}: {error:#}");
            counts.ignored += 1;
        }
        return Ok(());
    }
    let in_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    let seconds = if in_ci { 60 } else { 10 };
    let failed = fuzz::build()
        .and_then(|()| fuzz::run_targets(&targets, seconds, Some(SEED)))
        .unwrap_or_else(|error| {
            println!("fuzz: {error:#}");
            targets.clone()
        });
    for target in &targets {
        let stood = !failed.contains(target);
        println!("test fuzz::{target} ... {}", if stood { "ok" } else { "FAILED" });
        if stood {
            counts.passed += 1;
        } else {
            counts.failed += 1;
        }
    }
    Ok(())
}

/// What the test harness counts.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) ignored: u64,
}

/// Runs `cargo test`, shows what it prints, and adds up what it counts.
fn counted(command: &mut Command) -> anyhow::Result<(Counts, bool)> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .context("cargo did not start")?;
    let output = child.stdout.take().context("cargo has no output")?;
    let mut counts = Counts::default();
    for line in BufReader::new(output).lines() {
        let line = line?;
        println!("{line}");
        counts.add(&line);
    }
    Ok((counts, child.wait()?.success()))
}

impl Counts {
    fn merge(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }

    /// `test result: ok. 63 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.03s`
    pub(crate) fn add(&mut self, line: &str) {
        let Some(result) = line.strip_prefix("test result: ") else {
            return;
        };
        for part in result.split([';', '.']) {
            let mut words = part.split_whitespace();
            if let (Some(Ok(count)), Some(what)) = (words.next().map(str::parse::<u64>), words.next()) {
                match what {
                    "passed" => self.passed += count,
                    "failed" => self.failed += count,
                    "ignored" => self.ignored += count,
                    _ => {}
                }
            }
        }
    }
}

/// A test run tries the same inputs each time, as far as a run that is bounded by time can: whoever wants others calls
/// `cargo xtask fuzz`.
const SEED: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_added_up() {
        let mut counts = Counts::default();
        counts.add("running 3 tests");
        counts.add(
            "test result: ok. 63 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.03s",
        );
        counts.add("test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.3s");
        assert_eq!((counts.passed, counts.failed, counts.ignored), (67, 2, 1));
    }
}
