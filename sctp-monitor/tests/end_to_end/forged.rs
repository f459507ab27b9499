//! Somebody on the wire sends packets in the peer's name. They change nothing, in the stacks and in the agent; they are
//! counted, and an operator hears of them.

use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::Signal;
use sctp_monitor_lab::Injector;
use sctp_monitor_testkit::frames::{self, Packet};
use serde_json::Value;

use crate::{
    scene::{PRIMARY, Scene, figure, patient, since},
    setup::{PORT, SOON, path},
};

/// Not the peer's own address on the wire, and one that every NIC takes.
const BROADCAST: [u8; 6] = [0xff; 6];
/// No stack gives this tag, as good as certainly.
const FORGED: u32 = 0x0bad_0bad;
/// Near and far end of the path that carries the DATA.
const LOCAL: &str = "10.1.1.1";

/// Who stands in front of the watched host and knows everything but the tag.
struct Attacker {
    injector: Injector,
    local_port: u16,
}

impl Attacker {
    fn on(scene: &Scene) -> Self {
        let up = scene.agent.wait_for("association_up", SOON, |_| true).unwrap();
        Self {
            injector: scene.lab.path("path1").injector("mme").unwrap(),
            local_port: u16::try_from(up["local_port"].as_u64().unwrap()).unwrap(),
        }
    }

    /// A packet in the name of the peer's primary address.
    fn packet(&self, tag: u32, chunks: Vec<Vec<u8>>) -> Packet {
        Packet::v4(tag, chunks)
            .between(PRIMARY, LOCAL)
            .ports(PORT, self.local_port)
    }

    fn send(&self, tag: u32, chunks: Vec<Vec<u8>>) {
        self.send_frame(self.packet(tag, chunks).ethernet());
    }

    fn send_frame(&self, mut frame: Vec<u8>) {
        frame[..6].copy_from_slice(&BROADCAST);
        self.injector.send(&frame).unwrap();
    }
}

/// The association is known for so long that its strange packets are not taken for those of an earlier one.
fn settled() -> Scene {
    let scene = Scene::with(patient, patient);
    // At 20 a second; the agent leaves an association alone for five seconds.
    scene.wait_for_messages(120);
    scene
}

/// Nothing happened to the association: not in the agent, and not in the stacks.
fn assert_lives(scene: &Scene) {
    let ended = [
        "association_down",
        "association_shutting_down",
        "association_error",
    ];
    let events = scene.agent.events();
    let ends: Vec<_> = events
        .iter()
        .filter(|event| ended.iter().any(|name| event["event"] == *name))
        .collect();
    assert_eq!(ends, Vec::<&Value>::new());
    assert_eq!(
        events
            .iter()
            .filter(|event| event["event"] == "association_up")
            .count(),
        1
    );
    scene.wait_for_messages(20);
}

#[test]
fn chunks_with_a_wrong_tag_end_nothing_and_are_reported() {
    let scene = settled();
    let attacker = Attacker::on(&scene);
    let forged = [
        frames::abort(false),
        frames::abort(true),
        frames::shutdown(1),
        frames::shutdown_ack(),
        frames::shutdown_complete(),
        frames::chunk(14, 1, &[]),
        frames::heartbeat_ack(&[7; 40]),
        frames::sack(0x7fff_ffff, &[]),
        frames::data(0x7fff_ffff, 64),
        frames::error(1, &[0; 4]),
    ];
    for chunk in &forged {
        attacker.send(FORGED, vec![chunk.clone()]);
    }
    let suspected = scene.wait_for("spoofing_suspected", "opened", |_| true);
    assert_eq!(suspected["evidence"]["kind"], "wrong_tag", "{suspected:#}");
    assert_eq!(suspected["evidence"]["tag"], "0x0bad0bad");
    assert_eq!(suspected["evidence"]["sources"], serde_json::json!([PRIMARY]));
    assert_eq!(suspected["evidence"]["interface"], "path1");
    assert_eq!(figure(&suspected, "packets"), forged.len() as f64);
    for kind in ["ABORT", "SHUTDOWN_COMPLETE", "SHUTDOWN_ACK", "ERROR"] {
        assert!(
            suspected["evidence"]["chunks"]
                .as_array()
                .unwrap()
                .contains(&kind.into()),
            "{suspected:#}"
        );
    }
    assert_lives(&scene);
    let (_, summary) = scene.agent.stop(Signal::SIGTERM).unwrap();
    let summary = summary.unwrap();
    let primary = path(&summary, LOCAL, PRIMARY);
    assert_eq!(primary["return"]["tag_mismatches"], forged.len());
    // The stack itself answers the SHUTDOWN ACK, with the tag that it was sent (RFC 9260 section 8.4).
    let answers = primary["forward"]["chunks"]["SHUTDOWN_COMPLETE"]
        .as_u64()
        .unwrap_or(0);
    assert_eq!(primary["forward"]["tag_mismatches"], answers);
    assert_eq!(
        summary["counters"]["tag_mismatch"],
        forged.len() as u64 + answers,
        "{summary:#}"
    );
    assert_eq!(summary["associations"][0]["phase"], "established");
}

#[test]
fn inits_in_the_peers_name_reset_nothing_and_are_reported() {
    let scene = settled();
    let attacker = Attacker::on(&scene);
    for number in 0..5 {
        // It lists an address of its own, to be added to the association's.
        let init = frames::init(FORGED + number, &[PRIMARY, "10.1.1.66"]);
        attacker.send(0, vec![init]);
    }
    let suspected = scene.wait_for("spoofing_suspected", "opened", |event| {
        event["evidence"]["kind"] == "init"
    });
    assert_eq!(figure(&suspected, "packets"), 5.0, "{suspected:#}");
    assert_lives(&scene);
    let (_, summary) = scene.agent.stop(Signal::SIGTERM).unwrap();
    let summary = summary.unwrap();
    assert_eq!(
        summary["associations"].as_array().unwrap().len(),
        1,
        "{summary:#}"
    );
    let addresses = summary["associations"][0]["remote_addresses"].to_string();
    assert!(!addresses.contains("10.1.1.66"), "{addresses}");
}

#[test]
fn icmp_errors_with_a_wrong_tag_are_no_doubt_and_are_reported() {
    let scene = settled();
    let attacker = Attacker::on(&scene);
    let quoted = attacker.packet(FORGED, vec![frames::data(1, 100)]).reversed();
    for _ in 0..4 {
        attacker.send_frame(quoted.icmp_error("10.1.1.66", [3, 1], 0));
    }
    let suspected = scene.wait_for("spoofing_suspected", "opened", |_| true);
    assert_eq!(suspected["evidence"]["kind"], "icmp_error", "{suspected:#}");
    assert_eq!(suspected["evidence"]["sources"], serde_json::json!(["10.1.1.66"]));
    assert_lives(&scene);
    let doubts = scene.agent.events();
    let doubts = doubts.iter().filter(|event| event["to"] == "potentially_failed");
    let by_icmp = doubts.filter(|event| event["evidence"]["icmp_type"].is_u64());
    assert_eq!(by_icmp.count(), 0);
    let (_, summary) = scene.agent.stop(Signal::SIGTERM).unwrap();
    assert_eq!(summary.unwrap()["counters"]["icmp_tag_mismatch"], 4);
}

#[test]
fn forged_answers_do_not_hide_a_break() {
    let scene = settled();
    let attacker = Attacker::on(&scene);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let forging = scope.spawn(|| {
            let mut number = 0_u32;
            while !done.load(Ordering::Relaxed) {
                // Acknowledgements of all that may be, plain and after what needs no tag or brings its own.
                let answers = || {
                    vec![
                        frames::sack(number.wrapping_mul(0x9e37_79b9), &[]),
                        frames::heartbeat_ack(&number.to_be_bytes().repeat(9)),
                    ]
                };
                let with = |chunk| {
                    let mut chunks = answers();
                    chunks.push(chunk);
                    chunks
                };
                attacker.send(FORGED, answers());
                attacker.send(0, with(frames::init(FORGED, &[])));
                attacker.send(FORGED, with(frames::abort(true)));
                number += 1;
                std::thread::yield_now();
            }
            number
        });
        let fault_ns = scene.lab.path("path1").break_silently().unwrap();
        let down = scene.agent.wait_for_path(PRIMARY, "inactive", SOON);
        done.store(true, Ordering::Relaxed);
        let rounds = forging.join().unwrap();
        let down = down.unwrap();
        // Some hundred milliseconds as a rule; the stack itself needs ten times as long.
        assert!(since(fault_ns, &down).as_secs() < 5, "{down:#}");
        assert!(rounds > 0);
    });
    scene.wait_for_path("path_down", PRIMARY);
    scene.lab.path("path1").heal().unwrap();
    assert_lives(&scene);
}
