//! The agent on a router that is a firewall: it tracks connections, and drops what it takes for none of them. The programs
//! see what arrives at the router's NICs, before the firewall does. `docs/compatibility.md` says what was learnt here.

use std::path::Path;

use nix::sys::signal::Signal;
use sctp_monitor_lab::{Backend, EndpointConfig, Lab, Namespace, StackChoice, StackKind, skip, wait};

use crate::{
    diagnosis::{alarm, assert_direction_to},
    scene::{Scene, connecting, listening, patient},
    setup::{Pair, SOON, monitor, times},
};

const NICS: [&str; 4] = ["left1", "right1", "left2", "right2"];
const PRIMARY: &str = "10.2.1.2";
const SECONDARY: &str = "10.2.2.2";

/// What may open an entry, besides what belongs to one: every packet of SCTP that can, which is INIT and HEARTBEAT.
const ANY: &str = "meta l4proto sctp ct state new accept";
/// The handshake and nothing else.
const INIT: &str = "sctp chunk init exists ct state new accept";
/// The handshake, and on the second line whatever can.
const INIT_AND_ANY_ON_LINE_2: &str = "sctp chunk init exists ct state new accept
    iifname { left2, right2 } ct state new accept";

/// The usual rules: what belongs to a connection passes, what is invalid does not, and `opening` says what begins one.
fn firewall(opening: &str) -> String {
    format!(
        "table inet firewall {{
            chain forward {{
                type filter hook forward priority filter; policy drop;
                ct state established,related,untracked accept
                ct state invalid drop
                {opening}
            }}
        }}"
    )
}

/// The initiator is one address of the router's to the other side.
const MASQUERADE: &str = "table ip nat {
    chain postrouting {
        type nat hook postrouting priority srcnat;
        oifname \"right*\" masquerade
    }
}";

/// Behind connection tracking and before routing.
const COUNT_INVALID_ABORTS: &str = "table inet count {
    counter aborts {}
    chain prerouting {
        type filter hook prerouting priority filter;
        ct state invalid sctp chunk abort exists counter name aborts
    }
}";

/// How many packets with an ABORT the router took for invalid, by [`COUNT_INVALID_ABORTS`].
fn aborts(lab: &Lab) -> u64 {
    let counters = run(lab.host("gateway"), "nft", &["list counters"]).unwrap();
    let mut words = counters.split_whitespace().skip_while(|word| *word != "packets");
    words.nth(1).unwrap().parse().unwrap()
}

/// A router with these rules, if the kernel can; else the test is skipped.
fn router(test: &str, rules: &str) -> Option<Lab> {
    let lab = Lab::two_hosts_through_a_router().unwrap();
    let gateway = lab.host("gateway");
    // Loads the modules too, where they are some.
    let probe = format!("{}\n{MASQUERADE}", firewall(""));
    if let Err(refusal) = run(gateway, "nft", &["--check", &probe]) {
        skip(
            test,
            &format!("nftables does not track or translate here: {refusal}"),
        );
        return None;
    }
    let knows_sctp = || Path::new("/proc/sys/net/netfilter/nf_conntrack_sctp_timeout_established").exists();
    if !gateway.run(knows_sctp).unwrap() {
        skip(test, "this kernel's connection tracking does not know SCTP");
        return None;
    }
    nft(&lab, rules);
    Some(lab)
}

/// An association through the firewall, and the agent on it.
fn scene(lab: Lab, backends: [&Backend; 2], only_one_path: bool) -> Scene {
    let agent = monitor(lab.host("gateway"), &NICS, &["--vantage", "gateway"]);
    let with = |mut endpoint: EndpointConfig| {
        if only_one_path {
            endpoint.local.truncate(1);
            endpoint
                .connect
                .iter_mut()
                .for_each(|peer| peer.addresses.truncate(1));
        }
        patient(endpoint)
    };
    let pair = Pair::start_on(backends, &lab, &with(connecting(&lab)), &with(listening(&lab)));
    agent.wait_for_path(PRIMARY, "active", SOON).unwrap();
    Scene { pair, agent, lab }
}

fn nft(lab: &Lab, script: &str) {
    run(lab.host("gateway"), "nft", &[script]).unwrap();
}

/// The firewall's entries.
fn entries(lab: &Lab) -> String {
    run(lab.host("gateway"), "conntrack", &["-L", "-p", "sctp"]).unwrap()
}

/// The firewall forgets the association on the first line, as one does that is restarted or replaced.
fn forget(lab: &Lab) {
    let arguments = ["-D", "-p", "sctp", "--orig-src", "10.1.1.1"];
    run(lab.host("gateway"), "conntrack", &arguments).unwrap();
}

pub(crate) fn run(namespace: &Namespace, program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = namespace.command(program).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(format!("{program} {arguments:?}: {}", text(&output.stderr)))
    }
}

/// Whatever was reported was the primary path.
fn assert_only_the_primary_path(scene: &Scene) {
    let alarms = scene.alarms();
    assert!(
        alarms
            .iter()
            .all(|(_, remote)| remote.as_deref() == Some(PRIMARY)),
        "{alarms:?}"
    );
    assert_eq!(times(&scene.agent, SECONDARY, "inactive"), 0);
}

#[test]
fn all_paths_get_through_a_firewall_that_tracks_connections() {
    let test = "all_paths_get_through_a_firewall_that_tracks_connections";
    let Some(lab) = router(test, &firewall(ANY)) else {
        return;
    };
    let scene = scene(lab, [&Backend::Process; 2], false);
    scene.agent.wait_for_path(SECONDARY, "active", SOON).unwrap();
    scene.wait_for_messages(40);
    assert_eq!(scene.alarms(), []);
    // One entry a path: the second one by its heartbeats.
    for address in [PRIMARY, SECONDARY] {
        let entries = entries(&scene.lab);
        let mut lines = entries.lines().filter(|line| line.contains(address));
        let (entry, more) = (lines.next(), lines.next());
        assert!(
            entry.is_some_and(|entry| entry.contains("[ASSURED]")),
            "{entries}"
        );
        assert_eq!(more, None);
    }
}

#[test]
fn a_firewall_that_only_inits_open_keeps_the_second_path_down() {
    let test = "a_firewall_that_only_inits_open_keeps_the_second_path_down";
    let Some(lab) = router(test, &firewall(INIT)) else {
        return;
    };
    let scene = scene(lab, [&Backend::Process; 2], false);
    scene.wait_for_path("path_down", SECONDARY);
    assert_direction_to(&scene, SECONDARY, "both");
    assert_eq!(times(&scene.agent, SECONDARY, "active"), 0);
    assert_eq!(scene.alarms(), [alarm("path_down", SECONDARY)]);
    assert!(!entries(&scene.lab).contains(SECONDARY));
    nft(&scene.lab, &format!("add rule inet firewall forward {ANY}"));
    scene.wait_for_closed("path_down", SECONDARY);
    assert_eq!(times(&scene.agent, PRIMARY, "inactive"), 0);
}

#[test]
fn a_firewall_that_forgets_is_a_path_down_both_ways() {
    let test = "a_firewall_that_forgets_is_a_path_down_both_ways";
    let Some(lab) = router(test, &firewall(INIT_AND_ANY_ON_LINE_2)) else {
        return;
    };
    let scene = scene(lab, [&Backend::Process; 2], false);
    scene.agent.wait_for_path(SECONDARY, "active", SOON).unwrap();
    forget(&scene.lab);
    scene.wait_for_path("path_down", PRIMARY);
    assert_direction_to(&scene, PRIMARY, "both");
    assert_only_the_primary_path(&scene);
    // A heartbeat opens an entry if it may, and all is well.
    nft(&scene.lab, &format!("add rule inet firewall forward {ANY}"));
    scene.wait_for_closed("path_down", PRIMARY);
    assert_only_the_primary_path(&scene);
}

#[test]
fn a_firewall_that_tracks_one_side_only_breaks_one_direction() {
    let test = "a_firewall_that_tracks_one_side_only_breaks_one_direction";
    for (untracked, direction) in [("right1", "forward"), ("left1", "return")] {
        let Some(lab) = router(test, &firewall(INIT_AND_ANY_ON_LINE_2)) else {
            return;
        };
        let scene = scene(lab, [&Backend::Process; 2], false);
        scene.agent.wait_for_path(SECONDARY, "active", SOON).unwrap();
        nft(
            &scene.lab,
            &format!(
                "table inet raw {{
                    chain prerouting {{
                        type filter hook prerouting priority raw;
                        iifname {untracked} notrack
                    }}
                }}"
            ),
        );
        forget(&scene.lab);
        scene.wait_for_path("path_down", PRIMARY);
        assert_direction_to(&scene, PRIMARY, direction);
        assert_only_the_primary_path(&scene);
    }
}

#[test]
fn an_association_through_a_translator_is_one() {
    let test = "an_association_through_a_translator_is_one";
    let Some(lab) = router(test, &format!("{}\n{MASQUERADE}", firewall(ANY))) else {
        return;
    };
    let scene = scene(lab, [&Backend::Process; 2], true);
    scene.wait_for_messages(40);
    assert!(
        entries(&scene.lab).contains("dst=10.2.1.254"),
        "{}",
        entries(&scene.lab)
    );
    let events = scene.agent.events();
    let named = |name| events.iter().filter(move |event| event["event"] == name);
    assert_eq!(named("association_up").count(), 1);
    let translated: Vec<_> = named("translated").collect();
    let [translated] = translated.as_slice() else {
        panic!("{translated:?}");
    };
    assert_eq!(translated["side"], "local");
    assert_eq!(translated["address"], "10.1.1.1");
    assert_eq!(translated["seen_as"], "10.2.1.254");
    assert_eq!(scene.alarms(), []);
    scene.lab.path("right1").break_silently().unwrap();
    let down = scene.wait_for_path("path_down", PRIMARY);
    assert_eq!(down["local"], "10.1.1.1", "by the initiator's own address");
    scene.lab.path("right1").heal().unwrap();
    scene.wait_for_closed("path_down", PRIMARY);
    let (_, summary) = scene.agent.stop(Signal::SIGTERM).unwrap();
    let associations = summary.unwrap()["associations"].as_array().unwrap().clone();
    assert_eq!(associations.len(), 1, "{associations:#?}");
}

#[test]
fn an_abort_that_answers_a_translated_heartbeat_ends_nothing() {
    let test = "an_abort_that_answers_a_translated_heartbeat_ends_nothing";
    // Only the initiator's heartbeats open the second path, and so each of them is translated.
    let rules = format!(
        "{}\n{MASQUERADE}\n{COUNT_INVALID_ABORTS}",
        firewall("iifname \"left*\" ct state new accept")
    );
    let Some(lab) = router(test, &rules) else {
        return;
    };
    // To the responder they are from a stranger. Linux answers that by ABORT, with the association's tag. To the router
    // the ABORT is invalid: it is not translated back and goes no further. usrsctp is silent in the lab.
    let linux = match StackChoice::Auto.decide().unwrap() {
        StackKind::Kernel => Backend::Process,
        StackKind::Usrsctp => Backend::user_mode_linux(),
    };
    let scene = scene(lab, [&Backend::Process, &linux], false);
    scene.wait_for_path("path_down", SECONDARY);
    wait::until(SOON, || (aborts(&scene.lab) > 0).then_some(())).unwrap();
    // The initiator has heard of none: it goes on.
    scene.wait_for_messages(40);
    let (_, summary) = scene.agent.stop(Signal::SIGTERM).unwrap();
    let summary = summary.unwrap();
    assert_eq!(summary["associations"][0]["phase"], "established", "{summary:#}");
    assert_eq!(
        summary["associations"].as_array().unwrap().len(),
        1,
        "{summary:#}"
    );
}
