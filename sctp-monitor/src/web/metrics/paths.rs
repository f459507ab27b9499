//! What is told of one association and its paths.

use std::{collections::BTreeSet, net::IpAddr};

use sctp_monitor_engine::model::{
    AssociationView, Direction, Evidence, Finding, FlowView, Object, PathState, PathView, RttView, Side,
    SteeringCounts, SteeringMode,
};

use super::family::{Family, Samples, Value, families, label};
use crate::show;

/// Which association this is.
const ASSOCIATION: &[&str] = &["endpoint", "peer", "local_port", "remote_port"];
const PATH: &[&str] = &["endpoint", "peer", "local_port", "remote_port", "local", "remote"];
const STATE: &[&str] = &[
    "endpoint",
    "peer",
    "local_port",
    "remote_port",
    "local",
    "remote",
    "state",
];
const FLOW: &[&str] = &[
    "endpoint",
    "peer",
    "local_port",
    "remote_port",
    "local",
    "remote",
    "direction",
];
const STEERING: &[&str] = &[
    "endpoint",
    "peer",
    "local_port",
    "remote_port",
    "local",
    "remote",
    "mode",
];
const FOUND: &[&str] = &[
    "endpoint",
    "peer",
    "local_port",
    "remote_port",
    "local",
    "remote",
    "finding",
    "severity",
];

families! {
    PATH_STATE: Gauge "sctp_path_state", STATE
        => "Whether the path is in this state (RFC 6458, RFC 7829): 1 for the state that it is in, 0 for the others";
    PATHS: Gauge "sctp_association_paths", ASSOCIATION
        => "Paths of the association on which packets were seen";
    PATHS_ACTIVE: Gauge "sctp_association_paths_active", ASSOCIATION
        => "Paths of the association that are active";
    WITHOUT_REDUNDANCY: Gauge "sctp_association_without_redundancy", ASSOCIATION
        => "1 if the association has more than one path, and fewer than two of them are active";
    FINDING: Gauge "sctp_finding", FOUND
        => "1 for each finding that is open; local and remote are empty where it is not about one path";
    PACKETS: Counter "sctp_path_packets", FLOW
        => "SCTP packets on the path";
    BYTES: Counter "sctp_path", FLOW, in Bytes
        => "Bytes of SCTP packets on the path (IP total length)";
    DATA_CHUNKS: Counter "sctp_path_data_chunks", FLOW
        => "DATA and I-DATA chunks on the path";
    DATA_BYTES: Counter "sctp_path_data", FLOW, in Bytes
        => "Bytes of user data on the path";
    RETRANSMISSIONS: Counter "sctp_path_data_retransmissions", FLOW
        => "DATA chunks on the path whose TSN had been seen before";
    HEARTBEATS: Counter "sctp_path_heartbeats", FLOW
        => "HEARTBEAT chunks on the path";
    HEARTBEATS_ANSWERED: Counter "sctp_path_heartbeats_answered", FLOW
        => "HEARTBEAT chunks on the path that were answered";
    TAG_MISMATCHES: Counter "sctp_path_tag_mismatches", FLOW
        => "Packets on the path with a wrong verification tag";
    HEARTBEAT_RTT: Gauge "sctp_path_heartbeat_rtt", FLOW, in Seconds
        => "Round-trip time from HEARTBEAT to HEARTBEAT ACK, smoothed (SRTT)";
    HEARTBEAT_RTT_MIN: Gauge "sctp_path_heartbeat_rtt_min", FLOW, in Seconds
        => "The smallest round-trip time from HEARTBEAT to HEARTBEAT ACK";
    HEARTBEAT_RTT_VARIATION: Gauge "sctp_path_heartbeat_rtt_variation", FLOW, in Seconds
        => "Variation of the round-trip time from HEARTBEAT to HEARTBEAT ACK (RTTVAR)";
    DATA_TO_SACK: Gauge "sctp_path_data_to_sack", FLOW, in Seconds
        => "Time from DATA to SACK, smoothed; it contains the peer's delay of SACKs where single packets are sent";
    DATA_TO_SACK_MIN: Gauge "sctp_path_data_to_sack_min", FLOW, in Seconds
        => "The smallest time from DATA to SACK";
    LOSS: Gauge "sctp_path_loss_ratio", FLOW
        => "Share of DATA that is lost, while the finding grey_loss is open";
    PROBES_SENT: Counter "sctp_path_probes", PATH
        => "HEARTBEATs that the agent itself sent on the path (docs/probing.md)";
    PROBES_ANSWERED: Counter "sctp_path_probes_answered", PATH
        => "HEARTBEATs of the agent that were answered on the path";
    STEERED: Gauge "sctp_path_steered", STEERING
        => "1 while DATA and SACKs of the path leave on another one (docs/steering.md), or would in a dry run; 0 when they no longer do";
    STEERED_PACKETS: Counter "sctp_path_steered_packets", STEERING
        => "Packets of the path that left on another one, or would have in a dry run";
}

pub(super) type Count = fn(&FlowView) -> u64;

/// What is counted of each direction of a path.
pub(super) const COUNTED: [(&Family, Count); 8] = [
    (&PACKETS, |flow| flow.packets),
    (&BYTES, |flow| flow.bytes),
    (&DATA_CHUNKS, |flow| flow.data_chunks),
    (&DATA_BYTES, |flow| flow.data_bytes),
    (&RETRANSMISSIONS, |flow| flow.retransmissions),
    (&HEARTBEATS, |flow| flow.heartbeats),
    (&HEARTBEATS_ANSWERED, |flow| flow.heartbeats_answered),
    (&TAG_MISMATCHES, |flow| flow.tag_mismatches),
];

pub(super) const STATES: [PathState; 4] = [
    PathState::Unconfirmed,
    PathState::Active,
    PathState::PotentiallyFailed,
    PathState::Inactive,
];

/// What tells an association from others, over restarts of the agent too: the lowest address of each endpoint, and the ports.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Name([Value; 4]);

impl Name {
    pub(super) fn of(association: &AssociationView) -> Self {
        let lowest = |side| {
            let addresses = association.addresses(side).iter().map(|known| known.address);
            let of_paths = association.paths.iter().map(|path| match side {
                Side::Local => path.id.local,
                Side::Remote => path.id.remote,
            });
            label(addresses.chain(of_paths).min())
        };
        Self([
            lowest(Side::Local),
            lowest(Side::Remote),
            association.reference.local_port.to_string(),
            association.reference.remote_port.to_string(),
        ])
    }

    /// That of all which have no series of their own.
    pub(super) fn other() -> Self {
        Self([String::new(), "other".to_owned(), String::new(), String::new()])
    }

    /// With values for the labels that follow.
    pub(super) fn with<const N: usize>(&self, more: [Value; N]) -> Vec<Value> {
        self.0.iter().cloned().chain(more).collect()
    }
}

/// The samples of one association.
pub(super) fn of_one(name: &Name, association: &AssociationView) -> Samples {
    let mut samples = Samples::default();
    let active = show::active(association);
    samples.push(&PATHS, name.with([]), show::used(association).count());
    samples.push(&PATHS_ACTIVE, name.with([]), active);
    samples.push(
        &WITHOUT_REDUNDANCY,
        name.with([]),
        is_without_redundancy(association),
    );
    for path in show::used(association) {
        of_path(name, path, &mut samples);
    }
    let open: BTreeSet<_> = findings(association)
        .map(|finding| {
            let (local, remote) = addresses(finding.object);
            let kind = finding.evidence.kind().name().to_owned();
            name.with([local, remote, kind, finding.severity.to_string()])
        })
        .collect();
    for labels in open {
        samples.push(&FINDING, labels, true);
    }
    samples
}

fn of_path(name: &Name, path: &PathView, samples: &mut Samples) {
    let ends = || [path.id.local.to_string(), path.id.remote.to_string()];
    let labels = |more: Value| {
        let [local, remote] = ends();
        name.with([local, remote, more])
    };
    for state in STATES {
        samples.push(&PATH_STATE, labels(state.to_string()), state == path.state);
    }
    for direction in Direction::BOTH {
        let Some(flow) = path.flow(direction) else {
            continue;
        };
        for (family, figure) in COUNTED {
            samples.push(family, labels(direction.to_string()), figure(flow));
        }
        let mut push = |family, times: Option<RttView>, figure: fn(RttView) -> _| {
            if let Some(times) = times {
                samples.push(family, labels(direction.to_string()), figure(times));
            }
        };
        push(&HEARTBEAT_RTT, flow.heartbeat_rtt, |rtt| rtt.srtt);
        push(&HEARTBEAT_RTT_MIN, flow.heartbeat_rtt, |rtt| rtt.min);
        push(&HEARTBEAT_RTT_VARIATION, flow.heartbeat_rtt, |rtt| rtt.rttvar);
        push(&DATA_TO_SACK, flow.data_to_sack, |rtt| rtt.srtt);
        push(&DATA_TO_SACK_MIN, flow.data_to_sack, |rtt| rtt.min);
    }
    for finding in &path.findings {
        if let Evidence::GreyLoss(loss) = &finding.evidence {
            let ratio = f64::from(loss.rate.percent) / 100.0;
            samples.push(&LOSS, labels(loss.direction.to_string()), ratio);
        }
    }
    if let Some(steering) = &path.steering {
        let SteeringCounts {
            packets,
            would_have_packets,
            ..
        } = steering.counts;
        let by_order = match steering.mode {
            SteeringMode::Both => SteeringMode::Both,
            _ => SteeringMode::Move,
        };
        for (mode, packets) in [(by_order, packets), (SteeringMode::DryRun, would_have_packets)] {
            let is_now = steering.onto.is_some() && steering.mode == mode;
            if is_now || packets > 0 {
                samples.push(&STEERED, labels(mode.to_string()), is_now);
                samples.push(&STEERED_PACKETS, labels(mode.to_string()), packets);
            }
        }
    }
    if let Some(probes) = &path.probes {
        samples.push(&PROBES_SENT, name.with(ends()), probes.sent);
        samples.push(&PROBES_ANSWERED, name.with(ends()), probes.answered);
    }
}

/// More than one path, and fewer than two work: as `sctp-monitor status` counts them.
pub(super) fn is_without_redundancy(association: &AssociationView) -> bool {
    association.paths.len() > 1 && show::active(association) < 2
}

/// All findings of an association.
pub(super) fn findings(association: &AssociationView) -> impl Iterator<Item = &Finding> {
    let of_paths = association.paths.iter().flat_map(|path| &path.findings);
    association.findings.iter().chain(of_paths)
}

fn addresses(object: Object) -> (Value, Value) {
    let (local, remote): (Option<IpAddr>, Option<IpAddr>) = match object {
        Object::Association => (None, None),
        Object::Local(local) => (Some(local), None),
        Object::Remote(remote) => (None, Some(remote)),
        Object::Path(path) => (Some(path.local), Some(path.remote)),
    };
    (label(local), label(remote))
}
