//! Handshakes that come to nothing: what came back, or did not, is told while it happens.

use std::time::Duration;

use sctp_monitor_lab::{Endpoint, Lab};
use serde_json::Value;

use crate::{
    conntrack::run,
    scene::{connecting, listening},
    setup::{SOON, monitor},
};

#[test]
fn a_host_without_sctp_is_told_by_its_icmp_errors() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let agent = monitor(lab.host("mme"), &["path1", "path2"], &[]);
    let _client = Endpoint::spawn(lab.host("mme"), &connecting(&lab)).unwrap();
    let by_icmp = |event: &Value| event["answers"][0]["answer"] == "icmp";
    let told = agent.wait_for("handshake_unfinished", A_WHILE, by_icmp).unwrap();
    let (initiator, responder) = (&told["initiator"], &told["responder"]);
    assert!(initiator.as_str().unwrap().starts_with("10.1."), "{told}");
    assert_eq!(told["answers"][0]["reporter"], *responder, "{told}");
    assert_eq!(
        told["answers"][0]["quotes_tag"], true,
        "Linux quotes the INIT: {told}"
    );
    assert!(told["inits"].as_u64().unwrap() >= 1, "{told}");
    let up = agent
        .events()
        .into_iter()
        .any(|event| event["event"] == "association_up");
    assert!(!up);
}

#[test]
fn a_cookie_echo_that_is_dropped_brings_nothing_up_until_it_passes() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let hss = lab.host("hss");
    run(hss, "nft", &[DROP_COOKIE_ECHO]).unwrap();
    let agent = monitor(lab.host("mme"), &["path1", "path2"], &[]);
    let _server = Endpoint::spawn(hss, &listening(&lab)).unwrap();
    let client = Endpoint::spawn(lab.host("mme"), &connecting(&lab)).unwrap();
    let echoed = |event: &Value| event["cookie_echoes"].as_u64() >= Some(2);
    let told = agent.wait_for("handshake_unfinished", A_WHILE, echoed).unwrap();
    assert_eq!(told["answers"][0]["answer"], "init_ack", "{told}");
    assert!(
        told["cookie_echo_bytes"].as_u64() > told["init_bytes"].as_u64(),
        "{told}"
    );
    let ups = |events: Vec<Value>| {
        events
            .iter()
            .filter(|event| event["event"] == "association_up")
            .count()
    };
    assert_eq!(ups(agent.events()), 0);
    drop(client);
    run(hss, "nft", &["delete table netdev cookies"]).unwrap();
    let client = Endpoint::spawn(lab.host("mme"), &connecting(&lab)).unwrap();
    client.wait_until_up(1, SOON).unwrap();
    let up = agent.wait_for("association_up", SOON, |_| true).unwrap();
    assert_eq!(up["origin"], "handshake", "{up}");
}

/// Drops what brings the cookie back, on both NICs.
const DROP_COOKIE_ECHO: &str = "table netdev cookies {
    chain path1 { type filter hook ingress device \"path1\" priority 0; sctp chunk cookie-echo exists drop; }
    chain path2 { type filter hook ingress device \"path2\" priority 0; sctp chunk cookie-echo exists drop; }
}";
/// A handshake is given up ten seconds after its initiator fell silent, or later.
const A_WHILE: Duration = Duration::from_secs(90);
