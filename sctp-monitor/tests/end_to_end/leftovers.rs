//! What is left of something that is over: the slot of a flow that an attacker drew and that was forgotten, and an answer that came
//! while the agent stood still.

use std::{io::Write as _, time::Duration};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use sctp_monitor_lab::{Injector, Lab, Monitor, wait};
use sctp_monitor_testkit::frames::{self, Packet};
use serde_json::Value;

use crate::{
    played::{Form, Played, Wire, info},
    setup::{SOON, monitor},
};

/// No endpoint has this tag.
const FORGED: u32 = 0x0bad_0bad;
/// The watched host.
const HOST: &str = "10.9.0.1";

/// Lets time pass.
fn rest(milliseconds: u64) {
    let _ = wait::until(Duration::from_millis(milliseconds), || None::<()>);
}

fn ends(lab: &Lab) -> (Injector, Injector) {
    let path = lab.path("path1");
    (path.outlet("mme").unwrap(), path.injector("mme").unwrap())
}

fn failures(agent: &Monitor) -> Vec<Value> {
    let is_failure = |event: &Value| {
        ["inactive", "potentially_failed"].contains(&event["to"].as_str().unwrap_or_default())
            || event["event"] == "association_down"
            || event["event"] == "incident"
    };
    agent.events().into_iter().filter(is_failure).collect()
}

/// The host answers forged packets by ABORTs. Those flows are forgotten soon, and genuine ones get their slots; but the forged ones
/// live on, and their SACKs must not reach who is in the slots now.
#[test]
fn the_next_flow_in_a_slot_is_nobodys_opposite_direction() {
    const FORGED_FLOWS: u8 = 20;
    const SLOTS: u8 = 64;
    let lab = Lab::two_hosts_two_paths().unwrap();
    let mut config = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    writeln!(config, "[detector]\nunanswered_after = \"1s\"").unwrap();
    let slots = SLOTS.to_string();
    let options = ["--max-flows", &slots, "--config", config.path().to_str().unwrap()];
    let agent = monitor(lab.host("mme"), &["path1"], &options);
    let (outward, inward) = ends(&lab);
    let wire = Wire {
        outward: &outward,
        inward: &inward,
    };
    let forged = |number: u8, chunk: Vec<u8>| {
        let source = format!("10.66.{number}.1");
        Packet::v4(FORGED, vec![chunk]).between(&source, HOST)
    };
    let forge = |chunk: Vec<u8>| {
        for number in 0..FORGED_FLOWS {
            wire.arrives(&forged(number, chunk.clone()).ethernet());
        }
    };
    forge(frames::data(1, 8));
    rest(300);
    forge(frames::data(2, 8));
    for number in 0..FORGED_FLOWS {
        let answer = forged(number, frames::abort(true)).reversed();
        wire.leaves(&answer.ethernet());
    }
    // The answers are forgotten, and their slots are free.
    for _ in 0..10 {
        rest(400);
        forge(frames::data(3, 8));
    }
    // Slots that were free before are used up by others.
    for number in 0..SLOTS {
        let other = Packet::v4(FORGED, vec![frames::data(1, 8)]);
        let source = format!("10.77.{number}.1");
        wire.arrives(&other.between(&source, HOST).ethernet());
    }
    rest(100);
    let genuine = [1, 2, 3].map(|number| Played::new(number, Form::V4));
    for played in &genuine {
        played.handshake(&wire);
    }
    let live = |rounds: u32| {
        for round in 0..rounds {
            for played in &genuine {
                played.ask(&wire, round);
                played.answer(&wire, round);
            }
            rest(50);
        }
    };
    live(20);
    forge(frames::sack(0x4000_0000, &[]));
    live(30);
    for played in &genuine {
        let is_it = |event: &Value| played.is_meant(event);
        agent.wait_for("association_up", SOON, is_it).unwrap();
    }
    assert_eq!(failures(&agent), Vec::<Value>::new());
}

#[test]
fn an_answer_that_came_while_the_agent_stood_still_proves_the_path() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let agent = monitor(lab.host("mme"), &["path1"], &[]);
    let (outward, inward) = ends(&lab);
    let wire = Wire {
        outward: &outward,
        inward: &inward,
    };
    let played = Played::new(1, Form::V4);
    played.handshake(&wire);
    played.ask(&wire, 0);
    played.answer(&wire, 0);
    let to = |state: &'static str| move |event: &Value| event["to"] == state;
    agent.wait_for("path_state_changed", SOON, to("active")).unwrap();
    lab.path("path1").link_down("mme").unwrap();
    agent
        .wait_for("path_state_changed", SOON, to("inactive"))
        .unwrap();
    lab.path("path1").heal().unwrap();
    rest(500);
    let before = agent.events().len();
    let signal = |signal| kill(Pid::from_raw(agent.pid().try_into().unwrap()), signal).unwrap();
    signal(Signal::SIGSTOP);
    // Nothing follows that would say it again.
    played.sends(&wire, frames::heartbeat(&info(7)));
    played.receives(&wire, frames::heartbeat_ack(&info(7)));
    rest(150);
    signal(Signal::SIGCONT);
    wait::until(SOON, || {
        let events = agent.events();
        let mut news = events[before..].iter();
        news.any(|event| event["from"] == "inactive" && event["to"] == "active")
            .then_some(())
    })
    .unwrap();
}
