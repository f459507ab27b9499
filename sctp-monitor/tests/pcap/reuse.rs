//! Two associations, one after the other, on the same addresses and ports: each is told its own packets.

use std::ops::Range;

use sctp_monitor_testkit::{
    capture_file::Dialect,
    frames::{self, Packet},
};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::outage::{BEGAN, file, json, pcap};

/// One of the two associations.
struct Life {
    local_tag: u32,
    remote_tag: u32,
    messages: u32,
    heartbeats: u8,
    /// A TSN that is sent twice.
    again: Option<u32>,
}

const LIVES: [Life; 2] = [
    Life {
        local_tag: 0x11,
        remote_tag: 0x22,
        messages: 30,
        heartbeats: 2,
        again: Some(4),
    },
    Life {
        local_tag: 0x33,
        remote_tag: 0x44,
        messages: 5,
        heartbeats: 1,
        again: None,
    },
];

const PAYLOAD: usize = 100;
const STEP_NS: u64 = 10_000_000;
const PAUSE_NS: u64 = 5_000_000_000;

/// The packets of an association from its INIT to its ABORT: whether the initiator sends it, and the packet.
fn packets(life: &Life) -> Vec<(bool, Packet)> {
    let (to_peer, to_us) = (life.remote_tag, life.local_tag);
    let mut packets = Vec::new();
    let mut send = |forward: bool, tag, chunk| {
        let packet = Packet::v4(tag, vec![chunk])
            .between("10.1.1.1", "10.1.1.2")
            .ports(5_000, 3_868);
        packets.push((forward, if forward { packet } else { packet.reversed() }));
    };
    send(true, 0, frames::init(to_us, &[]));
    send(false, to_us, frames::init_ack(to_peer, &[]));
    send(true, to_peer, frames::cookie_echo());
    send(false, to_us, frames::cookie_ack());
    for tsn in 1..=life.messages {
        send(true, to_peer, frames::data(tsn, PAYLOAD));
        if life.again == Some(tsn) {
            send(true, to_peer, frames::data(tsn, PAYLOAD));
        }
        send(false, to_us, frames::sack(tsn, &[]));
    }
    for info in 0..life.heartbeats {
        send(true, to_peer, frames::heartbeat(&[info; 40]));
        send(false, to_us, frames::heartbeat_ack(&[info; 40]));
    }
    send(true, to_peer, frames::abort(false));
    packets
}

fn capture() -> NamedTempFile {
    let mut now_ns = BEGAN * 1_000_000_000;
    let mut records = Vec::new();
    for life in &LIVES {
        for (_, packet) in packets(life) {
            records.push((now_ns, packet.ethernet()));
            now_ns += STEP_NS;
        }
        now_ns += PAUSE_NS;
    }
    file(&Dialect::default().file(&records))
}

/// Bytes by the IP header of what went one way with a tag.
fn bytes(life: &Life, forward: bool) -> usize {
    const ETHERNET_LEN: usize = 14;
    packets(life)
        .iter()
        .filter(|(way, packet)| *way == forward && packet.tag != 0)
        .map(|(_, packet)| packet.ethernet().len() - ETHERNET_LEN)
        .sum()
}

/// Both associations as they must be told, whatever the format.
fn assert_told(associations: &[Value]) {
    let [first, second] = associations else {
        panic!("{associations:#?}");
    };
    let path = |association: &Value| -> Value {
        assert_eq!(association.get("captured"), None, "one set of counts");
        let paths = association["paths"].as_array().unwrap();
        assert_eq!(paths.len(), 1, "{paths:#?}");
        paths[0].clone()
    };
    let (first, second) = (path(first), path(second));
    let expected = [
        (
            &first,
            json!({
                "packets": 35, "bytes": bytes(&LIVES[0], true), "tag": "0x00000022",
                "chunks": { "DATA": 31, "COOKIE_ECHO": 1, "HEARTBEAT": 2, "ABORT": 1 },
                "data_chunks": 31, "data_bytes": 31 * PAYLOAD, "data_retransmissions": 1, "data_lost": 1,
                "heartbeats": 2, "heartbeats_answered": 2, "heartbeats_unanswered": 0, "ppid": 46,
            }),
            json!({
                "packets": 34, "bytes": bytes(&LIVES[0], false), "tag": "0x00000011",
                "chunks": { "INIT_ACK": 1, "COOKIE_ACK": 1, "SACK": 30, "HEARTBEAT_ACK": 2 },
                "data_chunks": 0, "data_bytes": 0, "loss": null, "heartbeats": 0, "ppid": null,
            }),
        ),
        (
            &second,
            json!({
                "packets": 8, "bytes": bytes(&LIVES[1], true), "tag": "0x00000044",
                "chunks": { "DATA": 5, "COOKIE_ECHO": 1, "HEARTBEAT": 1, "ABORT": 1 },
                "data_chunks": 5, "data_bytes": 5 * PAYLOAD, "data_retransmissions": 0, "data_lost": 0,
                "heartbeats": 1, "heartbeats_answered": 1, "heartbeats_unanswered": 0, "ppid": 46,
            }),
            json!({
                "packets": 8, "bytes": bytes(&LIVES[1], false), "tag": "0x00000033",
                "chunks": { "INIT_ACK": 1, "COOKIE_ACK": 1, "SACK": 5, "HEARTBEAT_ACK": 1 },
                "data_chunks": 0, "data_bytes": 0, "loss": null, "heartbeats": 0, "ppid": null,
            }),
        ),
    ];
    for (path, forward, back) in expected {
        for (direction, expected) in [("forward", forward), ("return", back)] {
            for (name, value) in expected.as_object().unwrap() {
                assert_eq!(path[direction][name], *value, "{direction} {name} in {path:#}");
            }
        }
    }
    assert_eq!(first["forward"]["data_to_sack"]["min_ms"], 10.0, "{first:#}");
    assert_eq!(second["forward"]["data_to_sack"]["min_ms"], 10.0, "{second:#}");
    assert_eq!(first["forward"]["heartbeat_rtt"]["count"], 2);
    assert_eq!(second["forward"]["heartbeat_rtt"]["count"], 1);
    assert_seen(&first, 0..BOUNDARY_S);
    assert_seen(&second, BOUNDARY_S..2 * BOUNDARY_S);
}

/// The first association is over before, the second one begins behind.
const BOUNDARY_S: u64 = 5;

fn assert_seen(path: &Value, seconds: Range<u64>) {
    for direction in ["forward", "return"] {
        for name in ["first_seen", "last_seen"] {
            let time: jiff::Timestamp = path[direction][name].as_str().unwrap().parse().unwrap();
            let second = time.as_second() as u64 - BEGAN;
            assert!(seconds.contains(&second), "{direction} {name} in {path:#}");
        }
    }
}

#[test]
fn an_association_on_the_ports_of_another_is_told_its_own_packets() {
    let report = json(&pcap(&["--format", "json"], &[capture().path()]));
    assert_told(report["associations"].as_array().unwrap());
    let forward = report["flows"]
        .as_array()
        .unwrap()
        .iter()
        .find(|flow| flow["source_port"] == 5_000)
        .unwrap();
    assert_eq!(
        (&forward["packets"], &forward["data_chunks"]),
        (&json!(35 + 8 + 2), &json!(31 + 5)),
        "both, and their INITs: {forward:#}"
    );
}

#[test]
fn an_association_on_the_ports_of_another_is_told_its_own_packets_in_lines() {
    let output = pcap(&["--format", "ndjson"], &[capture().path()]);
    let associations: Vec<Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &Value| line["event"] == "association")
        .collect();
    assert_told(&associations);
}
