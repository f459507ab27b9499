//! The rules in deploy/prometheus: promtool takes them, they alert when they should, and each leads to what to do.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is how it fails")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

const RULES: [&str; 2] = ["alerts.yaml", "recording.yaml"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn text(name: &str) -> String {
    fs::read_to_string(root().join("deploy/prometheus").join(name)).unwrap()
}

fn promtool(arguments: &[&str]) {
    let output = Command::new("promtool")
        .args(arguments)
        .current_dir(root().join("deploy/prometheus"))
        .output()
        .expect("promtool runs (`cargo xtask setup test`)");
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "promtool {arguments:?}: {said}");
}

#[test]
fn promtool_takes_the_rules_and_they_alert_when_they_should() {
    promtool(&["check", "rules", RULES[0], RULES[1]]);
    promtool(&["test", "rules", "tests.yaml"]);
}

#[test]
fn the_rules_use_metrics_that_there_are() {
    let page = sctp_monitor::web::metrics_page();
    for name in RULES {
        let text = text(name);
        let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && !"_:".contains(letter));
        let used: BTreeSet<_> = words.filter(|word| word.starts_with("sctp_")).collect();
        assert!(used.len() > 3, "{name}: {used:?}");
        for metric in used {
            assert!(
                page.contains(&format!("| `{metric}` |")),
                "{name}: there is no metric {metric}"
            );
        }
    }
}

#[test]
fn each_alert_is_tested_and_leads_to_what_to_do() {
    let rules: Value = serde_saphyr::from_str(&text("alerts.yaml")).unwrap();
    let page = fs::read_to_string(root().join("docs/alerts.md")).unwrap();
    let tests = text("tests.yaml");
    let mut alerts = BTreeSet::new();
    for rule in rules["groups"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap())
    {
        let alert = rule["alert"].as_str().unwrap();
        let anchor = format!("docs/alerts.md#{}", alert.to_lowercase());
        let runbook = rule["annotations"]["runbook_url"].as_str().unwrap();
        assert!(runbook.ends_with(&anchor), "{alert}: {runbook}");
        let severity = rule["labels"]["severity"].as_str().unwrap();
        assert!(
            ["critical", "warning", "info"].contains(&severity),
            "{alert}: {severity}"
        );
        assert!(tests.contains(alert), "{alert} is not tested");
        alerts.insert(alert.to_owned());
    }
    let headings: BTreeSet<_> = page
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .filter(|heading| heading.starts_with("Sctp"))
        .map(str::to_owned)
        .collect();
    assert_eq!(headings, alerts);
}
