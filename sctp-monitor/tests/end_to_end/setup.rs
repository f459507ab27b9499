//! What these tests have in common: an association over a lab, and the agent beside one of its hosts.

use std::{net::IpAddr, path::Path, time::Duration};

use sctp_monitor_lab::{Backend, Endpoint, EndpointConfig, EventKind, Lab, Monitor, Namespace, Timers};
use sctp_monitor_testkit::dissect::ChunkType;
use serde_json::Value;

/// Long enough for a loaded machine; nothing waits this long when all is well.
pub(crate) const SOON: Duration = Duration::from_secs(15);

/// The verifier takes milliseconds, and ten seconds where the machine is emulated.
pub(crate) const VERIFIED_WITHIN: Duration = Duration::from_secs(90);

/// Diameter's port.
pub(crate) const PORT: u16 = 3868;

/// Two endpoints with an association between them.
pub(crate) struct Pair {
    pub(crate) client: Endpoint,
    pub(crate) server: Endpoint,
}

impl Pair {
    /// An association from `mme` to `hss`, with traffic, heartbeats every 500 ms and short timers.
    pub(crate) fn between(lab: &Lab, local: &[IpAddr], remote: &[IpAddr]) -> Self {
        let address = |list: &[IpAddr]| list.to_vec();
        let server = EndpointConfig::listen(address(remote), PORT).timers(Timers::tuned());
        let client = EndpointConfig::connect(address(local), address(remote), PORT)
            .rate(20.0)
            .timers(Timers::tuned());
        Self::start(lab, &client, &server)
    }

    pub(crate) fn start(lab: &Lab, client: &EndpointConfig, server: &EndpointConfig) -> Self {
        Self::start_on([&Backend::Process; 2], lab, client, server)
    }

    /// The same on these machines in the places of `mme` and `hss`.
    pub(crate) fn start_on(
        [mme, hss]: [&Backend; 2],
        lab: &Lab,
        client: &EndpointConfig,
        server: &EndpointConfig,
    ) -> Self {
        let count = usize::from(client.associations);
        let server = lab.spawn("hss", hss, server).unwrap();
        let client = lab.spawn("mme", mme, client).unwrap();
        client.wait_until_up(count, SOON).unwrap();
        server.wait_until_up(count, SOON).unwrap();
        Self { client, server }
    }
}

/// The agent on these NICs of a namespace, watching already.
pub(crate) fn monitor(namespace: &Namespace, interfaces: &[&str], more: &[&str]) -> Monitor {
    let mut arguments: Vec<&str> = interfaces
        .iter()
        .flat_map(|interface| ["--iface", interface])
        .collect();
    // On a veth the agent would choose TC.
    if !more.contains(&"--hook") {
        arguments.extend(["--hook", "xdp-native"]);
    }
    arguments.extend(more);
    let monitor = Monitor::spawn(namespace, binary(), arguments).unwrap();
    monitor
        .wait_until_watching(interfaces.len(), VERIFIED_WITHIN)
        .unwrap();
    monitor
}

pub(crate) fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_sctp-monitor"))
}

/// Messages that the client has sent, by its own words.
pub(crate) fn sent(pair: &Pair) -> u64 {
    let stats = |event: sctp_monitor_lab::Event| match event.kind {
        EventKind::Stats(traffic) => Some(traffic.sent),
        _ => None,
    };
    pair.client
        .events()
        .into_iter()
        .filter_map(stats)
        .next_back()
        .unwrap_or(0)
}

/// State changes of one path, as (from, to), in order.
pub(crate) fn changes(monitor: &Monitor, remote: &str) -> Vec<(String, String)> {
    monitor
        .events()
        .iter()
        .filter(|event| event["event"] == "path_state_changed" && event["remote"] == remote)
        .map(|event| (text(&event["from"]), text(&event["to"])))
        .collect()
}

/// How often a path went into a state.
pub(crate) fn times(monitor: &Monitor, remote: &str, to: &str) -> usize {
    changes(monitor, remote)
        .iter()
        .filter(|(_, state)| state == to)
        .count()
}

/// The path between two addresses in a summary.
pub(crate) fn path<'a>(summary: &'a Value, local: &str, remote: &str) -> &'a Value {
    summary["associations"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|association| association["paths"].as_array().unwrap())
        .find(|path| path["local"] == local && path["remote"] == remote)
        .unwrap_or_else(|| panic!("no path {local} > {remote} in {summary:#}"))
}

/// A chunk type by the RFC's name, as the summary has it.
pub(crate) fn chunk_name(chunk: ChunkType) -> &'static str {
    match chunk.0 {
        0 => "DATA",
        1 => "INIT",
        2 => "INIT_ACK",
        3 => "SACK",
        4 => "HEARTBEAT",
        5 => "HEARTBEAT_ACK",
        6 => "ABORT",
        7 => "SHUTDOWN",
        8 => "SHUTDOWN_ACK",
        10 => "COOKIE_ECHO",
        11 => "COOKIE_ACK",
        14 => "SHUTDOWN_COMPLETE",
        other => panic!("no name for chunk type {other} yet"),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
