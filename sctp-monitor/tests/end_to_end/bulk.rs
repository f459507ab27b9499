//! A sender at full rate over slow lines: its queues overflow, it retransmits, and nothing is broken.

use nix::sys::signal::Signal;
use sctp_monitor_lab::{EndpointConfig, Event, EventKind, Lab};

use crate::setup::{PORT, Pair, SOON, monitor, path};

#[test]
fn a_sender_that_fills_the_queues_is_no_incident() {
    // A shallow queue and a deep one: a line of 20 Mbit/s empties them in 12 and in 40 ms.
    for queue in [30_000, 100_000] {
        let lab = Lab::two_hosts_two_paths().unwrap();
        for path in ["path1", "path2"] {
            lab.path(path).slow_down(20_000, queue).unwrap();
        }
        let agent = monitor(lab.host("mme"), &["path1", "path2"], &[]);
        let listen = EndpointConfig::listen(lab.ipv4("hss"), PORT);
        let mut connect = EndpointConfig::connect(lab.ipv4("mme"), lab.ipv4("hss"), PORT).rate(4_000.0);
        connect.traffic.size = 1_300;
        let pair = Pair::start(&lab, &connect, &listen);
        // Ten seconds at least, of twice as much as the line takes.
        let enough =
            |event: &Event| matches!(event.kind, EventKind::Stats(traffic) if traffic.received >= 16_000);
        pair.server.wait_for(2 * SOON, enough).unwrap();
        let incidents: Vec<_> = agent
            .events()
            .into_iter()
            .filter(|event| event["event"] == "incident")
            .collect();
        assert!(incidents.is_empty(), "{queue}: {incidents:#?}");
        let (_, summary) = agent.stop(Signal::SIGTERM).unwrap();
        let summary = summary.unwrap();
        let sent = &path(&summary, "10.1.1.1", "10.1.1.2")["forward"];
        assert!(
            sent["data_retransmissions"].as_u64().unwrap() > 0,
            "{queue}: {sent:#}"
        );
    }
}
