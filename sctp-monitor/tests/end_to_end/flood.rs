//! A flood of forged new flows, and a ring buffer that overruns: what is known stays tracked, exactly, and the counters tell
//! the truth about the rest.

use std::{collections::BTreeSet, time::Duration};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use sctp_monitor_lab::{EventKind, Flooded, Injector, Lab, wait};
use sctp_monitor_testkit::frames::{self, new_flows};
use serde_json::Value;

use crate::{
    scene::{PRIMARY, SECONDARY, Scene, associate, patient},
    setup::{SOON, monitor},
};

/// Distinct pairs of addresses and ports.
const FLOWS: u64 = 1_000_000;
/// What the agent may take of memory for a full table of 16,384 forged flows: 8 kB each. A flow and its would-be
/// association measured 3 kB; the allocator keeps what a burst has needed.
const MOST_GROWTH_KB: u64 = 16_384 * 8;
const FLOOD_WITHIN: Duration = Duration::from_secs(60);

fn flood(injector: &Injector) -> Flooded {
    let data = new_flows(0x0bad_0bad, frames::data(1, 4));
    injector.flood(FLOWS, 100_000, FLOOD_WITHIN, data).unwrap()
}

fn signal(scene: &Scene, signal: Signal) {
    let pid = i32::try_from(scene.agent.pid()).unwrap();
    kill(Pid::from_raw(pid), signal).unwrap();
}

fn rss_kb(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Flows of known associations in a summary.
fn known_flows(summary: &Value) -> Vec<&Value> {
    let associations = summary["associations"].as_array().unwrap().iter();
    let paths = associations.flat_map(|known| known["paths"].as_array().unwrap());
    paths
        .flat_map(|path| [&path["forward"], &path["return"]])
        .filter(|flow| flow.is_object())
        .collect()
}

fn counter(summary: &Value, name: &str) -> u64 {
    summary["counters"][name].as_u64().unwrap_or(0)
}

/// Stops sending, and compares what the stack says that it sent with what the agent counted: no packet of the
/// association was missed.
fn assert_all_data_was_counted(scene: Scene) -> Value {
    let Scene { mut pair, agent, lab } = scene;
    pair.client.set_rate(0.0).unwrap();
    let sent = || {
        let events = pair.client.events();
        let stats = events.iter().rev().filter_map(|event| match event.kind {
            EventKind::Stats(traffic) => Some(traffic.sent),
            _ => None,
        });
        let last: Vec<_> = stats.take(5).collect();
        (last.len() == 5 && last.iter().collect::<BTreeSet<_>>().len() == 1).then(|| last[0])
    };
    let sent = wait::until(SOON, sent).expect("the client stops sending");
    let (status, summary) = agent.stop(Signal::SIGTERM).unwrap();
    assert!(status.success());
    let summary = summary.unwrap();
    let chunks = |name: &str| -> u64 {
        let paths = summary["associations"][0]["paths"].as_array().unwrap();
        paths
            .iter()
            .filter_map(|path| path["forward"][name].as_u64())
            .sum()
    };
    let counted = chunks("data_chunks") - chunks("data_retransmissions");
    assert_eq!(counted, sent, "messages of one DATA chunk each: {summary:#}");
    drop((pair, lab));
    summary
}

#[test]
fn a_million_new_flows_push_out_nothing_that_is_known() {
    let scene = Scene::with(patient, patient);
    let injector = scene.lab.path("path1").injector("mme").unwrap();
    let before_kb = rss_kb(scene.agent.pid());
    let (flooded, most_kb) = std::thread::scope(|scope| {
        let flooding = scope.spawn(|| flood(&injector));
        // The break is reported while the flood goes on: it comes past what is broken.
        scene
            .agent
            .wait_for("flow_table_pressure", SOON, |_| true)
            .unwrap();
        scene.lab.path("path1").break_silently().unwrap();
        scene.agent.wait_for_path(PRIMARY, "inactive", SOON).unwrap();
        assert!(!flooding.is_finished(), "the flood was too short");
        scene.lab.path("path1").heal().unwrap();
        let mut most_kb = 0;
        while !flooding.is_finished() {
            most_kb = most_kb.max(rss_kb(scene.agent.pid()));
            scene.wait_for_messages(2);
        }
        (flooding.join().unwrap(), most_kb)
    });
    let grown_kb = most_kb.saturating_sub(before_kb);
    println!("{flooded:?}; memory grew from {before_kb} kB by {grown_kb} kB at most");
    assert!(grown_kb < MOST_GROWTH_KB, "{grown_kb} kB more");
    let ended = |event: &Value| event["event"] == "association_down";
    assert_eq!(
        scene.agent.events().iter().filter(|event| ended(event)).count(),
        0
    );

    let summary = assert_all_data_was_counted(scene);
    assert_eq!(summary["associations"][0]["phase"], "established");
    let known = known_flows(&summary).len() as u64;
    let opened = summary["flows"]["opened"].as_u64().unwrap();
    let (full, limited) = (
        counter(&summary, "flow_table_full"),
        counter(&summary, "new_flows_limited"),
    );
    // Every forged packet is one flow: it got a slot, or is counted by the reason why not.
    assert_eq!(
        opened - known + full + limited,
        flooded.arrived,
        "{opened} opened, {known} known, {full} found no slot, {limited} too many: {flooded:?}"
    );
    assert!(flooded.arrived > FLOWS / 2, "{flooded:?}");
}

#[test]
fn a_new_association_is_seen_through_a_flood() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let agent = monitor(lab.host("mme"), &["path1", "path2"], &[]);
    let injector = lab.path("path1").injector("mme").unwrap();
    std::thread::scope(|scope| {
        let flooding = scope.spawn(|| flood(&injector));
        agent.wait_for("flow_table_pressure", SOON, |_| true).unwrap();
        // What a flood leaves of each second is a few hundred flows for those that come again.
        let pair = associate(&lab, &agent);
        assert!(!flooding.is_finished(), "the flood was too short");
        flooding.join().unwrap();
        drop(pair);
    });
}

#[test]
fn an_overrun_ring_buffer_is_counted_and_survived() {
    let scene = Scene::with(patient, patient);
    let injector = scene.lab.path("path1").injector("mme").unwrap();
    // An agent that stands still reads nothing. Each INIT comes whole, and 2,000 a second fill a megabyte in two.
    signal(&scene, Signal::SIGSTOP);
    let inits = new_flows(0, frames::init(0x0bad_0bad, &[]));
    let flooded = injector.flood(15_000, 3_000, FLOOD_WITHIN, inits).unwrap();
    signal(&scene, Signal::SIGCONT);
    // It finds the flows without their records, and still sees what happens.
    scene.wait_for_messages(40);
    scene.lab.path("path2").break_silently().unwrap();
    scene.agent.wait_for_path(SECONDARY, "inactive", SOON).unwrap();
    scene.lab.path("path2").heal().unwrap();
    let summary = assert_all_data_was_counted(scene);
    let known = known_flows(&summary).len() as u64;
    let opened = summary["flows"]["opened"].as_u64().unwrap();
    let refused = counter(&summary, "flow_table_full") + counter(&summary, "new_flows_limited");
    assert!(counter(&summary, "ring_full") > 0, "{summary:#}");
    assert_eq!(
        opened - known + refused,
        flooded.arrived,
        "{flooded:?} {summary:#}"
    );
}
