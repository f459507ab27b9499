//! Packets whose CRC32c is spoiled on the way: their sender is named, and nobody else.

use std::time::Duration;

use sctp_monitor_testkit::frames::{self, Packet};
use serde_json::{Value, json};

use crate::{
    conntrack::run,
    scene::{PRIMARY, Scene},
    setup::PORT,
};

/// Names what is opened, by its sender.
fn accused(scene: &Scene) -> Vec<Value> {
    let events = scene.agent.events().into_iter();
    let opened = events.filter(|event| event["finding"] == "bad_checksum" && event["status"] == "opened");
    opened.map(|event| event["local"].clone()).collect()
}

#[test]
fn a_sender_that_is_spoiled_from_its_first_packet_is_named_beside_one_that_is_answered() {
    let scene = Scene::watched_by(&["--checksums", "sample"]);
    let wire = scene.lab.path("path1").injector("mme").unwrap();
    let init = |from: &str, spoil: u8| {
        let packet = Packet::v4(0, vec![frames::init(7, &[])]).between(from, "10.1.1.1");
        let mut frame = packet.ports(PORT, PORT).ethernet();
        frame[..6].copy_from_slice(&[0xff; 6]);
        *frame.last_mut().unwrap() ^= spoil;
        frame
    };
    // As an INIT and its retransmissions.
    let times = [0, 1_000, 2_000].map(Duration::from_millis);
    let [spoiled, right] = [init("10.1.1.77", 1), init("10.1.1.78", 0)];
    let frames = times.iter().flat_map(|at| [(*at, &*spoiled), (*at, &*right)]);
    wire.replay(frames).unwrap();
    let is_told = |event: &Value| event["finding"] == "bad_checksum";
    let told = scene.agent.wait_for("finding", A_WHILE, is_told).unwrap();
    assert_eq!(told["local"], "10.1.1.77", "{told}");
    assert_eq!(told["remote"], "10.1.1.1", "{told}");
    assert_eq!(told["evidence"]["other"], PRIMARY, "{told}");
    assert_eq!(accused(&scene), [json!("10.1.1.77")]);
}

#[test]
fn a_path_that_spoils_packets_from_some_time_on_is_named() {
    let scene = Scene::watched_by(&["--checksums", "sample"]);
    scene.wait_for_messages(60);
    assert_eq!(accused(&scene), Vec::<Value>::new());
    run(scene.lab.host("hss"), "nft", &[SPOIL]).unwrap();
    let is_told = |event: &Value| event["finding"] == "bad_checksum";
    let told = scene.agent.wait_for("finding", A_WHILE, is_told).unwrap();
    assert_eq!(told["status"], "opened", "{told}");
    assert_eq!(told["local"], PRIMARY, "{told}");
    assert_eq!(told["evidence"]["other"], Value::Null, "{told}");
    run(scene.lab.host("hss"), "nft", &["delete table ip spoil"]).unwrap();
    let is_over = |event: &Value| event["finding"] == "bad_checksum" && event["status"] == "closed";
    scene.agent.wait_for("finding", A_WHILE, is_over).unwrap();
    assert_eq!(accused(&scene), [json!(PRIMARY)]);
}

/// Writes something else over the checksums of what `hss` sends on the first path.
const SPOIL: &str = "table ip spoil {
    chain out { type filter hook output priority 0; ip saddr 10.1.1.2 ip protocol sctp @th,64,32 set 0x5eed5eed; }
}";
const A_WHILE: Duration = Duration::from_secs(45);
