//! A router that cannot forward says so: the agent hears of it long before anything times out.

use std::net::IpAddr;

use sctp_monitor_lab::{Lab, Namespace};

use crate::setup::{Pair, SOON, monitor, times};

/// The router loses its route to the first of the remote addresses, and answers what comes for it.
fn an_unreachable_host_is_a_doubt(lab: &Lab, local: &[IpAddr], remote: &[IpAddr], words: &str) {
    let agent = monitor(lab.host("mme"), &["path1", "path2"], &[]);
    let _pair = Pair::between(lab, local, remote);
    let [first, second] = [remote[0].to_string(), remote[1].to_string()];
    for address in [&first, &second] {
        agent.wait_for_path(address, "active", SOON).unwrap();
    }
    let router = lab.host("gateway");
    ip(router, &["route", "add", "unreachable", &first]);
    let by_icmp = |event: &serde_json::Value| {
        event["remote"] == first
            && event["to"] == "potentially_failed"
            && event["evidence"]["icmp_type"].is_u64()
    };
    let doubt = agent.wait_for("path_state_changed", SOON, by_icmp).unwrap();
    let reporter: IpAddr = doubt["evidence"]["reporter"].as_str().unwrap().parse().unwrap();
    assert_eq!(
        doubt["reason"],
        format!("ICMP error from {reporter}: {words}"),
        "{doubt}"
    );
    assert!(lab.addresses("gateway").contains(&reporter), "{doubt}");
    agent.wait_for_path(&first, "inactive", SOON).unwrap();
    ip(router, &["route", "del", "unreachable", &first]);
    let recovered = |event: &serde_json::Value| event["remote"] == first && event["from"] == "inactive";
    agent.wait_for("path_state_changed", SOON, recovered).unwrap();
    assert_eq!(times(&agent, &second, "inactive"), 0);
}

#[test]
fn an_icmp_error_is_reported_as_the_reason() {
    let lab = Lab::two_hosts_through_a_router().unwrap();
    let (local, remote) = (lab.ipv4("mme"), lab.ipv4("hss"));
    an_unreachable_host_is_a_doubt(&lab, &local, &remote, "host unreachable");
}

#[test]
fn an_icmpv6_error_is_reported_as_the_reason() {
    let lab = Lab::two_hosts_through_a_router().unwrap();
    let (local, remote) = (lab.ipv6("mme"), lab.ipv6("hss"));
    an_unreachable_host_is_a_doubt(&lab, &local, &remote, "no route to destination");
}

fn ip(namespace: &Namespace, arguments: &[&str]) {
    let status = namespace.command("ip").args(arguments).status().unwrap();
    assert!(status.success(), "ip {arguments:?}: {status}");
}
