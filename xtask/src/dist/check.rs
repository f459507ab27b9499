//! Whether the same commit gives the same binary elsewhere.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, bail};

use super::{binary, git};
use crate::cargo::{root, run, target};

/// Builds a clone in another folder, into another folder, and compares.
pub(super) fn build_again(built: &Path, commit_time: u64) -> anyhow::Result<()> {
    let changed = git(&["status", "--porcelain"])?;
    if !changed.is_empty() {
        bail!("a clone would lack what is not committed:\n{changed}");
    }
    let folder = target("dist-check");
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
    }
    fs::create_dir_all(&folder)?;
    let clone = folder.join("a-folder-of-another-name");
    run(Command::new("git")
        .args(["clone", "--quiet", "--shared"])
        .args([&root(), &clone]))?;
    let again = binary::build(&clone, &folder.join("target"), commit_time)?;
    if fs::read(built)? != fs::read(&again)? {
        bail!(
            "not reproducible: {} and {} differ (diffoscope says where)",
            built.display(),
            again.display()
        );
    }
    println!(
        "reproducible: a clone in another folder gave the same {} bytes",
        fs::metadata(built)?.len()
    );
    fs::remove_dir_all(&folder)?;
    Ok(())
}
