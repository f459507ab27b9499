//! Captures to make pages of: a real one, with failures, and files of frames.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use sctp_monitor_lab::{
    Capture, Endpoint, EndpointConfig, Event, EventKind, Lab, Recording, Timers, endpoint::AddressChange,
};

/// Long enough for a loaded machine; nothing waits this long when all is well.
const SOON: Duration = Duration::from_secs(20);
/// Diameter's port.
pub(crate) const PORT: u16 = 3868;

/// An association over two paths, a capture on each.
///
/// The path of the DATA breaks silently and is healed; then the other one breaks, and stays broken.
pub(crate) fn two_breaks() -> [Recording; 2] {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let captures = ["path1", "path2"].map(|nic| Capture::start(lab.host("mme"), nic).unwrap());
    // A stack that does not give the association up.
    let timers = Timers {
        association_max_retrans: Some(100),
        ..Timers::tuned()
    };
    let server = EndpointConfig::listen(lab.ipv4("hss"), PORT).timers(timers.clone());
    let server = Endpoint::spawn(lab.host("hss"), &server).unwrap();
    let mut client = EndpointConfig::connect(lab.ipv4("mme"), lab.ipv4("hss"), PORT)
        .rate(20.0)
        .timers(timers);
    client.stats_interval = Duration::from_millis(100);
    client.traffic.ppid = 46;
    let client = Endpoint::spawn(lab.host("mme"), &client).unwrap();
    client.wait_until_up(1, SOON).unwrap();
    wait_for_messages(&client, 60);
    for (path, remote) in [("path1", "10.1.1.2"), ("path2", "10.1.2.2")] {
        let stack_says = |what: AddressChange| {
            let is_it = |event: &Event| {
                matches!(&event.kind, EventKind::PathChanged { address, state, .. }
                    if address.to_string() == remote && *state == what)
            };
            client.wait_for(SOON, is_it).unwrap();
        };
        lab.path(path).break_silently().unwrap();
        stack_says(AddressChange::Unreachable);
        wait_for_messages(&client, 20);
        if path == "path1" {
            lab.path(path).heal().unwrap();
            stack_says(AddressChange::Available);
            wait_for_messages(&client, 40);
        }
    }
    let recordings = captures.map(|capture| capture.stop().unwrap());
    drop((client, server));
    recordings
}

/// Waits until so many messages more were sent.
fn wait_for_messages(client: &Endpoint, more: u64) {
    let sent = |event: &Event| match event.kind {
        EventKind::Stats(traffic) => Some(traffic.sent),
        _ => None,
    };
    let so_far = client.events().iter().filter_map(sent).max().unwrap_or(0);
    let enough = |event: &Event| sent(event).is_some_and(|sent| sent >= so_far + more);
    client.wait_for(SOON, enough).unwrap();
}

/// A capture file of Ethernet frames, each with its time in milliseconds from 2026-11-26 03:00 UTC on.
pub(crate) fn pcap(path: &Path, frames: &[(u64, Vec<u8>)]) {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 1] {
        file.extend(word.to_le_bytes());
    }
    for (at_ms, frame) in frames {
        let seconds = BEGIN + u32::try_from(at_ms / 1_000).unwrap();
        let micros = u32::try_from(at_ms % 1_000 * 1_000).unwrap();
        let length = u32::try_from(frame.len()).unwrap();
        for word in [seconds, micros, length, length] {
            file.extend(word.to_le_bytes());
        }
        file.extend(frame);
    }
    std::fs::write(path, file).unwrap();
}

/// 2026-11-26 03:00 UTC.
const BEGIN: u32 = 1_795_662_000;

/// Runs the real binary.
pub(crate) fn run(files: &[PathBuf], page: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sctp-monitor"))
        .arg("pcap")
        .args(files)
        .arg("--html")
        .arg(page)
        .args(more)
        .output()
        .unwrap()
}
