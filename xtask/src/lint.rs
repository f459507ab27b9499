//! `cargo xtask lint`.

use crate::cargo::{cargo, nightly, run};

/// Checks format, lints and documentation.
pub(crate) fn lint() -> anyhow::Result<()> {
    run(&mut cargo(&["fmt", "--all", "--check"]))?;
    run(&mut cargo(&[
        "clippy",
        "--all-targets",
        "--",
        "--deny",
        "warnings",
    ]))?;
    run(
        nightly(&["clippy", "--package", "sctp-monitor-ebpf", "--release"])
            .args(BPF_TARGET)
            .args(["--", "--deny", "warnings"]),
    )?;
    run(cargo(&["doc", "--no-deps"]).env("RUSTDOCFLAGS", "--deny warnings"))
}

/// As aya-build builds the programs, in a folder of its own.
const BPF_TARGET: [&str; 6] = [
    "-Z",
    "build-std=core",
    "--target",
    "bpfel-unknown-none",
    "--target-dir",
    "target/bpf-lint",
];
