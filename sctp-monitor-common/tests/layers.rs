//! Which module of the crate may know which: `wire` knows none of the others, `abi` knows `wire`, `track` knows both, and
//! `memory` is known by none.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is how it fails")]

use std::{
    fs,
    path::{Path, PathBuf},
};

#[test]
fn wire_knows_neither_abi_nor_track() {
    assert_eq!(
        mentions("wire", &["abi", "track", "memory"]),
        Vec::<String>::new()
    );
}

#[test]
fn abi_does_not_know_track() {
    assert_eq!(mentions("abi", &["track", "memory"]), Vec::<String>::new());
}

#[test]
fn track_does_not_know_memory() {
    assert_eq!(mentions("track", &["memory"]), Vec::<String>::new());
}

/// Where a module's code leads to one of the others: file and path.
fn mentions(module: &str, others: &[&str]) -> Vec<String> {
    let sources = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(module));
    assert!(sources.len() > 3, "{module} is where it was");
    let mut found = Vec::new();
    for path in sources {
        // Paths in comments are links for the reader and nothing to the compiler.
        let code: String = fs::read_to_string(&path)
            .unwrap()
            .lines()
            .flat_map(|line| [line.split("//").next().unwrap_or(line), "\n"])
            .collect();
        for to in paths(&code) {
            if others.iter().any(|other| names(&to, other)) {
                found.push(format!("{}: {to}", path.display()));
            }
        }
    }
    found
}

/// What follows `crate::` up to the end of its line, or of its `use`.
fn paths(code: &str) -> impl Iterator<Item = String> {
    code.split("crate::").skip(1).map(|rest| {
        let end = if rest.starts_with('{') { ';' } else { '\n' };
        rest.split(end).next().unwrap_or_default().to_owned()
    })
}

/// Whether a path leads to a module, or a list of paths to it among others.
fn names(path: &str, module: &str) -> bool {
    path.split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .any(|word| word == module)
}

#[test]
fn paths_are_found_however_they_are_written() {
    for code in [
        "use crate::abi::Counter;",
        "use crate::{\n    abi::{Counter, FlowKey},\n    wire,\n};",
        "fn count(counter: crate::abi::Counter) {}",
    ] {
        assert!(paths(code).any(|path| names(&path, "abi")), "{code}");
    }
    assert!(!paths("use crate::wire::Frame;\nuse super::abi_of;").any(|path| names(&path, "abi")));
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}
