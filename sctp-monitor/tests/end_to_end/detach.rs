//! The agent leaves nothing behind, however it ends.

use std::process::Command;

use nix::sys::signal::Signal;
use sctp_monitor_lab::{Lab, Namespace, wait};

use crate::setup::{SOON, monitor};

/// What `ip` shows of XDP programs in a namespace.
fn xdp_programs(namespace: &Namespace) -> Vec<String> {
    let links = namespace
        .command("ip")
        .args(["-details", "link", "show"])
        .output()
        .unwrap();
    String::from_utf8_lossy(&links.stdout)
        .lines()
        .filter(|line| line.contains("prog/xdp"))
        .map(ToOwned::to_owned)
        .collect()
}

/// Programs of ours in the kernel, of all agents. Names are cut to 15 characters there.
fn loaded_programs(pid_of_agent: u32) -> usize {
    let maps = format!("/proc/{pid_of_agent}/fdinfo");
    std::fs::read_dir(maps)
        .map(|entries| entries.count())
        .unwrap_or(0)
}

#[test]
fn sigint_and_sigterm_detach_and_print_the_summary() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let lab = Lab::two_hosts_two_paths().unwrap();
        let host = lab.host("mme");
        assert_eq!(xdp_programs(host), Vec::<String>::new());
        let agent = monitor(host, &["path1", "path2"], &[]);
        assert_eq!(xdp_programs(host).len(), 2);
        let (status, summary) = agent.stop(signal).unwrap();
        assert!(status.success(), "{signal}");
        assert_eq!(summary.unwrap()["interfaces"].as_array().unwrap().len(), 2);
        assert_eq!(xdp_programs(host), Vec::<String>::new(), "{signal}");
        tc_is_clean(host);
    }
}

#[test]
fn a_killed_agent_leaves_nothing_attached() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let host = lab.host("mme");
    let agent = monitor(host, &["path1"], &[]);
    let pid = agent.pid();
    assert!(loaded_programs(pid) > 0);
    agent.stop(Signal::SIGKILL).unwrap();
    // Links go when their last descriptor does, which the kernel does a moment after the process.
    wait::until(SOON, || xdp_programs(host).is_empty().then_some(())).unwrap();
    tc_is_clean(host);
}

#[test]
fn the_end_of_the_duration_is_an_end_like_any_other() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let agent = monitor(lab.host("mme"), &["path1"], &["--duration", "1s"]);
    let (status, events, _) = agent.join(SOON).unwrap();
    assert!(status.success());
    assert_eq!(events.last().unwrap()["event"], "summary");
    assert_eq!(xdp_programs(lab.host("mme")), Vec::<String>::new());
}

/// No TCX program and no filter is left; a clsact qdisc without filters would be harmless.
fn tc_is_clean(namespace: &Namespace) {
    for interface in ["path1", "path2"] {
        for side in ["ingress", "egress"] {
            let mut tc: Command = namespace.command("tc");
            let filters = tc
                .args(["filter", "show", "dev", interface, side])
                .output()
                .unwrap();
            assert_eq!(String::from_utf8_lossy(&filters.stdout), "", "{interface} {side}");
        }
    }
}
