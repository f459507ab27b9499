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
    /// Why it cannot be shown live, if it cannot.
    only_captured: Option<String>,
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
    /// It holds of a capture alone.
    #[serde(default)]
    only_captured: bool,
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
        let report = report(&self.files(folder), &self.arguments);
        let began_ns = report["capture"]["first"].as_str().map_or(0, nanoseconds);
        let mut differences = self.compare(&all(&report["events"]), began_ns, None);
        differences.extend(
            [
                ("association", &self.association, all(&report["associations"])),
                (
                    "unfinished",
                    &self.unfinished,
                    all(&report["unfinished_handshakes"]),
                ),
                ("flow", &self.flow, all(&report["flows"])),
            ]
            .into_iter()
            .flat_map(|(what, expected, reported)| compare(what, expected, &reported, began_ns, None)),
        );
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

    /// Whether the agent can be shown it, as far as is known.
    pub(crate) fn can_be_live(&self) -> bool {
        self.only_captured.is_none() && self.arguments.is_empty()
    }

    /// The captures in `folder`.
    pub(crate) fn files(&self, folder: &Path) -> Vec<PathBuf> {
        self.captures.iter().map(|name| folder.join(name)).collect()
    }

    /// What the agent says otherwise than it should, a line each, if the first packet came then. Its times may be later, by
    /// so many seconds.
    pub(crate) fn live_differences(&self, events: &[&Json], began_ns: i128, later: f64) -> Vec<String> {
        self.compare(events, began_ns, Some(later))
    }

    /// What was found out as time passed. `later` is as for `live_differences`; `None` of captures.
    fn compare(&self, events: &[&Json], began_ns: i128, later: Option<f64>) -> Vec<String> {
        let mut differences = Vec::new();
        if self.healthy {
            differences.extend(ailments(events).map(|event| format!("healthy, but {event}")));
        }
        let opened = |name: &str| -> Vec<&Json> {
            let is_it = |event: &&Json| event["event"] == name && event["status"] == "opened";
            events.iter().copied().filter(is_it).collect()
        };
        for (what, expected, reported) in [
            ("event", &self.event, events.to_vec()),
            ("finding", &self.finding, opened("finding")),
            ("incident", &self.incident, opened("incident")),
        ] {
            differences.extend(compare(what, expected, &reported, began_ns, later));
        }
        differences
    }
}

/// Where a list differs from what was expected, a line each.
fn compare(
    what: &str,
    expected: &[Expected],
    reported: &[&Json],
    began_ns: i128,
    later: Option<f64>,
) -> Vec<String> {
    expected
        .iter()
        .filter(|expected| later.is_none() || !expected.only_captured)
        .filter_map(|expected| expected.compare(reported, began_ns, later.unwrap_or_default()))
        .map(|difference| format!("{what}: {difference}"))
        .collect()
}

impl Expected {
    fn compare(&self, reported: &[&Json], began_ns: i128, later: f64) -> Option<String> {
        let keys = Value::Table(self.keys.clone());
        let difference = |reported: &Json| {
            let late = self.at.and_then(|at| {
                let time = (nanoseconds(reported["time"].as_str()?) - began_ns) as f64 / 1e9;
                let within = self.within.unwrap_or(WITHIN);
                (!(at - within..=at + within + later).contains(&time))
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

/// What must not be said of a healthy network.
pub(crate) fn ailments<'a>(events: &[&'a Json]) -> impl Iterator<Item = &'a Json> {
    let is_one = |event: &&Json| match event["event"].as_str() {
        Some("incident") => true,
        // Advice, which is true of every association with one address.
        Some("finding") => event["finding"] != "not_redundant",
        Some("path_state_changed") => !matches!(event["to"].as_str(), Some("active" | "unconfirmed")),
        _ => false,
    };
    events.iter().copied().filter(is_one)
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

/// The cases of a folder, with their names.
pub(crate) fn cases(folder: &Path) -> Vec<(String, Case)> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    let name = |file: &Path| file.file_stem().unwrap().to_str().unwrap().to_owned();
    files.iter().map(|file| (name(file), Case::read(file))).collect()
}

/// The elements of an array.
pub(crate) fn list(value: &Json) -> &[Json] {
    value.as_array().unwrap()
}

/// The elements of an array, as they are compared.
pub(crate) fn all(value: &Json) -> Vec<&Json> {
    list(value).iter().collect()
}

fn nanoseconds(time: &str) -> i128 {
    time.parse::<Timestamp>().unwrap().as_nanosecond()
}
