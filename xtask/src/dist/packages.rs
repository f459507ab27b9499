//! The packages around the binary, and the list of what it is made of.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};

use super::{
    binary::{PROFILE, TARGET, tool},
    put,
};
use crate::{
    cargo::{root, run, target},
    setup::{CARGO_CYCLONEDX, CARGO_DEB, CARGO_GENERATE_RPM},
};

/// Makes a .deb, an .rpm and the bill of materials of what is built and staged.
pub(super) fn packages(out: &Path, commit_time: u64) -> anyhow::Result<Vec<PathBuf>> {
    for tool in [&CARGO_DEB, &CARGO_GENERATE_RPM, &CARGO_CYCLONEDX] {
        tool.install()?;
    }
    let of_target = ["--target", TARGET, "--profile", PROFILE];
    run(tool(
        &[
            "deb",
            "--no-build",
            "--no-strip",
            "--locked",
            "--package",
            "sctp-monitor",
        ],
        commit_time,
    )
    .args(of_target)
    .arg("--output")
    .arg(out))?;
    run(tool(&["generate-rpm", "--package", "sctp-monitor"], commit_time)
        .args(of_target)
        .arg("--target-dir")
        .arg(target(""))
        .args(["--source-date", &commit_time.to_string()])
        .arg("--output")
        .arg(out))?;
    let bill = bill(out, commit_time)?;
    Ok(vec![of_kind(out, "deb")?, of_kind(out, "rpm")?, bill])
}

/// What the binary is made of (CycloneDX). The tool writes one beside the manifest of each member.
fn bill(out: &Path, commit_time: u64) -> anyhow::Result<PathBuf> {
    const NAME: &str = "sctp-monitor.cdx";
    run(tool(
        &["cyclonedx", "--format", "json", "--override-filename", NAME],
        commit_time,
    )
    .args(["--target", TARGET, "--manifest-path", "sctp-monitor/Cargo.toml"]))?;
    let mut bill = None;
    for package in [
        "sctp-monitor",
        "sctp-monitor-common",
        "sctp-monitor-ebpf",
        "sctp-monitor/capture",
        "sctp-monitor/engine",
        "sctp-monitor/fuzz",
        "sctp-monitor/lab",
        "sctp-monitor/testkit",
        "xtask",
    ] {
        let written = root().join(package).join(NAME).with_extension("cdx.json");
        if package == "sctp-monitor" {
            bill = Some(put(&written, out)?);
        }
        if written.exists() {
            fs::remove_file(&written)?;
        }
    }
    bill.context("cargo-cyclonedx wrote nothing")
}

/// The one file that ends so: the tools name it by version and architecture.
pub(super) fn of_kind(out: &Path, end: &str) -> anyhow::Result<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(out)?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == end))
        .collect();
    match files.pop() {
        Some(file) if files.is_empty() => Ok(file),
        _ => bail!("{} should have one .{end}", out.display()),
    }
}
