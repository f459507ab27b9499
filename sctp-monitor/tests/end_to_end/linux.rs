//! Linux's own SCTP as the peer and as the stack that is watched: Linux 6.1 in User Mode Linux, in the place of one host.
//! The other host runs what this machine has. `docs/linux-sctp.md` says what was learnt here.

use std::time::Duration;

use nix::sys::signal::Signal;
use sctp_monitor_lab::{
    Backend, Capture, EndpointConfig, Lab, Timers,
    clock::MonotonicNs,
    endpoint::{AddressChange, EventKind},
};
use serde_json::Value;

use crate::{
    counts::assert_counts_are_those_of,
    diagnosis::{alarm, assert_direction, assert_neither_works},
    scene::{PRIMARY, SECONDARY, Scene, connecting, listening, since},
    setup::{Pair, SOON, monitor, path},
};

/// Linux at `mme`, beside the agent, then at `hss`.
fn either_way_round() -> [[Backend; 2]; 2] {
    let linux = Backend::user_mode_linux;
    [[linux(), Backend::Process], [Backend::Process, linux()]]
}

/// An association in use with Linux at one end, at its defaults or with short timers at both.
fn scene([mme, hss]: &[Backend; 2], timers: &Timers) -> Scene {
    let with = |endpoint: EndpointConfig| endpoint.timers(timers.clone());
    Scene::on([mme, hss], with, with)
}

/// That this was an alarm. Whether it was the only one is held where the peer is no machine that now and then stands still
/// for half a second, as User Mode Linux does: that is reported too, and rightly.
fn assert_reported(scene: &Scene, finding: &str, remote: &str) {
    let alarms = scene.alarms();
    assert!(alarms.contains(&alarm(finding, remote)), "{alarms:?}");
}

#[test]
fn counts_are_those_of_a_capture_and_heartbeats_are_matched() {
    for [mme, hss] in either_way_round() {
        let lab = Lab::two_hosts_two_paths().unwrap();
        let captures = ["path1", "path2"].map(|nic| Capture::start(lab.host("mme"), nic).unwrap());
        let agent = monitor(lab.host("mme"), &["path1", "path2"], &[]);
        let pair = Pair::start_on(
            [&mme, &hss],
            &lab,
            &connecting(&lab).rate(200.0),
            &listening(&lab),
        );
        for remote in [PRIMARY, SECONDARY] {
            agent.wait_for_path(remote, "active", SOON).unwrap();
        }
        let many = |event: &sctp_monitor_lab::Event| matches!(event.kind, EventKind::Stats(traffic) if traffic.sent >= 600);
        pair.client.wait_for(SOON, many).unwrap();
        pair.client.stop().unwrap();
        agent.wait_for("association_down", SOON, |_| true).unwrap();
        let (_, summary) = agent.stop(Signal::SIGTERM).unwrap();
        let summary = summary.unwrap();
        assert_counts_are_those_of(captures, &summary, &format!("{mme:?}"));
        assert_eq!(
            summary["counters"],
            serde_json::json!({}),
            "nothing was odd: {mme:?}"
        );
        let idle = &path(&summary, "10.1.2.1", SECONDARY)["forward"];
        assert!(idle["heartbeat_rtt"]["srtt_ms"].is_f64(), "{idle:#}");
    }
}

#[test]
fn a_silent_break_is_reported_before_the_kernel_says_anything_and_heals() {
    for backends in either_way_round() {
        let scene = scene(&backends, &Timers::tuned());
        let broken_at_ns = scene.lab.path("path1").break_silently().unwrap();
        let down = scene.wait_for_path("path_down", PRIMARY);
        if backends[0] != Backend::Process {
            let kernel = unreachable_at_ns(&scene, broken_at_ns);
            assert!(since(broken_at_ns, &down) < kernel, "{kernel:?} {down}");
        }
        scene.lab.path("path1").heal().unwrap();
        scene.wait_for_closed("path_down", PRIMARY);
        assert_neither_works(&scene, PRIMARY);
        assert_reported(&scene, "path_down", PRIMARY);
    }
}

#[test]
fn a_silent_break_is_reported_with_the_kernel_at_its_defaults() {
    for backends in either_way_round() {
        let scene = scene(&backends, &Timers::default());
        let broken_at_ns = scene.lab.path("path1").break_silently().unwrap();
        let down = scene.wait_for_path("path_down", PRIMARY);
        // 300 ms on a machine that does nothing else.
        assert!(since(broken_at_ns, &down) < Duration::from_secs(1), "{down}");
        assert_reported(&scene, "path_down", PRIMARY);
    }
}

#[test]
fn a_break_of_one_direction_is_told_from_others() {
    for backends in either_way_round() {
        for (sender, direction) in [("mme", "forward"), ("hss", "return")] {
            // Linux leaves the path after one time-out of 100 ms. What waits by then is all that tells of the way back.
            let with = |endpoint: EndpointConfig| endpoint.timers(Timers::tuned());
            let scene = Scene::on(
                [&backends[0], &backends[1]],
                |client| with(client).rate(100.0),
                with,
            );
            scene.lab.path("path1").drop_direction(sender).unwrap();
            scene.wait_for_path("path_down", PRIMARY);
            assert_direction(&scene, direction);
            scene.lab.path("path1").heal().unwrap();
            scene.wait_for_closed("path_down", PRIMARY);
            assert_reported(&scene, "path_down", PRIMARY);
        }
    }
}

#[test]
fn an_idle_path_is_found_broken_by_its_heartbeats() {
    for backends in either_way_round() {
        let scene = scene(&backends, &Timers::tuned());
        scene.lab.path("path2").break_silently().unwrap();
        scene.wait_for_path("path_down", SECONDARY);
        scene.lab.path("path2").heal().unwrap();
        scene.wait_for_closed("path_down", SECONDARY);
        assert_reported(&scene, "path_down", SECONDARY);
    }
}

#[test]
fn a_link_down_at_the_other_host_or_here_is_told_from_a_break() {
    let [linux_here, linux_there] = either_way_round();
    // Not at the host of Linux, whose NIC would stay dead.
    for (host, finding, backends) in [
        ("mme", "link_down", linux_there),
        ("hss", "path_down", linux_here),
    ] {
        let scene = scene(&backends, &Timers::tuned());
        scene.lab.path("path1").link_down(host).unwrap();
        scene.wait_for_path(finding, PRIMARY);
        scene.lab.path("path1").heal().unwrap();
        scene.wait_for_closed(finding, PRIMARY);
        assert_reported(&scene, finding, PRIMARY);
    }
}

#[test]
fn round_trip_times_are_those_of_the_kernel() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    lab.path("path2").delay(Duration::from_millis(50)).unwrap();
    let agent = monitor(lab.host("mme"), &["path1", "path2"], &[]);
    let [[mme, hss], _] = either_way_round();
    let mut pair = Pair::start_on([&mme, &hss], &lab, &connecting(&lab), &listening(&lab));
    agent.wait_for_path(SECONDARY, "active", SOON).unwrap();
    pair.client
        .wait_for(
            SOON,
            |event| matches!(event.kind, EventKind::Stats(traffic) if traffic.sent >= 80),
        )
        .unwrap();
    let kernels = pair.client.paths().unwrap().remove(0);
    let (_, summary) = agent.stop(Signal::SIGTERM).unwrap();
    let summary = summary.unwrap();
    let ours = path(&summary, "10.1.2.1", SECONDARY)["forward"]["heartbeat_rtt"]["srtt_ms"]
        .as_f64()
        .unwrap();
    let kernel = kernels
        .iter()
        .find(|path| path.address.to_string() == SECONDARY)
        .unwrap();
    let kernel = f64::from(kernel.srtt_ms);
    // The kernel counts in jiffies of 10 ms here: one of them more or less than the truth, beside the 20 %.
    assert!(
        (ours - kernel).abs() <= 0.2 * kernel,
        "{ours} ms, the kernel says {kernel}"
    );
}

#[test]
fn a_host_that_comes_back_restarts_its_association() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let agent = monitor(lab.host("mme"), &["path1", "path2"], &[]);
    let [_, [mme, hss]] = either_way_round();
    // Linux opens the association, so it is the one that comes back with an INIT from the same port.
    let listen = EndpointConfig::listen(lab.ipv4("mme"), 3868);
    let connect = EndpointConfig::connect(lab.ipv4("hss"), lab.ipv4("mme"), 3868)
        .local_port(40_000)
        .rate(20.0);
    let server = lab.spawn("mme", &mme, &listen).unwrap();
    let client = lab.spawn("hss", &hss, &connect).unwrap();
    let up = |event: &Value| event["remote_port"] == 40_000;
    let first = agent.wait_for("association_up", SOON, up).unwrap();
    server.wait_until_up(1, SOON).unwrap();
    let _ = client.kill();
    let _client = lab.spawn("hss", &hss, &connect).unwrap();
    let again = |event: &Value| up(event) && event["association"] != first["association"];
    let second = agent.wait_for("association_up", SOON, again).unwrap();
    assert_eq!(second["restarts"], first["association"], "{second:#}");
    server
        .wait_for(SOON, |event| {
            matches!(event.kind, EventKind::AssociationRestarted { .. })
        })
        .unwrap();
}

#[test]
fn addresses_that_come_and_go_are_followed() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let agent = monitor(lab.host("mme"), &["path1", "path2"], &[]);
    let linux = Backend::user_mode_linux()
        .setting("sctp/addip_enable", "1")
        .setting("sctp/addip_noauth_enable", "1");
    let mut connect = connecting(&lab);
    connect.local.truncate(1);
    let mut pair = Pair::start_on([&linux, &linux], &lab, &connect, &listening(&lab));
    let up = agent.wait_for("association_up", SOON, |_| true).unwrap();
    assert_eq!(up["local_addresses"], serde_json::json!(["10.1.1.1"]));
    pair.client.add_address("10.1.2.1".parse().unwrap()).unwrap();
    let is_new = |event: &Value| event["local"] == "10.1.2.1" && event["to"] == "active";
    agent.wait_for("path_state_changed", SOON, is_new).unwrap();
    pair.client.remove_address("10.1.2.1".parse().unwrap()).unwrap();
    let is_gone = |event: &Value| event["removed"] == serde_json::json!(["10.1.2.1"]);
    agent.wait_for("addresses_changed", SOON, is_gone).unwrap();
}

/// When the kernel at `mme` said that the primary path is gone, from the break on.
fn unreachable_at_ns(scene: &Scene, broken_at_ns: MonotonicNs) -> Duration {
    let is_unreachable = |event: &sctp_monitor_lab::Event| {
        matches!(event.kind, EventKind::PathChanged { address, state: AddressChange::Unreachable, .. }
            if address.to_string() == PRIMARY)
            && event.time_ns > broken_at_ns
    };
    let event = scene.pair.client.wait_for(SOON, is_unreachable).unwrap();
    Duration::from_nanos(event.time_ns - broken_at_ns)
}
