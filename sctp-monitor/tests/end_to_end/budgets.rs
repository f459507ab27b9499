//! Somebody who knows no tag uses up what the agent can take: the control packets that it is told, and the slots of its
//! flow table. Genuine associations are seen to begin, to break and to end as without him.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use nix::sys::signal::Signal;
use sctp_monitor_lab::{Injector, Lab};
use sctp_monitor_testkit::frames::{self, Packet};
use serde_json::Value;

use crate::{
    scene::{PRIMARY, associate, connecting, listening, patient, since},
    setup::{Pair, SOON, monitor},
};

/// No stack gives this tag, as good as certainly.
const FORGED: u32 = 0x0bad_0bad;
/// The watched host.
const HOST: &str = "10.1.1.1";
/// UDP port of SCTP in UDP (RFC 6951).
const UDP_PORT: u16 = 9899;

/// Sends these frames in turn, so many a second, while `meanwhile` does its part.
fn under_attack(injector: &Injector, frames: &[Vec<u8>], per_second: u64, meanwhile: impl FnOnce()) {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let attack = scope.spawn(|| {
            let mut next = frames.iter().cycle();
            while !done.load(Ordering::Relaxed) {
                let second = Duration::from_secs(1);
                injector
                    .flood(per_second, per_second, second, |_| next.next().unwrap().clone())
                    .unwrap();
            }
        });
        // Whatever happens, the attack has an end.
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(meanwhile));
        done.store(true, Ordering::Relaxed);
        attack.join().unwrap();
        if let Err(panic) = result {
            std::panic::resume_unwind(panic);
        }
    });
}

/// How often each event was reported.
fn counts(events: &[Value]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for event in events {
        *counts.entry(event["event"].to_string()).or_default() += 1;
    }
    counts
}

#[test]
fn control_packets_of_a_forged_flow_hide_no_handshake_and_no_abort() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let agent = monitor(lab.host("mme"), &["path1", "path2"], &[]);
    let injector = lab.path("path1").injector("mme").unwrap();
    let errors = Packet::v4(FORGED, vec![frames::error(1, &[0; 4])])
        .between("10.66.6.6", HOST)
        .ports(7, 9)
        .ethernet();
    under_attack(&injector, &[errors], 15_000, || {
        let mut last = 0;
        for _ in 0..3 {
            let Pair { client, server } =
                Pair::start(&lab, &patient(connecting(&lab)), &patient(listening(&lab)));
            let is_next = |event: &Value| event["association"].as_u64() > Some(last);
            let up = agent.wait_for("association_up", SOON, is_next).unwrap();
            assert_eq!(up["origin"], "handshake", "{up:#}");
            last = up["association"].as_u64().unwrap();
            let is_it = |event: &Value| event["association"] == up["association"];
            server.abort().unwrap();
            let down = agent.wait_for("association_down", SOON, is_it).unwrap();
            assert_eq!(down["end"]["kind"], "abort", "{down:#}");
            drop(client);
        }
    });
    let (_, summary) = agent.stop(Signal::SIGTERM).unwrap();
    let limited = summary.unwrap()["counters"]["control_limited"].as_u64();
    assert!(limited > Some(1_000), "{limited:?}");
}

#[test]
fn forged_flows_that_come_again_do_not_hold_the_table() {
    const SLOTS: usize = 1_024;
    let lab = Lab::two_hosts_two_paths().unwrap();
    let agent = monitor(lab.host("mme"), &["path1", "path2"], &["--max-flows", "1024"]);
    let injector = lab.path("path1").injector("mme").unwrap();
    // More flows than slots, from one source, each of which comes again within a second.
    let flows: Vec<_> = (0..SLOTS as u16 + 400)
        .map(|number| {
            Packet::v4(0x4000_0000 | u32::from(number), vec![frames::data(1, 8)])
                .between("198.51.100.7", HOST)
                .ports(1_024 + number, 36_412)
                .udp(UDP_PORT)
        })
        .collect();
    let per_second = flows.len() as u64 * 5 / 4;
    under_attack(&injector, &flows, per_second, || {
        agent.wait_for("flow_table_pressure", SOON, |_| true).unwrap();
        let pair = associate(&lab, &agent);
        let fault_ns = lab.path("path1").break_silently().unwrap();
        let down = agent.wait_for_path(PRIMARY, "inactive", SOON).unwrap();
        assert!(since(fault_ns, &down) < Duration::from_secs(5), "{down:#}");
        drop(pair);
    });
    let counts = counts(&agent.events());
    assert_eq!(counts["\"association_up\""], 1, "{counts:?}");
    let all: usize = counts.values().sum();
    assert!(all < 60, "{counts:?}");
    let (_, summary) = agent.stop(Signal::SIGTERM).unwrap();
    let in_use = summary.as_ref().unwrap()["flows"]["in_use"].as_u64().unwrap();
    assert!(in_use <= SLOTS as u64 / 2 + 8, "{summary:#?}");
}
