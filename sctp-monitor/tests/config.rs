//! The page about the configuration is right: every key is there, with its default and a reason.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is how it fails")]

use std::{fmt::Debug, path::Path, process::Command};

use sctp_monitor::{history::HistorySettings, hooks::HooksSettings, settings::Settings, web::WebSettings};
use sctp_monitor_engine::config::{Config, ProbeConfig, Steering};
use serde::{Serialize, de::DeserializeOwned};
use toml::{Table, Value};

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
    assert_described::<Settings>(&table.remove("run").unwrap());
    assert_described::<WebSettings>(&table.remove("web").unwrap());
    assert_described::<HistorySettings>(&table.remove("history").unwrap());
    assert_described::<HooksSettings>(&table.remove("hooks").unwrap());
    assert_described::<Config>(&table.remove("detector").unwrap());
    assert_described::<ProbeConfig>(&table.remove("probe").unwrap());
    assert_described::<Steering>(&table.remove("steering").unwrap());
    assert!(table.is_empty(), "nothing else is configured: {table}");
}

/// A table of the page has all keys, and their defaults.
fn assert_described<T>(described: &Value)
where
    T: Default + Serialize + DeserializeOwned + PartialEq + Debug,
{
    let named: Vec<_> = described.as_table().unwrap().keys().cloned().collect();
    let known: Vec<_> = Table::try_from(T::default()).unwrap().keys().cloned().collect();
    assert_eq!(named, known);
    let config: T = described.clone().try_into().unwrap();
    assert_eq!(config, T::default());
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

#[test]
fn the_default_file_is_printed_and_taken() {
    let run = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_sctp-monitor"))
            .args(arguments)
            .output()
            .unwrap()
    };
    let printed = run(&["config", "default"]);
    assert!(printed.status.success());
    assert_eq!(String::from_utf8(printed.stdout.clone()).unwrap(), example());
    let file = std::env::temp_dir().join(format!("sctp-monitor-default-{}.toml", std::process::id()));
    std::fs::write(&file, &printed.stdout).unwrap();
    let checked = run(&["config", "check", file.to_str().unwrap()]);
    assert!(checked.status.success(), "{checked:?}");
    std::fs::write(&file, "[run]\nhok = \"tc\"\n").unwrap();
    let checked = run(&["config", "check", file.to_str().unwrap()]);
    let error = String::from_utf8(checked.stderr).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert!(!checked.status.success());
    for words in ["line 2", "hok", "`hook`"] {
        assert!(error.contains(words), "{words}: {error}");
    }
}
