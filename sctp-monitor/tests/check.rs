//! `check` against `run`: what the one predicts, the other does, on every kind of NIC that this kernel has.
#![expect(clippy::unwrap_used, reason = "a test ends at the first thing that fails")]

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
    time::Duration,
};

use aya::util::KernelVersion;
use sctp_monitor::kernel::has_tcx;
use sctp_monitor_lab::{Monitor, Namespace};
use serde_json::Value;

/// Long enough for a loaded machine; nothing waits this long when all is well.
const SOON: Duration = Duration::from_secs(30);

#[test]
fn a_veth_is_watched_by_native_xdp_as_predicted() {
    let namespace = namespace(VETH);
    let attached = agree(&namespace, "v0");
    assert_eq!(attached["hook"], "xdp-native");
    assert_eq!(attached["certain"], drivers_tell());
    assert_eq!(attached["egress"], if has_tcx() { "tcx" } else { "clsact" });
}

#[test]
fn a_veth_with_a_jumbo_mtu_is_watched_by_native_xdp_as_predicted() {
    let namespace = namespace(VETH);
    ip(&namespace, "link set v0 mtu 9000\nlink set v1 mtu 9000\n");
    assert_eq!(agree(&namespace, "v0")["hook"], "xdp-native");
}

#[test]
fn a_veth_that_is_down_is_watched_as_predicted() {
    let namespace = namespace("link add v0 type veth peer name v1\n");
    assert_eq!(agree(&namespace, "v0")["hook"], "xdp-native");
    let (_, report) = check(&namespace, &["v0"]);
    let says = finding(&report["interfaces"][0], "link");
    assert!(says.contains("down"), "{says}");
}

#[test]
fn a_veth_with_another_xdp_program_is_watched_by_tc_as_predicted() {
    for hook in ["xdp-native", "xdp-generic"] {
        let namespace = namespace(VETH);
        let _first = watching(&namespace, "v0", hook);
        let attached = agree(&namespace, "v0");
        assert_eq!(attached["hook"], "tc", "{hook}");
        let reason = attached["reason"].as_str().unwrap();
        assert!(reason.contains("another XDP program"), "{reason}");
        assert!(reason.contains("another sctp-monitor"), "{reason}");
    }
}

#[test]
fn a_program_on_a_macvlan_keeps_native_xdp_from_its_lower_interface_as_predicted() {
    let namespace = namespace(VETH);
    ip(
        &namespace,
        "link add mv0 link v0 type macvlan mode bridge\nlink set mv0 up\n",
    );
    let _first = watching(&namespace, "mv0", "xdp-generic");
    let attached = agree(&namespace, "v0");
    assert_eq!(attached["hook"], "tc");
    assert!(attached["reason"].as_str().unwrap().contains("mv0"), "{attached}");
}

#[test]
fn a_veth_with_too_few_receive_queues_is_watched_by_tc_as_predicted() {
    let namespace = namespace(
        "link add v0 numrxqueues 2 numtxqueues 4 type veth peer name v1 numrxqueues 4 numtxqueues 4\n\
         link set v0 up\nlink set v1 up\n",
    );
    let attached = agree(&namespace, "v0");
    assert_eq!(attached["hook"], "tc");
    assert_eq!(attached["advice"], "for native XDP: ethtool -L v0 rx 4");
    assert_eq!(agree(&namespace, "v1")["hook"], "xdp-native");
}

#[test]
fn nics_without_native_xdp_are_watched_by_tc_as_predicted() {
    let namespace = namespace(VETH);
    ip(
        &namespace,
        "link add br0 type bridge\nlink set br0 up\n\
         link add mv0 link v0 type macvlan mode bridge\nlink set mv0 up\n\
         link add ifb7 type ifb\nlink set ifb7 up\nlink set lo up\n",
    );
    for nic in ["br0", "mv0", "ifb7", "lo"] {
        let attached = agree(&namespace, nic);
        assert_eq!(attached["hook"], "tc", "{nic}");
        assert_eq!(attached["certain"], drivers_tell(), "{nic}");
    }
}

#[test]
fn members_are_told_from_masters() {
    let namespace = namespace(VETH);
    ip(
        &namespace,
        "link add br0 type bridge\nlink set v0 master br0\nlink set br0 up\n",
    );
    let (success, report) = check(&namespace, &["v0", "br0"]);
    assert!(success, "{report}");
    assert!(finding(&report["interfaces"][0], "member").contains("br0"));
    assert!(finding(&report["interfaces"][1], "members").contains("v0"));
}

#[test]
fn what_stands_in_the_way_of_steering_is_told_if_it_is_asked_for() {
    let namespace = namespace(VETH);
    ip(
        &namespace,
        "link add br0 type bridge\nlink set v1 master br0\nlink add mv0 link v0 type macvlan mode bridge\nlink set v0 mtu 1400\n",
    );
    for (of, value) in [("all", "0"), ("v0", "1"), ("v1", "2")] {
        let write = || std::fs::write(format!("/proc/sys/net/ipv4/conf/{of}/rp_filter"), value);
        namespace.run(write).unwrap().unwrap();
    }
    let (_, report) = check(&namespace, &["v0"]);
    assert!(!report.to_string().contains("tc_steer"), "{report}");
    let output = spawn(
        &mut namespace.command(binary()),
        &["check", "--format", "json", "--steer"],
    );
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["ok"], true, "{report}");
    assert!(
        report["host"]["findings"].to_string().contains("tc_steer"),
        "{report}"
    );
    let of = |name: &str| {
        let nics = report["interfaces"].as_array().unwrap();
        nics.iter().find(|nic| nic["interface"] == name).unwrap().clone()
    };
    let (v0, v1) = (of("v0"), of("v1"));
    assert!(finding(&v0, "steering").contains("mv0"));
    assert!(finding(&v0, "rp_filter").contains("strict"));
    assert!(
        v0.to_string().contains("MTU 1400: packets of paths on v1 (1500)"),
        "{v0}"
    );
    assert!(finding(&v1, "steering").contains("member of br0"));
    assert!(finding(&v1, "rp_filter").contains("loose"));
}

#[test]
fn a_tap_is_ethernet_and_a_tun_is_not() {
    let namespace = namespace("tuntap add dev tap0 mode tap\ntuntap add dev tun0 mode tun\n");
    assert_eq!(agree(&namespace, "tap0")["hook"], "xdp-native");
    let (success, report) = check(&namespace, &["tun0"]);
    assert!(!success, "{report}");
    let prediction = &report["interfaces"][0]["prediction"];
    assert_eq!(prediction["outcome"], "refused");
    assert!(prediction["problem"].as_str().unwrap().contains("Ethernet"));
    let run = namespace
        .command(env!("CARGO_BIN_EXE_sctp-monitor"))
        .args(["run", "--iface", "tun0"])
        .output()
        .unwrap();
    assert!(!run.status.success());
    assert!(String::from_utf8_lossy(&run.stderr).contains("tun0 has no Ethernet header"));
}

#[test]
fn all_nics_but_the_loopback_are_looked_at_if_none_is_named() {
    let namespace = namespace(VETH);
    let (success, report) = check(&namespace, &[]);
    assert!(success, "{report}");
    let interfaces = report["interfaces"].as_array().unwrap();
    let mut names: Vec<_> = interfaces
        .iter()
        .map(|nic| nic["interface"].as_str().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["v0", "v1"]);
}

#[test]
fn an_unknown_interface_is_an_error_beside_one_that_works() {
    let namespace = namespace(VETH);
    let (success, report) = check(&namespace, &["v0", "eth77"]);
    assert!(!success);
    assert_eq!(report["ok"], false);
    assert_eq!(report["interfaces"][0]["prediction"]["outcome"], "watched");
    let prediction = &report["interfaces"][1]["prediction"];
    assert_eq!(prediction["outcome"], "refused");
    assert!(
        prediction["problem"]
            .as_str()
            .unwrap()
            .contains("no interface eth77")
    );
}

#[test]
fn the_kernel_takes_every_program_that_run_would_load() {
    let namespace = namespace("");
    let (success, report) = check(&namespace, &[]);
    assert!(success, "{report}");
    let programs = report["host"]["facts"]["programs"].as_array().unwrap();
    assert_eq!(programs.len(), 3, "{programs:?}");
    for program in programs {
        assert_eq!(program["state"], "verified", "{program}");
        assert!(program["instructions"].as_u64().unwrap() > 0, "{program}");
    }
}

#[test]
fn check_attaches_nothing() {
    let namespace = namespace(VETH);
    let before = links(&namespace);
    let (success, _) = check(&namespace, &["v0", "v1"]);
    assert!(success);
    assert_eq!(links(&namespace), before);
    let (_, report) = check(&namespace, &["v0"]);
    let facts = &report["interfaces"][0]["facts"];
    assert_eq!(facts["xdp"].as_array().unwrap().len(), 0, "{facts}");
    assert_eq!(facts["tcx"]["ingress"].as_array().unwrap().len(), 0, "{facts}");
    assert_eq!(facts["tcx"]["egress"].as_array().unwrap().len(), 0, "{facts}");
}

#[test]
fn without_capabilities_it_tells_what_everybody_may_know_and_how_to_get_the_rest() {
    let namespace = namespace(VETH);
    let mut command = namespace.command("setpriv");
    command.args(["--bounding-set=-all", "--inh-caps=-all", "--"]);
    command.arg(binary()).args(["check", "--iface", "v0"]);
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    for words in [
        "lacks CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON",
        "could not be tested: this process lacks CAP_BPF",
        "AmbientCapabilities",
        "Without this problem: xdp-native",
        "veth, MTU 1500, up",
    ] {
        assert!(text.contains(words), "{words:?} is missing in\n{text}");
    }
    assert!(stderr.contains("run would not work on v0"), "{stderr}");
}

#[test]
fn the_table_ends_with_the_verdict() {
    let namespace = namespace(VETH);
    let output = spawn(&mut namespace.command(binary()), &["check", "--iface", "v0"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    assert!(text.ends_with("\nrun would work on v0\n"), "{text}");
}

/// Whether drivers tell what XDP they have (Linux 6.3); `check` goes by what it knows of them otherwise.
fn drivers_tell() -> bool {
    KernelVersion::current().unwrap() >= KernelVersion::new(6, 3, 0)
}

/// A pair that is up.
const VETH: &str = "link add v0 type veth peer name v1\nlink set v0 up\nlink set v1 up\n";

/// A namespace with NICs by a script for `ip`.
fn namespace(script: &str) -> Namespace {
    let namespace = Namespace::new("check").unwrap();
    ip(&namespace, script);
    namespace
}

fn ip(namespace: &Namespace, script: &str) {
    let mut command = namespace.command("ip");
    let mut child = command
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "ip refused:\n{script}");
}

/// What `ip` tells of the NICs, XDP programs included.
fn links(namespace: &Namespace) -> String {
    let output = spawn(&mut namespace.command("ip"), &["-details", "link", "show"]);
    String::from_utf8(output.stdout).unwrap()
}

/// Whether `check` succeeds, and its report.
fn check(namespace: &Namespace, interfaces: &[&str]) -> (bool, Value) {
    let mut arguments = vec!["check", "--format", "json"];
    arguments.extend(interfaces.iter().flat_map(|interface| ["--iface", interface]));
    let output = spawn(&mut namespace.command(binary()), &arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {stderr}"));
    assert_eq!(report["ok"], output.status.success(), "{stderr}");
    (output.status.success(), report)
}

/// How `check` says that a NIC will be watched, which is how `run` then watches it.
#[track_caller]
fn agree(namespace: &Namespace, interface: &str) -> Value {
    let (success, report) = check(namespace, &[interface]);
    assert!(success, "{report}");
    let prediction = &report["interfaces"][0]["prediction"];
    assert_eq!(prediction["outcome"], "watched", "{prediction}");
    let hook = hook_of_run(namespace, interface);
    assert_eq!(prediction["attached"]["hook"], hook, "{prediction}");
    prediction["attached"].clone()
}

/// The hook that `run` takes.
#[track_caller]
fn hook_of_run(namespace: &Namespace, interface: &str) -> Value {
    let agent = Monitor::spawn(namespace, binary(), ["--iface", interface, "--duration", "100ms"]).unwrap();
    let (status, events, stderr) = agent.join(SOON).unwrap();
    assert!(status.success(), "{stderr}");
    let started = events.iter().find(|event| event["event"] == "watch_started");
    let started = started.unwrap_or_else(|| panic!("no NIC is watched: {stderr}"));
    started["hook"].clone()
}

/// An agent that watches already.
fn watching(namespace: &Namespace, interface: &str, hook: &str) -> Monitor {
    let agent = Monitor::spawn(namespace, binary(), ["--iface", interface, "--hook", hook]).unwrap();
    agent.wait_until_watching(1, SOON).unwrap();
    agent
}

/// What a report says of a NIC on a topic.
#[track_caller]
fn finding(nic: &Value, topic: &str) -> String {
    let findings = nic["findings"].as_array().unwrap();
    let found = findings.iter().find(|finding| finding["topic"] == topic);
    let found = found.unwrap_or_else(|| panic!("nothing on {topic}: {nic}"));
    found["says"].as_str().unwrap().to_owned()
}

fn spawn(command: &mut Command, arguments: &[&str]) -> Output {
    command.args(arguments).output().unwrap()
}

fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_sctp-monitor"))
}
