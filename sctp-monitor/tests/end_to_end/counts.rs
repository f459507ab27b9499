//! What the agent counts and measures, beside what tcpdump and tshark say of the same traffic.

use std::time::Duration;

use nix::sys::signal::Signal;
use sctp_monitor_lab::{Capture, EventKind, Lab, wait};
use sctp_monitor_testkit::dissect::{self, Flow};
use serde_json::Value;

use crate::setup::{PORT, Pair, SOON, chunk_name, monitor, path, sent};

#[test]
fn counts_are_those_of_a_capture_by_every_hook() {
    for hook in ["xdp-native", "xdp-generic", "tc"] {
        let lab = Lab::two_hosts_two_paths().unwrap();
        let captures = ["path1", "path2"].map(|nic| Capture::start(lab.host("mme"), nic).unwrap());
        let agent = monitor(lab.host("mme"), &["path1", "path2"], &["--hook", hook]);
        let mut pair = Pair::between(&lab, &lab.ipv4("mme"), &lab.ipv4("hss"));
        pair.client.set_rate(500.0).unwrap();
        wait::until(SOON, || (sent(&pair) >= 1_000).then_some(())).unwrap();
        pair.client.stop().unwrap();
        agent.wait_for("association_down", SOON, |_| true).unwrap();
        let (status, summary) = agent.stop(Signal::SIGTERM).unwrap();
        assert!(status.success());
        let summary = summary.expect("a summary at the end");

        assert_counts_are_those_of(captures, &summary, hook);
        assert_eq!(summary["counters"], serde_json::json!({}), "nothing was odd");
    }
}

/// A stack with segmentation offload (the kernel's) hands down several packets as one.
#[test]
fn large_messages_are_counted_as_the_packets_that_leave() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let captures = ["path1", "path2"].map(|nic| Capture::start(lab.host("mme"), nic).unwrap());
    let agent = monitor(lab.host("mme"), &["path1", "path2"], &[]);
    let mut pair = Pair::between(&lab, &lab.ipv4("mme"), &lab.ipv4("hss"));
    pair.client.set_size(5_000).unwrap();
    pair.client.set_rate(50.0).unwrap();
    wait::until(SOON, || (sent(&pair) >= 150).then_some(())).unwrap();
    pair.client.stop().unwrap();
    agent.wait_for("association_down", SOON, |_| true).unwrap();
    let (status, summary) = agent.stop(Signal::SIGTERM).unwrap();
    assert!(status.success());
    assert_counts_are_those_of(
        captures,
        &summary.expect("a summary at the end"),
        "large messages",
    );
}

#[test]
fn heartbeat_round_trip_times_are_those_of_a_capture() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    lab.path("path2").delay(Duration::from_millis(10)).unwrap();
    let capture = Capture::start(lab.host("mme"), "path2").unwrap();
    let agent = monitor(lab.host("mme"), &["path1", "path2"], &[]);
    let pair = Pair::between(&lab, &lab.ipv4("mme"), &lab.ipv4("hss"));
    agent.wait_for_path("10.1.2.2", "active", SOON).unwrap();
    // Heartbeats come twice a second.
    wait::until(SOON, || (stats(&pair) >= 4).then_some(())).unwrap();
    let (_, summary) = agent.stop(Signal::SIGINT).unwrap();
    let recording = capture.stop().unwrap();
    let round_trips: Vec<u64> = dissect::heartbeats(&recording.packets().unwrap())
        .iter()
        .filter(|heartbeat| heartbeat.flow.source.to_string() == "10.1.2.1")
        .filter_map(dissect::Heartbeat::round_trip_ns)
        .collect();
    assert!(round_trips.len() >= 4, "{round_trips:?}");
    let summary = summary.unwrap();
    let rtt = &path(&summary, "10.1.2.1", "10.1.2.2")["forward"]["heartbeat_rtt"];
    let within_a_fifth = |ours: &Value, theirs: u64| {
        let ours_ns = ours.as_f64().unwrap() * 1e6;
        (ours_ns - theirs as f64).abs() <= 0.2 * theirs as f64
    };
    let smallest = *round_trips.iter().min().unwrap();
    assert!(smallest >= 20_000_000, "10 ms each way");
    assert!(within_a_fifth(&rtt["min_ms"], smallest), "{rtt} {round_trips:?}");
    let smoothed = round_trips[1..]
        .iter()
        .fold(round_trips[0], |srtt, rtt| srtt - srtt / 8 + rtt / 8);
    assert!(within_a_fifth(&rtt["srtt_ms"], smoothed), "{rtt} {round_trips:?}");
}

/// What the agent counted of an association over two paths is what tcpdump saw of it.
pub(crate) fn assert_counts_are_those_of(captures: [Capture; 2], summary: &Value, what: &str) {
    let mut packets = Vec::new();
    for capture in captures {
        packets.extend(capture.stop().unwrap().packets().unwrap());
    }
    let flows = dissect::flows(&packets);
    assert_eq!(flows.len(), 4, "two paths, two directions");
    for (flow, counts) in &flows {
        let counted = counted(summary, flow);
        assert_eq!(counted["packets"], counts.packets, "{what} {flow:?}");
        assert_eq!(counted["bytes"], counts.bytes, "{what} {flow:?}");
        let chunks: serde_json::Map<String, Value> = counts
            .chunks
            .iter()
            .map(|(kind, count)| (chunk_name(*kind).to_owned(), (*count).into()))
            .collect();
        let by_name = |value: &Value| {
            value
                .as_object()
                .unwrap()
                .clone()
                .into_iter()
                .collect::<std::collections::BTreeMap<_, _>>()
        };
        assert_eq!(
            by_name(&counted["chunks"]),
            by_name(&chunks.into()),
            "{what} {flow:?}"
        );
    }
}

fn stats(pair: &Pair) -> usize {
    pair.client
        .events()
        .iter()
        .filter(|event| matches!(event.kind, EventKind::Stats(_)))
        .count()
}

/// What the summary says of a flow.
fn counted<'a>(summary: &'a Value, flow: &Flow) -> &'a Value {
    let (source, destination) = (flow.source.to_string(), flow.destination.to_string());
    if flow.destination_port == PORT {
        &path(summary, &source, &destination)["forward"]
    } else {
        &path(summary, &destination, &source)["return"]
    }
}
