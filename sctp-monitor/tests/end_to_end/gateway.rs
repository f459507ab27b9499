//! The agent on a router between the hosts.

use sctp_monitor_lab::Lab;

use crate::setup::{Pair, SOON, monitor, times};

const NICS: [&str; 4] = ["left1", "right1", "left2", "right2"];

#[test]
fn a_router_sees_a_break_on_either_side() {
    for broken in ["left1", "right1"] {
        let lab = Lab::two_hosts_through_a_router().unwrap();
        let agent = monitor(lab.host("gateway"), &NICS, &["--vantage", "gateway"]);
        let _pair = Pair::between(&lab, &lab.ipv4("mme"), &lab.ipv4("hss"));
        for remote in ["10.2.1.2", "10.2.2.2"] {
            agent.wait_for_path(remote, "active", SOON).unwrap();
        }
        lab.path(broken).break_silently().unwrap();
        let down = agent.wait_for_path("10.2.1.2", "inactive", SOON).unwrap();
        assert_eq!(down["local"], "10.1.1.1", "the side that sent the INIT is local");
        assert_eq!(times(&agent, "10.2.2.2", "inactive"), 0);
        lab.path(broken).heal().unwrap();
        let recovered =
            |event: &serde_json::Value| event["remote"] == "10.2.1.2" && event["from"] == "inactive";
        agent.wait_for("path_state_changed", SOON, recovered).unwrap();
        assert_eq!(times(&agent, "10.2.1.2", "inactive"), 1, "{broken}");
    }
}

#[test]
fn a_router_watches_ipv6_too() {
    let lab = Lab::two_hosts_through_a_router().unwrap();
    let agent = monitor(lab.host("gateway"), &NICS, &["--vantage", "gateway"]);
    let _pair = Pair::between(&lab, &lab.ipv6("mme"), &lab.ipv6("hss"));
    for remote in ["fd00:2:1::2", "fd00:2:2::2"] {
        agent.wait_for_path(remote, "active", SOON).unwrap();
    }
    lab.path("right2").break_silently().unwrap();
    agent.wait_for_path("fd00:2:2::2", "inactive", SOON).unwrap();
    assert_eq!(times(&agent, "fd00:2:1::2", "inactive"), 0);
}
