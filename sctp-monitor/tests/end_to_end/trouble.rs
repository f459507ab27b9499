//! What goes wrong around the agent gets a clear word, and goes no further than it must.

use std::time::Duration;

use sctp_monitor_lab::{Lab, Monitor, Namespace};
use serde_json::Value;

use crate::{
    scene::{connecting, listening, patient},
    setup::{Pair, SOON, binary, monitor},
};

/// Runs the agent and expects it to give up at once, with these words.
fn refused(namespace: &Namespace, arguments: &[&str], words: &[&str]) {
    let agent = Monitor::spawn(namespace, binary(), arguments).unwrap();
    let (status, _, stderr) = agent.join(SOON).unwrap();
    assert_eq!(status.code(), Some(1), "{arguments:?}: {stderr}");
    for word in words {
        assert!(
            stderr.contains(word),
            "{arguments:?} should say {word:?}: {stderr}"
        );
    }
    assert!(!stderr.contains("panicked"), "{stderr}");
}

#[test]
fn an_unknown_interface_is_named() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    refused(
        lab.host("mme"),
        &["--iface", "eth77"],
        &["no interface eth77", "ip link"],
    );
}

#[test]
fn one_of_a_pair_is_watched_by_tc_beside_another_agent() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let host = lab.host("mme");
    let _first = monitor(host, &["path1"], &["--hook", "xdp-native"]);
    let second = monitor(host, &["path1"], &["--hook", "auto"]);
    let watching = &second.events()[0];
    assert_eq!(watching["hook"], "tc");
    assert!(
        watching["reason"]
            .as_str()
            .unwrap()
            .contains("segmentation offload"),
        "{watching}"
    );
    refused(
        host,
        &["--iface", "path1", "--hook", "xdp-native"],
        &[
            "path1 cannot take native XDP",
            "another XDP program",
            "ip -details link show",
        ],
    );
    // Both see the same traffic.
    let _pair = Pair::between(&lab, &lab.ipv4("mme"), &lab.ipv4("hss"));
    second.wait_for("association_up", SOON, |_| true).unwrap();
}

#[test]
fn a_nic_without_native_xdp_is_watched_by_tc_and_never_silently_by_generic_xdp() {
    let namespace = Namespace::new("dummy").unwrap();
    let dummy = ["link", "add", "dummy7", "type", "dummy"];
    if !namespace.command("ip").args(dummy).status().unwrap().success() {
        // Every kernel has tun, dummy is a module on some.
        assert!(
            namespace
                .command("ip")
                .args(["tuntap", "add", "dummy7", "mode", "tap"])
                .status()
                .unwrap()
                .success()
        );
    }
    let agent = monitor(&namespace, &["dummy7"], &["--hook", "auto"]);
    let watching = &agent.events()[0];
    let native = watching["hook"] == "xdp-native";
    assert!(native || watching["hook"] == "tc", "{watching}");
    let reason = watching["reason"].as_str().unwrap();
    assert!(native || reason.contains("no native XDP"), "{watching}");
}

#[test]
fn a_vanished_nic_ends_its_own_watch_only() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let host = lab.host("mme");
    let agent = monitor(host, &["path1", "path2"], &[]);
    // The association must outlive both its paths, until heartbeats have told of the second one.
    let _pair = Pair::start(&lab, &patient(connecting(&lab)), &patient(listening(&lab)));
    for remote in ["10.1.1.2", "10.1.2.2"] {
        agent.wait_for_path(remote, "active", SOON).unwrap();
    }
    assert!(
        host.command("ip")
            .args(["link", "delete", "path1"])
            .status()
            .unwrap()
            .success()
    );
    agent
        .wait_for("watch_ended", SOON, |event| event["interface"] == "path1")
        .unwrap();
    let down = agent.wait_for_path("10.1.1.2", "inactive", SOON).unwrap();
    let kind = down["evidence"]["kind"].as_str().unwrap();
    assert!(["interface_gone", "link_down"].contains(&kind), "{down}");
    // The other NIC is watched as before.
    lab.path("path2").break_silently().unwrap();
    agent.wait_for_path("10.1.2.2", "inactive", SOON).unwrap();
}

#[test]
fn a_nic_that_comes_back_is_watched_again() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let host = lab.host("mme");
    let agent = monitor(host, &["path1"], &[]);
    let ip = |arguments: &[&str]| assert!(host.command("ip").args(arguments).status().unwrap().success());
    ip(&["link", "delete", "path1"]);
    agent.wait_for("watch_ended", SOON, |_| true).unwrap();
    ip(&["link", "add", "path1", "type", "veth", "peer", "name", "other"]);
    let mut watched = 0;
    let again = |event: &Value| {
        watched += u32::from(event["interface"] == "path1");
        watched == 2
    };
    agent.wait_for("watch_started", SOON, again).unwrap();
}

#[test]
fn without_privileges_it_says_what_is_missing() {
    let namespace = Namespace::new("unprivileged").unwrap();
    let binary = binary().to_str().unwrap();
    // The binary lies where only root may look; a copy lies where all may.
    let copy = std::env::temp_dir().join(format!("sctp-monitor-{}", std::process::id()));
    std::fs::copy(binary, &copy).unwrap();
    let output = namespace
        .command("setpriv")
        .args([
            "--reuid",
            "65534",
            "--regid",
            "65534",
            "--clear-groups",
            "--inh-caps=-all",
            "--bounding-set=-all",
        ])
        .arg(&copy)
        .args(["run", "--iface", "lo", "--duration", "1s"])
        .output();
    std::fs::remove_file(&copy).unwrap();
    let output = output.unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("CAP_BPF") && stderr.contains("root"), "{stderr}");
}

#[test]
fn wrong_arguments_are_explained() {
    let namespace = Namespace::new("arguments").unwrap();
    for (arguments, words) in [
        (&["run", "--iface"][..], "--iface"),
        (&["run", "--iface", "lo", "--hook", "magic"], "xdp-native"),
        (&["run", "--iface", "lo", "--duration", "soon"], "--duration"),
        (&["run", "--iface", "lo", "--max-flows", "3"], "64"),
    ] {
        let output = namespace.command(binary()).args(arguments).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr.contains(words), "{arguments:?}: {stderr}");
    }
}

#[test]
fn events_can_go_to_a_file_as_well() {
    let namespace = Namespace::new("events").unwrap();
    let file = std::env::temp_dir().join(format!("sctp-monitor-events-{}.jsonl", std::process::id()));
    let output = namespace
        .command(binary())
        .args([
            "run",
            "--iface",
            "lo",
            "--hook",
            "tc",
            "--duration",
            "500ms",
            "--events",
        ])
        .arg(&file)
        .output()
        .unwrap();
    let lines = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let events: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(events[0]["event"], "watch_started");
    assert_eq!(events.last().unwrap()["event"], "summary");
    let table = String::from_utf8_lossy(&output.stdout);
    assert!(table.contains("watching lo: incoming packets by tc"), "{table}");
    assert!(table.contains("Summary"), "{table}");
    let refused = namespace
        .command(binary())
        .args(["run", "--iface", "lo", "--events", "/no/such/folder/file"])
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("/no/such/folder/file"));
    let _ = Duration::ZERO;
}

/// Those that the manual names, and that the unit for systemd gives.
#[test]
fn the_privileges_of_the_manual_suffice() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    for hook in ["xdp-native", "tc"] {
        let mut command = lab.host("mme").command("setpriv");
        let three = "--bounding-set=-all,+bpf,+net_admin,+perfmon";
        let output = command
            .args([three, "--inh-caps=-all", "--"])
            .arg(binary())
            .args([
                "run",
                "--iface",
                "path1",
                "--duration",
                "1s",
                "--format",
                "json",
                "--hook",
                hook,
            ])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(
            output.status.success() && text.contains("watch_started"),
            "{hook}: {error}"
        );
    }
}
