//! The agent leaves nothing behind, however it ends.

use aya::programs::{SchedClassifier, TcAttachType};
use nix::sys::signal::Signal;
use sctp_monitor_lab::{Lab, Namespace, wait};

use crate::setup::{SOON, monitor};

const NICS: [&str; 2] = ["path1", "path2"];

/// Programs attached to the NICs of a namespace: (XDP, TC).
fn attached(namespace: &Namespace) -> (usize, usize) {
    let links = namespace
        .command("ip")
        .args(["-details", "link", "show"])
        .output()
        .unwrap();
    let xdp = String::from_utf8_lossy(&links.stdout).matches("prog/xdp").count();
    let tc = namespace.run(|| {
        let programs = |nic, side| SchedClassifier::query_tcx(nic, side).unwrap().1.len();
        let sides = [TcAttachType::Ingress, TcAttachType::Egress];
        NICS.iter()
            .flat_map(|nic| sides.map(|side| programs(*nic, side)))
            .sum()
    });
    (xdp, tc.unwrap())
}

#[test]
fn sigint_and_sigterm_detach_and_print_the_summary() {
    for (signal, hook, expected) in [
        (Signal::SIGINT, "xdp-native", (2, 2)),
        (Signal::SIGTERM, "xdp-generic", (2, 2)),
        (Signal::SIGTERM, "tc", (0, 4)),
    ] {
        let lab = Lab::two_hosts_two_paths().unwrap();
        let host = lab.host("mme");
        assert_eq!(attached(host), (0, 0));
        let agent = monitor(host, &NICS, &["--hook", hook]);
        assert_eq!(attached(host), expected, "{hook}");
        let (status, summary) = agent.stop(signal).unwrap();
        assert!(status.success(), "{signal}");
        assert_eq!(summary.unwrap()["interfaces"].as_array().unwrap().len(), 2);
        assert_eq!(attached(host), (0, 0), "{signal} {hook}");
    }
}

#[test]
fn a_killed_agent_leaves_nothing_attached() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let host = lab.host("mme");
    let agent = monitor(host, &NICS, &[]);
    assert_eq!(attached(host), (2, 2));
    agent.stop(Signal::SIGKILL).unwrap();
    // Links go when their last descriptor does, which the kernel does a moment after the process.
    wait::until(SOON, || (attached(host) == (0, 0)).then_some(())).unwrap();
}

#[test]
fn an_agent_that_fails_halfway_leaves_nothing_attached() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let host = lab.host("mme");
    let output = host
        .command(env!("CARGO_BIN_EXE_sctp-monitor"))
        .args(["run", "--iface", "path1", "--iface", "path3"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert_eq!(attached(host), (0, 0));
}

#[test]
fn the_end_of_the_duration_is_an_end_like_any_other() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let agent = monitor(lab.host("mme"), &["path1"], &["--duration", "1s"]);
    let (status, events, _) = agent.join(SOON).unwrap();
    assert!(status.success());
    assert_eq!(events.last().unwrap()["event"], "summary");
    assert_eq!(attached(lab.host("mme")), (0, 0));
}
