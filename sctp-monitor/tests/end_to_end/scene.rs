//! Two hosts, two paths, an association in use and the agent at `mme`; and what the agent found there.
//!
//! What is asked for here holds for every finding: it says of what, since when, why, by which figures, and what to look
//! at next.

use std::{collections::BTreeMap, time::Duration};

use sctp_monitor_lab::{
    Backend, EndpointConfig, Event, EventKind, Lab, Monitor, Timers,
    clock::{MonotonicNs, wall_clock_offset_ns},
    wait,
};
use serde_json::Value;

use crate::setup::{PORT, Pair, SOON, monitor};

/// The far end of the path that carries the DATA.
pub(crate) const PRIMARY: &str = "10.1.1.2";
/// The far end of the path that carries heartbeats.
pub(crate) const SECONDARY: &str = "10.1.2.2";

/// A lab with an association in use, and the agent that watches it.
pub(crate) struct Scene {
    // The endpoints go first, then the agent, then the network.
    pub(crate) pair: Pair,
    pub(crate) agent: Monitor,
    pub(crate) lab: Lab,
}

impl Scene {
    /// 20 messages a second from `mme`, short timers.
    pub(crate) fn new() -> Self {
        Self::with(|client| client, |server| server)
    }

    /// The same under an agent with these arguments.
    pub(crate) fn watched_by(arguments: &[&str]) -> Self {
        Self::built(
            [&Backend::Process; 2],
            arguments,
            |client| client,
            |server| server,
        )
    }

    /// The same with other endpoints.
    pub(crate) fn with(
        client: impl FnOnce(EndpointConfig) -> EndpointConfig,
        server: impl FnOnce(EndpointConfig) -> EndpointConfig,
    ) -> Self {
        Self::on([&Backend::Process; 2], client, server)
    }

    /// The same on these machines in the places of `mme` and `hss`.
    pub(crate) fn on(
        backends: [&Backend; 2],
        client: impl FnOnce(EndpointConfig) -> EndpointConfig,
        server: impl FnOnce(EndpointConfig) -> EndpointConfig,
    ) -> Self {
        Self::built(backends, &[], client, server)
    }

    fn built(
        backends: [&Backend; 2],
        arguments: &[&str],
        client: impl FnOnce(EndpointConfig) -> EndpointConfig,
        server: impl FnOnce(EndpointConfig) -> EndpointConfig,
    ) -> Self {
        let lab = Lab::two_hosts_two_paths().unwrap();
        let agent = monitor(lab.host("mme"), &["path1", "path2"], arguments);
        let (listen, connect) = (server(listening(&lab)), client(connecting(&lab)));
        let pair = Pair::start_on(backends, &lab, &connect, &listen);
        let scene = Self { pair, agent, lab };
        for remote in [PRIMARY, SECONDARY] {
            scene.wait_for_active(remote, usize::from(connect.associations));
        }
        let two_seconds = 2.0 * connect.traffic.rate * f64::from(connect.associations);
        scene.wait_for_messages(two_seconds as u64);
        scene
    }

    /// Waits until the client has sent so many messages more.
    pub(crate) fn wait_for_messages(&self, more: u64) {
        let sent = |event: &Event| match event.kind {
            EventKind::Stats(traffic) => Some(traffic.sent),
            _ => None,
        };
        let so_far = self
            .pair
            .client
            .events()
            .iter()
            .filter_map(sent)
            .max()
            .unwrap_or(0);
        let enough = |event: &Event| sent(event).is_some_and(|sent| sent >= so_far + more);
        self.pair.client.wait_for(SOON, enough).unwrap();
    }

    /// Waits until so many paths to this address have become active.
    fn wait_for_active(&self, remote: &str, count: usize) {
        let mut active = 0;
        let is_last = |event: &Value| {
            active += usize::from(event["remote"] == remote && event["to"] == "active");
            active == count
        };
        self.agent.wait_for("path_state_changed", SOON, is_last).unwrap();
    }

    /// Waits for a report of a finding, past or future.
    pub(crate) fn wait_for(&self, finding: &str, status: &str, accept: impl Fn(&Value) -> bool) -> Value {
        let is_awaited =
            |event: &Value| event["finding"] == finding && event["status"] == status && accept(event);
        let event = self.agent.wait_for("finding", SOON, is_awaited).unwrap();
        assert_well_formed(&event);
        event
    }

    /// Waits until a finding of this kind is opened on the path to an address.
    pub(crate) fn wait_for_path(&self, finding: &str, remote: &str) -> Value {
        let event = self.wait_for(finding, "opened", |event| event["remote"] == remote);
        assert!(event["local"].is_string(), "{event}");
        event
    }

    /// Waits until a finding on the path to an address was closed, and no other is left open.
    pub(crate) fn wait_for_closed(&self, finding: &str, remote: &str) {
        self.wait_for(finding, "closed", |event| event["remote"] == remote);
        wait::until(SOON, || self.open_alarms().is_empty().then_some(()))
            .unwrap_or_else(|_| panic!("still open: {:?}", self.open_alarms()));
    }

    /// All reports of findings, in order.
    pub(crate) fn findings(&self) -> Vec<Value> {
        self.agent
            .events()
            .into_iter()
            .filter(|event| event["event"] == "finding")
            .inspect(assert_well_formed)
            .collect()
    }

    /// Alarms that were ever raised: kind and remote address (none for a whole association), each as often as it was
    /// opened.
    pub(crate) fn alarms(&self) -> Vec<(String, Option<String>)> {
        self.findings()
            .iter()
            .filter(|event| event["status"] == "opened" && is_alarm(event))
            .map(|event| (text(event, "finding").unwrap(), text(event, "remote")))
            .collect()
    }

    /// Alarms that are open.
    pub(crate) fn open_alarms(&self) -> Vec<String> {
        let mut last: BTreeMap<String, String> = BTreeMap::new();
        for event in self.findings().iter().filter(|event| is_alarm(event)) {
            let object = format!(
                "{} of association {} {} > {}",
                event["finding"], event["association"], event["local"], event["remote"]
            );
            last.insert(object, text(event, "status").unwrap());
        }
        last.retain(|_, status| status != "closed");
        last.into_keys().collect()
    }

    /// What was said of the direction of the break of a path, in order, without repetition.
    pub(crate) fn directions(&self, remote: &str) -> Vec<String> {
        let mut directions: Vec<_> = self
            .findings()
            .iter()
            .filter(|event| event["finding"] == "path_down" && event["remote"] == remote)
            .filter_map(|event| text(&event["evidence"], "direction"))
            .collect();
        directions.dedup();
        directions
    }
}

/// The far endpoint, not yet started.
pub(crate) fn listening(lab: &Lab) -> EndpointConfig {
    EndpointConfig::listen(lab.ipv4("hss"), PORT).timers(Timers::tuned())
}

/// The near endpoint, not yet started.
pub(crate) fn connecting(lab: &Lab) -> EndpointConfig {
    let mut config = EndpointConfig::connect(lab.ipv4("mme"), lab.ipv4("hss"), PORT)
        .rate(20.0)
        .timers(Timers::tuned());
    config.stats_interval = Duration::from_millis(100);
    config
}

/// A new association: the agent has seen it begin, and both of its paths work.
pub(crate) fn associate(lab: &Lab, agent: &Monitor) -> Pair {
    let pair = Pair::start(lab, &patient(connecting(lab)), &patient(listening(lab)));
    let up = agent.wait_for("association_up", SOON, |_| true).unwrap();
    assert_eq!(up["origin"], "handshake", "{up:#}");
    for remote in [PRIMARY, SECONDARY] {
        agent.wait_for_path(remote, "active", SOON).unwrap();
    }
    pair
}

/// A stack that does not give the association up while both paths are down: with short timers it would within two
/// seconds.
pub(crate) fn patient(config: EndpointConfig) -> EndpointConfig {
    let timers = Timers {
        association_max_retrans: Some(100),
        ..config.timers.clone()
    };
    config.timers(timers)
}

/// Time from a fault to a report.
pub(crate) fn since(fault_ns: MonotonicNs, event: &Value) -> Duration {
    let wall = time(event, "time").as_nanosecond() - i128::from(wall_clock_offset_ns());
    Duration::from_nanos(u64::try_from(wall).unwrap().saturating_sub(fault_ns))
}

/// A figure of a finding's evidence.
pub(crate) fn figure(event: &Value, name: &str) -> f64 {
    event["evidence"][name]
        .as_f64()
        .unwrap_or_else(|| panic!("no {name} in {event:#}"))
}

/// Whether something is wrong now, and not only with the plan.
fn is_alarm(event: &Value) -> bool {
    !["not_redundant", "secondary_unconfirmed"].contains(&event["finding"].as_str().unwrap())
}

fn assert_well_formed(event: &Value) {
    for number in ["association", "local_port", "remote_port"] {
        assert!(event[number].is_u64(), "{number} in {event:#}");
    }
    for words in ["reason", "next"] {
        assert!(
            event[words].as_str().is_some_and(|words| !words.is_empty()),
            "{words} in {event:#}"
        );
    }
    assert!(event["evidence"].is_object(), "{event:#}");
    assert!(
        time(event, "since") <= time(event, "time"),
        "a finding from the future: {event:#}"
    );
}

fn time(event: &Value, name: &str) -> jiff::Timestamp {
    let text = event[name]
        .as_str()
        .unwrap_or_else(|| panic!("no {name} in {event:#}"));
    text.parse().unwrap()
}

fn text(value: &Value, name: &str) -> Option<String> {
    value[name].as_str().map(str::to_owned)
}
