//! Packets that leave on two paths at once: whichever of the two breaks, the application notices nothing.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use sctp_monitor_lab::{Event, EventKind, Lab, Timers};
use serde_json::{Value, json};

use crate::{
    setup::{SOON, path},
    steering::{Steered, pid, total},
};

const BOTH: [&str; 4] = ["--steer", "both", "--probe", "continuous"];

/// An association whose packets leave on both paths, both ways.
fn pair(addresses: impl Fn(&Lab, &str) -> Vec<std::net::IpAddr>, rate: f64) -> Steered {
    // Probes begin when the stack has shown what its own HEARTBEATs look like.
    let timers = Timers {
        heartbeat_interval: Some(Duration::from_secs(1)),
        ..Timers::default()
    };
    let steered = Steered::between(addresses, &BOTH, rate, timers);
    for agent in &steered.agents {
        for path in ["path1", "path2"] {
            let number = path.trim_start_matches("path");
            let (v4, v6) = (format!("10.1.{number}."), format!("fd00:1:{number}:"));
            let is_of_path = |event: &Value| {
                let local = event["local"].as_str().unwrap();
                event["mode"] == "both" && (local.starts_with(&v4) || local.starts_with(&v6))
            };
            agent.wait_for("steering_started", SOON, is_of_path).unwrap();
        }
    }
    steered.wait_for_messages(rate as u64);
    steered
}

/// Waits until the agent at `mme` calls path 1 or 2 that, counted from the events so far.
fn becomes(steered: &Steered, number: u8, state: &str) {
    let agent = &steered.agents[0];
    let seen = agent.events().len();
    let id = [format!("10.1.{number}.1"), format!("fd00:1:{number}::1")];
    sctp_monitor_lab::wait::until(SOON, || {
        let events = agent.events();
        let known = events[seen.min(events.len())..].iter().any(|event| {
            event["event"] == "path_state_changed"
                && id.iter().any(|local| event["local"] == **local)
                && event["to"] == state
        });
        known.then_some(())
    })
    .unwrap();
}

/// Ends all while both paths work, and says what the application and the stack noticed.
fn nothing_was_noticed(mut steered: Steered, longest: Duration) -> Value {
    steered.pair.client.set_rate(0.0).unwrap();
    // Of an association that has ended nothing is told of steering.
    let [mme, hss] = steered.agents;
    let (_, summary) = mme.stop(Signal::SIGTERM).unwrap();
    let sent = steered.pair.client.stop().unwrap();
    let arrived = steered.pair.server.stop().unwrap();
    hss.stop(Signal::SIGTERM).unwrap();
    let retransmitted = |events: &[Event]| {
        events.iter().find_map(|event| match &event.kind {
            EventKind::Summary { stack, .. } => stack.data_retransmitted,
            _ => None,
        })
    };
    let again = [retransmitted(&sent), retransmitted(&arrived)];
    let (sent, arrived) = (total(&sent), total(&arrived));
    println!("{sent:?} {arrived:?} retransmitted {again:?}");
    assert_eq!((arrived.received, arrived.missing), (sent.sent, 0));
    assert_eq!(sent.refused, 0);
    assert_eq!(again, [Some(0); 2]);
    let gap = Duration::from_nanos(arrived.largest_gap_ns);
    assert!(gap <= longest, "{gap:?}");
    summary.unwrap()
}

/// A second is what the stack needs, and what it must never need. A machine that is busy with other tests may take a message's time.
const LONGEST: Duration = Duration::from_millis(150);

#[test]
fn either_path_may_break_and_nobody_notices() {
    for addresses in [Lab::ipv4, Lab::ipv6] {
        let steered = pair(addresses, 50.0);
        steered.lab.path("path1").break_silently().unwrap();
        becomes(&steered, 1, "inactive");
        // Longer than a neighbour's entry lasts that nobody confirms.
        for _ in 0..5 {
            steered.wait_for_messages(50 * 5);
        }
        steered.lab.path("path1").heal().unwrap();
        becomes(&steered, 1, "active");
        steered.lab.path("path2").break_silently().unwrap();
        becomes(&steered, 2, "inactive");
        steered.wait_for_messages(50 * 2);
        steered.lab.path("path2").heal().unwrap();
        becomes(&steered, 2, "active");
        let addresses = steered.addresses.clone();
        let summary = nothing_was_noticed(steered, LONGEST);
        let of_path1 = path(&summary, &addresses[0], &addresses[1]);
        assert!(
            of_path1["steering"]["packets"].as_u64().unwrap() > 1_000,
            "{of_path1:#}"
        );
        let findings = &summary["associations"][0]["findings"];
        assert_eq!(*findings, json!([]), "{summary:#}");
    }
}

#[test]
fn a_direction_may_break_and_nobody_notices() {
    for host in ["mme", "hss"] {
        let steered = pair(Lab::ipv4, 500.0);
        steered.lab.path("path1").drop_direction(host).unwrap();
        becomes(&steered, 1, "inactive");
        steered.wait_for_messages(1_500);
        steered.lab.path("path1").heal().unwrap();
        becomes(&steered, 1, "active");
        nothing_was_noticed(steered, LONGEST);
    }
}

#[test]
fn packets_are_moved_when_the_other_agent_is_gone() {
    let mut steered = pair(Lab::ipv4, 20.0);
    kill(pid(&steered.agents[1]), Signal::SIGKILL).unwrap();
    for remote in ["10.1.1.2", "10.1.2.2"] {
        let ended = steered.agents[0].wait_for("steering_ended", SOON, |event| event["remote"] == remote);
        assert_eq!(ended.unwrap()["end"], "peer_stopped");
    }
    steered.lab.path("path1").break_silently().unwrap();
    let moved = |event: &Value| event["mode"] == "move" && event["remote"] == "10.1.1.2";
    steered.agents[0]
        .wait_for("steering_started", SOON, moved)
        .unwrap();
    steered.wait_for_messages(40);
    steered.lab.path("path1").heal().unwrap();
    steered.pair.client.set_rate(0.0).unwrap();
    let sent = total(&steered.pair.client.stop().unwrap());
    let arrived = total(&steered.pair.server.stop().unwrap());
    assert_eq!((arrived.received, arrived.missing), (sent.sent, 0));
}
