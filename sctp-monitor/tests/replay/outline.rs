//! Whether the agent says of packets what is said of a capture of them.

use std::{collections::BTreeSet, path::PathBuf};

use serde_json::Value as Json;

use crate::case::{all, report};

/// What is said of the captures alone, and what the agent alone says, if anything.
pub(crate) fn difference(files: &[PathBuf], said: &[Json]) -> Option<String> {
    let of_capture = report(files, &[]);
    let of_capture = outline(&all(&of_capture["events"]));
    let live = outline(&said.iter().collect::<Vec<_>>());
    let only = |these: &BTreeSet<String>, those| these.difference(those).cloned().collect::<Vec<_>>();
    (of_capture != live).then(|| {
        format!(
            "  only of the capture: {:#?}\n  only live: {:#?}",
            only(&of_capture, &live),
            only(&live, &of_capture)
        )
    })
}

/// What happened to which path and association, and what was found. How often and when is a matter of milliseconds, and so is
/// whether a failure was a doubt before.
fn outline(events: &[&Json]) -> BTreeSet<String> {
    // Of the agent itself; and what is a matter of milliseconds.
    let untold = [
        "watch_started",
        "interface_state_changed",
        "summary",
        "data_moved",
    ];
    events
        .iter()
        .filter(|event| untold.iter().all(|name| event["event"] != *name))
        .filter(|event| event["status"].is_null() || event["status"] == "opened")
        .filter(|event| event["to"] != "potentially_failed")
        .map(|event| {
            let keys = [
                "/event",
                "/finding",
                "/kind",
                "/origin",
                "/local",
                "/remote",
                "/to",
                "/end/kind",
                "/by",
            ];
            let values = keys
                .iter()
                .map(|key| &event[*key])
                .filter(|value| !value.is_null());
            let mut line = values.map(Json::to_string).collect::<Vec<_>>().join(" ");
            // Which of two answers came first, or how many are missing, is a matter of milliseconds too.
            let is_of_time = ["path_state_changed", "finding", "incident"]
                .iter()
                .any(|name| event["event"] == *name);
            if let Some(reason) = event["reason"].as_str().filter(|_| !is_of_time) {
                line.push_str(": ");
                line.push_str(&without_figures(reason));
            }
            line
        })
        .collect()
}

/// Words that hold whenever it happened: without times, tags and TSNs, and the units behind them.
fn without_figures(words: &str) -> String {
    let is_figure = |word: &&str| word.contains(|letter: char| letter.is_ascii_digit());
    let is_unit = |word: &&str| ["ns", "us", "ms", "s", "min", "h"].contains(word);
    let words = words.split([' ', ',', ';', '(', ')']);
    words
        .filter(|word| !is_figure(word) && !is_unit(word))
        .collect::<Vec<_>>()
        .join(" ")
}
