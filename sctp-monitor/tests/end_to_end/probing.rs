//! The agent's own probes between real stacks: what they find, how soon, and that they do no harm.

use std::{collections::BTreeSet, time::Duration};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use sctp_monitor_common::abi::PROBE_MAGIC;
use sctp_monitor_lab::{
    Backend, Capture, Event, EventKind, Lab, Monitor,
    clock::monotonic_ns,
    endpoint::{AddressChange, DownReason},
    wait,
};
use sctp_monitor_testkit::dissect::{ChunkType, Packet};
use serde_json::Value;

use crate::{
    scene::{PRIMARY, SECONDARY, associate, connecting, listening, since},
    setup::{Pair, SOON, monitor, path, times},
};

/// The agent at `mme`, with a configuration of its own.
fn probing(lab: &Lab, mode: &str, interval: &str) -> Monitor {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(
        file.path(),
        format!("[probe]\nmode = \"{mode}\"\ninterval = \"{interval}\"\n"),
    )
    .unwrap();
    let config = file.path().to_str().unwrap();
    monitor(lab.host("mme"), &["path1", "path2"], &["--config", config])
}

/// A moment for the first probes, which tell that others are to be believed.
fn settle() {
    let_pass(Duration::from_secs(3));
}

/// Nothing tells when nothing has happened but time.
fn let_pass(time: Duration) {
    let end_ns = monotonic_ns() + u64::try_from(time.as_nanos()).unwrap();
    wait::until(time + SOON, || (monotonic_ns() >= end_ns).then_some(())).unwrap();
}

fn is_by_probes(down: &Value) {
    assert_eq!(down["evidence"]["kind"], "probes_unanswered", "{down:#}");
    assert!(
        down["evidence"]["probes_unanswered"].as_u64().unwrap() >= 3,
        "{down:#}"
    );
    assert!(
        down["evidence"]["sibling_answered"].as_u64().unwrap() >= 1,
        "{down:#}"
    );
}

/// How long the probes go on.
const HARM: Duration = Duration::from_secs(20);

/// What a stack tells of an end, or of a path in trouble.
fn troubles(events: &[Event]) -> Vec<&EventKind> {
    let kinds = events.iter().map(|event| &event.kind);
    kinds
        .filter(|kind| match kind {
            EventKind::PathChanged { state, .. } => *state != AddressChange::Confirmed,
            kind => matches!(kind, EventKind::AssociationDown { .. }),
        })
        .collect()
}

#[test]
fn an_idle_path_is_confirmed_dead_by_its_sibling_and_found_alive_again() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let agent = probing(&lab, "confirm", "100ms");
    let _pair = associate(&lab, &agent);
    settle();
    let broken_at_ns = lab.path("path2").break_silently().unwrap();
    let down = agent.wait_for_path(SECONDARY, "inactive", SOON).unwrap();
    is_by_probes(&down);
    println!("confirmed {:?} after the break", since(broken_at_ns, &down));
    lab.path("path2").heal().unwrap();
    let recovered = |event: &Value| event["remote"] == SECONDARY && event["from"] == "inactive";
    agent.wait_for("path_state_changed", SOON, recovered).unwrap();
    assert_eq!(times(&agent, PRIMARY, "inactive"), 0);
    assert_eq!(times(&agent, SECONDARY, "inactive"), 1);
}

#[test]
fn continuous_probes_find_a_dead_idle_path_soon() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let agent = probing(&lab, "continuous", "50ms");
    let _pair = associate(&lab, &agent);
    settle();
    let broken_at_ns = lab.path("path2").break_silently().unwrap();
    let down = agent.wait_for_path(SECONDARY, "inactive", SOON).unwrap();
    is_by_probes(&down);
    let after = since(broken_at_ns, &down);
    println!("found {after:?} after the break");
    // 200 ms on a machine that does nothing else.
    assert!(after < Duration::from_secs(1), "{after:?}");
    let (_, summary) = agent.stop(Signal::SIGTERM).unwrap();
    let summary = summary.unwrap();
    let probes = &path(&summary, "10.1.1.1", PRIMARY)["probes"];
    assert!(probes["answered"].as_u64().unwrap() > 20, "{probes:#}");
    assert_eq!(probes["unanswered"], 0, "{probes:#}");
    assert!(probes["rtt"]["srtt_ms"].as_f64().unwrap() < 50.0, "{probes:#}");
}

#[test]
fn a_peer_that_stands_still_for_200_ms_is_no_failure_under_confirm() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let agent = probing(&lab, "confirm", "100ms");
    let pair = associate(&lab, &agent);
    settle();
    stall(&pair, Duration::from_millis(200));
    for remote in [PRIMARY, SECONDARY] {
        assert_eq!(times(&agent, remote, "inactive"), 0, "{:#?}", agent.events());
    }
}

#[test]
fn a_stall_that_deceives_an_agent_without_probes_deceives_none_that_confirms() {
    let deceived = ["off", "confirm"].map(|mode| {
        let lab = Lab::two_hosts_two_paths().unwrap();
        let agent = probing(&lab, mode, "100ms");
        let pair = associate(&lab, &agent);
        settle();
        stall(&pair, Duration::from_millis(350));
        times(&agent, PRIMARY, "inactive")
    });
    assert!(deceived[0] > 0, "{deceived:?}");
    assert_eq!(deceived[1], 0, "{deceived:?}");
}

/// The peer stands still, five times.
fn stall(pair: &Pair, time: Duration) {
    let peer = Pid::from_raw(i32::try_from(pair.server.pid()).unwrap());
    for _ in 0..5 {
        kill(peer, Signal::SIGSTOP).unwrap();
        let_pass(time);
        kill(peer, Signal::SIGCONT).unwrap();
        let_pass(Duration::from_millis(800));
    }
}

#[test]
fn a_hundred_probes_a_second_on_each_path_harm_no_association_even_if_the_agent_is_killed() {
    // Linux at the far end only: at the near one it has the host's addresses for itself, and the agent beside it none to send from.
    for peer in [Backend::Process, Backend::user_mode_linux()] {
        let lab = Lab::two_hosts_two_paths().unwrap();
        let captures = ["path1", "path2"].map(|nic| Capture::start(lab.host("mme"), nic).unwrap());
        let agent = probing(&lab, "continuous", "10ms");
        let pair = Pair::start_on(
            [&Backend::Process, &peer],
            &lab,
            &connecting(&lab),
            &listening(&lab),
        );
        for remote in [PRIMARY, SECONDARY] {
            agent.wait_for_path(remote, "active", SOON).unwrap();
        }
        let_pass(HARM);
        let before = pair.client.events().len();
        // Answers are under way now, and reach the stack.
        let (_, _) = agent.stop(Signal::SIGKILL).unwrap();
        let_pass(Duration::from_secs(3));
        let events = pair.client.events();
        assert!(events.len() > before, "it goes on");
        assert_eq!(
            troubles(&pair.client.events()),
            Vec::<&EventKind>::new(),
            "{peer:?}"
        );
        assert_eq!(
            troubles(&pair.server.events()),
            Vec::<&EventKind>::new(),
            "{peer:?}"
        );
        let sent = pair.client.stop().unwrap();
        assert!(!sent.is_empty());
        let packets = captured(captures);
        let probes = packets.iter().filter(|packet| is_probe(packet)).count();
        assert!(probes as u64 > 2 * 50 * HARM.as_secs(), "{peer:?}: {probes}");
        let is_abort = |packet: &&Packet| packet.count(ChunkType::ABORT) > 0;
        assert_eq!(packets.iter().find(is_abort), None, "{peer:?}");
        let tsns: Vec<_> = packets
            .iter()
            .filter(|packet| packet.flow.source.to_string().ends_with(".1"))
            .flat_map(|packet| packet.chunks.iter().filter_map(|chunk| chunk.tsn))
            .collect();
        let different: BTreeSet<_> = tsns.iter().collect();
        let again = tsns.len() - different.len();
        // A stack in user space is scheduled late now and then, with probes or without.
        assert!(
            different.len() > 200 && again * 100 <= 3 * tsns.len(),
            "{peer:?}: {again} of {}",
            tsns.len()
        );
    }
}

/// What was captured, in the order of time.
fn captured(captures: [Capture; 2]) -> Vec<Packet> {
    let recordings = captures.map(|capture| capture.stop().unwrap().packets().unwrap());
    let mut packets = recordings.concat();
    packets.sort_by_key(|packet| packet.time_ns);
    packets
}

fn is_probe(packet: &Packet) -> bool {
    let magic: String = PROBE_MAGIC
        .to_ne_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    packet.chunks.iter().any(|chunk| {
        let info = chunk.heartbeat_info.as_ref();
        chunk.chunk_type == ChunkType::HEARTBEAT && info.is_some_and(|info| info.starts_with(&magic))
    })
}

#[test]
fn an_association_is_closed_under_probing_as_without() {
    let lab = Lab::two_hosts_two_paths().unwrap();
    let captures = ["path1", "path2"].map(|nic| Capture::start(lab.host("mme"), nic).unwrap());
    let agent = probing(&lab, "continuous", "10ms");
    let pair = associate(&lab, &agent);
    settle();
    pair.client.stop().unwrap();
    let down = agent.wait_for("association_down", SOON, |_| true).unwrap();
    assert_eq!(down["end"]["kind"], "shutdown", "{down:#}");
    let ended = |event: &Event| {
        matches!(
            event.kind,
            EventKind::AssociationDown {
                reason: DownReason::Shutdown,
                ..
            }
        )
    };
    pair.server.wait_for(SOON, ended).unwrap();
    for remote in [PRIMARY, SECONDARY] {
        assert_eq!(times(&agent, remote, "inactive"), 0);
    }
    let packets = captured(captures);
    let probes: Vec<_> = packets.iter().filter(|packet| is_probe(packet)).collect();
    let is_complete = |packet: &&Packet| packet.count(ChunkType::SHUTDOWN_COMPLETE) > 0;
    let end_ns = packets.iter().find(is_complete).unwrap().time_ns;
    assert!(probes.len() > 200, "{}", probes.len());
    let last_ns = probes.last().unwrap().time_ns;
    assert!(
        last_ns < end_ns + 100_000_000,
        "{} ms",
        (last_ns - end_ns) / 1_000_000
    );
}
