//! The second and the third act: the same break once more, while the agents at both ends move the packets of the broken path, or send
//! all packets on both paths; beside it what the application loses without that.

use std::{path::Path, time::Duration};

use anyhow::Context as _;
use sctp_monitor_lab::{Endpoint, EndpointConfig, Event, EventKind, Lab, Monitor, Timers, endpoint::Traffic};

/// What the applications at both ends said of one break.
pub(crate) struct Told {
    /// By which options of both agents.
    pub(crate) options: String,
    /// Messages that the sender's stack took.
    pub(crate) sent: u64,
    /// Messages that the receiver was given.
    pub(crate) received: u64,
    /// The longest time between two of them.
    pub(crate) gap: Duration,
    /// DATA chunks that the sender's stack sent again.
    pub(crate) retransmitted: u32,
}

impl Told {
    /// Whether every message came once.
    pub(crate) fn is_complete(&self) -> bool {
        self.sent == self.received
    }
}

/// One break of path1 that lasts for some seconds.
pub(crate) fn play(monitor: &Path, options: &[&str]) -> anyhow::Result<Told> {
    let lab = Lab::two_hosts_two_paths()?;
    let mut agents = Vec::new();
    if !options.is_empty() {
        for host in ["mme", "hss"] {
            let arguments = [&["--iface", "path1", "--iface", "path2"], options].concat();
            let agent = Monitor::spawn(lab.host(host), monitor, arguments)?;
            agent.wait_until_watching(2, SOON)?;
            agents.push(agent);
        }
    }
    // Probes begin when the stack has shown what its own HEARTBEATs look like; its default is 30 s.
    let timers = Timers {
        heartbeat_interval: Some(Duration::from_secs(1)),
        ..Timers::default()
    };
    let listen = EndpointConfig::listen(lab.ipv4("hss"), PORT).timers(timers.clone());
    let server = Endpoint::spawn(lab.host("hss"), &listen)?;
    let mut config = EndpointConfig::connect(lab.ipv4("mme"), lab.ipv4("hss"), PORT)
        .rate(RATE)
        .timers(timers);
    config.stats_interval = Duration::from_millis(100);
    let mut client = Endpoint::spawn(lab.host("mme"), &config)?;
    client.wait_until_up(1, SOON)?;
    for agent in &agents {
        for path in ["10.1.1.", "10.1.2."] {
            let begins = |event: &serde_json::Value| {
                event["remote"]
                    .as_str()
                    .is_some_and(|remote| remote.starts_with(path))
            };
            agent.wait_for("path_state_changed", SOON, |event| {
                begins(event) && event["to"] == "active"
            })?;
            if options.contains(&"both") {
                agent.wait_for("steering_started", SOON, begins)?;
            }
        }
    }
    carry_on(&client, SETTLED)?;
    lab.path("path1").break_silently()?;
    carry_on(&client, BROKEN)?;
    lab.path("path1").heal()?;
    client.set_rate(0.0)?;
    let (sent, retransmitted) = totals(&client.stop()?).context("no summary of the sender")?;
    let (arrived, _) = totals(&server.stop()?).context("no summary of the receiver")?;
    Ok(Told {
        options: options.join(" "),
        sent: sent.sent,
        received: arrived.received,
        gap: Duration::from_nanos(arrived.largest_gap_ns),
        retransmitted,
    })
}

/// Waits until the application has sent for so long.
fn carry_on(client: &Endpoint, time: Duration) -> anyhow::Result<()> {
    let sent = |event: &Event| match event.kind {
        EventKind::Stats(traffic) => traffic.sent + traffic.refused,
        _ => 0,
    };
    let so_far = client.events().iter().map(sent).max().unwrap_or(0);
    let more = (RATE * time.as_secs_f64()) as u64;
    client.wait_for(SOON, |event| sent(event) >= so_far + more)?;
    Ok(())
}

fn totals(events: &[Event]) -> Option<(Traffic, u32)> {
    events.iter().find_map(|event| match &event.kind {
        EventKind::Summary { total, stack, .. } => Some((*total, stack.data_retransmitted.unwrap_or(0))),
        _ => None,
    })
}

const PORT: u16 = 3868;
/// Messages a second.
const RATE: f64 = 50.0;
const SOON: Duration = Duration::from_secs(20);
/// Time enough to measure the paths.
const SETTLED: Duration = Duration::from_secs(2);
/// Longer than the stack alone needs to move its DATA.
const BROKEN: Duration = Duration::from_secs(4);
