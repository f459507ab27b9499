//! An agent that is killed or replaced leaves its programs and its flow table to the next one, and no packet passes uncounted.

use nix::sys::signal::Signal;
use sctp_monitor::kernel::{Pins, has_tcx};
use sctp_monitor_lab::{Capture, Lab, Monitor, Namespace, wait};

use crate::{
    counts::assert_counts_are_those_of,
    detach::attached,
    scene::{PRIMARY, SECONDARY, Scene},
    setup::{Pair, SOON, binary, monitor, path, sent},
};

const NICS: [&str; 2] = ["path1", "path2"];

/// Whether an agent has left something in a network namespace, or another one holds it.
fn is_left(host: &Namespace) -> bool {
    let left = || !matches!(Pins::left(), Ok(None));
    host.run(left).unwrap()
}

fn said(agent: &Monitor, what: &str) {
    wait::until(SOON, || agent.stderr().contains(what).then_some(()))
        .unwrap_or_else(|_| panic!("{what}: {}", agent.stderr()));
}

#[test]
fn agents_that_are_killed_one_after_the_other_count_as_one() {
    for hook in ["xdp-native", "tc"] {
        let lab = Lab::two_hosts_two_paths().unwrap();
        let host = lab.host("mme");
        let captures = NICS.map(|nic| Capture::start(host, nic).unwrap());
        let begin = || monitor(host, &NICS, &["--hook", hook]);
        let mut agent = begin();
        let on = attached(host);
        let mut pair = Pair::between(&lab, &lab.ipv4("mme"), &lab.ipv4("hss"));
        pair.client.set_rate(500.0).unwrap();
        for number in 1..=4 {
            wait::until(SOON, || (sent(&pair) >= number * 300).then_some(())).unwrap();
            agent.stop(Signal::SIGKILL).unwrap();
            assert_eq!(attached(host), on, "nobody is there, and they are");
            let before = sent(&pair);
            wait::until(SOON, || (sent(&pair) >= before + 100).then_some(())).unwrap();
            agent = begin();
            assert_eq!(attached(host), on);
            if has_tcx() {
                said(&agent, "took over from an agent before this one: 4 flows");
            }
        }
        wait::until(SOON, || (sent(&pair) >= 2_000).then_some(())).unwrap();
        pair.client.stop().unwrap();
        agent.wait_for("association_down", SOON, |_| true).unwrap();
        let (status, summary) = agent.stop(Signal::SIGTERM).unwrap();
        assert!(status.success());
        if has_tcx() {
            assert_counts_are_those_of(captures, &summary.unwrap(), hook);
        }
        assert_eq!(attached(host), (0, 0), "{hook}");
    }
}

#[test]
fn what_stays_is_as_was_asked_for() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let host = lab.host("mme");
    assert!(!is_left(host));
    let agent = monitor(host, &NICS, &["--pin", "no"]);
    assert!(!is_left(host));
    agent.stop(Signal::SIGKILL).unwrap();
    if has_tcx() {
        wait::until(SOON, || (attached(host) == (0, 0)).then_some(())).unwrap();
    }

    let agent = monitor(host, &NICS, &["--pin", "yes"]);
    let on = attached(host);
    agent.stop(Signal::SIGTERM).unwrap();
    assert_eq!(attached(host), on, "told to stay");
    let other_size = monitor(host, &NICS, &["--max-flows", "8192"]);
    said(
        &other_size,
        "left a flow table that is not used: it has room for 16384 flows",
    );
    assert_eq!(attached(host), on);
    other_size.stop(Signal::SIGKILL).unwrap();
    // One of the NICs is not asked for any more, and incoming packets are to be seen elsewhere.
    let fewer = monitor(host, &["path1"], &["--max-flows", "8192", "--hook", "tc"]);
    said(&fewer, "took over from an agent before this one: 0 flows");
    wait::until(SOON, || (attached(host) == (0, 2)).then_some(()))
        .unwrap_or_else(|_| panic!("{:?} are left", attached(host)));
    fewer.stop(Signal::SIGINT).unwrap();
    assert_eq!((attached(host), is_left(host)), ((0, 0), false));
}

#[test]
fn detach_removes_all_that_a_killed_agent_left() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let host = lab.host("mme");
    assert!(!is_left(host));
    let agent = monitor(host, &NICS, &[]);
    agent.stop(Signal::SIGKILL).unwrap();
    let output = host.command(binary()).arg("detach").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("removed the flow table"), "{said}");
    assert_eq!((attached(host), is_left(host)), ((0, 0), false));
}

#[test]
fn a_table_into_which_nobody_counted_is_not_taken_over() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let host = lab.host("mme");
    monitor(host, &NICS, &[]).stop(Signal::SIGKILL).unwrap();
    if has_tcx() {
        for nic in NICS {
            let output = host
                .command(binary())
                .args(["detach", "--iface", nic])
                .output()
                .unwrap();
            assert!(output.status.success(), "{output:?}");
        }
        let next = monitor(host, &NICS, &[]);
        said(
            &next,
            "no program has counted into it since; all counts begin anew",
        );
        next.stop(Signal::SIGTERM).unwrap();
    }
}

#[test]
fn a_second_agent_takes_nothing_over() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let host = lab.host("mme");
    let first = monitor(host, &["path1"], &[]);
    let second = monitor(host, &["path2"], &[]);
    said(
        &second,
        &format!(
            "another agent watches this network namespace (pid {})",
            first.pid()
        ),
    );
    second.stop(Signal::SIGKILL).unwrap();
    if has_tcx() {
        wait::until(SOON, || (attached(host) == (1, 1)).then_some(())).unwrap();
    }
    first.stop(Signal::SIGTERM).unwrap();
}

#[test]
fn what_is_known_goes_on_with_its_numbers() {
    let Scene { pair, agent, lab } = Scene::watched_by(&["--pin", "yes"]);
    let host = lab.host("mme");
    let association = agent.wait_for("association_up", SOON, |_| true).unwrap()["association"].clone();
    lab.path("path1").break_silently().unwrap();
    agent.wait_for_path(PRIMARY, "inactive", SOON).unwrap();
    let opened = agent
        .wait_for("incident", SOON, |event| event["status"] == "opened")
        .unwrap();
    let two_seconds = |pair: &Pair| {
        let before = sent(pair);
        wait::until(SOON, || (sent(pair) >= before + 40).then_some(())).unwrap();
    };
    // What is known is saved once a second.
    two_seconds(&pair);
    agent.stop(Signal::SIGKILL).unwrap();

    let second = monitor(host, &NICS, &["--pin", "yes"]);
    said(&second, "1 associations and 1 incidents are known");
    two_seconds(&pair);
    let again = [
        "association_up",
        "association_down",
        "incident",
        "path_state_changed",
    ];
    let events = second.events();
    assert!(
        events
            .iter()
            .all(|event| again.iter().all(|name| event["event"] != *name)),
        "{events:?}"
    );
    let (status, summary) = second.stop(Signal::SIGTERM).unwrap();
    assert!(status.success());
    let summary = summary.unwrap();
    assert_eq!(
        summary["associations"][0]["association"], association,
        "{summary}"
    );
    assert_eq!(
        summary["incidents"][0]["incident"], opened["incident"],
        "{summary}"
    );

    let third = monitor(host, &NICS, &[]);
    lab.path("path1").heal().unwrap();
    third.wait_for_path(PRIMARY, "active", SOON).unwrap();
    let closed = third
        .wait_for("incident", SOON, |event| event["status"] == "closed")
        .unwrap();
    assert_eq!(closed["incident"], opened["incident"]);
    let ups = ["association_up", "association_down"];
    let events = third.events();
    assert!(
        events
            .iter()
            .all(|event| ups.iter().all(|name| event["event"] != *name)),
        "{events:?}"
    );
    third.stop(Signal::SIGINT).unwrap();
}

#[test]
fn a_hook_that_changes_leaves_nothing_of_the_one_before() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let host = lab.host("mme");
    for (hook, expected) in [
        ("xdp-native", (2, 2)),
        ("xdp-generic", (2, 2)),
        ("tc", (0, 4)),
        ("xdp-native", (2, 2)),
    ] {
        let agent = monitor(host, &NICS, &["--hook", hook]);
        let hooks: Vec<_> = agent
            .events()
            .iter()
            .filter(|event| event["event"] == "watch_started")
            .map(|event| event["hook"].clone())
            .collect();
        assert_eq!(hooks, [hook, hook]);
        wait::until(SOON, || (attached(host) == expected).then_some(()))
            .unwrap_or_else(|_| panic!("{hook}: {:?}", attached(host)));
        agent.stop(Signal::SIGKILL).unwrap();
    }
    let output = host.command(binary()).arg("detach").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(attached(host), (0, 0));
}

#[test]
fn what_is_not_watched_any_more_is_not_judged() {
    let Scene { pair, agent, lab } = Scene::watched_by(&[]);
    let host = lab.host("mme");
    let before = sent(&pair);
    // What is known is saved once a second.
    wait::until(SOON, || (sent(&pair) >= before + 40).then_some(())).unwrap();
    agent.stop(Signal::SIGKILL).unwrap();
    let next = monitor(host, &["path1"], &[]);
    said(&next, "1 associations and 0 incidents are known");
    // HEARTBEATs pass on the other path twice a second, and are not seen.
    wait::until(SOON, || (sent(&pair) >= before + 250).then_some(())).unwrap();
    let (_, summary) = next.stop(Signal::SIGTERM).unwrap();
    let summary = summary.unwrap();
    assert_eq!(
        summary["incidents"].as_array().map_or(0, Vec::len),
        0,
        "{summary}"
    );
    assert_eq!(
        path(&summary, "10.1.2.1", SECONDARY)["state"],
        "active",
        "{summary}"
    );
}
