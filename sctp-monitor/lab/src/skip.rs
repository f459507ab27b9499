//! Tests that cannot run here.

use std::{fs::OpenOptions, io::Write as _};

/// Says that a test cannot run, and why, so that `cargo xtask test` counts it as skipped and not as passed.
///
/// # Panics
/// If the file for it cannot be written.
pub fn skip(test: &str, reason: &str) {
    eprintln!("{test} is skipped: {reason}");
    let Some(file) = std::env::var_os("SCTP_MONITOR_SKIPS") else {
        return;
    };
    let line = format!("{test}: {reason}\n");
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(&file)
        .and_then(|mut file| file.write_all(line.as_bytes()))
        .expect("the list of skipped tests can be written");
}
