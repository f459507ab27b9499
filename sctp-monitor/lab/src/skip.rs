//! Tests that cannot run where they are say so, and count as skipped.

use std::fmt::Display;
use std::io::Write as _;

/// Says that the running test cannot run here, and why. It should return then: the harness takes it for passed, and
/// `cargo xtask test` counts it as skipped.
///
/// # Panics
/// When the file that collects the skips cannot be written: a test would then count as passed that did not run.
pub fn skip(why: impl Display) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    eprintln!("skipped: {test}: {why}");
    let Some(file) = std::env::var_os(SKIPS_VARIABLE) else {
        return;
    };
    // One write, so that the lines of tests that run at the same time stay whole.
    let written = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&file)
        .and_then(|mut skips| skips.write_all(format!("{test}: {why}\n").as_bytes()));
    if let Err(error) = written {
        panic!("{} cannot be written: {error}", file.display());
    }
}

/// Names the file that collects the skips of a run.
const SKIPS_VARIABLE: &str = "SCTP_MONITOR_SKIPS";
