//! DATA and SACKs of a path that breaks leave on the other one, before the stacks notice anything.

use std::{io::Write as _, time::Duration};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use sctp_monitor_lab::{
    EndpointConfig, Event, EventKind, Lab, Monitor, Timers, clock::MonotonicNs, endpoint::Traffic, wait,
};
use serde_json::{Value, json};

use crate::setup::{PORT, Pair, SOON, binary, monitor, path};

/// A lab with an agent at both ends that steers, and an association at the stack's default timers.
pub(crate) struct Steered {
    // The endpoints go first, then the agents, then the network.
    pub(crate) pair: Pair,
    pub(crate) agents: [Monitor; 2],
    pub(crate) lab: Lab,
    /// The addresses of path 1.
    pub(crate) addresses: [String; 2],
}

impl Steered {
    pub(crate) fn new(mode: &[&str], rate: f64, timers: Timers) -> Self {
        Self::between(Lab::ipv4, mode, rate, timers)
    }

    pub(crate) fn between(
        addresses: impl Fn(&Lab, &str) -> Vec<std::net::IpAddr>,
        mode: &[&str],
        rate: f64,
        timers: Timers,
    ) -> Self {
        let lab = Lab::two_hosts_two_paths().unwrap();
        let agents = ["mme", "hss"].map(|host| monitor(lab.host(host), &["path1", "path2"], mode));
        let [local, remote] = ["mme", "hss"].map(|host| addresses(&lab, host));
        let listen = EndpointConfig::listen(remote.clone(), PORT).timers(timers.clone());
        let mut connect = EndpointConfig::connect(local.clone(), remote.clone(), PORT)
            .rate(rate)
            .timers(timers);
        connect.stats_interval = Duration::from_millis(100);
        let pair = Pair::start(&lab, &connect, &listen);
        for (agent, far) in agents.iter().zip([&remote, &local]) {
            for address in far {
                agent.wait_for_path(&address.to_string(), "active", SOON).unwrap();
            }
        }
        let steered = Self {
            pair,
            agents,
            lab,
            addresses: [local[0].to_string(), remote[0].to_string()],
        };
        steered.wait_for_messages((2.0 * rate) as u64);
        steered
    }

    /// Waits until the client has sent so many messages more.
    pub(crate) fn wait_for_messages(&self, more: u64) {
        let sent = |event: &Event| match event.kind {
            EventKind::Stats(traffic) => traffic.sent,
            _ => 0,
        };
        let so_far = self.pair.client.events().iter().map(sent).max().unwrap_or(0);
        let client = &self.pair.client;
        client
            .wait_for(SOON, |event| sent(event) >= so_far + more)
            .unwrap();
    }

    fn started(&self, agent: usize) -> Value {
        let path1 = &self.addresses[1 - agent];
        self.agents[agent]
            .wait_for("steering_started", SOON, |event| event["remote"] == *path1)
            .unwrap()
    }

    /// Heals the network, ends the association, and says what became of the messages: those that were sent, those that were
    /// delivered. Also what the agent at `mme` says of path 1.
    pub(crate) fn end(self) -> (Traffic, Traffic, Value) {
        self.lab.path("path1").heal().unwrap();
        let [mme, _hss] = self.agents;
        let (_, summary) = mme.stop(Signal::SIGTERM).unwrap();
        let steering = path(&summary.unwrap(), &self.addresses[0], &self.addresses[1])["steering"].clone();
        let sent = total(&self.pair.client.stop().unwrap());
        let arrived = total(&self.pair.server.stop().unwrap());
        (sent, arrived, steering)
    }
}

pub(crate) fn total(events: &[Event]) -> Traffic {
    let total = |event: &Event| match event.kind {
        EventKind::Summary { total, .. } => Some(total),
        _ => None,
    };
    events.iter().find_map(total).unwrap()
}

/// A break of path 1 for some seconds: no message is lost or delivered twice, and none waits for long.
fn a_break_costs_little(
    steered: Steered,
    strike: impl Fn(&Lab) -> MonotonicNs,
    more: u64,
    longest: Duration,
) {
    strike(&steered.lab);
    steered.started(0);
    for _ in 0..SLICES {
        steered.wait_for_messages(more.div_ceil(SLICES));
    }
    let (sent, arrived, steering) = steered.end();
    println!("{arrived:?} {steering}");
    assert_eq!((arrived.received, arrived.missing), (sent.sent, 0));
    assert_eq!(sent.refused, 0);
    let gap = Duration::from_nanos(arrived.largest_gap_ns);
    assert!(gap <= longest, "{gap:?}");
    let moved = steering["packets"].as_u64().unwrap();
    assert!(moved >= more / 2, "{steering:#}");
    assert_eq!(steering["failed"], 0, "{steering:#}");
    assert_eq!(steering["mode"], "move");
}

/// The stacks alone need a second at least at their defaults. An emulated guest beside other work takes its time.
const LONGEST: Duration = Duration::from_millis(950);

/// What is waited for takes longer than anybody waits at a time.
const SLICES: u64 = 6;

const MOVE: [&str; 2] = ["--steer", "move"];

#[test]
fn a_path_that_breaks_silently_loses_nothing() {
    let steered = Steered::new(&MOVE, 20.0, Timers::default());
    a_break_costs_little(
        steered,
        |lab| lab.path("path1").break_silently().unwrap(),
        60,
        LONGEST,
    );
}

#[test]
fn a_busy_path_that_breaks_silently_loses_nothing() {
    // The sender has filled its congestion window before anybody can know, and waits for its own time-out (1 s).
    let longest = Duration::from_millis(1_500);
    let steered = Steered::new(&MOVE, 500.0, Timers::default());
    a_break_costs_little(
        steered,
        |lab| lab.path("path1").break_silently().unwrap(),
        1_500,
        longest,
    );
}

#[test]
fn a_break_of_one_direction_loses_nothing() {
    for host in ["mme", "hss"] {
        let steered = Steered::new(&MOVE, 20.0, Timers::default());
        a_break_costs_little(
            steered,
            |lab| lab.path("path1").drop_direction(host).unwrap(),
            60,
            LONGEST,
        );
    }
}

#[test]
fn an_ipv6_path_that_breaks_silently_loses_nothing() {
    let steered = Steered::between(Lab::ipv6, &MOVE, 20.0, Timers::default());
    a_break_costs_little(
        steered,
        |lab| lab.path("path1").break_silently().unwrap(),
        60,
        LONGEST,
    );
}

/// Nobody answers ARP on a dead path, and the host's entry of its next hop would fail some 20 s later: what has no next hop cannot be
/// moved.
#[test]
fn packets_are_moved_for_as_long_as_the_path_is_dead() {
    // Half a minute.
    let steered = Steered::new(&MOVE, 50.0, Timers::default());
    a_break_costs_little(
        steered,
        |lab| lab.path("path1").break_silently().unwrap(),
        50 * 30,
        LONGEST,
    );
}

#[test]
fn a_dry_run_says_what_would_be_and_moves_nothing() {
    let steered = Steered::new(&["--steer", "dry-run"], 20.0, Timers::tuned());
    steered.lab.path("path1").break_silently().unwrap();
    let started = steered.started(0);
    assert_eq!(started["mode"], "dry-run", "{started:#}");
    assert_eq!(
        started["onto"],
        json!({"local": "10.1.2.1", "remote": "10.1.2.2"})
    );
    // The stack itself has to move it.
    let moved = |event: &Value| event["direction"] == "forward" && event["to"]["remote"] == "10.1.2.2";
    steered.agents[0].wait_for("data_moved", SOON, moved).unwrap();
    steered.wait_for_messages(20);
    let (sent, arrived, steering) = steered.end();
    assert_eq!((arrived.received, arrived.missing), (sent.sent, 0));
    assert_eq!(steering["packets"], 0, "{steering:#}");
    assert!(
        steering["would_have_packets"].as_u64().unwrap() > 0,
        "{steering:#}"
    );
}

#[test]
fn an_agent_that_is_killed_leaves_the_rest_to_the_stack() {
    let mut steered = Steered::new(&MOVE, 20.0, Timers::tuned());
    steered.lab.path("path1").break_silently().unwrap();
    steered.started(0);
    steered.wait_for_messages(20);
    for agent in &steered.agents {
        kill(pid(agent), Signal::SIGKILL).unwrap();
    }
    steered.wait_for_messages(80);
    steered.lab.path("path1").heal().unwrap();
    steered.pair.client.set_rate(0.0).unwrap();
    let sent = total(&steered.pair.client.stop().unwrap());
    let arrived = total(&steered.pair.server.stop().unwrap());
    println!("{arrived:?}");
    assert_eq!((arrived.received, arrived.missing), (sent.sent, 0));
}

#[test]
fn an_agent_that_stands_still_moves_nothing_after_two_seconds() {
    let steered = Steered::new(&MOVE, 20.0, Timers::tuned());
    steered.lab.path("path1").break_silently().unwrap();
    steered.started(0);
    steered.wait_for_messages(20);
    for agent in &steered.agents {
        kill(pid(agent), Signal::SIGSTOP).unwrap();
    }
    // Four seconds: the lease ends within them, and the stack moves by itself.
    steered.wait_for_messages(80);
    for agent in &steered.agents {
        kill(pid(agent), Signal::SIGCONT).unwrap();
    }
    steered.wait_for_messages(10);
    let (sent, arrived, steering) = steered.end();
    assert_eq!((arrived.received, arrived.missing), (sent.sent, 0));
    assert!(steering["lapsed"].as_u64().unwrap() > 0, "{steering:#}");
}

/// The configuration, and whether the application goes on.
fn gets_its_packets_back(tables: &str, goes_on: bool) {
    let mut config = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    config.write_all(tables.as_bytes()).unwrap();
    let arguments = ["--config", config.path().to_str().unwrap()];
    let mut steered = Steered::new(&arguments, 20.0, Timers::tuned());
    steered.lab.path("path1").break_silently().unwrap();
    steered.started(0);
    steered.wait_for_messages(40);
    steered.lab.path("path1").heal().unwrap();
    if !goes_on {
        steered.pair.client.set_rate(0.0).unwrap();
    }
    let ended = steered.agents[0].wait_for("steering_ended", SOON, |event| event["remote"] == "10.1.1.2");
    let ended = ended.unwrap();
    assert_eq!(ended["end"], "path_recovered", "{ended:#}");
    assert!(ended["packets"].as_u64().unwrap() > 20, "{ended:#}");
    let before = steered.agents[0].events().len();
    if goes_on {
        steered.wait_for_messages(40);
    } else {
        steered.pair.client.set_rate(20.0).unwrap();
        wait::until(SOON, || {
            let events = steered.agents[0].events();
            let back = |event: &Value| event["event"] == "data_moved" && event["to"]["remote"] == "10.1.1.2";
            events[before..].iter().any(back).then_some(())
        })
        .unwrap();
    }
    let (sent, arrived, steering) = steered.end();
    assert_eq!((arrived.received, arrived.missing), (sent.sent, 0));
    assert_eq!(steering["onto"], Value::Null);
}

#[test]
fn a_path_that_works_again_gets_its_packets_back() {
    // The stack tests a path only when it has nothing to send there.
    gets_its_packets_back("[steering]\nmode = \"move\"\nhold_down = \"1s\"\n", false);
    // Probes show it whatever is sent.
    let probing = "[probe]\nmode = \"confirm\"\n[steering]\nmode = \"move\"\nhold_down = \"1s\"\n";
    gets_its_packets_back(probing, true);
}

#[test]
fn the_operator_is_told_and_decides() {
    let steered = Steered::new(&MOVE, 20.0, Timers::tuned());
    let ask = |arguments: &[&str]| {
        let mut command = steered.lab.host("mme").command(binary());
        let agent = steered.agents[0].pid().to_string();
        command
            .arg("steer")
            .args(arguments)
            .args(["--json", "--agent", &agent]);
        let output = command.output().unwrap();
        let answer: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        (output.status.success(), answer)
    };
    let path1 = ["1", "10.1.1.1", "10.1.1.2"];
    let with = |verb| [&[verb][..], &path1].concat();
    let (_, answer) = ask(&["list"]);
    assert_eq!(
        (&answer["mode"], &answer["steered"]),
        (&json!("move"), &json!([])),
        "{answer:#}"
    );
    let (_, answer) = ask(&["explain", "1"]);
    let on_path1 = |path: &&Value| path["local"] == "10.1.1.1" && path["remote"] == "10.1.1.2";
    let prospect = answer["paths"].as_array().unwrap().iter().find(on_path1).unwrap();
    assert_eq!(prospect["onto"]["remote"], "10.1.2.2", "{answer:#}");
    // A path that works is moved if he wants it, and nothing is lost by it.
    let (done, answer) = ask(&with("add"));
    assert!(
        done && answer["steered"][0]["steering"]["onto"]["local"] == "10.1.2.1",
        "{answer:#}"
    );
    assert_eq!(steered.started(0)["cause"], "operator");
    steered.wait_for_messages(20);
    let (_, answer) = ask(&["list"]);
    assert!(
        answer["steered"][0]["steering"]["packets"].as_u64().unwrap() >= 15,
        "{answer:#}"
    );
    let (done, answer) = ask(&with("remove"));
    assert!(done && answer["steered"] == json!([]), "{answer:#}");
    let (done, answer) = ask(&with("remove"));
    assert!(!done && answer["refused"].is_string(), "{answer:#}");
    // Paused, nothing is moved; afterwards what has to be.
    assert!(ask(&["pause"]).0);
    assert!(!ask(&with("add")).0);
    steered.lab.path("path1").break_silently().unwrap();
    let refused = steered.agents[0].wait_for("steering_refused", SOON, |event| event["remote"] == "10.1.1.2");
    assert_eq!(refused.unwrap()["obstacle"], "paused");
    let (_, answer) = ask(&["resume"]);
    assert_eq!(answer["steered"].as_array().unwrap().len(), 1, "{answer:#}");
    assert!(!ask(&["explain", "77"]).0);
    let log = steered.agents[0].stderr();
    for words in [
        "wants packets of path 10.1.1.1 > 10.1.1.2",
        "pauses steering",
        "resumes steering",
    ] {
        assert!(log.contains(words), "{words}: {log}");
    }
    steered.wait_for_messages(20);
    let (sent, arrived, _) = steered.end();
    assert_eq!((arrived.received, arrived.missing), (sent.sent, 0));
}

pub(crate) fn pid(agent: &Monitor) -> Pid {
    Pid::from_raw(i32::try_from(agent.pid()).unwrap())
}
