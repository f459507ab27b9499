//! Which toolchain builds the BPF programs: one nightly, whose LLVM is the one that bpf-linker is built with. Another one may make
//! programs that a verifier refuses, and nobody has tested those.
//!
//! The agent's build script includes this file, so that both decide alike.

use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
};

/// The LLVM that the compiler and bpf-linker share. Debian has its development packages.
pub(crate) const LLVM: &str = "22";

/// The nightly, as rustup calls it.
pub(crate) const PINNED: &str = "nightly-2026-05-20";

/// The name under which rustup has the pinned nightly, or shall have it: `nightly` if that is the same.
pub(crate) fn toolchain() -> &'static str {
    let is_pinned = date("nightly").is_some_and(|date| PINNED.strip_prefix("nightly-") == Some(&date));
    if is_pinned { "nightly" } else { PINNED }
}

/// The day of a toolchain that rustup has installed.
pub(crate) fn date(toolchain: &str) -> Option<String> {
    let manifest = folder(toolchain)?.join("lib/rustlib/multirust-channel-manifest.toml");
    let manifest = BufReader::new(File::open(manifest).ok()?);
    // It stands in front of megabytes of tables.
    manifest.lines().take(8).flatten().find_map(|line| {
        let date = line.strip_prefix("date = \"")?.strip_suffix('"')?;
        Some(date.to_owned())
    })
}

/// Whether rust-src, which `core` is built from, is there for a toolchain.
pub(crate) fn has_rust_src(toolchain: &str) -> bool {
    folder(toolchain).is_some_and(|folder| {
        folder
            .join("lib/rustlib/src/rust/library/core/src/lib.rs")
            .exists()
    })
}

/// Where rustup keeps a toolchain: `nightly` is `nightly-x86_64-unknown-linux-gnu` there.
fn folder(toolchain: &str) -> Option<PathBuf> {
    let home = match std::env::var_os("RUSTUP_HOME") {
        Some(home) => PathBuf::from(home),
        None => Path::new(&std::env::var_os("HOME")?).join(".rustup"),
    };
    let is_triple =
        |rest: &str| rest.starts_with('-') && !rest[1..].starts_with(|c: char| c.is_ascii_digit());
    std::fs::read_dir(home.join("toolchains"))
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.strip_prefix(toolchain)
                .is_some_and(|rest| rest.is_empty() || is_triple(rest))
        })
}
