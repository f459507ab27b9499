//! A capture of an outage, and what the command says of it.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
};

use sctp_monitor_testkit::{
    capture_file::Dialect,
    frames::{self, Packet},
};
use serde_json::Value;
use tempfile::NamedTempFile;

/// When the captures begin: 2023-11-14T22:13:20Z.
pub(crate) const BEGAN: u64 = 1_700_000_000;
/// Seconds from the beginning to the last DATA that arrives on the first path, and is acknowledged.
pub(crate) const BREAK: u64 = 10;

const TO_PEER: u32 = 0x2222_2222;
const TO_US: u32 = 0x1111_1111;
const MS: u64 = 1_000_000;

/// The records of an association over two paths: 20 messages a second on the first, each pair acknowledged after a
/// millisecond, a heartbeat a second on the second. After [`BREAK`] the first path is dead; half a second later the
/// unacknowledged DATA goes over the second one, and so does all that follows.
pub(crate) fn records() -> Vec<(u64, Vec<u8>)> {
    let mut records = Vec::new();
    let mut at = |ms: u64, packet: Packet| records.push((BEGAN * 1_000 * MS + ms * MS, packet.ethernet()));
    let there = |path: u8, tag, chunk| packet(path, true, tag, chunk);
    let back = |path: u8, tag, chunk| packet(path, false, tag, chunk);
    at(0, there(1, 0, frames::init(TO_US, &["10.0.1.1", "10.0.2.1"])));
    at(
        1,
        back(1, TO_US, frames::init_ack(TO_PEER, &["10.0.1.2", "10.0.2.2"])),
    );
    at(2, there(1, TO_PEER, frames::cookie_echo()));
    at(3, back(1, TO_US, frames::cookie_ack()));
    let mut tsn = 1_u32;
    for step in 0..20 * (BREAK + 10) {
        let ms = 50 + step * 50;
        let broken = ms > BREAK * 1_000;
        let moved = ms >= BREAK * 1_000 + 550;
        if ms % 1_000 == 0 {
            let info = [(ms / 1_000) as u8; 40];
            at(ms, there(2, TO_PEER, frames::heartbeat(&info)));
            at(ms + 1, back(2, TO_US, frames::heartbeat_ack(&info)));
        }
        if broken && !moved {
            at(ms, there(1, TO_PEER, frames::data(tsn, 100)));
            tsn += 1;
            continue;
        }
        if ms == BREAK * 1_000 + 550 {
            for lost in tsn - 10..tsn {
                at(ms, there(2, TO_PEER, frames::data(lost, 100)));
            }
            at(ms + 1, back(2, TO_US, frames::sack(tsn - 1, &[])));
        }
        at(
            ms,
            there(if moved { 2 } else { 1 }, TO_PEER, frames::data(tsn, 100)),
        );
        if step % 2 == 1 {
            at(
                ms + 1,
                back(if moved { 2 } else { 1 }, TO_US, frames::sack(tsn, &[])),
            );
        }
        tsn += 1;
    }
    records.sort_by_key(|(time, _)| *time);
    records
}

fn packet(path: u8, sent: bool, tag: u32, chunk: Vec<u8>) -> Packet {
    let host = |host: u8| format!("10.0.{path}.{host}");
    let packet = Packet::v4(tag, vec![chunk])
        .between(&host(1), &host(2))
        .ports(40_000, 3_868);
    if sent { packet } else { packet.reversed() }
}

/// A file that holds this.
pub(crate) fn file(bytes: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

/// The outage as a capture.
pub(crate) fn capture() -> NamedTempFile {
    file(&Dialect::default().file(&records()))
}

/// Runs the command.
pub(crate) fn pcap(arguments: &[&str], files: &[&Path]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sctp-monitor"))
        .arg("pcap")
        .args(arguments)
        .args(files)
        .output()
        .unwrap()
}

/// Runs the command with a capture on standard input.
pub(crate) fn pcap_of(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_sctp-monitor"))
        .arg("pcap")
        .args(arguments)
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    output
}

/// The one object that it wrote.
pub(crate) fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// The events of one name.
pub(crate) fn events<'a>(report: &'a Value, name: &str) -> Vec<&'a Value> {
    let events = report["events"].as_array().unwrap();
    events.iter().filter(|event| event["event"] == name).collect()
}
