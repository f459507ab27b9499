//! NICs come and go, faster than the agent is told, or before they can be watched.

use std::{io::Write as _, process::Stdio, time::Duration};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use sctp_monitor_lab::{Lab, Monitor, Namespace, wait};
use serde_json::Value;

use crate::{
    preflight::{a_nic_above, a_nic_with_members},
    setup::{SOON, VERIFIED_WITHIN, binary, monitor},
};

/// Runs lines of `ip -batch`.
pub(crate) fn ip(namespace: &Namespace, script: &str) {
    let mut ip = namespace.command("ip");
    let mut ip = ip.args(["-batch", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    ip.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(ip.wait().unwrap().success(), "{script}");
}

fn signal(agent: &Monitor, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(agent.pid()).unwrap()), signal).unwrap();
}

fn of(interface: &'static str) -> impl Fn(&Value) -> bool {
    move |event| event["interface"] == interface
}

#[test]
fn what_the_kernel_could_not_tell_in_time_is_asked_for() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let host = lab.host("mme");
    ip(
        host,
        "link add name spare type veth peer name far\nlink set spare up\nlink set far up\n",
    );
    let agent = monitor(host, &["path1", "path2", "spare"], &[]);
    signal(&agent, Signal::SIGSTOP);
    // More than the socket's buffer holds.
    let many = |verb: &str| {
        (0..200)
            .map(|number| format!("link {verb} name br{number} type bridge\n"))
            .collect::<String>()
    };
    ip(host, &(many("add") + &many("del")));
    lab.path("path1").link_down("mme").unwrap();
    ip(
        host,
        "link del spare\nlink add name spare type veth peer name far\nlink set spare up\nlink set far up\n",
    );
    signal(&agent, Signal::SIGCONT);
    let down = |event: &Value| of("path1")(event) && event["state"] == "down";
    agent.wait_for("interface_state_changed", SOON, down).unwrap();
    agent.wait_for("watch_ended", SOON, of("spare")).unwrap();
    let mut times = 0;
    let again = |event: &Value| {
        times += usize::from(of("spare")(event));
        times == 2
    };
    agent.wait_for("watch_started", SOON, again).unwrap();
    lab.path("path1").heal().unwrap();
    let up = |event: &Value| of("path1")(event) && event["state"] == "up";
    agent.wait_for("interface_state_changed", SOON, up).unwrap();
}

#[test]
fn a_nic_that_comes_back_and_is_refused_is_tried_again() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let host = lab.host("mme");
    ip(
        host,
        "link add name spare type veth peer name far\nlink add name other type veth peer name further\n",
    );
    let native = &["--hook", "xdp-native"];
    let agent = monitor(host, &["path1", "spare"], native);
    // A NIC has one XDP program in the driver.
    let first = monitor(host, &["other"], native);
    ip(host, "link del spare\n");
    agent.wait_for("watch_ended", SOON, of("spare")).unwrap();
    ip(host, "link set other name spare\n");
    let refused = |event: &Value| {
        of("spare")(event)
            && event["reason"]
                .as_str()
                .is_some_and(|reason| reason.starts_with("it is there, but"))
    };
    let told = agent.wait_for("not_watched", SOON, refused).unwrap();
    let reason = told["reason"].as_str().unwrap();
    assert!(
        reason.contains("another XDP program") && reason.contains("tried again"),
        "{reason}"
    );
    first.stop(Signal::SIGTERM).unwrap();
    let mut times = 0;
    let again = |event: &Value| {
        times += usize::from(of("spare")(event));
        times == 2
    };
    agent.wait_for("watch_started", SOON, again).unwrap();
    let endings = agent
        .events()
        .iter()
        .filter(|event| event["event"] == "not_watched")
        .count();
    assert_eq!(endings, 1, "told once");
}

#[test]
fn a_nic_that_is_missing_is_named_and_watched_when_it_comes_and_under_another_name() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let host = lab.host("mme");
    // Two of the three are there.
    let wanted = ["--iface", "path1", "--iface", "spare", "--iface", "path2"];
    let agent = Monitor::spawn(host, binary(), wanted.to_vec()).unwrap();
    agent.wait_until_watching(2, VERIFIED_WITHIN).unwrap();
    let missing = agent.wait_for("not_watched", SOON, of("spare")).unwrap();
    assert!(
        missing["reason"].as_str().unwrap().contains("no interface"),
        "{missing:#}"
    );
    let times_watched = |name: &'static str, number: usize| {
        let mut times = 0;
        let again = |event: &Value| {
            times += usize::from(of(name)(event));
            times == number
        };
        agent.wait_for("watch_started", SOON, again).unwrap();
    };
    ip(host, "link add name spare type veth peer name far\n");
    times_watched("spare", 1);
    ip(host, "link set spare name wan0\n");
    let renamed = agent.wait_for("interface_renamed", SOON, of("wan0")).unwrap();
    assert_eq!(renamed["before"], "spare");
    let status = || {
        let agent = agent.pid().to_string();
        let output = host
            .command(binary())
            .args(["status", "--agent", &agent])
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(!status().contains("not watching"), "{}", status());
    ip(host, "link del wan0\n");
    agent.wait_for("watch_ended", SOON, of("wan0")).unwrap();
    assert!(
        status().contains("not watching spare: it is not there"),
        "{}",
        status()
    );
    ip(host, "link add name wan0 type veth peer name far\n");
    times_watched("wan0", 1);
    // By either name it is the one that was asked for.
    ip(
        host,
        "link del wan0\nlink add name spare type veth peer name far\n",
    );
    times_watched("spare", 2);
}

#[test]
fn a_nic_and_the_one_that_it_belongs_to_are_watched_once() {
    // What is on top of a NIC passes that one; a bond or bridge has what its members have.
    for upper_is_left_out in [true, false] {
        let lab = Lab::two_hosts_two_paths().unwrap();
        let host = lab.host("mme");
        let upper = if upper_is_left_out {
            a_nic_above(&lab)
        } else {
            a_nic_with_members(&lab)
        };
        let left_out = if upper_is_left_out { upper } else { "path2" };
        let wanted = ["--iface", "path1", "--iface", "path2", "--iface", upper];
        let agent = Monitor::spawn(host, binary(), wanted.to_vec()).unwrap();
        agent.wait_until_watching(2, VERIFIED_WITHIN).unwrap();
        let told = agent.wait_for("not_watched", SOON, |_| true).unwrap();
        assert_eq!(told["interface"], left_out, "{told:#}");
        assert!(
            told["reason"].as_str().unwrap().contains("counted twice"),
            "{told:#}"
        );
    }
}

#[test]
fn nics_are_watched_by_pattern_and_those_that_come_later_too() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let host = lab.host("mme");
    let agent = Monitor::spawn(host, binary(), vec!["--iface", "path*"]).unwrap();
    agent.wait_until_watching(2, VERIFIED_WITHIN).unwrap();
    ip(host, "link add name other type veth peer name path77\n");
    agent.wait_for("watch_started", SOON, of("path77")).unwrap();
    // Its packets pass path1.
    ip(host, "link add link path1 name path1v type macvlan mode bridge\n");
    let told = agent.wait_for("not_watched", SOON, of("path1v")).unwrap();
    assert!(
        told["reason"].as_str().unwrap().contains("seen on path1"),
        "{told:#}"
    );
    let watched = agent
        .events()
        .iter()
        .filter(|event| event["event"] == "watch_started")
        .count();
    assert_eq!(watched, 3);
}

/// How often each of these NICs began to be watched and was left.
fn times_watched(agent: &Monitor, interface: &str) -> [usize; 2] {
    let events = agent.events();
    ["watch_started", "watch_ended"].map(|name| {
        let is_one = |event: &&Value| event["event"] == name && event["interface"] == interface;
        events.iter().filter(is_one).count()
    })
}

#[test]
fn nics_that_are_tied_to_each_other_later_are_watched_once_and_all_again_afterwards() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let host = lab.host("mme");
    let wanted = ["--iface", "path*", "--iface", "br*"];
    let agent = Monitor::spawn(host, binary(), wanted.to_vec()).unwrap();
    agent.wait_until_watching(2, VERIFIED_WITHIN).unwrap();
    ip(host, "link add br0 type bridge\nlink set path2 master br0\n");
    agent.wait_for("watch_started", SOON, of("br0")).unwrap();
    let left = agent.wait_for("watch_ended", SOON, of("path2")).unwrap();
    assert!(
        left["reason"].as_str().unwrap().contains("seen on br0"),
        "{left:#}"
    );
    // One that has nothing to do with it.
    ip(host, "link add name path9 type veth peer name far\n");
    agent.wait_for("watch_started", SOON, of("path9")).unwrap();
    ip(host, "link del br0\n");
    agent.wait_for("watch_ended", SOON, of("br0")).unwrap();
    wait::until(SOON, || (times_watched(&agent, "path2") == [2, 1]).then_some(())).unwrap();
    assert_eq!(times_watched(&agent, "path1"), [1, 0]);
    assert_eq!(times_watched(&agent, "path9"), [1, 0]);
    let refused = agent
        .events()
        .iter()
        .filter(|event| event["event"] == "not_watched")
        .count();
    assert_eq!(refused, 0, "{:#?}", agent.events());
}

/// A bridge has no native XDP: its ports are watched on.
#[test]
fn what_is_refused_sees_nothing_for_others() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let host = lab.host("mme");
    let wanted = ["--hook", "xdp-native", "--iface", "path*", "--iface", "br*"];
    let agent = Monitor::spawn(host, binary(), wanted.to_vec()).unwrap();
    agent.wait_until_watching(2, VERIFIED_WITHIN).unwrap();
    ip(host, "link add br0 type bridge\nlink set path2 master br0\n");
    agent.wait_for("not_watched", SOON, of("br0")).unwrap();
    // Another change of NICs, after which all is looked at again.
    ip(host, "link add name path9 type veth peer name far\n");
    agent.wait_for("watch_started", SOON, of("path9")).unwrap();
    assert_eq!(times_watched(&agent, "path2"), [1, 0]);
}

#[test]
fn a_nic_that_is_named_twice_is_one() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let wanted = ["--iface", "path1", "--iface", "path1", "--iface", "path*"];
    let agent = Monitor::spawn(lab.host("mme"), binary(), wanted.to_vec()).unwrap();
    agent.wait_until_watching(2, VERIFIED_WITHIN).unwrap();
    assert_eq!(agent.events().len(), 2, "{:#?}", agent.events());
}

#[test]
fn without_names_those_are_watched_that_own_addresses() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let host = lab.host("mme");
    ip(host, "link add name spare type veth peer name far\n");
    let agent = Monitor::spawn(host, binary(), Vec::<&str>::new()).unwrap();
    agent.wait_until_watching(2, VERIFIED_WITHIN).unwrap();
    let log = agent.stderr();
    assert!(
        log.contains("watching path1, path2: all that own an address"),
        "{log}"
    );
}

#[test]
fn an_agent_that_sees_nothing_says_so() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let agent = monitor(lab.host("mme"), &["path1"], &[]);
    let told = agent
        .wait_for("no_sctp_seen", Duration::from_secs(90), |_| true)
        .unwrap();
    assert_eq!(
        told["evidence"]["interfaces"],
        serde_json::json!(["path1"]),
        "{told:#}"
    );
    assert!(told["next"].as_str().unwrap().contains("tcpdump"), "{told:#}");
}
