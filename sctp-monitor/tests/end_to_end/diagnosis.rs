//! What kind of failure it is: each fault gets its own name, and no other.

use std::time::Duration;

use sctp_monitor_lab::{
    End, Endpoint, EndpointConfig, Event, EventKind, Lab, Timers, clock::monotonic_ns, wait,
};
use serde_json::Value;

use crate::{
    scene::{PRIMARY, SECONDARY, Scene, connecting, figure, patient, since},
    setup::{Pair, SOON, monitor, times},
};

/// An alarm on the path to an address.
pub(crate) fn alarm(finding: &str, remote: &str) -> (String, Option<String>) {
    (finding.to_owned(), Some(remote.to_owned()))
}

/// The direction of a break of the primary path, once it is known; until then it is said to be unknown, and never another.
pub(crate) fn assert_direction(scene: &Scene, expected: &str) {
    assert_direction_to(scene, PRIMARY, expected);
}

/// The same of the path to any address.
pub(crate) fn assert_direction_to(scene: &Scene, remote: &str, expected: &str) {
    wait::until(SOON, || {
        (scene.directions(remote).last()? == expected).then_some(())
    })
    .unwrap_or_else(|_| panic!("not {expected}, but {:?}", scene.directions(remote)));
    let wrong = |direction: &String| direction != expected && direction != "unknown";
    assert!(
        !scene.directions(remote).iter().any(wrong),
        "{:?}",
        scene.directions(remote)
    );
}

/// Of a path whose both directions are broken, neither is said to work. That both are broken needs what the peer would have sent:
/// its HEARTBEATs, if they have a rhythm by then.
pub(crate) fn assert_neither_works(scene: &Scene, remote: &str) {
    let said = scene.directions(remote);
    assert!(
        said.iter()
            .all(|direction| direction == "both" || direction == "unknown"),
        "{said:?}"
    );
}

#[test]
fn a_break_of_both_directions_is_a_path_down() {
    let scene = Scene::new();
    scene.lab.path("path1").break_silently().unwrap();
    let down = scene.wait_for_path("path_down", PRIMARY);
    assert_eq!(down["local"], "10.1.1.1");
    scene.lab.path("path1").heal().unwrap();
    scene.wait_for_closed("path_down", PRIMARY);
    assert_neither_works(&scene, PRIMARY);
    assert_eq!(scene.alarms(), [alarm("path_down", PRIMARY)]);
}

#[test]
fn a_break_of_the_way_there_is_told_from_others() {
    let scene = Scene::new();
    scene.lab.path("path1").drop_direction("mme").unwrap();
    scene.wait_for_path("path_down", PRIMARY);
    assert_direction(&scene, "forward");
    scene.lab.path("path1").heal().unwrap();
    scene.wait_for_closed("path_down", PRIMARY);
    assert_eq!(scene.alarms(), [alarm("path_down", PRIMARY)]);
}

#[test]
fn a_break_of_the_return_direction_is_told_from_others() {
    let defaults = |endpoint: EndpointConfig| endpoint.timers(Timers::default());
    let scene = Scene::with(defaults, defaults);
    scene.lab.path("path1").drop_direction("hss").unwrap();
    scene.wait_for_path("path_down", PRIMARY);
    assert_direction(&scene, "return");
    assert_eq!(scene.alarms(), [alarm("path_down", PRIMARY)]);
}

#[test]
fn a_break_of_the_return_direction_is_found_although_a_second_copy_of_each_message_is_acknowledged() {
    // With short timers usrsctp sends each message again on path2, 100 ms after path1 has carried it in vain as far as it
    // knows. The SACKs come back over path2 and list the duplicates; DATA never leaves path1.
    let scene = Scene::new();
    scene.lab.path("path1").drop_direction("hss").unwrap();
    scene.wait_for_path("path_down", PRIMARY);
    assert_direction(&scene, "return");
    scene.lab.path("path1").heal().unwrap();
    scene.wait_for_closed("path_down", PRIMARY);
    assert_eq!(scene.alarms(), [alarm("path_down", PRIMARY)]);
}

#[test]
fn a_link_down_here_is_told_from_a_break_in_the_network() {
    let scene = Scene::new();
    scene.lab.path("path1").link_down("mme").unwrap();
    let down = scene.wait_for_path("link_down", PRIMARY);
    assert_eq!(down["local"], "10.1.1.1");
    assert!(down["evidence"]["interface"] == "path1", "{down}");
    scene.lab.path("path1").heal().unwrap();
    scene.wait_for_closed("link_down", PRIMARY);
    assert_eq!(scene.alarms(), [alarm("link_down", PRIMARY)]);
}

#[test]
fn a_link_down_at_the_far_host_is_a_path_down() {
    let scene = Scene::new();
    scene.lab.path("path1").link_down("hss").unwrap();
    scene.wait_for_path("path_down", PRIMARY);
    scene.lab.path("path1").heal().unwrap();
    scene.wait_for_closed("path_down", PRIMARY);
    assert_eq!(scene.alarms(), [alarm("path_down", PRIMARY)]);
}

#[test]
fn one_address_of_a_partially_multihomed_association_fails_alone() {
    // hss has two addresses, mme one, with a router in front of it.
    let lab = Lab::builder()
        .router("gateway")
        .path(
            "near",
            End::new("mme", "eth0").address("10.2.1.1/24"),
            End::new("gateway", "left").address("10.2.1.254/24"),
        )
        .path(
            "far1",
            End::new("gateway", "right1").address("10.1.1.254/24"),
            End::new("hss", "path1").address("10.1.1.2/24"),
        )
        .path(
            "far2",
            End::new("gateway", "right2").address("10.1.2.254/24"),
            End::new("hss", "path2").address("10.1.2.2/24"),
        )
        .route("mme", "10.1.0.0/16", "10.2.1.254")
        .route("hss", "10.2.1.0/24", "10.1.1.254")
        .route("hss", "10.2.1.0/24", "10.1.2.254")
        .build()
        .unwrap();
    let agent = monitor(lab.host("mme"), &["eth0"], &[]);
    let pair = Pair::between(&lab, &lab.ipv4("mme"), &lab.ipv4("hss"));
    for remote in [PRIMARY, SECONDARY] {
        agent.wait_for_path(remote, "active", SOON).unwrap();
    }
    let scene = Scene { pair, agent, lab };
    scene.wait_for_messages(40);
    scene.lab.path("far1").break_silently().unwrap();
    let down = scene.wait_for_path("path_down", PRIMARY);
    assert_eq!(down["local"], "10.2.1.1");
    scene.lab.path("far1").heal().unwrap();
    let closed = |event: &Value| event["remote"] == PRIMARY;
    scene.wait_for("path_down", "closed", closed);
    // hss answers from the address that its stack likes best, so that its heartbeat acks come from the other one too.
    let mut alarms = scene.alarms();
    alarms.retain(|(finding, _)| finding != "answered_elsewhere");
    assert_eq!(alarms, [alarm("path_down", PRIMARY)]);
    assert_eq!(times(&scene.agent, SECONDARY, "inactive"), 0);
}

#[test]
fn a_silent_host_is_a_peer_down_and_not_two_paths() {
    let scene = Scene::with(patient, patient);
    for path in ["path1", "path2"] {
        scene.lab.path(path).link_down("hss").unwrap();
    }
    let down = scene.wait_for("peer_down", "opened", |_| true);
    assert!(down["local"].is_null() && down["remote"].is_null(), "{down}");
    for path in ["path1", "path2"] {
        scene.lab.path(path).heal().unwrap();
    }
    let over = |event: &Value| event["association"] == down["association"];
    scene.wait_for("peer_down", "closed", over);
    let count = scene
        .alarms()
        .iter()
        .filter(|(finding, _)| finding == "peer_down")
        .count();
    assert_eq!(count, 1, "{:?}", scene.alarms());
}

#[test]
fn a_killed_peer_is_down_although_its_host_answers() {
    // Its kernel answers each packet with ICMP protocol unreachable, as a host does whose SCTP module was unloaded.
    let Scene { pair, agent, lab } = Scene::with(patient, patient);
    let Pair { client, server } = pair;
    let killed_at_ns = monotonic_ns();
    let _ = server.kill();
    let down = agent
        .wait_for("finding", SOON, |event| {
            event["finding"] == "peer_down" && event["status"] == "opened"
        })
        .unwrap();
    let took = since(killed_at_ns, &down);
    assert!(took < Duration::from_secs(5), "{took:?}");
    drop((client, agent, lab));
}

#[test]
fn large_messages_in_a_black_hole_are_told_from_a_path_down() {
    let mut scene = Scene::new();
    scene.lab.path("path1").drop_larger_than(1_000).unwrap();
    scene.wait_for_messages(40);
    assert_eq!(scene.alarms(), [], "small messages and heartbeats pass");
    scene.pair.client.set_size(1_200).unwrap();
    scene.wait_for_path("path_mtu_black_hole", PRIMARY);
    // It looked like a path down until the next heartbeat was answered, perhaps.
    wait::until(SOON, || (scene.open_alarms().len() == 1).then_some(()))
        .unwrap_or_else(|_| panic!("{:?}", scene.open_alarms()));
    assert!(!scene.alarms().contains(&alarm("path_down", SECONDARY)));
    scene.lab.path("path1").heal().unwrap();
    scene.wait_for_closed("path_mtu_black_hole", PRIMARY);
}

/// A fifth of the packets of one direction is lost: said within 10 s, with the rate.
fn loss_is_measured(scene: &Scene, from_host: &str, direction: &str) {
    let fault_ns = scene.lab.path("path1").lose_direction(from_host, 20.0).unwrap();
    let loss = scene.wait_for_path("grey_loss", PRIMARY);
    let took = since(fault_ns, &loss);
    assert!(took <= Duration::from_secs(10), "{took:?}");
    let percent = figure(&loss, "loss_percent");
    assert!((15.0..=25.0).contains(&percent), "{loss:#}");
    assert_eq!(loss["evidence"]["direction"], direction, "{loss:#}");
    assert_eq!(
        scene.alarms(),
        [alarm("grey_loss", PRIMARY)],
        "the path works all the same"
    );
    scene.lab.path("path1").heal().unwrap();
}

#[test]
fn loss_on_the_way_there_is_reported_with_its_rate() {
    // Enough messages to measure a fifth to a few points in some seconds.
    let client = |client: EndpointConfig| client.rate(200.0).timers(Timers::default());
    let scene = Scene::with(client, |server| server.timers(Timers::default()));
    loss_is_measured(&scene, "mme", "forward");
}

#[test]
fn loss_in_return_direction_is_reported_with_its_rate() {
    let client = |client: EndpointConfig| client.rate(200.0).timers(Timers::default());
    let scene = Scene::with(client, |server| server.timers(Timers::default()).echo());
    loss_is_measured(&scene, "hss", "return");
}

#[test]
fn a_step_in_the_round_trip_time_is_reported_against_what_it_was() {
    // So many messages that two of them arrive within the delay of a SACK, which would else be part of each measurement.
    let scene = Scene::with(|client| client.rate(100.0), |server| server);
    // A baseline takes some seconds.
    scene.wait_for_messages(500);
    scene.lab.path("path1").delay(Duration::from_millis(30)).unwrap();
    let slow = scene.wait_for_path("latency_degraded", PRIMARY);
    let step = figure(&slow, "rtt_ms") - figure(&slow, "baseline_ms");
    assert!((40.0..100.0).contains(&step), "{slow:#}");
    scene.lab.path("path1").heal().unwrap();
    scene.wait_for_closed("latency_degraded", PRIMARY);
    assert_eq!(scene.alarms(), [alarm("latency_degraded", PRIMARY)]);
}

#[test]
fn a_path_that_comes_and_goes_is_flapping() {
    let scene = Scene::new();
    let flapping = || scene.alarms().contains(&alarm("flapping", PRIMARY));
    for round in 1..=6 {
        scene.lab.path("path1").break_silently().unwrap();
        let inactive = || times(&scene.agent, PRIMARY, "inactive") >= round;
        wait::until(SOON, || (flapping() || inactive()).then_some(())).unwrap();
        scene.wait_for_messages(10);
        scene.lab.path("path1").heal().unwrap();
        // Once when it was confirmed, and once for each recovery.
        let active = || times(&scene.agent, PRIMARY, "active") > round;
        wait::until(SOON, || (flapping() || active()).then_some(())).unwrap();
        if flapping() {
            break;
        }
        scene.wait_for_messages(10);
    }
    let flaps = scene.wait_for_path("flapping", PRIMARY);
    assert_eq!(flaps["local"], "10.1.1.1");
    assert!(!scene.alarms().contains(&alarm("flapping", SECONDARY)));
}

#[test]
fn a_restarted_endpoint_leaves_no_alarm_behind() {
    const PORT_OF_MME: u16 = 40_000;
    let Scene { pair, agent, lab } = Scene::with(|client| client.local_port(PORT_OF_MME), |server| server);
    let Pair { client, server } = pair;
    let _ = client.kill();
    let client = Endpoint::spawn(lab.host("mme"), &connecting(&lab).local_port(PORT_OF_MME)).unwrap();
    client.wait_until_up(1, SOON).unwrap();
    let restarted = |event: &Event| matches!(event.kind, EventKind::AssociationRestarted { .. });
    server.wait_for(SOON, restarted).unwrap();
    agent.wait_for("association_down", SOON, |_| true).unwrap();
    let mut up = 0;
    let second = |_: &Value| {
        up += 1;
        up == 2
    };
    let association = agent.wait_for("association_up", SOON, second).unwrap()["association"].clone();
    for remote in [PRIMARY, SECONDARY] {
        let active = |event: &Value| {
            event["association"] == association && event["remote"] == remote && event["to"] == "active"
        };
        agent.wait_for("path_state_changed", SOON, active).unwrap();
    }
    let pair = Pair { client, server };
    let scene = Scene { pair, agent, lab };
    scene.wait_for_messages(40);
    assert_eq!(scene.open_alarms(), [""; 0]);
    let of_new = |event: &Value| event["association"] == association;
    assert!(!scene.findings().iter().any(of_new), "{:#?}", scene.findings());
}
