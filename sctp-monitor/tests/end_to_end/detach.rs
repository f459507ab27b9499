//! The agent leaves nothing behind that the manual does not mention, however it ends.

use aya::programs::{SchedClassifier, TcAttachType};
use nix::sys::signal::Signal;
use sctp_monitor::kernel::has_tcx;
use sctp_monitor_lab::{Lab, Namespace, wait};

use crate::setup::{SOON, monitor};

const NICS: [&str; 2] = ["path1", "path2"];

/// Programs attached to the NICs of a namespace: (XDP, TC).
pub(crate) fn attached(namespace: &Namespace) -> (usize, usize) {
    let links = output(namespace, "ip", &["-details", "link", "show"]);
    (links.matches("prog/xdp").count(), tc_programs(namespace))
}

/// By TCX where the kernel has it, or else as filters of the clsact qdisc.
fn tc_programs(namespace: &Namespace) -> usize {
    let sides = [
        (TcAttachType::Ingress, "ingress"),
        (TcAttachType::Egress, "egress"),
    ];
    let of = |nic: &str, side: TcAttachType, name: &str| {
        if has_tcx() {
            let query = || SchedClassifier::query_tcx(nic, side).unwrap().1.len();
            return namespace.run(query).unwrap();
        }
        output(namespace, "tc", &["filter", "show", "dev", nic, name])
            .lines()
            .filter(|line| line.contains(" handle ") && line.contains(&format!(" tc_{name} ")))
            .count()
    };
    NICS.iter()
        .flat_map(|nic| sides.map(|(side, name)| of(nic, side, name)))
        .sum()
}

fn output(namespace: &Namespace, program: &str, arguments: &[&str]) -> String {
    let output = namespace.command(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}");
    String::from_utf8(output.stdout).unwrap()
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
fn a_killed_agent_leaves_its_filters_where_tc_has_no_links_and_the_next_one_removes_them() {
    for (hook, expected, filters) in [("xdp-native", (2, 2), 2), ("tc", (0, 4), 4)] {
        let lab = Lab::two_hosts_two_paths().unwrap();
        let host = lab.host("mme");
        let agent = monitor(host, &NICS, &["--hook", hook]);
        assert_eq!(attached(host), expected, "{hook}");
        agent.stop(Signal::SIGKILL).unwrap();
        let left = if has_tcx() { 0 } else { filters };
        // Links go when their last descriptor does, which the kernel does a moment after the process.
        wait::until(SOON, || (attached(host) == (0, left)).then_some(()))
            .unwrap_or_else(|_| panic!("{hook}: {:?} are left", attached(host)));
        if !has_tcx() {
            let next = monitor(host, &NICS, &["--hook", hook]);
            assert_eq!(attached(host), expected, "{hook}: the next one's, and no others");
            let (status, _) = next.stop(Signal::SIGTERM).unwrap();
            assert!(status.success());
            assert_eq!(attached(host), (0, 0), "{hook}");
        }
    }
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
