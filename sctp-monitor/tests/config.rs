//! The page about the configuration is right: every key is there, with its default and a reason.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is how it fails")]

use std::{path::Path, process::Command};

use sctp_monitor_engine::config::{Config, ProbeConfig};
use toml::Table;

/// The page's example.
fn example() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (_, block) = page.split_once("```toml\n").unwrap();
    block.split_once("```").unwrap().0.to_owned()
}

#[test]
fn the_page_names_every_key_with_its_default() {
    let mut table: Table = toml::from_str(&example()).unwrap();
    let detector = table.remove("detector").unwrap();
    let probe = table.remove("probe").unwrap();
    assert!(table.is_empty(), "nothing else is configured: {table}");
    let keys = |table: &Table| table.keys().cloned().collect::<Vec<_>>();
    let known = Table::try_from(Config::default()).unwrap();
    assert_eq!(keys(detector.as_table().unwrap()), keys(&known));
    let known = Table::try_from(ProbeConfig::default()).unwrap();
    assert_eq!(keys(probe.as_table().unwrap()), keys(&known));
    let config: Config = detector.try_into().unwrap();
    assert_eq!(config, Config::default());
    let probe: ProbeConfig = probe.try_into().unwrap();
    assert_eq!(probe, ProbeConfig::default());
}

#[test]
fn the_page_gives_a_reason_for_every_key() {
    let example = example();
    let mut above = "";
    for line in example.lines() {
        if line.contains(" = ") && !line.starts_with('#') {
            assert!(above.starts_with("# "), "no reason above {line}");
        }
        above = line;
    }
}

#[test]
fn a_wrong_file_is_refused_before_anything_is_attached() {
    let file = std::env::temp_dir().join(format!("sctp-monitor-config-{}.toml", std::process::id()));
    std::fs::write(&file, "[detector]\nrto_mn = \"100ms\"\n").unwrap();
    let path = file.to_str().unwrap();
    let refusal = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_sctp-monitor"))
            .args(arguments)
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), stderr)
    };
    let of_run = refusal(&["run", "--iface", "no-such-nic", "--config", path]);
    let of_audit = refusal(&["audit", "--iface", "no-such-nic", "--config", path]);
    std::fs::remove_file(&file).unwrap();
    for (expected, (code, stderr)) in [(1, of_run), (2, of_audit)] {
        assert_eq!(code, Some(expected), "{stderr}");
        for words in [path, "line 2", "rto_mn", "rto_min"] {
            assert!(stderr.contains(words), "{words}: {stderr}");
        }
    }
}
