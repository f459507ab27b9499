//! Two hosts in one subnet, on one switch: when a NIC of the peer is gone, this host finds no neighbour there, and nothing that
//! it sends leaves its own NIC any more.

use std::{fs, time::Duration};

use sctp_monitor_lab::{End, EndpointConfig, Event, EventKind, Lab, Timers};
use serde_json::Value;

use crate::setup::{PORT, Pair, SOON, monitor, times};

/// The far end of the path that carries DATA.
const PRIMARY: &str = "10.1.0.17";
/// The far end of the path that is idle.
const IDLE: &str = "10.1.0.33";

/// Each host has two NICs on one switch.
fn lab() -> Lab {
    let mut lab = Lab::builder().switch("lan");
    for (host, number) in [("mme", 0), ("hss", 1)] {
        for path in 1..=2 {
            let nic = format!("path{path}");
            let address = format!("10.1.0.{}/24", 16 * path + number);
            lab = lab.path(
                &format!("{host}{path}"),
                End::new(host, &nic).address(&address),
                End::new("lan", &format!("{host}{path}")),
            );
        }
    }
    lab.build().unwrap()
}

/// The times of neighbour discovery, usually eight seconds in sum, in proportion to HEARTBEATs that are usually 30 s apart.
fn ask_quickly(lab: &Lab) {
    let write = || {
        for (setting, value) in [
            ("base_reachable_time_ms", "1000"),
            ("delay_first_probe_time", "1"),
            ("ucast_solicit", "1"),
            ("mcast_solicit", "2"),
            ("retrans_time_ms", "200"),
        ] {
            for nic in ["path1", "path2"] {
                fs::write(format!("/proc/sys/net/ipv4/neigh/{nic}/{setting}"), value).unwrap();
            }
        }
    };
    lab.host("mme").run(write).unwrap();
}

#[test]
fn an_idle_path_whose_peer_is_no_neighbour_any_more_is_down_for_that_reason() {
    let lab = lab();
    ask_quickly(&lab);
    let agent = monitor(lab.host("mme"), &["path1", "path2"], &[]);
    let timers = Timers {
        heartbeat_interval: Some(Duration::from_secs(2)),
        ..Timers::tuned()
    };
    let listen = EndpointConfig::listen(lab.ipv4("hss"), PORT).timers(timers.clone());
    let connect = EndpointConfig::connect(lab.ipv4("mme"), lab.ipv4("hss"), PORT)
        .rate(20.0)
        .timers(timers);
    let pair = Pair::start(&lab, &connect, &listen);
    agent.wait_for_path(IDLE, "active", SOON).unwrap();
    // Ten seconds, in which this host sends four HEARTBEATs there: their rhythm tells if none of them goes unanswered.
    let in_rhythm = |event: &Event| matches!(event.kind, EventKind::Stats(traffic) if traffic.sent >= 200);
    pair.client.wait_for(2 * SOON, in_rhythm).unwrap();
    lab.path("hss2").link_down("hss").unwrap();
    let down = agent.wait_for_path(IDLE, "inactive", SOON).unwrap();
    let evidence = &down["evidence"];
    assert_eq!(evidence["kind"], "next_hop_unresolved", "{down:#}");
    assert_eq!(evidence["next_hop"], IDLE, "{down:#}");
    // Which NIC the stack takes towards one subnet is its own affair.
    let nic = evidence["interface"].as_str().unwrap();
    let opened = |event: &Value| event["status"] == "opened" && event["finding"] == "path_down";
    let incident = agent.wait_for("incident", SOON, opened).unwrap();
    let next = incident["next"].as_str().unwrap();
    let command = format!("`ip neighbour show {IDLE} dev {nic}`");
    assert!(next.contains(&command), "{incident:#}");
    lab.path("hss2").heal().unwrap();
    agent.wait_for_path(IDLE, "active", SOON).unwrap();
    let closed = |event: &Value| event["status"] == "closed" && event["incident"] == incident["incident"];
    agent.wait_for("incident", SOON, closed).unwrap();
    assert_eq!(times(&agent, PRIMARY, "inactive"), 0);
}
