//! The rooms of the engine use only those before them, and their files use each other in no circle.
//!
//! What is read are the `use` lines of the sources, and paths that begin with `crate::`. A re-export is no use: `model` is one
//! name for its files.

#![expect(
    clippy::unwrap_used,
    reason = "a source that cannot be read fails the test, as it should"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The rooms, each with those that it may use beside itself.
const ROOMS: [(&str, &[&str]); 12] = [
    ("model", &[]),
    ("config", &["model"]),
    ("grace", &["model"]),
    ("housekeeping", &["model"]),
    ("path", &["model", "config", "housekeeping"]),
    ("nics", &["model", "config", "path"]),
    ("registry", &["model", "config", "housekeeping", "path"]),
    ("findings", &["model", "config", "path", "nics", "registry"]),
    ("probing", &["model", "config", "path", "nics", "registry"]),
    ("steering", &["model", "config", "path", "nics", "registry"]),
    (
        "engine",
        &[
            "model",
            "config",
            "grace",
            "housekeeping",
            "path",
            "nics",
            "registry",
            "findings",
            "probing",
            "steering",
        ],
    ),
    ("session", &["model", "config", "nics", "probing", "engine"]),
];

#[test]
fn every_room_is_there() {
    let files = texts();
    for (room, _) in ROOMS {
        assert!(files.keys().any(|file| room_of(file) == room), "{room} has moved");
    }
    let registry = &sources()["registry::association"];
    assert!(registry.contains("path::state") && registry.contains("registry::change"));
}

#[test]
fn uses_are_read_as_trees_and_inline() {
    let text =
        "use crate::{a::{b, c as d}, self::e};\npub use self::f;\nfn g() { super::h(); crate::i::j() }";
    let paths = used_paths("x::y", text);
    let paths: Vec<_> = paths.iter().map(|path| path.join("::")).collect();
    assert_eq!(paths, ["a::b", "a::c", "self::e", "i::j"]);
    let nested = used_paths("x::y", "mod z;\nuse super::{k, l::m};\nuse self::z::n;");
    let nested: Vec<_> = nested.iter().map(|path| path.join("::")).collect();
    assert_eq!(nested, ["x::k", "x::l::m", "x::y::z::n"]);
}

#[test]
fn each_room_uses_only_those_before_it() {
    let mut wrong = Vec::new();
    for (file, uses) in &sources() {
        let room = room_of(file);
        if room == "lib" {
            continue;
        }
        let allowed = ROOMS.iter().find(|(name, _)| *name == room);
        let (_, allowed) = allowed.unwrap_or_else(|| panic!("{file} is in no room: give {room} its place"));
        let others = uses.iter().map(|used| (used, room_of(used)));
        for (used, other) in others.filter(|(_, other)| *other != room) {
            if !allowed.contains(&other) {
                wrong.push(format!("{file} uses {used}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let mut left = sources();
    // Whatever uses nothing that is left, or is used by nothing that is left, is in no circle.
    loop {
        let used: BTreeSet<_> = left.values().flatten().cloned().collect();
        let before = left.len();
        left.retain(|file, uses| used.contains(file) && !uses.is_empty());
        let names: BTreeSet<_> = left.keys().cloned().collect();
        for uses in left.values_mut() {
            uses.retain(|used| names.contains(used));
        }
        if left.len() == before {
            break;
        }
    }
    assert!(left.is_empty(), "circles: {left:#?}");
}

#[test]
fn the_engine_is_opened_in_its_own_room_only() {
    for (file, text) in texts() {
        let opened = ["impl Engine", "impl crate::Engine"]
            .iter()
            .any(|line| text.contains(line));
        assert!(!opened || room_of(&file) == "engine", "{file} has an impl Engine");
    }
}

/// The files that each file uses, by module path.
fn sources() -> BTreeMap<String, BTreeSet<String>> {
    let texts = texts();
    let uses = |file: &String, text: &str| {
        used_paths(file, text)
            .iter()
            .filter_map(|path| file_of(path, &texts))
            .filter(|used| used != file)
            .collect::<BTreeSet<_>>()
    };
    texts
        .iter()
        .map(|(file, text)| (file.clone(), uses(file, text)))
        .collect()
}

/// The sources by module path (`registry::association`; `lib` for the root), without comments and unit tests.
fn texts() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    find_sources(&root, &mut files);
    files
        .iter()
        .map(|path| {
            let relative = path.strip_prefix(&root).unwrap().with_extension("");
            let mut parts: Vec<_> = relative.iter().map(|part| part.to_str().unwrap()).collect();
            if parts.last() == Some(&"mod") {
                parts.pop();
            }
            let text = fs::read_to_string(path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            let lines = code.lines().map(|line| line.split("//").next().unwrap());
            (parts.join("::"), lines.collect::<Vec<_>>().join("\n"))
        })
        .collect()
}

fn find_sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find_sources(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// All paths into this crate that a file names, from the root on.
fn used_paths(file: &str, text: &str) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    for statement in text.split(';') {
        let start = statement.trim_start();
        // What stands before `use` may be the end of an attribute or a `mod`.
        let is_use = start.starts_with("use ");
        if is_use {
            expand(start.trim_start_matches("use ").trim(), &[], &mut paths);
        } else if !start.starts_with("pub use ") && !start.starts_with("pub(crate) use ") {
            let inline = statement.split("crate::").skip(1).map(|rest| {
                let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
                let path = rest[..end.unwrap_or(rest.len())].split("::");
                std::iter::once("crate").chain(path).map(str::to_owned).collect()
            });
            paths.extend(inline);
        }
    }
    let own: Vec<_> = file.split("::").map(str::to_owned).collect();
    paths
        .into_iter()
        .filter_map(|path| match path.first()?.as_str() {
            "crate" => Some(path[1..].to_vec()),
            "self" => Some([&own, &path[1..]].concat()),
            "super" => Some([&own[..own.len() - 1], &path[1..]].concat()),
            _ => None,
        })
        .collect()
}

/// The paths of a `use` tree.
fn expand(tree: &str, prefix: &[String], paths: &mut Vec<Vec<String>>) {
    let tree = tree.trim();
    let Some((head, rest)) = tree.split_once('{') else {
        let names = tree
            .split("::")
            .map(|name| name.split_whitespace().next().unwrap_or("").to_owned());
        paths.push(prefix.iter().cloned().chain(names).collect());
        return;
    };
    let names = head.split("::").map(str::trim).filter(|name| !name.is_empty());
    let prefix: Vec<_> = prefix.iter().cloned().chain(names.map(str::to_owned)).collect();
    let inner = rest.trim().strip_suffix('}').unwrap_or(rest);
    let mut depth = 0;
    let mut item = String::new();
    for character in inner.chars().chain([',']) {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                if !item.trim().is_empty() {
                    expand(&item, &prefix, paths);
                }
                item.clear();
                continue;
            }
            _ => {}
        }
        item.push(character);
    }
}

/// The file in which a path ends.
fn file_of(path: &[String], texts: &BTreeMap<String, String>) -> Option<String> {
    (1..=path.len())
        .rev()
        .map(|length| path[..length].join("::"))
        .find(|module| texts.contains_key(module))
}

fn room_of(file: &str) -> &str {
    file.split("::").next().unwrap_or(file)
}
