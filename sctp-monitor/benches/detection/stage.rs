//! A lab with an agent in it, on which one scenario is played again and again.
//!
//! The agent stays, as it would in the field; the endpoints are new for each break, unless one association is to break again and
//! again. A stack goes back to a healed path only when a heartbeat of its own is answered, which takes up to a minute at default
//! timers.

use std::{
    net::UdpSocket,
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, ensure};
use sctp_monitor_lab::{
    Endpoint, EndpointConfig, Event, EventKind, Lab, Monitor, Timers,
    clock::{MonotonicNs, monotonic_ns, wall_clock_offset_ns},
    wait,
};
use sctp_monitor_testkit::frames::{self, new_flows, new_flows_of_one_source};
use serde_json::Value;

use crate::{
    moments::{monotonic, wait_for_phase},
    scenario::Scenario,
};

/// A lab, the agent on its host `mme`, and what happens there.
pub(crate) struct Stage {
    lab: Lab,
    agent: Monitor,
    pub(crate) scenario: Scenario,
    timers: Timers,
    flood: Flood,
    /// The endpoints of the break before, if they are kept.
    kept: Mutex<Option<Peers>>,
}

/// Packets of forged new flows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flood {
    /// 0: there is none.
    pub(crate) per_second: u64,
    pub(crate) is_of_one_source: bool,
}

impl Flood {
    /// The frame with this number.
    fn frames(self) -> Box<dyn FnMut(u64) -> Vec<u8> + Send> {
        let data = frames::data(1, 4);
        if self.is_of_one_source {
            Box::new(new_flows_of_one_source(FORGED_TAG, data))
        } else {
            Box::new(new_flows(FORGED_TAG, data))
        }
    }
}

/// The two endpoints of an association.
struct Peers {
    /// On the far host; none once it was killed.
    server: Option<Endpoint>,
    client: Endpoint,
    local_port: u16,
}

/// What the agent said of one break.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    /// From the fault to the first alarm, if there was one.
    pub(crate) alarm_ns: Option<u64>,
    /// From the fault to the first doubt.
    pub(crate) doubt_ns: Option<u64>,
    /// Alarms before the fault, or of the path that was all right.
    pub(crate) false_alarms: usize,
    /// All that it said of this association.
    said: Vec<(Option<u64>, Value)>,
}

impl Sample {
    /// Shows what was said, if it was not what it should have been.
    pub(crate) fn explain(&self, what: &str) {
        if self.false_alarms == 0 && self.alarm_ns.is_some_and(|alarm_ns| alarm_ns < SLOW_NS) {
            return;
        }
        eprintln!("{what}: this is all that was said (ms after the fault):");
        for (since_ns, event) in &self.said {
            match since_ns {
                Some(ns) => eprintln!("{:>8.0} {event}", *ns as f64 / 1e6),
                None => eprintln!("  before {event}"),
            }
        }
    }
}

impl Stage {
    /// With the stack at its default timers, or at the careful operator's.
    pub(crate) fn build(scenario: Scenario, tuned: bool, flood: Flood) -> anyhow::Result<Self> {
        let lab = Lab::two_hosts_two_paths()?;
        let binary = Path::new(env!("CARGO_BIN_EXE_sctp-monitor"));
        let mut arguments = vec!["--iface", "path1", "--iface", "path2"];
        let config = tempfile::Builder::new().suffix(".toml").tempfile()?;
        if scenario.keeps_association() {
            // A path that fails again and again is held back otherwise, when it works again.
            std::fs::write(&config, "[detector]\nflap_failures = 1000000\n")?;
            arguments.extend(["--config", config.path().to_str().context("a path in UTF-8")?]);
        }
        let agent = Monitor::spawn(lab.host("mme"), binary, arguments)?;
        agent.wait_until_watching(2, SOON)?;
        let timers = if tuned || scenario.needs_short_timers() {
            Timers::tuned()
        } else {
            Timers::default()
        };
        Ok(Self {
            lab,
            agent,
            scenario,
            timers,
            flood,
            kept: Mutex::default(),
        })
    }

    /// One break, from a new association to the healed network.
    pub(crate) fn play(&self, number: u16) -> anyhow::Result<Sample> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut peers = match kept.take() {
            Some(peers) => peers,
            None => self.connect(FIRST_PORT + number)?,
        };
        let local_port = peers.local_port;
        let said_before = self.agent.events().len();
        let offset_ns = wall_clock_offset_ns();
        let fault_ns = self.flooded(|| {
            wait_for_phase(number, PHASE)?;
            let fault_ns = self.scenario.strike(&self.lab, &mut peers.server)?;
            // Not every alarm is this event: one that never comes costs time only.
            let _ = self.agent.wait_for("path_state_changed", GIVE_UP, |event| {
                event["local_port"] == local_port
                    && monotonic(event, offset_ns).is_ok_and(|at_ns| at_ns >= fault_ns)
                    && event["to"] == "inactive"
                    && event["remote"] == self.scenario.remote()
            });
            Ok(fault_ns)
        })?;
        let sample = self.sample(local_port, said_before, fault_ns, offset_ns);
        if self.scenario.keeps_association() {
            self.go_back(&peers, offset_ns)?;
            *kept = Some(peers);
            return sample;
        }
        drop(peers);
        for path in ["path1", "path2"] {
            self.lab.path(path).heal()?;
        }
        self.wait_until_passable()?;
        sample
    }

    /// A new association, with traffic for a while.
    fn connect(&self, local_port: u16) -> anyhow::Result<Peers> {
        let listen = EndpointConfig::listen(self.lab.ipv4("hss"), PORT).timers(self.timers.clone());
        let mut connect = EndpointConfig::connect(self.lab.ipv4("mme"), self.lab.ipv4("hss"), PORT)
            .local_port(local_port)
            .rate(RATE)
            .timers(self.timers.clone());
        connect.stats_interval = Duration::from_millis(100);
        let server = Some(Endpoint::spawn(self.lab.host("hss"), &listen)?);
        let client = Endpoint::spawn(self.lab.host("mme"), &connect)?;
        self.settle(&client, local_port)?;
        Ok(Peers {
            server,
            client,
            local_port,
        })
    }

    /// Heals the primary path, and waits until DATA has gone there again for a while.
    fn go_back(&self, peers: &Peers, offset_ns: u64) -> anyhow::Result<()> {
        let healed_ns = monotonic_ns();
        self.lab.path("path1").heal()?;
        let is_back = |event: &Value| {
            event["local_port"] == peers.local_port
                && monotonic(event, offset_ns).is_ok_and(|at_ns| at_ns >= healed_ns)
                && event["direction"] == "forward"
                && event["to"]["remote"] == self.scenario.remote()
        };
        self.agent
            .wait_for("data_moved", GO_BACK, is_back)
            .context("DATA did not go back to the primary path")?;
        carry_on(&peers.client)
    }

    /// Does something while the flood goes on, if there is one.
    fn flooded<T>(&self, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        if self.flood.per_second == 0 {
            return work();
        }
        let injector = self.lab.path("path2").injector("mme")?;
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let flooding = scope.spawn(|| {
                let mut frames = self.flood.frames();
                let mut sent = 0;
                while !over.load(Ordering::Relaxed) {
                    let flooded = injector.flood(u64::MAX, self.flood.per_second, FLOOD_SLICE, |number| {
                        frames((sent + number) % NEW_FLOWS)
                    })?;
                    sent += flooded.arrived + flooded.lost;
                }
                anyhow::Ok(())
            });
            let done = work();
            over.store(true, Ordering::Relaxed);
            flooding
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            done
        })
    }

    /// Waits until packets pass on both paths again: after a link was down that takes a moment, and an INIT that is lost in
    /// it makes the stack prefer the other path.
    fn wait_until_passable(&self) -> anyhow::Result<()> {
        for (mme, hss) in self.lab.ipv4("mme").into_iter().zip(self.lab.ipv4("hss")) {
            let near = self.lab.host("mme").run(|| UdpSocket::bind((mme, 0)))??;
            let far = self.lab.host("hss").run(|| UdpSocket::bind((hss, 0)))??;
            near.connect(far.local_addr()?)?;
            far.set_read_timeout(Some(Duration::from_millis(20)))?;
            // What is refused is lost as well: the neighbour may not be known yet.
            let passes = || {
                let _ = near.send(b"?");
                far.recv(&mut [0]).ok()
            };
            wait::until(SOON, passes).with_context(|| format!("nothing passes from {mme} to {hss}"))?;
        }
        Ok(())
    }

    /// Waits until the agent knows both paths as good, and has seen traffic for a while.
    fn settle(&self, client: &Endpoint, local_port: u16) -> anyhow::Result<()> {
        client.wait_until_up(1, SOON)?;
        for path in ["10.1.1.2", "10.1.2.2"] {
            let is_active = |event: &Value| {
                event["local_port"] == local_port && event["remote"] == path && event["to"] == "active"
            };
            self.agent
                .wait_for("path_state_changed", SOON, is_active)
                .with_context(|| format!("the path to {path} was not confirmed"))?;
        }
        carry_on(client)
    }

    /// What was said of an association behind that many events.
    fn sample(
        &self,
        local_port: u16,
        said_before: usize,
        fault_ns: MonotonicNs,
        offset_ns: u64,
    ) -> anyhow::Result<Sample> {
        let mut sample = Sample {
            alarm_ns: None,
            doubt_ns: None,
            false_alarms: 0,
            said: Vec::new(),
        };
        for event in self.agent.events().into_iter().skip(said_before) {
            if event["local_port"] != local_port {
                continue;
            }
            let at_ns = monotonic(&event, offset_ns)?;
            let since_ns = at_ns.checked_sub(fault_ns);
            let elsewhere = event["remote"].is_string() && event["remote"] != self.scenario.remote();
            if is_alarm(&event) {
                let expected = since_ns.filter(|_| !(elsewhere && self.scenario.spares_other_path()));
                match expected {
                    Some(since_ns) => sample.alarm_ns = earlier(sample.alarm_ns, since_ns),
                    None => sample.false_alarms += 1,
                }
            } else if event["to"] == "potentially_failed"
                && !elsewhere
                && let Some(since_ns) = since_ns
            {
                sample.doubt_ns = earlier(sample.doubt_ns, since_ns);
            }
            sample.said.push((since_ns, event));
        }
        ensure!(
            sample.alarm_ns.is_none_or(|alarm_ns| alarm_ns < 60_000_000_000),
            "an alarm a minute after the fault: was the time of day set?"
        );
        Ok(sample)
    }
}

/// Waits until an endpoint has sent `SETTLED_AFTER` more messages.
fn carry_on(client: &Endpoint) -> anyhow::Result<()> {
    let sent = |event: &Event| match &event.kind {
        EventKind::Stats(traffic) => Some(traffic.sent),
        _ => None,
    };
    let so_far = client.events().iter().filter_map(sent).max().unwrap_or(0);
    client.wait_for(SOON, |event| sent(event) >= Some(so_far + SETTLED_AFTER))?;
    Ok(())
}

/// Whether somebody would be called: a path or a peer is down. (A path that is potentially failed is a doubt.)
fn is_alarm(event: &Value) -> bool {
    match event["event"].as_str() {
        Some("path_state_changed") => event["to"] == "inactive",
        Some("finding") => {
            event["status"] == "opened"
                && matches!(
                    event["finding"].as_str(),
                    Some("path_down" | "peer_down" | "link_down")
                )
        }
        _ => false,
    }
}

fn earlier(known: Option<u64>, other: u64) -> Option<u64> {
    Some(known.map_or(other, |known| known.min(other)))
}

/// No stack gives this tag, as good as certainly.
const FORGED_TAG: u32 = 0x0bad_0bad;
/// Flows that the generator tells apart; by the time it begins anew the agent has forgotten the first.
const NEW_FLOWS: u64 = 1_000_000;
/// How soon the flood notices that it is over.
const FLOOD_SLICE: Duration = Duration::from_millis(50);
const PORT: u16 = 3868;
const FIRST_PORT: u16 = 40_000;
const RATE: f64 = 20.0;
/// Messages, of which there are 20 a second: time enough to measure the path.
const SETTLED_AFTER: u64 = 50;
/// The largest interval at which something regular happens: heartbeats come every 500 ms.
const PHASE: Duration = Duration::from_millis(500);
/// How long the stack may take until it uses a healed path again, with short timers.
const GO_BACK: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_secs(20);
/// What takes longer is worth a look.
const SLOW_NS: u64 = 3_000_000_000;
/// A break that is not reported by now counts as not reported.
const GIVE_UP: Duration = Duration::from_secs(15);
