//! Captures that are broken: file, place and reason are named, and what was before is reported.

use std::path::Path;

use sctp_monitor_testkit::{
    capture_file::{Dialect, Pcapng},
    frames::{self, Packet},
};

use crate::outage::{file, json, pcap, records};

#[test]
fn a_capture_that_was_cut_tells_what_it_has() {
    let whole = Dialect::default().file(&records());
    let cut = file(&whole[..whole.len() - 30]);
    let output = pcap(&["--format", "json"], &[cut.path()]);
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    let name = cut.path().display().to_string();
    for words in [name.as_str(), "at byte ", "the file ends within a record"] {
        assert!(stderr.contains(words), "{words} in {stderr}");
    }
    let report = json(&output);
    assert_eq!(report["associations"].as_array().unwrap().len(), 1);
    assert_eq!(report["capture"]["records"], records().len() - 1);
    assert_eq!(report["errors"][0]["file"], name);
    assert!(report["errors"][0]["offset"].is_u64());
}

#[test]
fn what_is_no_capture_is_refused_beside_those_that_are() {
    let whole = file(&Dialect::default().file(&records()));
    let text = file(b"this is a log file\n");
    let output = pcap(
        &["--format", "json"],
        &[text.path(), whole.path(), Path::new("/nonexistent")],
    );
    assert_eq!(output.status.code(), Some(2));
    let report = json(&output);
    assert_eq!(report["capture"]["records"], records().len());
    assert_eq!(report["errors"].as_array().unwrap().len(), 2);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.contains("/nonexistent: cannot be opened: No such file or directory"),
        "{stderr}"
    );
}

/// The last times that there are, and the first: a step that saturates must not be waited for, for ever.
#[test]
fn impossible_times_come_to_an_end() {
    let data = |tsn| Packet::v4(7, vec![frames::data(tsn, 10)]).ethernet();
    let last = u64::MAX;
    let times = [last - 100_000_000_000, last - 1, last, 0, last, 5];
    let mut file_of = Pcapng::new().interface(1, 9);
    for (tsn, time) in (1..).zip(times) {
        file_of = file_of.packet(0, time, &data(tsn));
    }
    let odd = file(&file_of.bytes());
    let output = pcap(&["--format", "json"], &[odd.path()]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(json(&output)["flows"][0]["data_chunks"], times.len());
}

/// The corpus of broken captures: each has its exit status and its reason.
#[test]
fn broken_captures_have_their_reasons() {
    let Some(folder) = sctp_monitor_lab::corpus("broken_captures_have_their_reasons", "malformed-captures")
    else {
        return;
    };
    let cases = [
        (
            "block-length-0.pcapng",
            1,
            "at byte 28: a block of type 0x00000001 has lengths that contradict each other",
        ),
        (
            "caplen-over-file.pcap",
            1,
            "at byte 24: the file ends within a record",
        ),
        (
            "cut-in-record.pcap",
            1,
            "at byte 9798: the file ends within a record",
        ),
        ("empty.pcap", 2, "is empty"),
        (
            "linktype-unknown.pcap",
            2,
            "packets of link type 147 are not supported",
        ),
        ("random.pcap", 2, "not a capture: it begins with"),
        ("wrong-magic.pcap", 2, "not a capture: it begins with de ad be ef"),
    ];
    for (name, code, reason) in cases {
        let output = pcap(&[], &[&folder.join(name)]);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{name}: {stderr}");
        assert!(
            stderr.contains(name) && stderr.contains(reason),
            "{name}: {stderr}"
        );
    }
    let gzip = pcap(&["--format", "json"], &[&folder.join("gzipped.pcap.gz")]);
    assert_eq!(gzip.status.code(), Some(0));
    assert!(json(&gzip)["capture"]["sctp_packets"].as_u64().unwrap() > 0);
}
