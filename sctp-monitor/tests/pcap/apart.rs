//! What is of no single association: INITs that are refused, again and again.

use sctp_monitor_testkit::{
    capture_file::Dialect,
    frames::{self, Packet},
};
use tempfile::{NamedTempFile, TempDir};

use crate::outage::{BEGAN, file, json, pcap};

/// Five INITs, each refused by an ABORT after a millisecond.
fn refused() -> NamedTempFile {
    let mut records = Vec::new();
    for number in 0..5_u32 {
        let at = (BEGAN + u64::from(number)) * 1_000_000_000;
        let sent = |tag, chunk| {
            Packet::v4(tag, vec![chunk])
                .between("10.1.1.1", "10.1.1.2")
                .ports(5_000, 3_868)
        };
        let init = sent(0, frames::init(0x100 + number, &[]));
        let abort = sent(0x100 + number, frames::chunk(6, 0, &[]))
            .between("10.1.1.2", "10.1.1.1")
            .ports(3_868, 5_000);
        records.push((at, init.ethernet()));
        records.push((at + 1_000_000, abort.ethernet()));
    }
    file(&Dialect::default().file(&records))
}

#[test]
fn it_is_told_in_every_form_with_its_times() {
    let capture = refused();
    let text = String::from_utf8(pcap(&[], &[capture.path()]).stdout).unwrap();
    let words =
        "short-lived: 5 handshakes refused in a row, by 10.1.1.2 (2023-11-14 22:13:20.001 to the end)";
    assert!(
        text.contains(&format!("FOUND path 10.1.1.1 > 10.1.1.2: {words}")),
        "{text}"
    );
    assert!(
        text.contains("No association from 10.1.1.1 to 10.1.1.2 port 3868"),
        "{text}"
    );
    assert!(
        text.contains("(2023-11-14 22:13:20.000 to 2023-11-14 22:13:24.001)"),
        "{text}"
    );

    let report = json(&pcap(&["--format", "json"], &[capture.path()]));
    let found = &report["found"][0];
    assert_eq!(
        (&found["finding"], &found["until"], &found["evidence"]["refused"]),
        (&"short_lived".into(), &serde_json::Value::Null, &5.into()),
        "{report:#}"
    );
    let unfinished = &report["unfinished_handshakes"][0];
    assert_eq!(unfinished["first"], "2023-11-14T22:13:20.000000000Z");
    assert_eq!(unfinished["last"], "2023-11-14T22:13:24.001000000Z");
    let elsewhere = json(&pcap(
        &["--format", "json", "--address", "10.9.9.9"],
        &[capture.path()],
    ));
    assert_eq!(elsewhere["found"], serde_json::json!([]));

    let folder = TempDir::new().unwrap();
    let page = folder.path().join("report.html");
    let output = pcap(&["--html", page.to_str().unwrap()], &[capture.path()]);
    assert!(output.status.success());
    let page = std::fs::read_to_string(page).unwrap();
    for words in [
        "Failed at the end of the capture: short lived 10.1.1.1 &gt; 10.1.1.2.",
        "Found of no single association",
        "data-finding=\"short_lived\"",
        "5 handshakes refused in a row, by 10.1.1.2",
    ] {
        assert!(page.contains(words), "{words}");
    }
}
