//! Which room of the house may know which: the directions that docs/architecture.md forbids, held by reading the sources.
//!
//! The engine can be tested in virtual time because it has no clock, a report can be tested without a kernel because it
//! knows none, and a capture takes the same way as live packets because it has no driver of its own. A `use` in the wrong file
//! ends that, and no compiler objects.

mod paths;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

/// What a room must not name.
#[derive(Debug)]
struct Direction {
    /// As it stands in [`NOT_YET`] and in reports.
    name: &'static str,
    /// Where the room is; one of these must be there.
    folders: &'static [&'static str],
    /// Parts of it that may.
    except: &'static [&'static str],
    /// The paths, with all that is below them.
    forbidden: &'static [&'static str],
    /// The crate's manifest, if the room is a crate: it must not depend on the crates named above.
    manifest: Option<&'static str>,
}

const ENGINE: &[&str] = &["sctp-monitor/engine/src"];
const COMMON: &[&str] = &["sctp-monitor-common/src"];
const CAPTURE: &[&str] = &["sctp-monitor/capture/src"];
const REPORT: &[&str] = &["sctp-monitor/src/report"];
const WEB: &[&str] = &["sctp-monitor/src/web"];
const PCAP: &[&str] = &["sctp-monitor/src/pcap"];
const AGENT: &[&str] = &["sctp-monitor/src"];

const ENGINE_MANIFEST: Option<&str> = Some("sctp-monitor/engine/Cargo.toml");
const COMMON_MANIFEST: &str = "sctp-monitor-common/Cargo.toml";
const CAPTURE_MANIFEST: Option<&str> = Some("sctp-monitor/capture/Cargo.toml");

const DIRECTIONS: [Direction; 14] = [
    Direction {
        name: "engine -> kernel",
        folders: ENGINE,
        except: &[],
        forbidden: &[
            "aya",
            "aya_obj",
            "aya_ebpf",
            "libc",
            "nix",
            "sctp_monitor",
            "sctp_monitor_ebpf",
        ],
        manifest: ENGINE_MANIFEST,
    },
    Direction {
        name: "engine -> clock",
        folders: ENGINE,
        except: &[],
        // jiff writes dates; it reads the clock by `now` only.
        forbidden: &[
            "std::time::Instant",
            "std::time::SystemTime",
            "jiff::Timestamp::now",
            "jiff::Zoned::now",
            "chrono",
        ],
        manifest: ENGINE_MANIFEST,
    },
    Direction {
        name: "engine -> I/O",
        folders: ENGINE,
        except: &[],
        forbidden: IO,
        manifest: ENGINE_MANIFEST,
    },
    Direction {
        name: "report -> kernel",
        folders: REPORT,
        except: &[],
        forbidden: &["crate::kernel", "aya"],
        manifest: None,
    },
    Direction {
        name: "report -> driver",
        folders: REPORT,
        except: &[],
        forbidden: &["crate::driver"],
        manifest: None,
    },
    Direction {
        name: "report -> ABI",
        folders: REPORT,
        except: &[],
        forbidden: &["sctp_monitor_common::abi"],
        manifest: None,
    },
    Direction {
        name: "web -> kernel",
        folders: WEB,
        except: &[],
        forbidden: &["crate::kernel", "aya"],
        manifest: None,
    },
    Direction {
        name: "web -> driver",
        folders: WEB,
        except: &[],
        forbidden: &["crate::driver"],
        manifest: None,
    },
    Direction {
        name: "web -> ABI",
        folders: WEB,
        except: &[],
        forbidden: &["sctp_monitor_common::abi"],
        manifest: None,
    },
    Direction {
        name: "pcap -> driver",
        folders: PCAP,
        except: &[],
        forbidden: &["crate::driver"],
        manifest: None,
    },
    Direction {
        name: "pcap -> kernel",
        folders: PCAP,
        except: &[],
        forbidden: &["crate::kernel", "aya"],
        manifest: None,
    },
    Direction {
        name: "common -> anything",
        folders: COMMON,
        except: &[],
        forbidden: &[
            "aya",
            "aya_ebpf",
            "libc",
            "nix",
            "tokio",
            "sctp_monitor",
            "sctp_monitor_capture",
            "sctp_monitor_ebpf",
            "sctp_monitor_engine",
            "std::fs",
            "std::io",
            "std::env",
            "std::process",
            "std::thread",
            "std::time::Instant",
            "std::time::SystemTime",
        ],
        // Its manifest is held to a list of what it may have, see `SMALL_CRATES`.
        manifest: None,
    },
    Direction {
        name: "capture -> engine, agent, kernel",
        folders: CAPTURE,
        except: &[],
        forbidden: &[
            "aya",
            "nix",
            "tokio",
            "sctp_monitor",
            "sctp_monitor_ebpf",
            "sctp_monitor_engine",
        ],
        manifest: CAPTURE_MANIFEST,
    },
    Direction {
        name: "agent, but for kernel/ and check/collect/ -> aya",
        folders: AGENT,
        except: &["sctp-monitor/src/kernel", "sctp-monitor/src/check/collect"],
        forbidden: &["aya"],
        manifest: None,
    },
];

/// Files, sockets, processes, and whatever prints. `std::net` has addresses too, which are none.
const IO: &[&str] = &[
    "aya",
    "mio",
    "tokio",
    "std::env",
    "std::fs",
    "std::io",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::ToSocketAddrs",
    "std::net::UdpSocket",
    "std::os",
    "std::process",
    "std::thread",
    "dbg",
    "eprint",
    "eprintln",
    "print",
    "println",
];

/// All that `sctp-monitor-common` may depend on: each works without `std`, in a program for the BPF target.
const SMALL_CRATES: [&str; 4] = ["bytemuck", "crc", "foldhash", "network-types"];

/// What the directions look for. If one of these has another name, the check looks for nothing.
const TARGETS: [&str; 3] = [
    "sctp-monitor/src/kernel",
    "sctp-monitor/src/driver",
    "sctp-monitor-common/src/abi",
];

/// What is there and should not be: the direction, and the path that breaks it. An entry that is no longer needed is a
/// fault, so the list only gets shorter.
const NOT_YET: &[(&str, &str)] = &[];

/// All that is wrong, each with its place.
///
/// # Errors
/// If a source cannot be read.
pub(crate) fn faults(root: &Path) -> anyhow::Result<Vec<String>> {
    judge(root, NOT_YET)
}

fn judge(root: &Path, not_yet: &[(&str, &str)]) -> anyhow::Result<Vec<String>> {
    let mut faults = Vec::new();
    let mut used = BTreeSet::new();
    for target in TARGETS {
        if !root.join(target).is_dir() && !root.join(target).with_extension("rs").is_file() {
            faults.push(format!(
                "{target} is gone; the directions in xtask/src/house look for it"
            ));
        }
    }
    for direction in &DIRECTIONS {
        for breach in direction.breaches(root)? {
            let known = not_yet
                .iter()
                .position(|(name, path)| *name == direction.name && *path == breach.what);
            match known {
                Some(entry) => drop(used.insert(entry)),
                None => faults.push(format!("{}: {}: {}", breach.place, direction.name, breach.what)),
            }
        }
        if direction.sources(root)?.is_empty() {
            faults.push(format!(
                "{}: there is no source in {}",
                direction.name,
                direction.folders.join(" or in ")
            ));
        }
    }
    for dependency in dependencies(root, COMMON_MANIFEST)? {
        if !SMALL_CRATES.contains(&dependency.as_str()) {
            faults.push(format!("{COMMON_MANIFEST}: common -> anything: {dependency}"));
        }
    }
    for (index, (name, path)) in not_yet.iter().enumerate() {
        if !used.contains(&index) {
            faults.push(format!(
                "{name}: {path}: no longer there, take it from NOT_YET in xtask/src/house"
            ));
        }
    }
    Ok(faults)
}

/// A place where a room names what it must not.
#[derive(Debug)]
struct Breach {
    /// File, and line if it is a source.
    place: String,
    /// The forbidden path and one word more, or the forbidden crate.
    what: String,
}

impl Direction {
    fn breaches(&self, root: &Path) -> anyhow::Result<Vec<Breach>> {
        let mut breaches = Vec::new();
        for file in self.sources(root)? {
            let source =
                std::fs::read_to_string(root.join(&file)).with_context(|| file.display().to_string())?;
            let found = self.breaches_of(&source, &module(&file));
            for (what, line) in found.with_context(|| file.display().to_string())? {
                let place = format!("{}:{line}", file.display());
                breaches.push(Breach { place, what });
            }
        }
        if let Some(manifest) = self.manifest {
            for dependency in dependencies(root, manifest)? {
                if self.forbidden.contains(&dependency.replace('-', "_").as_str()) {
                    breaches.push(Breach {
                        place: manifest.to_owned(),
                        what: dependency,
                    });
                }
            }
        }
        Ok(breaches)
    }

    /// Each forbidden path once, with the line where it stands first.
    fn breaches_of(&self, source: &str, module: &[String]) -> anyhow::Result<Vec<(String, usize)>> {
        let mut breaches: Vec<(String, usize)> = Vec::new();
        for mention in paths::mentions(source, module)? {
            if let Some(what) = self.forbidden.iter().find_map(|path| breach(path, &mention.path))
                && !breaches.iter().any(|(known, _)| *known == what)
            {
                breaches.push((what, mention.line));
            }
        }
        Ok(breaches)
    }

    /// The room's sources, without files of tests, relative to the workspace.
    fn sources(&self, root: &Path) -> anyhow::Result<Vec<PathBuf>> {
        let mut sources = Vec::new();
        for folder in self.folders.iter().filter(|folder| root.join(folder).is_dir()) {
            collect(root, Path::new(folder), &mut sources)?;
        }
        sources.retain(|file| !self.except.iter().any(|except| file.starts_with(except)));
        Ok(sources)
    }
}

/// The forbidden path with one word more, if the mentioned one is it, lies below it, or brings it by a glob.
fn breach(forbidden: &str, mentioned: &[String]) -> Option<String> {
    let forbidden: Vec<_> = forbidden.split("::").collect();
    if mentioned.len() >= forbidden.len() && forbidden.iter().zip(mentioned).all(|(one, other)| one == other)
    {
        return Some(mentioned[..mentioned.len().min(forbidden.len() + 1)].join("::"));
    }
    let (last, stem) = mentioned.split_last()?;
    let globs =
        last == "*" && !stem.is_empty() && forbidden.iter().zip(stem).all(|(one, other)| one == other);
    globs.then(|| mentioned.join("::"))
}

fn collect(root: &Path, folder: &Path, sources: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries = std::fs::read_dir(root.join(folder)).with_context(|| folder.display().to_string())?;
    let mut entries: Vec<_> = entries.collect::<Result<_, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = folder.join(entry.file_name());
        if root.join(&path).is_dir() {
            if path.file_name().is_some_and(|name| name != "tests") {
                collect(root, &path, sources)?;
            }
        } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") {
            sources.push(path);
        }
    }
    Ok(())
}

/// A source's module: `sctp-monitor/src/export/json.rs` is `export::json` of its crate.
fn module(file: &Path) -> Vec<String> {
    let words = file.iter().map(|word| word.to_string_lossy().into_owned());
    let mut module: Vec<_> = words.skip_while(|word| word != "src").skip(1).collect();
    if let Some(name) = module.pop() {
        let name = name.trim_end_matches(".rs");
        if !["mod", "lib", "main"].contains(&name) {
            module.push(name.to_owned());
        }
    }
    module
}

/// What a crate depends on, for its own code and for its build script.
fn dependencies(root: &Path, manifest: &str) -> anyhow::Result<Vec<String>> {
    let text = std::fs::read_to_string(root.join(manifest)).with_context(|| manifest.to_owned())?;
    let parsed: toml::Table = text.parse().with_context(|| manifest.to_owned())?;
    let mut tables = vec![&parsed];
    if let Some(targets) = parsed.get("target").and_then(toml::Value::as_table) {
        tables.extend(targets.values().filter_map(toml::Value::as_table));
    }
    let names = tables
        .iter()
        .flat_map(|table| ["dependencies", "build-dependencies"].map(|kind| table.get(kind)))
        .flatten()
        .filter_map(toml::Value::as_table)
        .flat_map(toml::Table::keys);
    Ok(names.cloned().collect())
}

#[cfg(test)]
mod tests;
