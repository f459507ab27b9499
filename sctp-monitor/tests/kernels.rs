//! What a kernel makes of the agent: how its programs attach, what that does to a NIC, and whether `check` and
//! docs/compatibility.md tell it beforehand. `cargo xtask vm` runs this on other kernels than the host's.
#![expect(clippy::unwrap_used, reason = "a test ends at the first thing that fails")]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use aya::{
    programs::{SchedClassifier, TcAttachType},
    util::KernelVersion,
};
use nix::sys::signal::Signal;
use sctp_monitor::kernel::has_tcx;
use sctp_monitor_lab::{Monitor, Namespace, skip};
use serde_json::Value;

/// Long enough for an emulated machine; nothing waits this long when all is well.
const SOON: Duration = Duration::from_secs(60);

#[test]
fn programs_are_attached_where_check_says() {
    let namespace = veths();
    let report = check(&namespace);
    let predicted = &report["interfaces"][0]["prediction"]["attached"];
    let agent = watching(&namespace, "auto");
    assert_eq!(hook(&agent), predicted["hook"], "{predicted}");
    let by_filter =
        output(&namespace, "tc", &["filter", "show", "dev", "v0", "egress"]).contains("tc_egress");
    match predicted["egress"].as_str().unwrap() {
        "tcx" => {
            let links = namespace.run(|| SchedClassifier::query_tcx("v0", TcAttachType::Egress));
            assert_eq!(links.unwrap().unwrap().1.len(), 1);
            assert!(!by_filter);
        }
        "clsact" => assert!(by_filter),
        other => panic!("unknown: {other}"),
    }
    let (status, _) = agent.stop(Signal::SIGTERM).unwrap();
    assert!(status.success());
    let filters = output(&namespace, "tc", &["filter", "show", "dev", "v0", "egress"]);
    assert_eq!(filters, "", "the filter goes with the agent");
    let qdiscs = output(&namespace, "tc", &["qdisc", "show", "dev", "v0"]);
    assert_eq!(qdiscs.contains("clsact"), !has_tcx(), "the qdisc stays: {qdiscs}");
}

#[test]
fn native_xdp_on_a_veth_takes_its_peers_segmentation_and_nothing_else() {
    let namespace = veths();
    let state = |nic| (features(&namespace, nic), carrier_changes(&namespace, nic));
    let before = ["v0", "v1"].map(state);
    for (name, expected) in [("xdp-native", true), ("xdp-generic", false), ("tc", false)] {
        let agent = watching(&namespace, name);
        assert_eq!(hook(&agent), name);
        let during = ["v0", "v1"].map(state);
        let changed = |nic: usize| -> BTreeSet<&str> {
            let (before, during) = (&before[nic].0, &during[nic].0);
            let names = before
                .keys()
                .filter(|name| before.get(*name) != during.get(*name));
            names.map(String::as_str).collect()
        };
        // veth_xdp_set (drivers/net/veth.c): the peer's GSO in software goes.
        let (own, peers) = (changed(0), changed(1));
        assert!(own.is_empty(), "{name}: {own:?}");
        if expected {
            assert!(peers.contains("tx-sctp-segmentation"), "{peers:?}");
            assert!(peers.contains("tcp-segmentation-offload"), "{peers:?}");
            let others: Vec<_> = peers
                .iter()
                .filter(|name| !name.contains("segmentation") && **name != "tx-gso-list")
                .collect();
            assert!(others.is_empty(), "{others:?}");
        } else {
            assert!(peers.is_empty(), "{name}: {peers:?}");
        }
        for (before, during) in before.iter().zip(&during) {
            assert_eq!(before.1, during.1, "{name}: the link flapped");
        }
        let (status, _) = agent.stop(Signal::SIGTERM).unwrap();
        assert!(status.success());
        assert_eq!(["v0", "v1"].map(state), before, "{name} gives everything back");
    }
}

#[test]
fn the_page_on_compatibility_says_what_this_kernel_does() {
    let release = nix::sys::utsname::uname().unwrap();
    let release = release.release().to_string_lossy();
    let rows = table(include_str!("../../docs/compatibility.md"));
    let row = rows
        .iter()
        .find(|row| release.starts_with(&format!("{}.", row["kernel"])));
    let Some(row) = row else {
        let reason = format!("docs/compatibility.md has no row for Linux {release}");
        skip("the_page_on_compatibility_says_what_this_kernel_does", &reason);
        return;
    };
    let namespace = veths();
    let report = check(&namespace);
    assert_eq!(report["ok"], true, "{report:#}");
    let facts = &report["host"]["facts"];
    let version = KernelVersion::current().unwrap();
    let yes = |yes: bool| if yes { "yes" } else { "no" };
    let nic = &report["interfaces"][0];
    for (column, actual) in [
        ("TC by", facts["tc"]["hook"].as_str().unwrap()),
        ("XDP fragments", yes(facts["kernel"]["xdp_fragments"] == true)),
        (
            "drivers tell their XDP",
            yes(version >= KernelVersion::new(6, 3, 0)),
        ),
        (
            "`check` is certain of a veth",
            yes(nic["prediction"]["attached"]["certain"] == true),
        ),
    ] {
        assert_eq!(row[column], actual, "{column} of Linux {release}");
    }
    let most = facts["programs"].as_array().unwrap().iter();
    let most = most
        .map(|program| program["instructions"].as_u64().unwrap())
        .max()
        .unwrap();
    let said: u64 = row["instructions verified"]
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let tolerated = said * 1_000 / 4;
    assert!(
        most.abs_diff(said * 1_000) <= tolerated,
        "the page says {said},000 instructions, and it is {most}"
    );
}

/// The rows of the first table of a page, by the names of its columns.
fn table(page: &str) -> Vec<BTreeMap<&str, &str>> {
    let mut lines = page.lines().skip_while(|line| !line.starts_with('|'));
    let names: Vec<&str> = lines
        .next()
        .unwrap()
        .trim_matches('|')
        .split('|')
        .map(str::trim)
        .collect();
    lines
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells = line.trim_matches('|').split('|').map(str::trim);
            names.iter().copied().zip(cells).collect()
        })
        .collect()
}

/// Two veths joined to each other, up.
fn veths() -> Namespace {
    let namespace = Namespace::new("kernels").unwrap();
    for script in [
        "link add v0 type veth peer name v1",
        "link set v0 up",
        "link set v1 up",
    ] {
        output(&namespace, "ip", &script.split(' ').collect::<Vec<_>>());
    }
    namespace
}

fn check(namespace: &Namespace) -> Value {
    let report = output(namespace, BINARY, &["check", "--format", "json", "--iface", "v0"]);
    serde_json::from_str(&report).unwrap()
}

/// An agent that watches v0 already.
fn watching(namespace: &Namespace, hook: &str) -> Monitor {
    let agent = Monitor::spawn(namespace, Path::new(BINARY), ["--iface", "v0", "--hook", hook]).unwrap();
    agent.wait_until_watching(1, SOON).unwrap();
    agent
}

fn hook(agent: &Monitor) -> Value {
    agent.wait_for("watch_started", SOON, |_| true).unwrap()["hook"].clone()
}

/// The offloads of a NIC, as ethtool names them, each with its state.
fn features(namespace: &Namespace, nic: &str) -> BTreeMap<String, String> {
    output(namespace, "ethtool", &["--show-features", nic])
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, state)| {
            let state = state.split(' ').next().unwrap_or_default();
            (name.trim().to_owned(), state.to_owned())
        })
        .collect()
}

fn carrier_changes(namespace: &Namespace, nic: &str) -> u64 {
    let links = output(
        namespace,
        "ip",
        &["-json", "-stats", "-stats", "link", "show", "dev", nic],
    );
    let links: Value = serde_json::from_str(&links).unwrap();
    links[0]["stats64"]["tx"]["carrier_changes"].as_u64().unwrap()
}

fn output(namespace: &Namespace, program: &str, arguments: &[&str]) -> String {
    let output = namespace.command(program).args(arguments).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

const BINARY: &str = env!("CARGO_BIN_EXE_sctp-monitor");
