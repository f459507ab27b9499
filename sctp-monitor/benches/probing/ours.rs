//! This project's agent, which probes the paths of associations that have nothing to send.

use std::{path::Path, time::Duration};

use anyhow::Context as _;
use sctp_monitor_lab::{Endpoint, EndpointConfig, Lab, Monitor, Timers, clock::wall_clock_offset_ns};
use tempfile::NamedTempFile;

use crate::{
    moments::{let_pass, monotonic},
    watcher::{Change, State, Watcher},
};

/// The agent on `mme`, and the endpoints.
pub(crate) struct Ours {
    // The endpoints go first.
    _client: Endpoint,
    server: Endpoint,
    agent: Monitor,
    paths: u16,
    offset_ns: u64,
    _config: NamedTempFile,
}

impl Ours {
    /// With so many paths, two in an association.
    pub(crate) fn start(lab: &Lab, paths: u16, interval: Duration) -> anyhow::Result<Self> {
        let config = tempfile::Builder::new().suffix(".toml").tempfile()?;
        // All paths are probed at the interval that was asked for. One that fails again and again is held back otherwise.
        let text = format!(
            "[detector]\nflap_failures = 1000000\n[probe]\nmode = \"continuous\"\ninterval = \"{}ms\"\nper_association = 1000\n\
             per_nic = 1000000\nper_agent = 1000000\n",
            interval.as_millis()
        );
        std::fs::write(&config, text)?;
        let binary = Path::new(env!("CARGO_BIN_EXE_sctp-monitor"));
        let file = config.path().to_str().context("a path in UTF-8")?;
        let arguments = ["--iface", "path1", "--iface", "path2", "--config", file];
        let agent = Monitor::spawn(lab.host("mme"), binary, arguments)?;
        agent.wait_until_watching(2, SOON)?;
        let [local, remote] = ["mme", "hss"].map(|host| lab.ipv4(host));
        // The agent probes when it has seen by the stack's own HEARTBEATs which answers it stands; at the defaults that takes 30 s.
        let timers = Timers {
            heartbeat_interval: Some(Duration::from_secs(2)),
            ..Timers::default()
        };
        let listen = EndpointConfig::listen(remote.clone(), PORT).timers(timers.clone());
        let connect = EndpointConfig::connect(local, remote, PORT)
            .local_port(FIRST_PORT)
            .associations(paths / 2)
            .rate(2.0)
            .timers(timers);
        let server = Endpoint::spawn(lab.host("hss"), &listen)?;
        let mut client = Endpoint::spawn(lab.host("mme"), &connect)?;
        client.wait_until_up(usize::from(paths / 2), SOON)?;
        // Some messages prove the primary paths; then there is nothing but HEARTBEATs.
        let_pass(Duration::from_secs(3))?;
        client.set_rate(0.0)?;
        Ok(Self {
            _client: client,
            server,
            agent,
            paths,
            offset_ns: wall_clock_offset_ns(),
            _config: config,
        })
    }
}

impl Watcher for Ours {
    fn name(&self) -> &'static str {
        "ours"
    }

    fn paths(&self) -> usize {
        usize::from(self.paths)
    }

    fn changes(&self) -> anyhow::Result<Vec<Change>> {
        let events = self.agent.events();
        let of_paths = events
            .iter()
            .filter(|event| event["event"] == "path_state_changed");
        of_paths
            .map(|event| {
                Ok(Change {
                    at_ns: monotonic(event, self.offset_ns)?,
                    path: format!("{} {}", event["association"], event["remote"]),
                    is_struck: event["remote"] == STRUCK,
                    now: match event["to"].as_str() {
                        Some("active") => State::Up,
                        Some("inactive") => State::Down,
                        _ => State::Doubt,
                    },
                })
            })
            .collect()
    }

    fn processes(&self) -> [u32; 2] {
        [self.agent.pid(), self.server.pid()]
    }
}

const STRUCK: &str = "10.1.1.2";
const PORT: u16 = 3868;
const FIRST_PORT: u16 = 40_000;
const SOON: Duration = Duration::from_secs(60);
