//! `sctp-monitor audit`: what would break is listed, and scripts can tell by the exit status.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, ChildStderr, Command, Output, Stdio},
};

use nix::sys::signal::Signal;
use sctp_monitor_lab::{EndpointConfig, Event, EventKind, Lab, Monitor, Namespace, Timers};
use serde_json::Value;

use crate::{
    scene::{connecting, listening},
    setup::{Pair, SOON, binary, monitor},
};

const NICS: [&str; 2] = ["path1", "path2"];

/// What an audit said: its exit status, its report, and what it told meanwhile.
struct Audited {
    status: i32,
    report: Value,
    stderr: String,
}

impl Audited {
    fn findings(&self) -> Vec<&str> {
        let findings = self.report["findings"].as_array().unwrap();
        findings
            .iter()
            .map(|finding| finding["finding"].as_str().unwrap())
            .collect()
    }
}

impl From<Output> for Audited {
    fn from(output: Output) -> Self {
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        Self {
            status: output.status.code().unwrap(),
            report: serde_json::from_slice(&output.stdout).unwrap_or(Value::Null),
            stderr,
        }
    }
}

/// Watches these NICs for so long.
fn audit(namespace: &Namespace, interfaces: &[&str], duration: &str, more: &[&str]) -> Audited {
    command(namespace, interfaces, duration)
        .args(more)
        .output()
        .unwrap()
        .into()
}

fn command(namespace: &Namespace, interfaces: &[&str], duration: &str) -> Command {
    let mut command = namespace.command(binary());
    command.args(["audit", "--format", "json", "--for", duration]);
    command.args(interfaces.iter().flat_map(|interface| ["--iface", interface]));
    command
}

/// An audit that goes on.
struct Started {
    child: Child,
    _stderr: BufReader<ChildStderr>,
}

impl Started {
    /// One that watches all these NICs already.
    fn watching(namespace: &Namespace, interfaces: &[&str], duration: &str) -> Self {
        let mut child = command(namespace, interfaces, duration)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        let mut watched = 0;
        while watched < interfaces.len() {
            line.clear();
            assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "it ended at once");
            watched += usize::from(line.starts_with("watching "));
        }
        Self {
            child,
            _stderr: stderr,
        }
    }

    fn join(self) -> Audited {
        self.child.wait_with_output().unwrap().into()
    }
}

/// Every finding says what, why, since when, by which figures, and what next.
fn well_formed(audited: &Audited) {
    for finding in audited.report["findings"].as_array().unwrap() {
        for words in ["finding", "reason", "next", "since"] {
            assert!(finding[words].is_string(), "{words} in {finding:#}");
        }
        assert!(finding["evidence"].is_object(), "{finding:#}");
        assert_eq!(finding["remote_port"], 3868, "{finding:#}");
    }
}

#[test]
fn two_paths_over_two_nics_pass() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let _pair = Pair::between(&lab, &lab.ipv4("mme"), &lab.ipv4("hss"));
    let audited = audit(lab.host("mme"), &NICS, "12s", &["--strict"]);
    assert_eq!(audited.status, 0, "{:#}\n{}", audited.report, audited.stderr);
    assert_eq!(audited.report["associations"], 1);
    assert_eq!(audited.report["at_risk"], 0);
    assert!(audited.stderr.contains("watching path1"), "{}", audited.stderr);
    // The progress comes every ten seconds, on a loaded machine a little later.
    assert!(audited.stderr.contains(" s of 12s: 1 "), "{}", audited.stderr);
}

#[test]
fn a_single_homed_association_is_not_redundant() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let (local, remote) = (&lab.ipv4("mme")[..1], &lab.ipv4("hss")[..1]);
    let _pair = Pair::between(&lab, local, remote);
    let audited = audit(lab.host("mme"), &NICS, "8s", &[]);
    assert_eq!(audited.status, 1, "{:#}\n{}", audited.report, audited.stderr);
    assert_eq!(audited.findings(), ["not_redundant"]);
    assert_eq!(audited.report["at_risk"], 1);
    well_formed(&audited);
}

#[test]
fn an_address_that_was_never_reachable_would_not_take_over() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    lab.path("path2").break_silently().unwrap();
    // The handshake lists both addresses of each end, so it must be seen; heartbeats are as rare as in the field.
    let audit = Started::watching(lab.host("mme"), &NICS, "12s");
    let rare = |config: EndpointConfig| config.timers(Timers::default());
    let _pair = Pair::start(&lab, &rare(connecting(&lab)), &rare(listening(&lab)));
    let audited = audit.join();
    assert_eq!(audited.status, 1, "{:#}\n{}", audited.report, audited.stderr);
    well_formed(&audited);
    let findings = audited.report["findings"].as_array().unwrap();
    let mut unconfirmed: Vec<_> = findings
        .iter()
        .filter(|finding| finding["finding"] == "secondary_unconfirmed")
        .map(|finding| (finding["local"].as_str(), finding["remote"].as_str()))
        .collect();
    unconfirmed.sort_unstable();
    let ends = [(None, Some("10.1.2.2")), (Some("10.1.2.1"), None)];
    assert_eq!(unconfirmed, ends, "{:#}", audited.report);
}

#[test]
fn an_audit_goes_beside_a_running_agent_and_leaves_it_alone() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let host = lab.host("mme");
    let agent = monitor(host, &NICS, &["--hook", "xdp-native"]);
    let _pair = Pair::between(&lab, &lab.ipv4("mme"), &lab.ipv4("hss"));
    let audited = audit(host, &NICS, "6s", &["--no-agent"]);
    assert_eq!(audited.status, 0, "{:#}\n{}", audited.report, audited.stderr);
    assert_eq!(audited.report["associations"], 1);
    let fallback = "watching path1: incoming packets by tc (no native XDP: on one of a pair of NICs";
    assert!(audited.stderr.contains(fallback), "{}", audited.stderr);
    // The agent still sees both directions of both paths.
    lab.path("path2").break_silently().unwrap();
    agent.wait_for_path("10.1.2.2", "inactive", SOON).unwrap();
}

#[test]
fn an_agent_that_runs_is_asked_and_knows_what_a_watch_would_miss() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let host = lab.host("mme");
    // One of other NICs in another namespace, and the one to ask.
    let _other = monitor(lab.host("hss"), &NICS, &[]);
    let agent = monitor(host, &NICS, &[]);
    let pair = Pair::between(&lab, &lab.ipv4("mme"), &lab.ipv4("hss"));
    agent.wait_for_path("10.1.2.2", "active", SOON).unwrap();
    let fine = audit(host, &NICS, "12s", &[]);
    assert_eq!(fine.status, 0, "{:#}\n{}", fine.report, fine.stderr);
    assert_eq!(fine.report["agent"], agent.pid());
    assert_eq!(fine.report["associations"], 1);
    assert!(
        !fine.stderr.contains("watching path1"),
        "it attaches nothing: {}",
        fine.stderr
    );
    assert!(fine.stderr.contains("has just begun to watch"), "{}", fine.stderr);
    // The stack falls silent there before long, so that a watch would not see it.
    lab.path("path2").break_silently().unwrap();
    agent.wait_for_path("10.1.2.2", "inactive", SOON).unwrap();
    let at_risk = audit(host, &NICS[..1], "1s", &[]);
    assert_eq!(at_risk.status, 1, "{:#}\n{}", at_risk.report, at_risk.stderr);
    assert_eq!(at_risk.findings(), ["path_down"]);
    assert_eq!(at_risk.report["agent"], agent.pid());
    lab.path("path2").heal().unwrap();
    pair.client.stop().unwrap();
    agent.wait_for("association_down", SOON, |_| true).unwrap();
    let ended = audit(host, &NICS, "1s", &[]);
    assert_eq!(ended.status, 0, "{:#}\n{}", ended.report, ended.stderr);
    assert_eq!(ended.report["associations_ended"], 1);
    // One that does not answer is not waited for for ever, and one that ended is not missed.
    stop(agent);
    let alone = audit(host, &NICS, "1s", &[]);
    assert_eq!(alone.report["agent"], Value::Null, "{}", alone.stderr);
    assert!(alone.stderr.contains("watching path1"), "{}", alone.stderr);
}

#[test]
fn an_agents_events_are_audited_without_a_network() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let file = std::env::temp_dir().join(format!("sctp-monitor-audit-{}.jsonl", std::process::id()));
    let path = file.to_str().unwrap();
    let of_file = |more: &[&str]| {
        let arguments = ["audit", "--events", path];
        Command::new(binary())
            .args(arguments)
            .args(more)
            .output()
            .unwrap()
    };
    let agent = monitor(lab.host("mme"), &NICS, &["--events", path]);
    let unfinished = of_file(&[]);
    let (local, remote) = (&lab.ipv4("mme")[..1], &lab.ipv4("hss")[..1]);
    let _pair = Pair::between(&lab, local, remote);
    agent
        .wait_for("finding", SOON, |event| event["finding"] == "not_redundant")
        .unwrap();
    stop(agent);
    let found = Audited::from(of_file(&["--format", "json"]));
    let table = of_file(&[]);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(found.status, 1, "{}", found.stderr);
    assert_eq!(found.findings(), ["not_redundant"]);
    let table = String::from_utf8_lossy(&table.stdout);
    for words in ["at risk", "not redundant: all paths need", "Check: ", path] {
        assert!(table.contains(words), "{words}: {table}");
    }
    assert_eq!(unfinished.status.code(), Some(2));
    let stderr = String::from_utf8_lossy(&unfinished.stderr);
    assert!(stderr.contains(path) && stderr.contains("summary"), "{stderr}");
}

#[test]
fn no_association_is_said_to_be_none() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let host = lab.host("mme");
    assert_eq!(audit(host, &["path1"], "1s", &[]).status, 0);
    assert_eq!(audit(host, &["path1"], "1s", &["--strict"]).status, 1);
    let output = host
        .command(binary())
        .args(["audit", "--iface", "path1", "--for", "1s"])
        .output()
        .unwrap();
    let table = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        table,
        "no association on path1, watched for 1s: no SCTP packet seen\n"
    );
}

#[test]
fn associations_that_ended_meanwhile_are_counted_and_named() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let host = lab.host("mme");
    let begin_and_end = || {
        let pair = Pair::between(&lab, &lab.ipv4("mme"), &lab.ipv4("hss"));
        // Both paths have had their heartbeats by then.
        let in_use = |event: &Event| matches!(event.kind, EventKind::Stats(traffic) if traffic.sent >= 30);
        pair.client.wait_for(SOON, in_use).unwrap();
        pair.client.stop().unwrap();
    };
    let audit = Started::watching(host, &NICS, "8s");
    begin_and_end();
    let audited = audit.join();
    assert_eq!(audited.status, 0, "{:#}", audited.report);
    assert_eq!(audited.report["associations"], 0);
    assert_eq!(audited.report["associations_ended"], 1);
    assert!(audited.report["flows_opened"].as_u64().unwrap() > 0);

    let mut agent = host.command(binary());
    agent.args(["run", "--iface", "path1", "--iface", "path2", "--duration", "8s"]);
    let mut agent = agent.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(agent.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("watching path2")));
    begin_and_end();
    let summary: Vec<String> = lines
        .map(Result::unwrap)
        .skip_while(|line| line != "Summary")
        .collect();
    assert!(agent.wait().unwrap().success());
    assert_eq!(summary[1], "no association now on path1, path2 (1 ended)");
    assert!(summary[2].starts_with("association 1  ports "), "{summary:?}");
    assert!(summary[2].contains("Z: shut down by the "), "{summary:?}");
}

#[test]
fn what_cannot_be_looked_at_is_told_by_the_exit_status() {
    let namespace = Namespace::new("audit").unwrap();
    for (arguments, words) in [
        (&["--iface", "eth77"][..], "no interface eth77"),
        (&["--events", "/no/such/file"], "/no/such/file"),
        (&[], "--iface"),
    ] {
        let output = namespace
            .command(binary())
            .arg("audit")
            .args(arguments)
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(words), "{arguments:?}: {stderr}");
    }
}

fn stop(agent: Monitor) {
    let (status, summary) = agent.stop(Signal::SIGTERM).unwrap();
    assert!(status.success() && summary.is_some());
}
