//! Small captures of our own, made packet by packet.

use std::path::Path;

use sctp_monitor_testkit::{
    capture_file::Dialect,
    frames::{self, Packet},
};

use crate::{case::Case, complaints};

#[test]
fn our_own_captures_are_told_right() {
    let captures = tempfile::tempdir().unwrap();
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/story/own");
    let mut differences = Vec::new();
    for (name, records) in all() {
        let file = Dialect::default().file(&records);
        std::fs::write(captures.path().join(format!("{name}.pcap")), file).unwrap();
        let case = Case::read(&cases.join(format!("{name}.toml")));
        let differs = case.differences(captures.path());
        differences.extend(
            differs
                .into_iter()
                .map(|difference| format!("{name}: {difference}")),
        );
    }
    assert!(differences.is_empty(), "\n{}", differences.join("\n"));
    assert_eq!(
        std::fs::read_dir(cases).unwrap().count(),
        all().len(),
        "each case has its capture"
    );
}

pub(crate) type Records = Vec<(u64, Vec<u8>)>;

fn all() -> Vec<(&'static str, Records)> {
    let mut all = vec![
        ("copy-behind-the-answer", copy_behind_the_answer()),
        ("equal-checksums", equal_checksums()),
        ("late-within-the-window", late(90)),
        ("late-beyond-the-window", late(315)),
    ];
    all.extend(complaints::all());
    all
}

/// A HEARTBEAT, its ACK, and both once more, as the other interface of a router shows them.
fn copy_behind_the_answer() -> Records {
    let mut capture = Capture::new();
    for second in 1..=3 {
        let info = [second as u8; 40];
        for copy_us in [0, 30] {
            capture.add(second * SECOND + copy_us * US, true, frames::heartbeat(&info));
            capture.add(
                second * SECOND + (20 + copy_us) * US,
                false,
                frames::heartbeat_ack(&info),
            );
        }
    }
    capture.records()
}

/// DATA and SACKs half a millisecond apart whose checksums are all 0. The last DATA chunk is sent again after 10 ms.
fn equal_checksums() -> Records {
    let mut capture = Capture::new();
    capture.offload = true;
    for tsn in 1_000..1_020 {
        let at = SECOND + u64::from(tsn - 1_000) * 500 * US;
        capture.add(at, true, frames::data(tsn, 100));
        if tsn < 1_019 {
            capture.add(at + 50 * US, false, frames::sack(tsn, &[]));
        } else {
            capture.add(at + 10_000 * US, true, frames::data(tsn, 100));
            capture.add(at + 10_050 * US, false, frames::sack(tsn, &[]));
        }
    }
    capture.records()
}

/// A HEARTBEAT ACK stands in the file behind DATA up to so many milliseconds younger, which is sent every 45 ms.
fn late(by_ms: u64) -> Records {
    let mut capture = Capture::new();
    capture.add(SECOND, true, frames::heartbeat(&[7; 40]));
    for (number, ms) in (45..=by_ms).step_by(45).enumerate() {
        let (at, tsn) = (SECOND + ms * 1_000 * US, 1_000 + number as u32);
        capture.add(at, true, frames::data(tsn, 100));
        capture.add(at + 50 * US, false, frames::sack(tsn, &[]));
    }
    capture.add(SECOND + 30 * US, false, frames::heartbeat_ack(&[7; 40]));
    capture.records
}

/// An association between 10.1.0.1 and 10.1.0.2, from its handshake on.
struct Capture {
    records: Records,
    /// Checksums are still to be filled in.
    offload: bool,
}

impl Capture {
    fn new() -> Self {
        let mut capture = Self {
            records: Vec::new(),
            offload: false,
        };
        capture.add_with_tag(0, true, 0, frames::init(TAGS[0], &["10.1.0.1"]));
        capture.add(100 * US, false, frames::init_ack(TAGS[1], &["10.1.0.2"]));
        capture.add(200 * US, true, frames::cookie_echo());
        capture.add(300 * US, false, frames::cookie_ack());
        capture
    }

    fn add(&mut self, at_ns: u64, leaves: bool, chunk: Vec<u8>) {
        self.add_with_tag(at_ns, leaves, TAGS[usize::from(leaves)], chunk);
    }

    fn add_with_tag(&mut self, at_ns: u64, leaves: bool, tag: u32, chunk: Vec<u8>) {
        let packet = Packet::v4(tag, vec![chunk]);
        let packet = if leaves { packet } else { packet.reversed() };
        let mut frame = packet.ethernet();
        if self.offload {
            frame[CHECKSUM].fill(0);
        }
        self.records.push((BEGAN + at_ns, frame));
    }

    /// In the order of time.
    fn records(mut self) -> Records {
        self.records.sort_by_key(|(time, _)| *time);
        self.records
    }
}

/// What goes to the initiator, what goes to the responder.
const TAGS: [u32; 2] = [0x1111_1111, 0x2222_2222];
/// Of the common header, behind Ethernet and IPv4.
const CHECKSUM: std::ops::Range<usize> = 42..46;
const US: u64 = 1_000;
const SECOND: u64 = 1_000_000 * US;
/// 2023-11-14T22:13:20Z.
const BEGAN: u64 = 1_700_000_000 * SECOND;
