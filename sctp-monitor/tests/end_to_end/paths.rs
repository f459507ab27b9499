//! Breaks and recoveries of real paths, seen from an endpoint.

use std::time::Duration;

use nix::sys::signal::Signal;
use sctp_monitor_lab::{End, EndpointConfig, Event, EventKind, Lab, Timers, wait};

use crate::setup::{PORT, Pair, SOON, changes, monitor, path, times};

/// A break that heals: the agent reports each once, and the other path never.
fn break_and_recovery_are_reported_once(lab: &Lab, local: &[std::net::IpAddr], remote: &[std::net::IpAddr]) {
    let agent = monitor(lab.host("mme"), &["path1", "path2"], &[]);
    let pair = Pair::between(lab, local, remote);
    let [first, second] = [remote[0].to_string(), remote[1].to_string()];
    for address in [&first, &second] {
        agent.wait_for_path(address, "active", SOON).unwrap();
    }
    lab.path("path1").break_silently().unwrap();
    let down = agent.wait_for_path(&first, "inactive", SOON).unwrap();
    assert_eq!(down["local"], local[0].to_string());
    let kind = down["evidence"]["kind"].as_str().unwrap();
    assert!(
        ["data_unacknowledged", "heartbeat_unanswered"].contains(&kind),
        "{down}"
    );
    assert!(down["evidence"]["timeout_ms"].as_f64().unwrap() > 0.0, "{down}");
    lab.path("path1").heal().unwrap();
    let recovered = |event: &serde_json::Value| event["remote"] == *first && event["from"] == "inactive";
    agent.wait_for("path_state_changed", SOON, recovered).unwrap();
    assert_eq!(times(&agent, &first, "inactive"), 1);
    assert_eq!(
        times(&agent, &second, "inactive"),
        0,
        "{:?}",
        changes(&agent, &second)
    );
    drop(pair);
}

#[test]
fn an_ipv4_path_breaks_and_recovers() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    break_and_recovery_are_reported_once(&lab, &lab.ipv4("mme"), &lab.ipv4("hss"));
}

#[test]
fn an_ipv6_path_breaks_and_recovers() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    break_and_recovery_are_reported_once(&lab, &lab.ipv6("mme"), &lab.ipv6("hss"));
}

#[test]
fn an_idle_path_is_found_broken_by_its_heartbeats() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let agent = monitor(lab.host("mme"), &["path1", "path2"], &[]);
    let _pair = Pair::between(&lab, &lab.ipv4("mme"), &lab.ipv4("hss"));
    agent.wait_for_path("10.1.2.2", "active", SOON).unwrap();
    lab.path("path2").break_silently().unwrap();
    let down = agent.wait_for_path("10.1.2.2", "inactive", SOON).unwrap();
    assert!(
        down["reason"]
            .as_str()
            .unwrap()
            .starts_with("HEARTBEAT unanswered"),
        "{down}"
    );
    assert!(
        down["evidence"]["heartbeats_unanswered"].as_u64().unwrap() >= 2,
        "{down}"
    );
    assert_eq!(times(&agent, "10.1.1.2", "inactive"), 0);
}

#[test]
fn a_break_in_one_direction_is_a_break() {
    for host in ["mme", "hss"] {
        let lab = Lab::two_hosts_two_paths().unwrap();
        let agent = monitor(lab.host("mme"), &["path1", "path2"], &[]);
        let _pair = Pair::between(&lab, &lab.ipv4("mme"), &lab.ipv4("hss"));
        agent.wait_for_path("10.1.1.2", "active", SOON).unwrap();
        lab.path("path1").drop_direction(host).unwrap();
        agent.wait_for_path("10.1.1.2", "inactive", SOON).unwrap();
        assert_eq!(times(&agent, "10.1.2.2", "inactive"), 0, "{host}");
    }
}

#[test]
fn a_link_down_is_reported_at_once_and_as_such() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let agent = monitor(lab.host("mme"), &["path1", "path2"], &[]);
    let _pair = Pair::between(&lab, &lab.ipv4("mme"), &lab.ipv4("hss"));
    agent.wait_for_path("10.1.1.2", "active", SOON).unwrap();
    lab.path("path1").link_down("mme").unwrap();
    let down = agent.wait_for_path("10.1.1.2", "inactive", SOON).unwrap();
    assert_eq!(down["evidence"]["kind"], "link_down");
    assert_eq!(down["evidence"]["interface"], "path1");
    lab.path("path1").heal().unwrap();
    let recovered = |event: &serde_json::Value| event["remote"] == "10.1.1.2" && event["from"] == "inactive";
    agent.wait_for("path_state_changed", SOON, recovered).unwrap();
}

#[test]
fn partial_multihoming_has_two_paths_to_one_address() {
    // One address at hss, reached from both NICs of mme through a router.
    let lab = Lab::builder()
        .router("gateway")
        .path(
            "path1",
            End::new("mme", "path1").address("10.1.1.1/24"),
            End::new("gateway", "left1").address("10.1.1.254/24"),
        )
        .path(
            "path2",
            End::new("mme", "path2").address("10.1.2.1/24"),
            End::new("gateway", "left2").address("10.1.2.254/24"),
        )
        .path(
            "far",
            End::new("gateway", "right").address("10.2.1.254/24"),
            End::new("hss", "eth0").address("10.2.1.2/24"),
        )
        .route("mme", "10.2.1.0/24", "10.1.1.254")
        .route("mme", "10.2.1.0/24", "10.1.2.254")
        .route("hss", "10.1.0.0/16", "10.2.1.254")
        .build()
        .unwrap();
    let agent = monitor(lab.host("hss"), &["eth0"], &[]);
    let pair = Pair::between(&lab, &lab.ipv4("mme"), &lab.ipv4("hss"));
    let up = agent.wait_for("association_up", SOON, |_| true).unwrap();
    assert_eq!(up["local_addresses"], serde_json::json!(["10.2.1.2"]));
    assert_eq!(up["remote_addresses"].as_array().unwrap().len(), 2);
    for remote in ["10.1.1.1", "10.1.2.1"] {
        agent.wait_for_path(remote, "active", SOON).unwrap();
    }
    // Two heartbeats on each path, so that the programs know the flows for siblings.
    let stats = |event: &Event| matches!(event.kind, EventKind::Stats(_));
    let stats = || pair.client.events().iter().filter(|event| stats(event)).count();
    wait::until(SOON, || (stats() >= 3).then_some(())).unwrap();
    // The stack at mme answers every heartbeat by the route that its kernel prefers, which is path2.
    lab.path("path1").break_silently().unwrap();
    let down = agent.wait_for_path("10.1.1.1", "inactive", SOON).unwrap();
    assert_eq!(down["local"], "10.2.1.2");
    assert_eq!(
        times(&agent, "10.1.2.1", "inactive"),
        0,
        "{:?}",
        changes(&agent, "10.1.2.1")
    );
    let (_, summary) = agent.stop(Signal::SIGTERM).unwrap();
    let summary = summary.unwrap();
    let first = &path(&summary, "10.2.1.2", "10.1.1.1")["forward"];
    assert!(first["answered_elsewhere"].as_u64().unwrap() > 0, "{first:#}");
    assert_eq!(first["ack_source"], "10.1.2.1");
}

#[test]
fn an_association_is_joined_mid_life() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let pair = Pair::between(&lab, &lab.ipv4("mme"), &lab.ipv4("hss"));
    let agent = monitor(lab.host("mme"), &["path1", "path2"], &[]);
    let up = agent.wait_for("association_up", SOON, |_| true).unwrap();
    assert_eq!(up["origin"], "mid-life");
    for remote in ["10.1.1.2", "10.1.2.2"] {
        agent.wait_for_path(remote, "active", SOON).unwrap();
    }
    let ups = agent
        .events()
        .iter()
        .filter(|event| event["event"] == "association_up")
        .count();
    assert_eq!(ups, 1, "both paths are one association's");
    lab.path("path1").break_silently().unwrap();
    agent.wait_for_path("10.1.1.2", "inactive", SOON).unwrap();
    drop(pair);
}

#[test]
fn an_association_in_udp_is_watched_like_any_other() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let agent = monitor(lab.host("mme"), &["path1", "path2"], &[]);
    let timers = Timers::tuned();
    let server = EndpointConfig::listen(lab.ipv4("hss"), 3868)
        .timers(timers.clone())
        .udp_encap(9899);
    let client = EndpointConfig::connect(lab.ipv4("mme"), lab.ipv4("hss"), 3868)
        .rate(20.0)
        .timers(timers)
        .udp_encap(9899);
    let _pair = Pair::start(&lab, &client, &server);
    agent.wait_for_path("10.1.1.2", "active", SOON).unwrap();
    lab.path("path1").break_silently().unwrap();
    agent.wait_for_path("10.1.1.2", "inactive", SOON).unwrap();
}

#[test]
fn the_end_of_an_association_is_reported_with_its_reason() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let agent = monitor(lab.host("mme"), &["path1", "path2"], &[]);
    let pair = Pair::between(&lab, &lab.ipv4("mme"), &lab.ipv4("hss"));
    agent.wait_for("association_up", SOON, |_| true).unwrap();
    pair.client.stop().unwrap();
    let asked = agent
        .wait_for("association_shutting_down", SOON, |_| true)
        .unwrap();
    assert_eq!(asked["by"], "local");
    let down = agent.wait_for("association_down", SOON, |_| true).unwrap();
    assert_eq!(down["end"]["kind"], "shutdown");
    // Two listeners on one port would both answer.
    drop(pair.server);

    let pair = Pair::between(&lab, &lab.ipv4("mme"), &lab.ipv4("hss"));
    pair.server.abort().unwrap();
    let aborted = |event: &serde_json::Value| event["end"]["kind"] == "abort";
    agent.wait_for("association_down", SOON, aborted).unwrap();
}

#[test]
fn healthy_paths_under_load_report_nothing() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let agent = monitor(lab.host("mme"), &["path1", "path2"], &[]);
    let mut pair = Pair::between(&lab, &lab.ipv4("mme"), &lab.ipv4("hss"));
    for remote in ["10.1.1.2", "10.1.2.2"] {
        agent.wait_for_path(remote, "active", SOON).unwrap();
    }
    pair.client.set_rate(5_000.0).unwrap();
    // Heartbeats of the idle path mark the time: some twenty of them.
    let heartbeats = |events: Vec<Event>| {
        events
            .iter()
            .filter(|event| matches!(event.kind, EventKind::Stats(_)))
            .count()
    };
    wait::until(Duration::from_secs(30), || {
        (heartbeats(pair.client.events()) >= 8).then_some(())
    })
    .unwrap();
    for remote in ["10.1.1.2", "10.1.2.2"] {
        assert_eq!(
            times(&agent, remote, "inactive"),
            0,
            "{:?}",
            changes(&agent, remote)
        );
    }
}

#[test]
fn a_host_that_only_receives_is_told_of_its_paths() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let agent = monitor(lab.host("hss"), &["path1", "path2"], &[]);
    // Its own stack asks nobody before the test is over.
    let silent = Timers {
        heartbeat_interval: Some(Duration::from_secs(600)),
        ..Timers::tuned()
    };
    let listen = EndpointConfig::listen(lab.ipv4("hss"), PORT).timers(silent);
    let mut connect = EndpointConfig::connect(lab.ipv4("mme"), lab.ipv4("hss"), PORT)
        .rate(20.0)
        .timers(Timers::tuned());
    connect.stats_interval = Duration::from_millis(100);
    let pair = Pair::start(&lab, &connect, &listen);
    for address in ["10.1.1.1", "10.1.2.1"] {
        agent.wait_for_path(address, "active", SOON).unwrap();
    }
    // The idle path's HEARTBEATs have a rhythm by then.
    let sent = |event: &Event| matches!(event.kind, EventKind::Stats(traffic) if traffic.sent >= 100);
    pair.client.wait_for(SOON, sent).unwrap();
    lab.path("path1").break_silently().unwrap();
    let down = agent.wait_for_path("10.1.1.1", "inactive", SOON).unwrap();
    let kind = down["evidence"]["kind"].as_str().unwrap();
    assert!(
        ["data_elsewhere", "heartbeats_stay_out"].contains(&kind),
        "{down}"
    );
    let is_it = |event: &serde_json::Value| event["finding"] == "path_down" && event["remote"] == "10.1.1.1";
    let finding = agent.wait_for("finding", SOON, is_it).unwrap();
    assert_ne!(finding["evidence"]["direction"], "both", "{finding}");
    lab.path("path1").heal().unwrap();
    let recovered = |event: &serde_json::Value| event["remote"] == "10.1.1.1" && event["from"] == "inactive";
    agent.wait_for("path_state_changed", SOON, recovered).unwrap();
    assert_eq!(
        times(&agent, "10.1.2.1", "inactive"),
        0,
        "{:?}",
        changes(&agent, "10.1.2.1")
    );
}
