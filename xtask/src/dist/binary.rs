//! The binary: static, stripped, with the list of its dependencies inside (`cargo audit bin` reads it).

use std::{
    env, fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;

use crate::{
    cargo::{cargo, run},
    setup::{CARGO_AUDITABLE, install_target},
};

/// It needs no library of the system it runs on.
pub(super) const TARGET: &str = "x86_64-unknown-linux-musl";

/// The profile, and the folder that cargo calls by it.
pub(super) const PROFILE: &str = "dist";

/// Builds the sources in one folder into another.
pub(super) fn build(sources: &Path, target: &Path, commit_time: u64) -> anyhow::Result<PathBuf> {
    CARGO_AUDITABLE.install()?;
    install_target(TARGET)?;
    fs::create_dir_all(target)?;
    let sources = sources.canonicalize()?;
    let target = target.canonicalize()?;
    let wrapper = target.join("remap.sh");
    let script = include_str!("remap.sh");
    // One that is newer than what was built might lead cargo to build all of it again.
    if fs::read_to_string(&wrapper).ok().as_deref() != Some(script) {
        fs::write(&wrapper, script)?;
        fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755))?;
    }
    let mut command = cargo(&[
        "auditable",
        "build",
        "--locked",
        "--package",
        "sctp-monitor",
        "--bin",
        "sctp-monitor",
    ]);
    run(command
        .args(["--profile", PROFILE, "--target", TARGET])
        .current_dir(&sources)
        .env("CARGO_TARGET_DIR", &target)
        .env("SOURCE_DATE_EPOCH", commit_time.to_string())
        .env("CC_x86_64_unknown_linux_musl", "musl-gcc")
        .env("RUSTC_WRAPPER", &wrapper)
        .env("DIST_ROOT", &sources)
        .env("DIST_TARGET", &target)
        .env("DIST_CARGO_HOME", home("CARGO_HOME", ".cargo")?)
        .env("DIST_RUSTUP_HOME", home("RUSTUP_HOME", ".rustup")?))?;
    Ok(target.join(TARGET).join(PROFILE).join("sctp-monitor"))
}

/// `cargo`, for a target that is not the host's; its calls find what [`build`] has built.
pub(super) fn tool(arguments: &[&str], commit_time: u64) -> Command {
    let mut command = cargo(arguments);
    command.env("SOURCE_DATE_EPOCH", commit_time.to_string());
    command
}

fn home(variable: &str, folder: &str) -> anyhow::Result<PathBuf> {
    match env::var_os(variable) {
        Some(home) => Ok(home.into()),
        None => Ok(Path::new(&env::var_os("HOME").context("HOME is not set")?).join(folder)),
    }
}
