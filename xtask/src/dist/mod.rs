//! `cargo xtask dist`: what users install. One static binary, and the packages around it.
//!
//! Everything is made in a stage folder beside the binary, from which both package formats take their files; `Cargo.toml` of the
//! agent says which file goes where. Nothing depends on when or where it is built: times are the commit's, paths of the machine
//! are replaced.

mod binary;
mod check;
mod packages;
mod stage;
mod trial;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};

use crate::{
    cargo::{root, target},
    setup::Need,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where the packages are put.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Only the binary, without packages.
    #[arg(long)]
    binary: bool,
    /// Also install the packages into scratch folders, run what is installed, remove it again, and ask lintian and systemd-analyze.
    /// Needs root.
    #[arg(long, conflicts_with = "binary")]
    test: bool,
    /// Also build the commit a second time, from a clone in another folder, and compare the two binaries.
    #[arg(long)]
    check: bool,
}

/// What it needs.
pub(crate) fn needs(args: &Args) -> Vec<Need> {
    if args.test {
        vec![Need::Dist, Need::DistTest]
    } else {
        vec![Need::Dist]
    }
}

/// Builds the binary and the packages, and says how large they are.
pub(crate) fn dist(args: &Args) -> anyhow::Result<()> {
    let out = args.out.clone().unwrap_or_else(|| target("dist"));
    fs::create_dir_all(&out).with_context(|| out.display().to_string())?;
    let commit_time = commit_time()?;
    let built = binary::build(&root(), &target(""), commit_time)?;
    let mut made = vec![put(&built, &out)?];
    if args.check {
        check::build_again(&built, commit_time)?;
    }
    if !args.binary {
        stage::stage(&built)?;
        made.extend(packages::packages(&out, commit_time)?);
    }
    for file in &made {
        let size = fs::metadata(file)?.len();
        println!("{:>6.1} MB  {}", size as f64 / 1e6, file.display());
    }
    if args.test {
        trial::trial(&out)?;
    }
    Ok(())
}

/// Copies a file into a folder.
fn put(file: &Path, folder: &Path) -> anyhow::Result<PathBuf> {
    let name = file.file_name().context("a file has a name")?;
    let copy = folder.join(name);
    fs::copy(file, &copy).with_context(|| copy.display().to_string())?;
    Ok(copy)
}

/// Seconds since 1970, as SOURCE_DATE_EPOCH wants it (reproducible-builds.org).
fn commit_time() -> anyhow::Result<u64> {
    let time = git(&["log", "-1", "--format=%ct"])?;
    time.trim().parse().context("git tells no time")
}

fn git(arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("git").current_dir(root()).args(arguments).output()?;
    if !output.status.success() {
        bail!(
            "git {} failed: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8(output.stdout)?)
}
