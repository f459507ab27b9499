//! Which toolchain builds the BPF programs: a nightly whose LLVM is the one that bpf-linker is built with.
//!
//! The agent's build script includes this file, so that both decide alike.

use std::path::{Path, PathBuf};

/// The LLVM that the compiler and bpf-linker share. Debian has its development packages.
pub(crate) const LLVM: &str = "22";

/// A nightly with that LLVM, for machines whose `nightly` has another.
pub(crate) const PINNED: &str = "nightly-2026-05-20";

/// The toolchain to use: the machine's own nightly if its LLVM is right, or else the pinned one.
pub(crate) fn toolchain() -> &'static str {
    if has_right_llvm("nightly") {
        "nightly"
    } else {
        PINNED
    }
}

/// Whether rust-src, which `core` is built from, is there for a toolchain.
pub(crate) fn has_rust_src(toolchain: &str) -> bool {
    folder(toolchain).is_some_and(|folder| {
        folder
            .join("lib/rustlib/src/rust/library/core/src/lib.rs")
            .exists()
    })
}

fn has_right_llvm(toolchain: &str) -> bool {
    let Some(libraries) = folder(toolchain).and_then(|folder| std::fs::read_dir(folder.join("lib")).ok())
    else {
        return false;
    };
    libraries.flatten().any(|library| {
        let name = library.file_name();
        let name = name.to_string_lossy();
        name.starts_with(&format!("libLLVM.so.{LLVM}.")) || name.starts_with(&format!("libLLVM-{LLVM}"))
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
