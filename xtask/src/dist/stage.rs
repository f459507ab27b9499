//! What goes into packages beside the binary: pages and completions that the binary writes itself, and the configuration with all
//! defaults.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, bail};

use super::git;
use crate::cargo::{root, run};

/// Makes it, in `stage` beside the binary.
pub(super) fn stage(binary: &Path) -> anyhow::Result<()> {
    let stage = binary.with_file_name("stage");
    if stage.exists() {
        fs::remove_dir_all(&stage)?;
    }
    run(Command::new(binary).arg("pages").arg(&stage))?;
    let pages = fs::read_dir(stage.join("man"))?;
    let mut compressed: Vec<_> = pages.flatten().map(|page| page.path()).collect();
    let changes = stage.join("changelog");
    fs::write(&changes, changelog()?).context("the changelog")?;
    compressed.push(changes);
    let upstream = stage.join("upstream");
    fs::copy(root().join("CHANGELOG.md"), &upstream)?;
    compressed.push(upstream);
    // Without a name and a time, which change.
    run(Command::new("gzip").args(["-9", "--no-name"]).args(compressed))?;
    let output = Command::new(binary).args(["config", "default"]).output()?;
    if !output.status.success() {
        bail!("`config default` failed");
    }
    fs::write(stage.join("config.toml"), output.stdout).context("the configuration")
}

/// As Debian wants it: the version, and when it was committed. What changed stands in CHANGELOG.md, which
/// the package has beside it.
fn changelog() -> anyhow::Result<String> {
    let version = version()?;
    let date = git(&["log", "-1", "--format=%cD"])?;
    Ok(format!(
        "sctp-monitor ({version}-1) unstable; urgency=medium\n\n  * See CHANGELOG.md.\n\n -- {MAINTAINER}  {}\n",
        date.trim()
    ))
}

/// The workspace's.
fn version() -> anyhow::Result<String> {
    let manifest: toml::Table = fs::read_to_string(root().join("Cargo.toml"))?.parse()?;
    let version = manifest["workspace"]["package"]["version"].as_str();
    Ok(version.context("the workspace has a version")?.to_owned())
}

const MAINTAINER: &str = "The sctp-monitor developers <sctp-monitor@users.noreply.github.com>";
