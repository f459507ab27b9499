//! The pure crates are tested with stable Rust and nothing else: whoever changes a parser or the engine needs no root, no C
//! compiler, no SCTP stack and no BPF target.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is how it fails")]

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use serde_json::Value;

const PURE: [&str; 4] = [
    "sctp-monitor-common",
    "sctp-monitor-engine",
    "sctp-monitor-capture",
    "sctp-monitor-testkit",
];

/// What needs more than stable Rust, and the build dependencies of whatever compiles or looks for C.
const NEEDS_MORE: [&str; 10] = [
    "sctp-monitor",
    "sctp-monitor-ebpf",
    "sctp-monitor-lab",
    "aya",
    "aya-build",
    "bindgen",
    "cc",
    "cmake",
    "pkg-config",
    "vcpkg",
];

#[test]
fn pure_crates_are_tested_with_stable_rust_alone() {
    let graph = Graph::read();
    for root in PURE {
        let needed = graph.needed_to_test(root);
        assert!(needed.contains("sctp-monitor-testkit"), "{root} has tests");
        let more: Vec<_> = NEEDS_MORE.iter().filter(|name| needed.contains(**name)).collect();
        assert!(more.is_empty(), "`cargo test -p {root}` builds {more:?}");
    }
    let agent = graph.needed_to_test("sctp-monitor");
    assert!(
        agent.contains("aya") && agent.contains("sctp-monitor-lab"),
        "the graph is read"
    );
}

/// Who depends on whom.
struct Graph {
    names: BTreeMap<String, String>,
    /// By package: its dependencies, and whether it has them for its tests only.
    dependencies: BTreeMap<String, Vec<(String, bool)>>,
}

impl Graph {
    fn read() -> Self {
        let output = Command::new(env!("CARGO"))
            .args([
                "metadata",
                "--format-version",
                "1",
                "--offline",
                "--filter-platform",
            ])
            .arg(format!("{}-unknown-linux-gnu", std::env::consts::ARCH))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let list = |value: &Value| value.as_array().unwrap().clone();
        let names = list(&metadata["packages"]);
        let nodes = list(&metadata["resolve"]["nodes"]);
        let edges = |node: &Value| -> Vec<_> {
            list(&node["deps"])
                .iter()
                .map(|edge| {
                    let kinds = list(&edge["dep_kinds"]);
                    (text(&edge["pkg"]), kinds.iter().all(|kind| kind["kind"] == "dev"))
                })
                .collect()
        };
        Self {
            names: names
                .iter()
                .map(|package| (text(&package["id"]), text(&package["name"])))
                .collect(),
            dependencies: nodes
                .iter()
                .map(|node| (text(&node["id"]), edges(node)))
                .collect(),
        }
    }

    /// Names of all packages that `cargo test -p` builds.
    fn needed_to_test(&self, root: &str) -> BTreeSet<&str> {
        let (root, _) = self.names.iter().find(|(_, name)| *name == root).unwrap();
        let mut needed = BTreeSet::from([root]);
        let mut open = vec![root];
        while let Some(package) = open.pop() {
            for (dependency, for_tests) in &self.dependencies[package] {
                if (!for_tests || package == root) && needed.insert(dependency) {
                    open.push(dependency);
                }
            }
        }
        needed.into_iter().map(|id| self.names[id].as_str()).collect()
    }
}
