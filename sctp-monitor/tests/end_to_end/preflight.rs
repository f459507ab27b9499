//! What is looked at before packets are moved: the NIC of an order may not be the one that the host itself sends by.

use std::{net::IpAddr, process::Stdio};

use sctp_monitor_lab::{EndpointConfig, Lab, Monitor, Namespace, Timers};
use serde_json::{Value, json};

use crate::{
    nics::ip,
    setup::{PORT, Pair, SOON, binary, monitor},
};

/// Moves the address of path 2 to a NIC on top of it, at one or both hosts, and its route with it.
fn put_above(host: &Namespace, address: &str, upper: &str) {
    ip(
        host,
        &format!(
            "addr del {address}/24 dev path2\naddr add {address}/24 dev {upper}\nlink set {upper} up\n\
             route replace 10.1.2.0/24 dev {upper} table {PATH2_TABLE}\n"
        ),
    );
}

/// Whether this kernel can make a NIC of such a kind.
fn can_make(host: &Namespace, link: &str) -> bool {
    let mut command = host.command("ip");
    command
        .args(["link", "add"])
        .args(link.split(' '))
        .stderr(Stdio::null());
    command.status().unwrap().success()
}

/// A VLAN at both ends of path 2, or where the kernel has none a MACVLAN at the near one; the agent watches the NIC below.
fn a_nic_above(lab: &Lab) -> &'static str {
    let [mme, hss] = ["mme", "hss"].map(|host| lab.host(host));
    let vlan = "link path2 name path2.5 type vlan id 5";
    if can_make(mme, vlan) && can_make(hss, vlan) {
        put_above(mme, "10.1.2.1", "path2.5");
        put_above(hss, "10.1.2.2", "path2.5");
        return "path2.5";
    }
    assert!(can_make(mme, "link path2 name upper2 type macvlan mode bridge"));
    put_above(mme, "10.1.2.1", "upper2");
    "upper2"
}

/// A bond with path 2 as its only member, or where the kernel has none a bridge; the agent watches the member.
fn a_nic_with_members(lab: &Lab) -> &'static str {
    let mme = lab.host("mme");
    if can_make(mme, "bond2 type bond mode active-backup miimon 100") {
        ip(
            mme,
            "link set path2 down\nlink set path2 master bond2\nlink set path2 up\n",
        );
        put_above(mme, "10.1.2.1", "bond2");
        return "bond2";
    }
    assert!(can_make(mme, "br2 type bridge"));
    ip(mme, "link set path2 master br2\n");
    put_above(mme, "10.1.2.1", "br2");
    "br2"
}

fn ask(lab: &Lab, agent: &Monitor, arguments: &[&str]) -> Value {
    let mut command = lab.host("mme").command(binary());
    let process = agent.pid().to_string();
    command
        .args(["steer", "--json", "--agent", &process])
        .args(arguments);
    let output = command.output().unwrap();
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

fn prospect(answer: &Value, local: &str, remote: &str) -> Value {
    let paths = answer["paths"].as_array().unwrap();
    let of_path = |path: &&Value| path["local"] == local && path["remote"] == remote;
    paths.iter().find(of_path).unwrap().clone()
}

/// A break of path 1, with path 2 on such NICs: nothing is moved, and why is said.
fn nothing_is_moved(arrange: fn(&Lab) -> &'static str, obstacle: &str) {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let upper = arrange(&lab);
    println!("path 2 at {upper}");
    let agent = monitor(lab.host("mme"), &["path1", "path2"], &["--steer", "move"]);
    let [local, remote] = ["mme", "hss"].map(|host| lab.ipv4(host));
    let pair = associate(&lab, &local, &remote);
    for address in &remote {
        agent.wait_for_path(&address.to_string(), "active", SOON).unwrap();
    }
    let answer = ask(&lab, &agent, &["explain", "1"]);
    let path2 = prospect(&answer, "10.1.2.1", "10.1.2.2");
    assert_eq!(path2["unfit"], obstacle, "{answer:#}");
    assert_eq!(path2["way"]["interface"], "path2", "{answer:#}");
    assert_eq!(path2["way"]["routed_by"], upper, "{answer:#}");
    let path1 = prospect(&answer, "10.1.1.1", "10.1.1.2");
    assert_eq!(
        (&path1["unfit"], &path1["obstacle"]),
        (&Value::Null, &json!(obstacle)),
        "{answer:#}"
    );
    let answer = ask(&lab, &agent, &["add", "1", "10.1.1.1", "10.1.1.2"]);
    assert_eq!(answer["steered"], json!([]), "{answer:#}");
    assert!(answer["refused"].is_string(), "{answer:#}");
    lab.path("path1").break_silently().unwrap();
    let refused = agent.wait_for("steering_refused", SOON, |event| event["remote"] == "10.1.1.2");
    assert_eq!(refused.unwrap()["obstacle"], obstacle);
    // The stack itself moves it, past nobody.
    let moved = |event: &Value| event["direction"] == "forward" && event["to"]["remote"] == "10.1.2.2";
    agent.wait_for("data_moved", SOON, moved).unwrap();
    drop(pair);
}

fn associate(lab: &Lab, local: &[IpAddr], remote: &[IpAddr]) -> Pair {
    let listen = EndpointConfig::listen(remote.to_vec(), PORT).timers(Timers::tuned());
    let connect = EndpointConfig::connect(local.to_vec(), remote.to_vec(), PORT)
        .rate(20.0)
        .timers(Timers::tuned());
    Pair::start(lab, &connect, &listen)
}

#[test]
fn nothing_is_moved_to_the_nic_below_the_one_that_owns_the_address() {
    nothing_is_moved(a_nic_above, "nic_is_lower");
}

#[test]
fn nothing_is_moved_to_a_member_of_a_bond_or_bridge() {
    nothing_is_moved(a_nic_with_members, "nic_is_member");
}

#[test]
fn strict_filtering_and_missing_routes_are_told_before_they_matter() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let mme = lab.host("mme");
    mme.run(|| std::fs::write("/proc/sys/net/ipv4/conf/path2/rp_filter", "1"))
        .unwrap()
        .unwrap();
    let agent = monitor(mme, &["path1", "path2"], &["--steer", "move"]);
    let [local, remote] = ["mme", "hss"].map(|host| lab.ipv4(host));
    let pair = associate(&lab, &local, &remote);
    for address in &remote {
        agent.wait_for_path(&address.to_string(), "active", SOON).unwrap();
    }
    let way = || prospect(&ask(&lab, &agent, &["explain", "1"]), "10.1.2.1", "10.1.2.2");
    let path2 = way();
    assert_eq!(path2["unfit"], Value::Null, "{path2:#}");
    assert_eq!(
        path2["way"],
        json!({
            "interface": "path2", "next_hop": "10.1.2.2", "neighbour": "resolved", "mtu": 1500,
            "answers_filtered": "strict"
        })
    );
    // IPv4 would take the peer to be on the link if it were not asked whether there is a route.
    ip(
        mme,
        &format!("rule del from 10.1.2.1 lookup {PATH2_TABLE}\nroute del 10.1.2.0/24 dev path2\n"),
    );
    let refused = |path2: &Value| path2["unfit"] == "no_route";
    sctp_monitor_lab::wait::until(SOON, || refused(&way()).then_some(())).unwrap();
    drop(pair);
}

/// The table of what has the address of path 2 as its source.
const PATH2_TABLE: u32 = 101;
