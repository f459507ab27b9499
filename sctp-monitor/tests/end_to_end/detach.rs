//! The agent leaves nothing behind that the manual does not mention, however it ends.

use std::{io, time::Duration};

use aya::programs::{SchedClassifier, TcAttachType, loaded_links};
use nix::sys::signal::Signal;
use sctp_monitor::kernel::has_tcx;
use sctp_monitor_lab::{Lab, Namespace, wait};

use crate::{
    scene::{PRIMARY, SECONDARY, Scene, since},
    setup::{SOON, monitor, times},
};

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
        let agent = monitor(host, &NICS, &["--hook", hook, "--pin", "no"]);
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
        .args(["run", "--strict", "--iface", "path1", "--iface", "path3"])
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

/// The programs that see incoming packets by XDP, or all by TC, by id.
fn programs(namespace: &Namespace, hook: &str) -> Vec<u32> {
    if hook != "tc" {
        let links = output(namespace, "ip", &["-details", "link", "show"]);
        let ids = links.split("prog/xdp id ").skip(1);
        return ids
            .map(|rest| rest.split_whitespace().next().unwrap().parse().unwrap())
            .collect();
    }
    let of = |nic: &str, side| {
        let query = || SchedClassifier::query_tcx(nic, side).unwrap().1;
        namespace.run(query).unwrap()
    };
    let sides = [TcAttachType::Ingress, TcAttachType::Egress];
    let found = NICS.iter().flat_map(|nic| sides.map(|side| of(nic, side)));
    found.flatten().map(|program| program.id()).collect()
}

/// Takes programs off as `bpftool link detach` does; gives off how many hooks. The agent may put back some of them meanwhile.
fn take_off(programs: &[u32]) -> usize {
    let links = loaded_links().filter_map(Result::ok);
    let of_programs = links.filter(|link| programs.contains(&link.program_id()));
    of_programs.filter(|link| detach(link.id()).is_ok()).count()
}

fn detach(link: u32) -> io::Result<()> {
    let bpf = |command: libc::c_int, mut argument: u32| {
        // SAFETY: both commands take one number (union bpf_attr, include/uapi/linux/bpf.h).
        let answer = unsafe { libc::syscall(libc::SYS_bpf, command, &raw mut argument, size_of::<u32>()) };
        u32::try_from(answer).map_err(|_| io::Error::last_os_error())
    };
    let descriptor = bpf(BPF_LINK_GET_FD_BY_ID, link)?;
    let detached = bpf(BPF_LINK_DETACH, descriptor);
    nix::unistd::close(descriptor.cast_signed())?;
    detached.map(drop)
}

const BPF_LINK_GET_FD_BY_ID: libc::c_int = 30;
const BPF_LINK_DETACH: libc::c_int = 34;

#[test]
fn what_somebody_else_takes_off_is_put_back_and_nobody_is_accused_meanwhile() {
    for hook in ["xdp-native", "tc"] {
        if hook == "tc" && !has_tcx() {
            // A filter that is taken off is not noticed.
            continue;
        }
        let scene = Scene::watched_by(&["--hook", hook]);
        let host = scene.lab.host("mme");
        let before = attached(host);
        // After a few times it takes seconds, in which nothing is seen.
        for _ in 0..4 {
            assert!(take_off(&programs(host, hook)) > 0, "{hook}");
            wait::until(2 * SOON, || (attached(host) == before).then_some(())).unwrap();
            scene.wait_for_messages(20);
        }
        let ended = scene.agent.wait_for("watch_ended", SOON, |_| true).unwrap();
        assert!(
            ended["reason"].as_str().unwrap().contains("somebody else"),
            "{ended:#}"
        );
        for remote in [PRIMARY, SECONDARY] {
            assert_eq!(times(&scene.agent, remote, "inactive"), 0, "{hook}");
        }
        let broken_at_ns = scene.lab.path("path1").break_silently().unwrap();
        let down = scene.agent.wait_for_path(PRIMARY, "inactive", SOON).unwrap();
        assert!(since(broken_at_ns, &down) < Duration::from_secs(5), "{down:#}");
    }
}
