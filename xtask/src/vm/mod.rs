//! `cargo xtask vm`: the tests that depend on the kernel, on other kernels than the host's.
//!
//! Kernels are the distribution's packages, booted by QEMU in software (no KVM is asked for). The guest's files are the
//! host's, read-only, so that the binaries that cargo built and the tools that the host has run there as they are.

mod initramfs;
mod kernels;
mod plan;
mod qemu;
mod report;

use std::time::Duration;

use anyhow::{Context as _, bail};

use self::{
    kernels::{Image, KERNELS, Kernel},
    plan::Binaries,
    qemu::End,
    report::Report,
};
use crate::cargo::{cargo, require_root, run};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which kernel: one of the table in xtask/src/vm/kernels.rs, or `all`.
    #[arg(long, default_value = "all", value_parser = kernels_by_name)]
    kernel: Choice,
    /// Run only tests whose name contains this, in place of the usual choice.
    #[arg(last = true)]
    filter: Option<String>,
}

/// Kernels to test on.
#[derive(Debug, Clone)]
struct Choice(Vec<Kernel>);

fn kernels_by_name(name: &str) -> Result<Choice, String> {
    if name == "all" {
        return Ok(Choice(KERNELS.to_vec()));
    }
    let known = KERNELS.map(|kernel| kernel.name).join(", ");
    Kernel::named(name)
        .map(|kernel| Choice(vec![kernel]))
        .ok_or_else(|| format!("known are {known} and all"))
}

/// Boots kernels and runs tests in them.
pub(crate) fn vm(args: &Args) -> anyhow::Result<()> {
    require_root("cargo xtask vm")?;
    let guests = args.kernel.0.iter().map(|kernel| Ok((*kernel, kernel.image()?)));
    let guests: Vec<_> = guests.collect::<anyhow::Result<_>>()?;
    let reports = run_in(&guests, args.filter.as_deref())?;
    if args.filter.is_some() && reports.iter().all(|report| report.counts.passed == 0) {
        bail!("no test ran");
    }
    if !reports.iter().all(Report::is_good) {
        bail!("tests failed");
    }
    Ok(())
}

/// Runs the usual tests on all kernels, as a part of `cargo xtask test`. A kernel that cannot be had is skipped.
///
/// # Errors
/// If a guest cannot be started.
pub(crate) fn all() -> anyhow::Result<Vec<Report>> {
    let mut guests = Vec::new();
    let mut reports = Vec::new();
    for kernel in KERNELS {
        match kernel.image() {
            Ok(image) => guests.push((kernel, image)),
            Err(error) => {
                println!("{} | skipped: {error:#}", kernel.name);
                reports.push(Report::of_absent(kernel.name, &error));
            }
        }
    }
    if !guests.is_empty() {
        reports.extend(run_in(&guests, None)?);
    }
    Ok(reports)
}

/// All guests at once, and what came of each.
fn run_in(guests: &[(Kernel, Image)], filter: Option<&str>) -> anyhow::Result<Vec<Report>> {
    run(&mut cargo(&[
        "build",
        "--quiet",
        "--package",
        "sctp-monitor-lab",
        "--bins",
    ]))?;
    let binaries = plan::binaries()?;
    let here = std::thread::available_parallelism().map_or(1, usize::from);
    let cpus = (here / guests.len().max(1)).clamp(1, 2);
    std::thread::scope(|scope| {
        let running: Vec<_> = guests
            .iter()
            .map(|(kernel, image)| scope.spawn(|| guest(*kernel, image, &binaries, filter, cpus)))
            .collect();
        running
            .into_iter()
            .map(|guest| {
                guest
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    })
}

fn guest(
    kernel: Kernel,
    image: &Image,
    binaries: &Binaries,
    filter: Option<&str>,
    cpus: usize,
) -> anyhow::Result<Report> {
    let name = kernel.name;
    let [script, log, console] =
        ["guest.sh", "tests.log", "console.log"].map(|file| kernel.folder().join(file));
    std::fs::write(&script, plan::script(image, binaries, filter)?)?;
    let mut command = qemu::qemu(image, &script.canonicalize()?, &console, cpus)?;
    let mut report = Report::of(name);
    let mut heard = String::new();
    let end = qemu::listen(&mut command, DEADLINE, |line| {
        println!("{name} | {line}");
        heard.push_str(line);
        heard.push('\n');
        report.on_line(line);
    })?;
    std::fs::write(&log, heard)?;
    let kernel_log = std::fs::read(&console).with_context(|| console.display().to_string())?;
    let kernel_log = String::from_utf8_lossy(&kernel_log);
    report.on_console(&kernel_log);
    if let End::Hung(last) = end {
        report.failures.push(format!(
            "the guest hung, and was killed after {} s; its last words:\n    {}",
            DEADLINE.as_secs(),
            last.join("\n    ")
        ));
    } else if !report.is_complete() {
        let last: Vec<_> = kernel_log.lines().rev().take(20).collect();
        let last: Vec<_> = last.into_iter().rev().collect();
        report.failures.push(format!(
            "the guest ended before its tests did; its kernel's last words:\n    {}",
            last.join("\n    ")
        ));
    }
    for skipped in &report.skips {
        println!("{name} | skipped: {skipped}");
    }
    for failure in &report.failures {
        println!("{name} | FAILED: {failure}");
    }
    println!("{name} | {}", report.summary());
    println!("{name} | logs: {} and {}", log.display(), console.display());
    Ok(report)
}

/// A guest takes a fifth of this when it has a CPU of its own.
const DEADLINE: Duration = Duration::from_secs(1_200);
