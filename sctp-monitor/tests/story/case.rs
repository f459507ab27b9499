//! One case: what was written down, and what the command says.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value as Json;
use toml::Value;

use crate::agreement::difference;

/// What was written down of a capture. README.md says what each field means.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    about: String,
    #[serde(default)]
    captures: Vec<String>,
    #[serde(default)]
    arguments: Vec<String>,
    #[serde(default)]
    healthy: bool,
    #[serde(default)]
    event: Vec<Expected>,
    #[serde(default)]
    finding: Vec<Expected>,
    #[serde(default)]
    incident: Vec<Expected>,
    #[serde(default)]
    association: Vec<Expected>,
    #[serde(default)]
    unfinished: Vec<Expected>,
    #[serde(default)]
    flow: Vec<Expected>,
    counters: Option<BTreeMap<String, u64>>,
}

/// An element of a list.
#[derive(Debug, Deserialize)]
struct Expected {
    at: Option<f64>,
    within: Option<f64>,
    times: Option<usize>,
    #[serde(flatten)]
    keys: toml::Table,
}

impl Case {
    /// Reads a case; its name is the file's.
    pub(crate) fn read(file: &Path) -> Self {
        let text = std::fs::read_to_string(file).unwrap();
        let mut case: Self =
            toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        if case.captures.is_empty() {
            let name = file.file_stem().unwrap().to_str().unwrap();
            case.captures.push(format!("{name}.pcap"));
        }
        assert!(case.about.len() > 10, "{}: what happened?", file.display());
        case
    }

    /// What the command says otherwise than it should of the captures in `folder`, a line each.
    pub(crate) fn differences(&self, folder: &Path) -> Vec<String> {
        let files: Vec<_> = self.captures.iter().map(|name| folder.join(name)).collect();
        self.compare(&report(&files, &self.arguments))
    }

    fn compare(&self, report: &Json) -> Vec<String> {
        let mut differences = Vec::new();
        if self.healthy {
            differences.extend(
                ailments(report)
                    .iter()
                    .map(|event| format!("healthy, but {event}")),
            );
        }
        let opened = |name: &str| -> Vec<&Json> {
            let is_it = |event: &&Json| event["event"] == name && event["status"] == "opened";
            list(&report["events"]).iter().filter(is_it).collect()
        };
        let all = |name: &str| list(&report[name]).iter().collect::<Vec<_>>();
        for (what, expected, reported) in [
            ("event", &self.event, all("events")),
            ("finding", &self.finding, opened("finding")),
            ("incident", &self.incident, opened("incident")),
            ("association", &self.association, all("associations")),
            ("unfinished", &self.unfinished, all("unfinished_handshakes")),
            ("flow", &self.flow, all("flows")),
        ] {
            let began_ns = report["capture"]["first"].as_str().map_or(0, nanoseconds);
            for expected in expected {
                let difference = expected.compare(&reported, began_ns);
                differences.extend(difference.map(|difference| format!("{what}: {difference}")));
            }
        }
        if let Some(expected) = &self.counters {
            let reported: BTreeMap<String, u64> = serde_json::from_value(report["counters"].clone()).unwrap();
            let expected: BTreeMap<_, _> = expected
                .clone()
                .into_iter()
                .filter(|(_, count)| *count > 0)
                .collect();
            if reported != expected {
                differences.push(format!("counters: {reported:?} instead of {expected:?}"));
            }
        }
        differences
    }
}

impl Expected {
    fn compare(&self, reported: &[&Json], began_ns: i128) -> Option<String> {
        let keys = Value::Table(self.keys.clone());
        let difference = |reported: &Json| {
            let late = self.at.and_then(|at| {
                let time = (nanoseconds(reported["time"].as_str()?) - began_ns) as f64 / 1e9;
                ((time - at).abs() > self.within.unwrap_or(WITHIN))
                    .then(|| format!("at {time:.6} s instead of {at} s"))
            });
            let other = difference(&keys, reported);
            match (other, late) {
                (Some(other), Some(late)) => Some(format!("{other}; {late}")),
                (other, late) => other.or(late),
            }
        };
        let differences: Vec<_> = reported
            .iter()
            .filter_map(|reported| difference(reported))
            .collect();
        let agree = reported.len() - differences.len();
        let wanted = self.times.map_or(agree > 0, |times| agree == times);
        (!wanted).then(|| {
            let wanted = self
                .times
                .map_or("one or more".to_owned(), |times| times.to_string());
            // The nearest miss says the most, and is short.
            let nearest = differences.iter().min_by_key(|difference| difference.len());
            let nearest = nearest.map_or_else(String::new, |nearest| format!("; the nearest has {nearest}"));
            format!("{agree} instead of {wanted} of {keys}{nearest}")
        })
    }
}

/// How exactly a time was written down, if it is not said: seconds. The engine looks every 20 ms.
const WITHIN: f64 = 0.02;

/// What a report of a healthy network must not hold.
pub(crate) fn ailments(report: &Json) -> Vec<&Json> {
    let is_one = |event: &&Json| match event["event"].as_str() {
        Some("incident") => true,
        // Advice, which is true of every association with one address.
        Some("finding") => event["finding"] != "not_redundant",
        Some("path_state_changed") => !matches!(event["to"].as_str(), Some("active" | "unconfirmed")),
        _ => false,
    };
    list(&report["events"]).iter().filter(is_one).collect()
}

/// What the command says of captures.
pub(crate) fn report(files: &[PathBuf], arguments: &[String]) -> Json {
    let output = Command::new(env!("CARGO_BIN_EXE_sctp-monitor"))
        .args(["pcap", "--format", "json"])
        .args(arguments)
        .args(files)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{files:?}: {errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The elements of an array.
pub(crate) fn list(value: &Json) -> &[Json] {
    value.as_array().unwrap()
}

fn nanoseconds(time: &str) -> i128 {
    time.parse::<Timestamp>().unwrap().as_nanosecond()
}
