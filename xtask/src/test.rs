//! `cargo xtask test`.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, bail};

use crate::{
    cargo::{cargo, require_root, run, target},
    counts::Counts,
    fuzz, lint,
    setup::{self, Need},
    skips::{self, Skip, in_ci},
    times::Times,
    vm,
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

/// What the chosen parts need.
pub(crate) fn needs(args: &Args) -> Vec<Need> {
    let mut needs = vec![Need::Test, Need::Fuzz];
    if !args.no_lint {
        needs.push(Need::Lint);
    }
    if args.guests() {
        needs.push(Need::Vm);
    }
    needs
}

/// Runs the lints and all tests, and ends with one line of counts.
pub(crate) fn test(args: &Args) -> anyhow::Result<()> {
    require_root("cargo xtask test")?;
    let mut times = Times::default();
    if !args.no_lint {
        times.of("lint", lint::lint)?;
    }
    let mut results = times.of("cargo test", || on_this_kernel(args))?;
    times.of("fuzz", || fuzzed(args, &mut results))?;
    if args.guests() {
        for (kernel, took) in times.of("other kernels", || on_other_kernels(&mut results))? {
            times.guest(kernel, took);
        }
    }
    for skip in &results.skips {
        println!("skipped: {skip}");
    }
    if in_ci() {
        results.judge_skips(args);
    }
    println!("{}", times.summary(PLANNED));
    println!("{}", results.line());
    if !results.is_good() {
        bail!("tests failed");
    }
    if results.counts.passed == 0 {
        bail!("no test ran");
    }
    Ok(())
}

/// What a whole run may take on two cores, when everything is built anew.
const PLANNED: Duration = Duration::from_secs(35 * 60);

/// What came of all tests.
#[derive(Debug)]
struct Results {
    counts: Counts,
    success: bool,
    /// Tests that could not run.
    skips: Vec<Skip>,
    /// How many of them the test harness counted as passed.
    skips_among_passed: u64,
    /// How many of them are failures.
    bad_skips: u64,
}

impl Results {
    /// Makes failures of the skips that may not happen in CI.
    fn judge_skips(&mut self, args: &Args) {
        let judgement = skips::judge(&self.skips, &skips::KNOWN);
        for skip in &judgement.failures {
            println!("FAILED: skipped in CI, and not on the list in xtask/src/skips.rs: {skip}");
        }
        if self.counts.ignored > 0 {
            println!(
                "FAILED: {} tests are ignored, which says no reason",
                self.counts.ignored
            );
        }
        // Only a whole run would have come across all of them.
        if args.filter.is_none() && !args.no_vm {
            for known in judgement.stale {
                println!("not needed here: the entry {known} of the list in xtask/src/skips.rs");
            }
        }
        self.bad_skips = u64::try_from(judgement.failures.len()).unwrap_or(u64::MAX) + self.counts.ignored;
    }

    fn is_good(&self) -> bool {
        self.success && self.counts.failed == 0 && self.bad_skips == 0
    }

    /// The last line. What reads it wants the words `passed`, `failed` and `skipped` in this order.
    fn line(&self) -> String {
        let skipped = u64::try_from(self.skips.len()).unwrap_or(u64::MAX);
        format!(
            "tests: {} passed, {} failed, {} skipped",
            self.counts.passed.saturating_sub(self.skips_among_passed),
            self.counts.failed + self.bad_skips,
            (skipped + self.counts.ignored).saturating_sub(self.bad_skips)
        )
    }
}

/// Runs `cargo test`.
fn on_this_kernel(args: &Args) -> anyhow::Result<Results> {
    // Tests of other crates start it, and cargo builds binaries only for their own crate's tests.
    run(&mut cargo(&["build", "--package", "sctp-monitor-lab", "--bins"]))?;
    let list = target("debug").join("skipped-tests.txt");
    std::fs::write(&list, "").with_context(|| format!("{} cannot be written", list.display()))?;
    let mut command = cargo(&["test", "--no-fail-fast"]);
    command.env("SCTP_MONITOR_SKIPS", &list);
    if let Some(filter) = &args.filter {
        command.args(["--", filter]);
    }
    let (counts, success) = counted(&mut command)?;
    let skips =
        std::fs::read_to_string(&list).with_context(|| format!("{} cannot be read", list.display()))?;
    let skips: Vec<_> = skips.lines().map(Skip::here).collect();
    Ok(Results {
        skips_among_passed: u64::try_from(skips.len()).unwrap_or(u64::MAX),
        counts,
        success,
        skips,
        bad_skips: 0,
    })
}

/// Runs the guests, and tells how long each took.
fn on_other_kernels(results: &mut Results) -> anyhow::Result<Vec<(&'static str, Duration)>> {
    let mut times = Vec::new();
    for report in vm::all()? {
        times.extend(report.took());
        results.success &= report.is_good();
        results.counts.merge(&report.counts);
        results.skips_among_passed += u64::try_from(report.skips.len()).unwrap_or(u64::MAX);
        results.skips.extend(report.skipped());
    }
    Ok(times)
}

/// Runs the fuzz targets, each of which is a test, with the same inputs each time: whoever wants others calls `cargo xtask fuzz`.
/// They are more where nobody waits.
fn fuzzed(args: &Args, results: &mut Results) -> anyhow::Result<()> {
    let mut targets = fuzz::targets()?;
    if let Some(filter) = &args.filter {
        targets.retain(|target| format!("fuzz::{target}").contains(filter));
    }
    if targets.is_empty() {
        return Ok(());
    }
    if let Err(error) = setup::CARGO_FUZZ.install() {
        let skips = targets
            .iter()
            .map(|target| Skip::here(format!("fuzz::{target}: {error:#}")));
        results.skips.extend(skips);
        return Ok(());
    }
    let percent = if in_ci() { 100 } else { 30 };
    let failed = fuzz::build()
        .and_then(|()| fuzz::run_targets(&targets, fuzz::Effort::Repeat { percent }))
        .unwrap_or_else(|error| {
            println!("fuzz: {error:#}");
            targets.clone()
        });
    for target in &targets {
        let stood = !failed.contains(target);
        println!("test fuzz::{target} ... {}", if stood { "ok" } else { "FAILED" });
        if stood {
            results.counts.passed += 1;
        } else {
            results.counts.failed += 1;
        }
    }
    Ok(())
}

impl Args {
    /// Whether other kernels are tried.
    fn guests(&self) -> bool {
        !self.no_vm && self.filter.is_none()
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> Args {
        Args {
            no_lint: false,
            no_vm: false,
            filter: None,
        }
    }

    fn results(skips: &[&str], skips_among_passed: u64) -> Results {
        Results {
            counts: Counts {
                passed: 10,
                failed: 0,
                ignored: 0,
            },
            success: true,
            skips: skips.iter().copied().map(Skip::here).collect(),
            skips_among_passed,
            bad_skips: 0,
        }
    }

    #[test]
    fn skipped_tests_are_not_among_the_passed() {
        let results = results(&["one: no browser", "fuzz::parser: no fuzzer"], 1);
        assert_eq!(results.line(), "tests: 9 passed, 0 failed, 2 skipped");
    }

    #[test]
    fn a_skip_that_is_not_on_the_list_is_a_failure_in_ci() {
        let mut bad = results(&["one: there is no browser"], 1);
        bad.judge_skips(&args());
        assert!(!bad.is_good());
        assert_eq!(bad.line(), "tests: 9 passed, 1 failed, 0 skipped");
        let mut good = results(&["one: this kernel has no netem"], 1);
        good.judge_skips(&args());
        assert!(good.is_good());
        assert_eq!(good.line(), "tests: 9 passed, 0 failed, 1 skipped");
    }

    #[test]
    fn an_ignored_test_is_a_failure_in_ci() {
        let mut results = results(&[], 0);
        results.counts.ignored = 1;
        results.judge_skips(&args());
        assert!(!results.is_good());
    }

    #[test]
    fn parts_that_are_left_out_need_nothing() {
        assert!(needs(&args()).contains(&Need::Vm));
        let filter = Some("paths".to_owned());
        let few = needs(&Args {
            no_lint: true,
            filter,
            ..args()
        });
        assert_eq!(few, [Need::Test, Need::Fuzz]);
    }
}
