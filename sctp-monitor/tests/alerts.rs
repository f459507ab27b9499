//! The rules in deploy/prometheus: promtool takes them, they alert when they should, each leads to what to do, and Alertmanager
//! makes one notification of one cause. The mixin and the dashboard.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is how it fails")]

use std::{
    collections::BTreeSet,
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use sctp_monitor_lab::wait;
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

/// All files that a mixin is made of are in it.
#[test]
fn the_mixin_has_the_same_rules_and_the_dashboard() {
    let evaluate = |field: &str| -> Value {
        let output = Command::new("jsonnet")
            .args(["-e", &format!("(import 'mixin.libsonnet').{field}")])
            .current_dir(root().join("deploy/mixin"))
            .output()
            .expect("jsonnet runs (`cargo xtask setup test`)");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).unwrap()
    };
    for (field, name) in [("prometheusAlerts", RULES[0]), ("prometheusRules", RULES[1])] {
        let rules: Value = serde_saphyr::from_str(&text(name)).unwrap();
        assert_eq!(evaluate(field), rules, "{name}");
    }
    assert_eq!(evaluate("grafanaDashboards")["sctp.json"], dashboard());
}

fn dashboard() -> Value {
    let file = fs::read_to_string(root().join("deploy/grafana/sctp.json")).unwrap();
    serde_json::from_str(&file).unwrap()
}

/// Grafana itself is not at hand: what it needs of a panel, and that panels do not lie on each other.
#[test]
fn the_dashboard_asks_for_metrics_that_there_are_and_its_panels_have_room() {
    let (dashboard, page) = (dashboard(), sctp_monitor::web::metrics_page());
    assert!(dashboard["schemaVersion"].as_u64().unwrap() >= 36);
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.len() > 8);
    let mut ids = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel:#}");
        let place = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        assert!(place("x") + place("w") <= 24, "{panel:#}");
        for x in place("x")..place("x") + place("w") {
            for y in place("y")..place("y") + place("h") {
                assert!(taken.insert((x, y)), "{} lies on another panel", panel["title"]);
            }
        }
        for target in panel["targets"].as_array().unwrap() {
            let expression = target["expr"].as_str().unwrap();
            let words = expression.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
            let used: Vec<_> = words.filter(|word| word.starts_with("sctp_")).collect();
            assert!(!used.is_empty(), "{expression}");
            for metric in used {
                assert!(
                    page.contains(&format!("| `{metric}` |")),
                    "there is no metric {metric}"
                );
            }
            // As Prometheus reads it once Grafana has put values into it.
            let expression = expression
                .replace("$__rate_interval", "1m")
                .replace("$instance", ".*");
            promtool_parses(&expression.replace("$peer", ".*"));
        }
    }
}

fn promtool_parses(expression: &str) {
    let rules = format!(
        "groups: [{{ name: x, rules: [{{ record: x, expr: {} }}] }}]",
        Value::from(expression)
    );
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), rules).unwrap();
    promtool(&["check", "rules", file.path().to_str().unwrap()]);
}

/// Alertmanager, with its data in a folder of the test's own.
struct Alertmanager {
    child: Child,
    address: String,
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Alertmanager {
    /// With the configuration of deploy/prometheus, quicker, and with this receiver.
    fn start(folder: &Path, receiver: &str) -> Self {
        let config = text("alertmanager.yaml")
            .replace("http://127.0.0.1:9/", receiver)
            .replace("group_wait: 30s", "group_wait: 1s")
            .replace("group_interval: 5m", "group_interval: 1s");
        let file = folder.join("alertmanager.yaml");
        fs::write(&file, config).unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = Command::new("prometheus-alertmanager")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .args(["--cluster.listen-address=", "--log.level=error"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("prometheus-alertmanager runs (`cargo xtask setup test`)");
        let started = Self {
            child,
            address: address.to_string(),
        };
        let is_ready = || {
            started
                .ask("GET", "/-/ready", "")
                .filter(|answer| answer.contains("200 OK"))
        };
        wait::until(SOON, is_ready).expect("Alertmanager is ready");
        started
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Option<String> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    fn alert(&self, alerts: &[Value]) {
        let answer = self
            .ask("POST", "/api/v2/alerts", &Value::from(alerts).to_string())
            .unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

/// An association of one host whose path from this local address is concerned.
fn alert(name: &str, association: u32, local: &str) -> Value {
    let mut labels = serde_json::json!({
        "alertname": name,
        "instance": "mme:9143",
        "endpoint": "10.1.1.1",
        "peer": format!("10.9.0.{association}"),
        "local_port": "3868",
        "remote_port": association.to_string(),
        "severity": "warning",
    });
    if !local.is_empty() {
        labels["local"] = local.into();
        labels["remote"] = format!("10.9.0.{association}").into();
    }
    serde_json::json!({ "labels": labels })
}

/// Notifications as they come, by the alerts in each.
fn receiver() -> (String, mpsc::Receiver<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (to, notifications) = mpsc::channel();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut text = String::new();
            let mut bytes = [0; 65_536];
            let body = loop {
                let count = stream.read(&mut bytes).unwrap();
                text.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
                let body = text.split_once("\r\n\r\n").map(|(_, body)| body);
                if let Some(body) = body.and_then(|body| serde_json::from_str::<Value>(body).ok()) {
                    break body;
                }
                assert!(count > 0, "{text}");
            };
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            let name = |alert: &Value| alert["labels"]["alertname"].as_str().unwrap().to_owned();
            let alerts = body["alerts"].as_array().unwrap().iter().map(name).collect();
            if to.send(alerts).is_err() {
                return;
            }
        }
    });
    (url, notifications)
}

#[test]
fn one_dead_link_is_one_notification() {
    let folder = tempfile::tempdir().unwrap();
    let (url, notifications) = receiver();
    let manager = Alertmanager::start(folder.path(), &url);
    // Forty associations lose the path over one link, which Prometheus finds in one evaluation.
    let down: Vec<_> = (1..=40).map(|id| alert("SctpPathDown", id, "10.1.1.1")).collect();
    manager.alert(&down);
    let first = notifications.recv_timeout(SOON).unwrap();
    assert_eq!(first, vec!["SctpPathDown".to_owned(); 40]);
    // Minutes later they have been without redundancy for long enough.
    let lost: Vec<_> = (1..=40)
        .map(|id| alert("SctpWithoutRedundancy", id, ""))
        .collect();
    manager.alert(&lost);
    // What is told next is of another link: nothing was told of the first one in between.
    manager.alert(&[alert("SctpPathDown", 41, "10.1.2.1")]);
    let next = notifications.recv_timeout(SOON).unwrap();
    assert_eq!(next, ["SctpPathDown"]);
    let more = notifications.recv_timeout(Duration::from_secs(3));
    assert!(more.is_err(), "{more:?}");
}

const SOON: Duration = Duration::from_secs(15);
