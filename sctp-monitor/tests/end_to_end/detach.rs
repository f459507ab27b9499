//! The agent leaves nothing behind that the manual does not mention, however it ends.

use std::{fs, io, mem, path::PathBuf, process::Output, time::Duration};

use aya::{
    EbpfLoader,
    programs::{
        SchedClassifier, TcAttachType, XdpMode,
        links::FdLink,
        loaded_links,
        tc::{self, NlOptions, TcAttachOptions},
    },
};
use nix::{mount::MsFlags, sys::signal::Signal};
use sctp_monitor::kernel::{Kernel, LoadOptions, has_tcx, xdp_program};
use sctp_monitor_lab::{Lab, Namespace, wait};

use crate::{
    scene::{PRIMARY, SECONDARY, Scene, since},
    setup::{SOON, binary, monitor, times},
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

fn detach_command(host: &Namespace, arguments: &[&str]) -> Output {
    let mut command = host.command(binary());
    command.arg("detach").args(arguments).output().unwrap()
}

fn detached(host: &Namespace, arguments: &[&str]) -> String {
    let output = detach_command(host, arguments);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What `tc` shows of the filters of clsact on both sides of a NIC.
fn filters(host: &Namespace, nic: &str) -> String {
    ["ingress", "egress"]
        .map(|side| output(host, "tc", &["filter", "show", "dev", nic, side]))
        .concat()
}

/// Attaches a program by a filter that stays, as an agent does before Linux 6.6 and leaves it when it is killed.
fn leave_filter(host: &Namespace, program: &mut SchedClassifier, nic: &str, side: TcAttachType) {
    let attach = || {
        let _ = tc::qdisc_add_clsact(nic);
        let link = program.attach_with_options(nic, side, TcAttachOptions::Netlink(NlOptions::default()))?;
        program.take_link(link)
    };
    mem::forget(host.run(attach).unwrap().unwrap());
}

static OTHERS: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/sctp-monitor-floor"));

#[test]
fn detach_removes_filters_that_nobody_removed_and_no_others() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let host = lab.host("mme");
    let mut kernel = Kernel::load(&LoadOptions::default()).unwrap();
    for (name, side) in [
        ("tc_ingress", TcAttachType::Ingress),
        ("tc_egress", TcAttachType::Egress),
        ("tc_steer", TcAttachType::Egress),
    ] {
        let program = kernel.classifier(name).unwrap();
        for nic in NICS {
            leave_filter(host, program, nic, side);
        }
    }
    drop(kernel);
    let mut others = EbpfLoader::new().load(OTHERS).unwrap();
    let other: &mut SchedClassifier = others.program_mut("tc_ends_chain").unwrap().try_into().unwrap();
    other.load().unwrap();
    leave_filter(host, other, "path1", TcAttachType::Egress);

    let said = detached(host, &["--iface", "path2"]);
    assert_eq!(said.matches("removed program tc_").count(), 3, "{said}");
    assert!(!said.contains("path1"), "{said}");
    assert_eq!(filters(host, "path2"), "");
    assert_eq!(filters(host, "path1").matches(" handle ").count(), 4);

    let said = detached(host, &[]);
    for left in [
        "tc_ingress (id ",
        "tc_egress (id ",
        "tc_steer (id ",
        "on path1 (TC egress filter)",
    ] {
        assert!(said.contains(left), "{left}: {said}");
    }
    let left = filters(host, "path1");
    assert_eq!(left.matches(" handle ").count(), 1, "{left}");
    assert!(left.contains("tc_ends_chain"), "{left}");
    let again = detached(host, &["--iface", "path1"]);
    assert!(again.starts_with("nothing to remove"), "{again}");
}

#[test]
fn detach_removes_programs_whose_links_are_pinned() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let host = lab.host("mme");
    let pins = tempfile::tempdir().unwrap();
    let none: Option<&str> = None;
    nix::mount::mount(Some("bpf"), pins.path(), Some("bpf"), MsFlags::empty(), none).unwrap();
    let mut kernel = Kernel::load(&LoadOptions::default()).unwrap();
    let program = kernel.xdp(xdp_program()).unwrap();
    let attach = || {
        let link = program.attach("path1", XdpMode::default())?;
        program.take_link(link)
    };
    let link: FdLink = host.run(attach).unwrap().unwrap().try_into().unwrap();
    link.pin(pins.path().join("xdp")).unwrap();
    let mut expected = (1, 0);
    if has_tcx() {
        let program = kernel.classifier("tc_egress").unwrap();
        let attach = || {
            let link = program.attach("path2", TcAttachType::Egress)?;
            program.take_link(link)
        };
        let link: FdLink = host.run(attach).unwrap().unwrap().try_into().unwrap();
        link.pin(pins.path().join("tcx")).unwrap();
        expected = (1, 1);
    }
    drop(kernel);
    assert_eq!(attached(host), expected);
    let said = detached(host, &[]);
    assert!(said.contains("on path1 (XDP)"), "{said}");
    assert_eq!(said.contains("on path2 (TCX egress)"), has_tcx(), "{said}");
    assert_eq!(attached(host), (0, 0));
    nix::mount::umount(pins.path()).unwrap();
}

/// The socket of an agent, whatever its namespace.
fn socket(process: u32) -> Option<PathBuf> {
    let end = format!("-{process}.sock");
    let entries = fs::read_dir("/run/sctp-monitor").ok()?.flatten();
    let mut paths = entries.map(|entry| entry.path());
    paths.find(|path| path.to_str().unwrap().ends_with(&end))
}

#[test]
fn detach_touches_nothing_while_an_agent_runs_and_then_removes_its_socket() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let host = lab.host("mme");
    let agent = monitor(host, &["path1"], &["--pin", "no"]);
    let process = agent.pid().to_string();
    let before = attached(host);
    let refused = || {
        let output = detach_command(host, &[]);
        assert!(!output.status.success(), "{output:?}");
        assert_eq!(attached(host), before);
        String::from_utf8(output.stderr).unwrap()
    };
    let words = refused();
    assert!(words.contains(&format!("agent {process} runs")), "{words}");
    // On another host nothing of it is there.
    let elsewhere = detached(lab.host("hss"), &["--iface", "path1"]);
    assert!(elsewhere.starts_with("nothing to remove"), "{elsewhere}");

    let path = socket(process.parse().unwrap()).unwrap();
    let aside = path.with_extension("aside");
    fs::rename(&path, &aside).unwrap();
    let words = refused();
    assert!(
        words.contains(&format!("process {process} runs and uses program ")),
        "{words}"
    );
    fs::rename(&aside, &path).unwrap();

    agent.stop(Signal::SIGKILL).unwrap();
    wait::until(SOON, || (attached(host).0 == 0).then_some(())).unwrap();
    let said = detached(host, &[]);
    // Another agent that starts meanwhile removes it as well.
    assert!(
        said.contains(&format!("socket of agent {process}")) || said.starts_with("nothing"),
        "{said}"
    );
    assert!(!path.exists());
    assert_eq!(attached(host), (0, 0));
}
