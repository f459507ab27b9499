//! What a break of the primary path costs an application: without an agent, and with one at each end that moves the packets of
//! the broken path to the other one, finding it by DATA (`move`) or by probes every 10 ms (`probed`), or that sends on both at all times.
//!
//! `cargo xtask bench steering` runs it; `--breaks` says how many breaks of each kind, `--json` prints one object a scene. Each
//! break happens to a new association at the stack's default timers (but HB.interval, which is 1 s: before the first HEARTBEAT no probe is
//! sent). The gap is the longest time between two messages
//! that the receiver's stack delivers; a message counts as lost if it was never delivered, as twice if more were delivered than
//! sent.

#[path = "../common/times.rs"]
mod times;

use std::{
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use clap::Parser as _;
use sctp_monitor_lab::{Endpoint, EndpointConfig, Event, EventKind, Lab, Monitor, Timers, endpoint::Traffic};
use serde_json::json;

use crate::times::Times;

#[derive(Debug, clap::Parser)]
struct Cli {
    /// Breaks of each kind.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    breaks: u16,
    /// Labs in which breaks happen at the same time.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Only what is done so: none, move, probed, both.
    #[arg(long)]
    mode: Option<String>,
    /// Only breaks of this kind: both, forward, return.
    #[arg(long, value_name = "KIND")]
    what: Option<String>,
    /// Only so many messages a second.
    #[arg(long)]
    rate: Option<u16>,
    /// One JSON object a line instead of a table.
    #[arg(long)]
    json: bool,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let scenes: Vec<Scene> = MODES
        .into_iter()
        .flat_map(|mode| BREAKS.map(move |what| (mode, what)))
        .flat_map(|(mode, what)| RATES.map(move |rate| Scene { mode, what, rate }))
        .filter(|scene| cli.mode.as_ref().is_none_or(|mode| mode == scene.mode.name))
        .filter(|scene| cli.what.as_ref().is_none_or(|what| what == scene.what))
        .filter(|scene| cli.rate.is_none_or(|rate| rate == scene.rate))
        .collect();
    let results: Vec<Mutex<Vec<Sample>>> = scenes.iter().map(|_| Mutex::default()).collect();
    let next = AtomicUsize::new(0);
    let work = || -> anyhow::Result<()> {
        while let Some((scene, samples)) = claim(&next, &scenes, &results) {
            let stage = Stage::build(*scene)?;
            for number in 0..cli.breaks {
                let sample = stage
                    .play(number)
                    .with_context(|| format!("{scene:?}, break {number}"))?;
                samples
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(sample);
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..cli.jobs.max(1)).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| {
            worker
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    })?;
    if !cli.json {
        println!(
            "{:<6} {:<7} {:<8} {:<8} {:>5} {:>6} {:>10} {:>7} {:>5} {:>5} {:>13}",
            "mode",
            "agents",
            "stack",
            "break",
            "rate",
            "breaks",
            "gap median",
            "p99 ms",
            "lost",
            "twice",
            "retransmitted"
        );
    }
    for (scene, samples) in scenes.iter().zip(results) {
        print(
            *scene,
            &samples.into_inner().unwrap_or_else(PoisonError::into_inner),
            cli.json,
        );
    }
    Ok(())
}

fn claim<'a, T>(next: &AtomicUsize, scenes: &'a [Scene], results: &'a [T]) -> Option<(&'a Scene, &'a T)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    scenes.get(index).zip(results.get(index))
}

/// What is done, and to what.
#[derive(Debug, Clone, Copy)]
struct Scene {
    mode: Mode,
    what: &'static str,
    rate: u16,
}

/// What a break cost.
#[derive(Debug, Clone, Copy)]
struct Sample {
    gap_ns: u64,
    lost: u64,
    twice: u64,
    retransmitted: u64,
}

fn print(scene: Scene, samples: &[Sample], json: bool) {
    let gaps = Times::of(samples.iter().map(|sample| sample.gap_ns));
    let [median, p99] = [0.5, 0.99].map(|share| gaps.at(share).unwrap_or_default());
    let sum = |of: fn(&Sample) -> u64| samples.iter().map(of).sum::<u64>();
    let (lost, twice) = (sum(|sample| sample.lost), sum(|sample| sample.twice));
    let retransmitted = sum(|sample| sample.retransmitted);
    let Scene { mode, what, rate } = scene;
    let (name, agents) = (mode.name, if mode.arguments.is_empty() { "none" } else { "both" });
    if json {
        let row = json!({
            "mode": name,
            "agents": agents,
            "stack": STACK,
            "break": what,
            "rate": rate,
            "breaks": gaps.count(),
            "gap_ms_median": median,
            "gap_ms_p99": p99,
            "lost": lost,
            "twice": twice,
            "retransmitted": retransmitted,
        });
        println!("{row}");
    } else {
        println!(
            "{name:<6} {agents:<7} {STACK:<8} {what:<8} {rate:>5} {:>6} {median:>10.0} {p99:>7.0} {lost:>5} {twice:>5} \
             {retransmitted:>13}",
            gaps.count()
        );
    }
}

/// A lab, and the agents on both hosts if packets are to be moved.
struct Stage {
    scene: Scene,
    agents: Vec<Monitor>,
    lab: Lab,
}

impl Stage {
    fn build(scene: Scene) -> anyhow::Result<Self> {
        let lab = Lab::two_hosts_two_paths()?;
        let binary = Path::new(env!("CARGO_BIN_EXE_sctp-monitor"));
        let mut agents = Vec::new();
        if !scene.mode.arguments.is_empty() {
            for host in ["mme", "hss"] {
                let nics = ["--iface", "path1", "--iface", "path2"];
                let arguments = [&nics, scene.mode.arguments].concat();
                let agent = Monitor::spawn(lab.host(host), binary, arguments)?;
                agent.wait_until_watching(2, SOON)?;
                agents.push(agent);
            }
        }
        Ok(Self { scene, agents, lab })
    }

    /// One break of a new association.
    fn play(&self, number: u16) -> anyhow::Result<Sample> {
        let timers = Timers {
            heartbeat_interval: Some(Duration::from_secs(1)),
            ..Timers::default()
        };
        let listen = EndpointConfig::listen(self.lab.ipv4("hss"), PORT).timers(timers.clone());
        let mut connect = EndpointConfig::connect(self.lab.ipv4("mme"), self.lab.ipv4("hss"), PORT)
            .local_port(FIRST_PORT + number)
            .timers(timers)
            .rate(f64::from(self.scene.rate));
        connect.stats_interval = Duration::from_millis(50);
        let server = Endpoint::spawn(self.lab.host("hss"), &listen)?;
        let client = Endpoint::spawn(self.lab.host("mme"), &connect)?;
        client.wait_until_up(1, SOON)?;
        for agent in &self.agents {
            for remote in ["10.1.1.", "10.1.2."] {
                let is_active = |event: &serde_json::Value| {
                    let is_of_path = event["remote"]
                        .as_str()
                        .is_some_and(|known| known.starts_with(remote));
                    let ports = [&event["local_port"], &event["remote_port"]];
                    is_of_path
                        && event["to"] == "active"
                        && ports.iter().any(|port| **port == FIRST_PORT + number)
                };
                agent.wait_for("path_state_changed", SOON, is_active)?;
                if self.scene.mode.name == BOTH {
                    let is_copied = |event: &serde_json::Value| {
                        let remote_is = event["remote"]
                            .as_str()
                            .is_some_and(|known| known.starts_with(remote));
                        let ports = [&event["local_port"], &event["remote_port"]];
                        remote_is && ports.iter().any(|port| **port == FIRST_PORT + number)
                    };
                    agent.wait_for("steering_started", SOON, is_copied)?;
                }
            }
        }
        self.carry_on(&client, SETTLED)?;
        let path = self.lab.path("path1");
        match self.scene.what {
            "forward" => path.drop_direction("mme")?,
            "return" => path.drop_direction("hss")?,
            _ => path.break_silently()?,
        };
        self.carry_on(&client, BROKEN)?;
        path.heal()?;
        let (sent, retransmitted) = totals(&client.stop()?).context("no summary of the sender")?;
        let (arrived, _) = totals(&server.stop()?).context("no summary of the receiver")?;
        Ok(Sample {
            gap_ns: arrived.largest_gap_ns,
            lost: sent.sent.saturating_sub(arrived.received),
            twice: arrived.received.saturating_sub(sent.sent),
            retransmitted,
        })
    }

    /// Waits until the application has sent for so long.
    fn carry_on(&self, client: &Endpoint, time: Duration) -> anyhow::Result<()> {
        let sent = |event: &Event| match &event.kind {
            EventKind::Stats(traffic) => traffic.sent + traffic.refused,
            _ => 0,
        };
        let so_far = client.events().iter().map(sent).max().unwrap_or(0);
        let more = (f64::from(self.scene.rate) * time.as_secs_f64()) as u64;
        client.wait_for(SOON, |event| sent(event) >= so_far + more)?;
        Ok(())
    }
}

fn totals(events: &[Event]) -> Option<(Traffic, u64)> {
    events.iter().find_map(|event| match &event.kind {
        EventKind::Summary { total, stack, .. } => {
            Some((*total, u64::from(stack.data_retransmitted.unwrap_or(0))))
        }
        _ => None,
    })
}

/// What is done, and by which options of the agents at both ends.
#[derive(Debug, Clone, Copy)]
struct Mode {
    name: &'static str,
    arguments: &'static [&'static str],
}

const BOTH: &str = "both";
const MODES: [Mode; 4] = [
    Mode {
        name: "none",
        arguments: &[],
    },
    Mode {
        name: "move",
        arguments: &["--steer", "move", "--probe", "confirm"],
    },
    Mode {
        name: "probed",
        arguments: &["--steer", "move", "--probe", "continuous", "--config", PROBED],
    },
    Mode {
        name: BOTH,
        arguments: &["--steer", "both", "--probe", "continuous"],
    },
];
/// Probes every 10 ms.
const PROBED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/steering/probed.toml");
const BREAKS: [&str; 3] = ["both", "forward", "return"];
/// Messages a second, of 100 bytes.
const RATES: [u16; 2] = [20, 500];
const STACK: &str = "usrsctp";
const PORT: u16 = 3868;
const FIRST_PORT: u16 = 40_000;
/// Time enough to measure the path.
const SETTLED: Duration = Duration::from_secs(2);
/// Longer than the stack alone needs.
const BROKEN: Duration = Duration::from_secs(3);
const SOON: Duration = Duration::from_secs(30);
