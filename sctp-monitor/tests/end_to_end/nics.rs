//! NICs come and go, faster than the agent is told, or before they can be watched.

use std::{io::Write as _, process::Stdio};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use sctp_monitor_lab::{Lab, Monitor, Namespace};
use serde_json::Value;

use crate::setup::{SOON, monitor};

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
                .is_some_and(|reason| reason.starts_with("it came back, but"))
    };
    let told = agent.wait_for("watch_ended", SOON, refused).unwrap();
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
        .filter(|event| event["event"] == "watch_ended")
        .count();
    assert_eq!(endings, 2, "told once");
}
