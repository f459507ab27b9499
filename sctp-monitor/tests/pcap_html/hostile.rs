//! Captures that were made to spoil the page, and captures of very much.

use sctp_monitor_testkit::frames::{
    Packet, abort_because, chunk, cookie_ack, cookie_echo, data, heartbeat, heartbeat_ack, init, init_ack,
    sack,
};

use crate::{
    browser::{Browser, words},
    captured::{pcap, run},
};

const MARKUP: &str = "</td><img src=x onerror=alert(1)><script>document.title='taken'</script>\"'&amp;";

/// A handshake between an MME and an HSS, some DATA, a heartbeat each way, from `at_ms` on.
fn association(at_ms: u64, port: u16) -> Vec<(u64, Vec<u8>)> {
    let (near, far) = (u32::from(port) + 7, u32::from(port) + 70_000);
    let there = |tag, chunks| Packet::v4(tag, chunks).ports(port, 3868).ethernet();
    let back = |tag, chunks| Packet::v4(tag, chunks).ports(port, 3868).reversed().ethernet();
    vec![
        (at_ms, there(0, vec![init(near, &[])])),
        (at_ms + 1, back(near, vec![init_ack(far, &[])])),
        (at_ms + 2, there(far, vec![cookie_echo()])),
        (at_ms + 3, back(near, vec![cookie_ack()])),
        (at_ms + 10, there(far, vec![data(1_000, 64)])),
        (at_ms + 12, back(near, vec![sack(1_000, &[])])),
        (at_ms + 20, there(far, vec![heartbeat(&[1, 2, 3, 4, 5, 6, 7, 8])])),
        (
            at_ms + 25,
            back(near, vec![heartbeat_ack(&[1, 2, 3, 4, 5, 6, 7, 8])]),
        ),
    ]
}

#[test]
fn nothing_of_the_capture_becomes_markup() {
    let Some(browser) = Browser::find("nothing_of_the_capture_becomes_markup") else {
        return;
    };
    let mut frames = association(0, 4_000);
    let far = 74_000;
    let last = Packet::v4(far, vec![abort_because(MARKUP)]).ports(4_000, 3868);
    frames.push((100, last.ethernet()));
    let file = browser.folder().join("<b onclick=x>mme&amp;\"'.pcap");
    pcap(&file, &frames);
    let missing = browser.folder().join("<i>missing<script>.pcap");
    let html = browser.folder().join("report.html");
    let output = run(&[file, missing], &html, &[]);
    assert_eq!(
        output.status.code(),
        Some(2),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let page = browser.open(&html, "");
    assert_eq!(
        page.all("img, b[onclick], i:not(.where i), script").len(),
        1,
        "but the page's own script"
    );
    assert!(
        page.words("head > title")
            .contains("<b onclick=x>mme&amp;\"'.pcap")
    );
    let ended = page.words("#a1 .facts");
    assert!(
        ended.contains("aborted by the ") && ended.contains("<img src=x onerror=alert(1)>"),
        "{ended}"
    );
    let errors = page.words("#errors table");
    assert!(
        errors.contains("<i>missing<script>.pcap") && errors.contains("cannot be opened"),
        "{errors}"
    );
    assert!(page.words("#verdict").contains("1 association aborted"));
}

#[test]
fn hundreds_of_associations_stay_usable() {
    let Some(browser) = Browser::find("hundreds_of_associations_stay_usable") else {
        return;
    };
    let mut frames: Vec<_> = (0..600)
        .flat_map(|number| association(u64::from(number) * 50, 10_000 + number))
        .collect();
    // Handshakes that nothing came of, and a chunk that nobody knows.
    for port in 1..300 {
        let to_nobody =
            Packet::v4(0, vec![init(9, &[])]).between("10.1.0.1", &format!("10.1.9.{}", port % 250 + 1));
        frames.push((31_000, to_nobody.ports(port, 5_000).ethernet()));
    }
    frames.push((32_000, Packet::v4(77, vec![chunk(0x3e, 0, b"what")]).ethernet()));
    let file = browser.folder().join("many.pcap");
    pcap(&file, &frames);
    let html = browser.folder().join("report.html");
    let output = run(std::slice::from_ref(&file), &html, &[]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let page = browser.open(&html, "#a250");
    assert!(page.len() < 4_000_000, "{} bytes", page.len());
    assert_eq!(page.all("details.association").len(), 500);
    assert_eq!(
        page.all("details.association[open]").len(),
        5,
        "four, and the one that the link names"
    );
    assert_eq!(page.all("#a250[open]").len(), 1);
    assert!(
        page.words("#associations > .left-out")
            .starts_with("100 associations more")
    );
    assert_eq!(page.words("#filter output"), "500 of 500", "the filter is there");
    let search = "document.getElementById('words').value = '10249 3868';
        document.getElementById('filter').dispatchEvent(new Event('input'));";
    let found = browser.open_and_do(&html, search);
    assert_eq!(found.words("#filter output"), "1 of 500");
    assert_eq!(found.all("details.association:not([hidden])").len(), 1);
    assert_eq!(found.all("#a250:not([hidden])").len(), 1);
    let plotted = page.all(".plot[data-kind=rtt]").len();
    assert_eq!(plotted, 96, "and no more");
    let without: Vec<_> = page
        .all("details.association .left-out")
        .into_iter()
        .map(words)
        .collect();
    assert!(
        without
            .iter()
            .filter(|words| words.starts_with("1 path without plots"))
            .count()
            == 404,
        "{}",
        without.len()
    );
    assert_eq!(page.all("#flows tbody tr").len(), 500);
    assert_eq!(page.all("#unfinished tbody tr").len(), 200);
    assert!(page.words("#unfinished .left-out").starts_with("and "));
}

#[test]
fn a_capture_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = ["a.pcap", "b.pcap"].map(|name| folder.path().join(name));
    pcap(&first, &association(0, 4_000));
    pcap(&second, &association(0, 4_001));
    let before = std::fs::read(&first).unwrap();
    // As `--html *.pcap` would be read.
    let output = run(&[second], &first, &[]);
    assert!(!output.status.success());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("is not a page of sctp-monitor"), "{stderr}");
    assert_eq!(std::fs::read(&first).unwrap(), before);
}
