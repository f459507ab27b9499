//! Tests that cannot run here: they say so, and somebody must count them. A skip that nobody hears is a test that passes.

use std::{fs::OpenOptions, io::Write as _, path::PathBuf};

/// Says that a test cannot run, and why, so that `cargo xtask test` counts it as skipped and not as passed.
///
/// In CI `cargo xtask test` decides whether that is a failure.
///
/// # Panics
/// In CI (`CI=true`) if nobody counts, because the tests were not started by `cargo xtask test`; and if the file for it
/// cannot be written.
pub fn skip(test: &str, reason: &str) {
    eprintln!("{test} is skipped: {reason}");
    let Some(file) = std::env::var_os("SCTP_MONITOR_SKIPS") else {
        assert!(
            std::env::var_os("CI").is_none_or(|value| value != "true"),
            "{test} cannot run, and in CI that is a failure: {reason}"
        );
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

/// A folder of the corpus: captures and packets that are not part of the repository, found by `SCTP_MONITOR_CORPUS`.
///
/// Without that variable the answer is `None`, and `test` is counted as skipped.
///
/// # Panics
/// If the variable names a corpus without that folder.
pub fn corpus(test: &str, folder: &str) -> Option<PathBuf> {
    let Some(corpus) = std::env::var_os("SCTP_MONITOR_CORPUS").map(PathBuf::from) else {
        skip(test, "SCTP_MONITOR_CORPUS is not set");
        return None;
    };
    let folder = corpus.join(folder);
    assert!(
        folder.is_dir(),
        "SCTP_MONITOR_CORPUS is set, but there is no folder {}",
        folder.display()
    );
    Some(folder)
}

/// The captures of known failures that are not part of the repository either, found by `SCTP_MONITOR_FIELD`.
///
/// Without that variable the answer is `None`, and `test` is counted as skipped.
///
/// # Panics
/// If the variable names no folder of captures.
pub fn field(test: &str) -> Option<PathBuf> {
    let Some(field) = std::env::var_os("SCTP_MONITOR_FIELD").map(PathBuf::from) else {
        skip(test, "SCTP_MONITOR_FIELD is not set");
        return None;
    };
    let captures = field.join("pcaps");
    assert!(
        captures.is_dir(),
        "SCTP_MONITOR_FIELD is set, but there is no folder {}",
        captures.display()
    );
    Some(captures)
}
