//! A lab with Linux and an agent at one host, on which one scenario is played again and again.

use std::{io::ErrorKind, net::UdpSocket, path::Path, time::Duration};

use anyhow::Context as _;
use sctp_monitor_lab::{
    Backend, Endpoint, EndpointConfig, EventKind, Lab, Monitor, Timers,
    clock::{MonotonicNs, monotonic_ns, wall_clock_offset_ns},
    endpoint::AddressChange,
    wait,
};
use serde_json::Value;

use crate::scenario::Scenario;

/// A lab; Linux and the agent at its host `mme`.
pub(crate) struct Stage {
    // Linux goes first, then the agent, then the network.
    linux: Endpoint,
    agent: Monitor,
    lab: Lab,
    scenario: Scenario,
    timers: Timers,
    give_up: Duration,
}

/// What was said of one break, in nanoseconds after it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sample {
    /// By the agent: the first alarm.
    pub(crate) alarm_ns: Option<u64>,
    /// By the kernel.
    pub(crate) potentially_failed_ns: Option<u64>,
    /// By the kernel.
    pub(crate) unreachable_ns: Option<u64>,
    /// By the agent: alarms before the fault, or of the path that was all right.
    pub(crate) false_alarms: usize,
}

impl Stage {
    /// With the kernel at its default timers, or at the careful operator's.
    pub(crate) fn build(scenario: Scenario, tuned: bool) -> anyhow::Result<Self> {
        let lab = Lab::two_hosts_two_paths()?;
        let binary = Path::new(env!("CARGO_BIN_EXE_sctp-monitor"));
        let interfaces = ["--iface", "path1", "--iface", "path2"];
        let agent = Monitor::spawn(lab.host("mme"), binary, interfaces)?;
        agent.wait_until_watching(2, SOON)?;
        let is_tuned = tuned || scenario.needs_short_timers();
        let timers = if is_tuned {
            Timers::tuned()
        } else {
            Timers::default()
        };
        let listen = EndpointConfig::listen(lab.ipv4("mme"), PORT)
            .rate(RATE)
            .timers(timers.clone());
        let linux = lab.spawn("mme", &Backend::user_mode_linux(), &listen)?;
        Ok(Self {
            linux,
            agent,
            lab,
            scenario,
            timers,
            give_up: Duration::from_secs(if is_tuned { 20 } else { 150 }),
        })
    }

    /// One break, from a new association to the healed network.
    pub(crate) fn play(&mut self, number: u16) -> anyhow::Result<Sample> {
        let port = FIRST_PORT + number;
        let mut connect = EndpointConfig::connect(self.lab.ipv4("hss"), self.lab.ipv4("mme"), PORT)
            .local_port(port)
            .timers(self.timers.clone());
        connect.stats_interval = Duration::from_millis(100);
        let client = Endpoint::spawn(self.lab.host("hss"), &connect)?;
        let association = self.settle(&client, port)?;
        // The golden ratio's multiples spread the breaks evenly over what happens at intervals.
        let fraction = (f64::from(number) * 0.618_033_988_749_895).fract();
        let strike_at_ns = monotonic_ns() + (PHASE.as_nanos() as f64 * fraction) as u64;
        wait::until(SOON, || (monotonic_ns() >= strike_at_ns).then_some(()))?;

        let offset_ns = wall_clock_offset_ns();
        let fault_ns = self.scenario.strike(&self.lab, &mut None)?;
        // One that never comes costs time only.
        let _ = self.linux.wait_for(self.give_up, |event| {
            event.time_ns > fault_ns
                && self.change(&event.kind, association) == Some(AddressChange::Unreachable)
        });
        let _ = self.agent.wait_for("path_state_changed", SOON, |event| {
            event["remote_port"] == port
                && event["to"] == "inactive"
                && event["remote"] == self.scenario.remote()
        });
        let sample = self.sample(association, port, fault_ns, offset_ns);
        for path in ["path1", "path2"] {
            self.lab.path(path).heal()?;
        }
        // The next association is another one; it is enough that this one ends some time.
        let _ = client.abort();
        self.wait_until_passable()?;
        sample
    }

    /// Waits until packets pass on both paths again: an INIT that is lost on the first makes the other one the primary.
    /// Linux refuses a datagram to a port where nobody listens.
    fn wait_until_passable(&self) -> anyhow::Result<()> {
        for (hss, mme) in self.lab.ipv4("hss").into_iter().zip(self.lab.ipv4("mme")) {
            let socket = self.lab.host("hss").run(|| UdpSocket::bind((hss, 0)))??;
            socket.connect((mme, DISCARD))?;
            socket.set_read_timeout(Some(Duration::from_millis(20)))?;
            let is_refused = || {
                let refused = |error: std::io::Error| error.kind() == ErrorKind::ConnectionRefused;
                let answer = socket.send(b"?").and_then(|_| socket.recv(&mut [0]));
                answer.err().is_some_and(refused).then_some(())
            };
            wait::until(SOON, is_refused).with_context(|| format!("nothing passes from {hss} to {mme}"))?;
        }
        Ok(())
    }

    /// Waits until the agent knows both paths as good, and messages flow. Answers the association's number at Linux.
    fn settle(&self, client: &Endpoint, port: u16) -> anyhow::Result<usize> {
        client.wait_until_up(1, SOON)?;
        let is_up = |event: &sctp_monitor_lab::Event| matches!(event.kind, EventKind::AssociationUp { peer_port, .. } if peer_port == port);
        let EventKind::AssociationUp { association, .. } = self.linux.wait_for(SOON, is_up)?.kind else {
            unreachable!("only this kind was waited for")
        };
        for remote in ["10.1.1.2", "10.1.2.2"] {
            let is_active = |event: &Value| {
                event["remote_port"] == port && event["remote"] == remote && event["to"] == "active"
            };
            self.agent
                .wait_for("path_state_changed", SOON, is_active)
                .with_context(|| format!("the path to {remote} was not confirmed"))?;
        }
        client.wait_for(
            SOON,
            |event| matches!(event.kind, EventKind::Stats(traffic) if traffic.received >= SETTLED_AFTER),
        )?;
        Ok(association)
    }

    /// What the kernel says of the path that breaks.
    fn change(&self, kind: &EventKind, of: usize) -> Option<AddressChange> {
        match kind {
            EventKind::PathChanged {
                association,
                address,
                state,
            } if *association == of && address.to_string() == self.scenario.remote() => Some(*state),
            _ => None,
        }
    }

    fn sample(
        &self,
        association: usize,
        port: u16,
        fault_ns: MonotonicNs,
        offset_ns: u64,
    ) -> anyhow::Result<Sample> {
        let kernel = |wanted: AddressChange| {
            let events = self.linux.events().into_iter();
            let mut times = events.filter_map(|event| {
                let is_wanted = self.change(&event.kind, association) == Some(wanted);
                event.time_ns.checked_sub(fault_ns).filter(|_| is_wanted)
            });
            times.next()
        };
        let mut sample = Sample {
            potentially_failed_ns: kernel(AddressChange::PotentiallyFailed),
            unreachable_ns: kernel(AddressChange::Unreachable),
            ..Sample::default()
        };
        let mut said = Vec::new();
        for event in self.agent.events() {
            if event["remote_port"] != port || event["event"] != "path_state_changed" {
                continue;
            }
            let time = event["time"].as_str().context("an event without time")?;
            let wall: jiff::Timestamp = time.parse()?;
            let at_ns = u64::try_from(wall.as_nanosecond() - i128::from(offset_ns))?;
            let since_ns = at_ns.checked_sub(fault_ns);
            if event["to"] == "inactive" {
                match since_ns {
                    Some(since_ns) if event["remote"] == self.scenario.remote() => {
                        sample.alarm_ns.get_or_insert(since_ns);
                    }
                    _ => sample.false_alarms += 1,
                }
            }
            said.push(format!("{:?} ms: {event}", since_ns.map(|ns| ns / 1_000_000)));
        }
        let is_slow = sample.alarm_ns.is_none_or(|alarm_ns| alarm_ns > SLOW_NS);
        if sample.false_alarms > 0 || is_slow {
            eprintln!(
                "{}, after the fault:\n  {}",
                self.scenario.name(),
                said.join("\n  ")
            );
        }
        Ok(sample)
    }
}

/// What takes longer is worth a look.
const SLOW_NS: u64 = 600_000_000;
const PORT: u16 = 3868;
const DISCARD: u16 = 9;
const FIRST_PORT: u16 = 40_000;
const RATE: f64 = 20.0;
/// Messages, of which there are 20 a second: time enough to measure the path.
const SETTLED_AFTER: u64 = 50;
/// The largest interval at which something regular happens: heartbeats come every 500 ms.
const PHASE: Duration = Duration::from_millis(500);
const SOON: Duration = Duration::from_secs(30);
