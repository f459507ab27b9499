//! Two CPUs write into the records of one association at once: live frames of both directions, and of one direction twice.
//!
//! The frames are made here, and each side waits for the other one's as endpoints do, so what must come out is known exactly: each
//! HEARTBEAT is answered, and no TSN was sent twice. What the agent reads meanwhile must not be half of anything: it would report a
//! failure.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use nix::{
    sched::{CpuSet, sched_setaffinity},
    sys::signal::Signal,
    unistd::Pid,
};
use sctp_monitor_lab::{Injector, Lab, Monitor, wait};
use sctp_monitor_testkit::frames::{self, Packet};
use serde_json::Value;

use crate::setup::{SOON, monitor, path};

const LOCAL: &str = "10.1.1.1";
const REMOTE: &str = "10.1.1.2";
const LOCAL_TAG: u32 = 0x1111_1111;
const REMOTE_TAG: u32 = 0x2222_2222;
const FIRST_TSN: u32 = 1_000;
/// HEARTBEATs, each with an answer, and ten DATA chunks and SACKs beside each.
const ROUNDS: u32 = 4_000;
const DATA: u32 = 10;

/// A frame, from here or to here. Nobody's MAC address: no stack takes part.
fn frame(leaves: bool, chunk: Vec<u8>) -> Vec<u8> {
    let packet = if leaves {
        Packet::v4(REMOTE_TAG, vec![chunk]).between(LOCAL, REMOTE)
    } else {
        Packet::v4(LOCAL_TAG, vec![chunk]).between(REMOTE, LOCAL)
    };
    packet.ethernet()
}

fn handshake(out: &Injector, wire: &Injector) {
    let untagged = Packet::v4(0, vec![frames::init(LOCAL_TAG, &[])]).between(LOCAL, REMOTE);
    send(out, &untagged.ethernet());
    send(wire, &frame(false, frames::init_ack(REMOTE_TAG, &[])));
    send(out, &frame(true, frames::cookie_echo()));
    send(wire, &frame(false, frames::cookie_ack()));
}

/// A frame that finds the wire full is sent again.
fn send(injector: &Injector, frame: &[u8]) {
    while injector.send(frame).is_err() {
        std::thread::yield_now();
    }
}

/// This thread stays on one CPU, if the machine has as many.
fn stay_on(cpu: usize) {
    let mut set = CpuSet::new();
    set.set(cpu).unwrap();
    let _ = sched_setaffinity(Pid::from_raw(0), &set);
}

fn info(round: u32) -> Vec<u8> {
    round.to_be_bytes().repeat(10)
}

/// Waits until the other side is so far.
fn reached(progress: &AtomicU32, round: u32) {
    while progress.load(Ordering::Acquire) < round {
        std::hint::spin_loop();
        std::thread::yield_now();
    }
}

struct Scene {
    agent: Monitor,
    out: Injector,
    wire: Injector,
    // Last, so that it goes last.
    _lab: Lab,
}

impl Scene {
    fn new() -> Self {
        let lab = Lab::two_hosts_two_paths().unwrap();
        let agent = monitor(lab.host("mme"), &["path1"], &[]);
        let out = lab.path("path1").outlet("mme").unwrap();
        let wire = lab.path("path1").injector("mme").unwrap();
        handshake(&out, &wire);
        agent.wait_for("association_up", SOON, |_| true).unwrap();
        Self {
            agent,
            out,
            wire,
            _lab: lab,
        }
    }

    /// The summary, after the agent had time to judge.
    fn end(self) -> Value {
        let bad = |event: &Value| {
            ["inactive", "potentially_failed"].contains(&event["to"].as_str().unwrap_or_default())
                || event["event"] == "incident"
                || event["event"] == "association_down"
        };
        let bad: Vec<_> = self.agent.events().into_iter().filter(bad).collect();
        let (_, summary) = self.agent.stop(Signal::SIGTERM).unwrap();
        assert_eq!(bad, Vec::<Value>::new());
        summary.unwrap()
    }
}

#[test]
fn both_directions_of_an_association_on_two_cpus_are_counted_exactly() {
    let scene = Scene::new();
    let (asked, answered) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            stay_on(0);
            for round in 1..=ROUNDS {
                send(&scene.out, &frame(true, frames::heartbeat(&info(round))));
                for number in 0..DATA {
                    let tsn = FIRST_TSN + round * DATA + number;
                    send(&scene.out, &frame(true, frames::data(tsn, 64)));
                }
                asked.store(round, Ordering::Release);
                // The record has room for two HEARTBEATs.
                reached(&answered, round.saturating_sub(1));
            }
        });
        scope.spawn(|| {
            stay_on(1);
            for round in 1..=ROUNDS {
                reached(&asked, round);
                for number in 0..DATA {
                    let tsn = FIRST_TSN + round * DATA + number;
                    send(&scene.wire, &frame(false, frames::sack(tsn, &[])));
                }
                send(&scene.wire, &frame(false, frames::heartbeat_ack(&info(round))));
                answered.store(round, Ordering::Release);
            }
        });
    });
    let summary = scene.end();
    let flow = &path(&summary, LOCAL, REMOTE)["forward"];
    let count = |key: &str| flow[key].as_u64().unwrap();
    assert_eq!(count("heartbeats"), u64::from(ROUNDS), "{flow:#}");
    assert_eq!(count("heartbeats_answered"), u64::from(ROUNDS), "{flow:#}");
    assert_eq!(count("data_chunks"), u64::from(ROUNDS * DATA), "{flow:#}");
    assert_eq!(count("data_retransmissions"), 0, "{flow:#}");
    assert_eq!(count("tag_mismatches"), 0, "{flow:#}");
    let back = &path(&summary, LOCAL, REMOTE)["return"];
    assert_eq!(back["chunks"]["SACK"], ROUNDS * DATA, "{back:#}");
}

/// A bond that splits a direction, or a host that moves it: HEARTBEATs leave on one CPU, DATA on the other. A count may be lost then, but
/// no answer, and nobody is accused.
#[test]
fn one_direction_on_two_cpus_accuses_nobody() {
    let scene = Scene::new();
    let rounds = ROUNDS / 2;
    let out = |cpu: usize, frames: &(dyn Fn(u32) -> [Vec<u8>; 2] + Sync)| {
        stay_on(cpu);
        for round in 1..=rounds {
            let [asks, answers] = frames(round);
            send(&scene.out, &asks);
            send(&scene.wire, &answers);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            out(0, &|round| {
                let info = info(round);
                [
                    frame(true, frames::heartbeat(&info)),
                    frame(false, frames::heartbeat_ack(&info)),
                ]
            });
        });
        scope.spawn(|| {
            out(1, &|round| {
                let tsn = FIRST_TSN + round;
                [
                    frame(true, frames::data(tsn, 64)),
                    frame(false, frames::sack(tsn, &[])),
                ]
            });
        });
    });
    // What waits for an answer for ever would be a doubt by then.
    let _ = wait::until(Duration::from_secs(3), || None::<()>);
    let summary = scene.end();
    let flow = &path(&summary, LOCAL, REMOTE)["forward"];
    let count = |key: &str| flow[key].as_u64().unwrap();
    for (key, sent) in [
        ("heartbeats", rounds),
        ("heartbeats_answered", rounds),
        ("data_chunks", rounds),
    ] {
        let (least, most) = (u64::from(sent) * 98 / 100, u64::from(sent));
        assert!((least..=most).contains(&count(key)), "{key}: {flow:#}");
    }
    assert_eq!(count("data_retransmissions"), 0, "{flow:#}");
    assert_eq!(count("tag_mismatches"), 0, "{flow:#}");
}
