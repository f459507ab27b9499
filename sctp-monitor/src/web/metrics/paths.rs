//! What is told of one association and its paths, and of many of them in sum.

use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
};

use sctp_monitor_engine::model::{
    AssociationId, AssociationView, Direction, Finding, FlowView, Object, PathId, PathState, PathView,
    RttView, Side,
};

use super::family::{Family, Samples, Unit, Value, label};
use crate::show;

/// All families of this file, in the order of the page.
pub(super) const FAMILIES: &[&Family] = &[
    &PATH_STATE,
    &PATHS,
    &PATHS_ACTIVE,
    &WITHOUT_REDUNDANCY,
    &FINDING,
    &PACKETS,
    &BYTES,
    &DATA_CHUNKS,
    &DATA_BYTES,
    &RETRANSMISSIONS,
    &HEARTBEATS,
    &HEARTBEATS_ANSWERED,
    &TAG_MISMATCHES,
    &HEARTBEAT_RTT,
    &HEARTBEAT_RTT_MIN,
    &HEARTBEAT_RTT_VARIATION,
    &DATA_TO_SACK,
    &DATA_TO_SACK_MIN,
    &PROBES_SENT,
    &PROBES_ANSWERED,
];

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

static PATH_STATE: Family = Family::gauge(
    "sctp_path_state",
    STATE,
    "Whether the path is in this state (RFC 6458, RFC 7829): 1 for the state that it is in, 0 for the others",
);
static PATHS: Family = Family::gauge(
    "sctp_association_paths",
    ASSOCIATION,
    "Paths of the association on which packets were seen",
);
static PATHS_ACTIVE: Family = Family::gauge(
    "sctp_association_paths_active",
    ASSOCIATION,
    "Paths of the association that are active",
);
static WITHOUT_REDUNDANCY: Family = Family::gauge(
    "sctp_association_without_redundancy",
    ASSOCIATION,
    "1 if the association has more than one path, and fewer than two of them are active",
);
static FINDING: Family = Family::gauge(
    "sctp_finding",
    FOUND,
    "1 for each finding that is open; local and remote are empty where it is not about one path",
);
static PACKETS: Family = Family::counter("sctp_path_packets", FLOW, "SCTP packets on the path");
static BYTES: Family = Family::counter(
    "sctp_path",
    FLOW,
    "Bytes of SCTP packets on the path (IP total length)",
)
.in_unit(Unit::Bytes);
static DATA_CHUNKS: Family = Family::counter(
    "sctp_path_data_chunks",
    FLOW,
    "DATA and I-DATA chunks on the path",
);
static DATA_BYTES: Family =
    Family::counter("sctp_path_data", FLOW, "Bytes of user data on the path").in_unit(Unit::Bytes);
static RETRANSMISSIONS: Family = Family::counter(
    "sctp_path_data_retransmissions",
    FLOW,
    "DATA chunks on the path whose TSN had been seen before",
);
static HEARTBEATS: Family = Family::counter("sctp_path_heartbeats", FLOW, "HEARTBEAT chunks on the path");
static HEARTBEATS_ANSWERED: Family = Family::counter(
    "sctp_path_heartbeats_answered",
    FLOW,
    "HEARTBEAT chunks on the path that were answered",
);
static TAG_MISMATCHES: Family = Family::counter(
    "sctp_path_tag_mismatches",
    FLOW,
    "Packets on the path with a wrong verification tag",
);
static HEARTBEAT_RTT: Family = Family::gauge(
    "sctp_path_heartbeat_rtt",
    FLOW,
    "Round-trip time from HEARTBEAT to HEARTBEAT ACK, smoothed (SRTT)",
)
.in_unit(Unit::Seconds);
static HEARTBEAT_RTT_MIN: Family = Family::gauge(
    "sctp_path_heartbeat_rtt_min",
    FLOW,
    "The smallest round-trip time from HEARTBEAT to HEARTBEAT ACK",
)
.in_unit(Unit::Seconds);
static HEARTBEAT_RTT_VARIATION: Family = Family::gauge(
    "sctp_path_heartbeat_rtt_variation",
    FLOW,
    "Variation of the round-trip time from HEARTBEAT to HEARTBEAT ACK (RTTVAR)",
)
.in_unit(Unit::Seconds);
static DATA_TO_SACK: Family = Family::gauge(
    "sctp_path_data_to_sack",
    FLOW,
    "Time from DATA to SACK, smoothed; it contains the peer's delay of SACKs where single packets are sent",
)
.in_unit(Unit::Seconds);
static DATA_TO_SACK_MIN: Family = Family::gauge(
    "sctp_path_data_to_sack_min",
    FLOW,
    "The smallest time from DATA to SACK",
)
.in_unit(Unit::Seconds);
static PROBES_SENT: Family = Family::counter(
    "sctp_path_probes",
    PATH,
    "HEARTBEATs that the agent itself sent on the path (docs/probing.md)",
);
static PROBES_ANSWERED: Family = Family::counter(
    "sctp_path_probes_answered",
    PATH,
    "HEARTBEATs of the agent that were answered on the path",
);

type Count = fn(&FlowView) -> u64;

/// What is counted of each direction of a path.
const COUNTED: [(&Family, Count); 8] = [
    (&PACKETS, |flow| flow.packets),
    (&BYTES, |flow| flow.bytes),
    (&DATA_CHUNKS, |flow| flow.data_chunks),
    (&DATA_BYTES, |flow| flow.data_bytes),
    (&RETRANSMISSIONS, |flow| flow.retransmissions),
    (&HEARTBEATS, |flow| flow.heartbeats),
    (&HEARTBEATS_ANSWERED, |flow| flow.heartbeats_answered),
    (&TAG_MISMATCHES, |flow| flow.tag_mismatches),
];

const STATES: [PathState; 4] = [
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
    fn other() -> Self {
        Self([String::new(), OTHER.to_owned(), String::new(), String::new()])
    }

    fn with<const N: usize>(&self, more: [Value; N]) -> Vec<Value> {
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
    if let Some(probes) = &path.probes {
        samples.push(&PROBES_SENT, name.with(ends()), probes.sent);
        samples.push(&PROBES_ANSWERED, name.with(ends()), probes.answered);
    }
}

/// The sums of those that have no series of their own. Gauges are summed as they are. What is counted is what was counted while they
/// had none: sums of counters would fall when an association leaves them, and a counter that falls has been reset.
#[derive(Debug, Default)]
pub(super) struct Others {
    /// The last counts of every flow.
    seen: HashMap<(AssociationId, PathId, Direction), [u64; COUNTED.len()]>,
    /// What was counted, by direction.
    sums: [[u64; COUNTED.len()]; 2],
}

impl Others {
    /// Adds what was counted since the last time, of those at `others`; the rest is kept in mind. Says the sums.
    pub(super) fn take(&mut self, all: &[&AssociationView], is_other: impl Fn(usize) -> bool) -> Samples {
        let before = std::mem::take(&mut self.seen);
        let mut states = [0_u64; STATES.len()];
        let (mut paths, mut active, mut without_redundancy, mut count) = (0, 0, 0_u64, 0);
        for (index, association) in all.iter().enumerate() {
            let is_other = is_other(index);
            for path in show::used(association) {
                for (direction, sums) in Direction::BOTH.into_iter().zip(&mut self.sums) {
                    let Some(flow) = path.flow(direction) else {
                        continue;
                    };
                    let key = (association.reference.id, path.id, direction);
                    let counts = COUNTED.map(|(_, figure)| figure(flow));
                    if is_other {
                        let before = before.get(&key).copied().unwrap_or_default();
                        for ((sum, now), before) in sums.iter_mut().zip(counts).zip(before) {
                            // A flow that was forgotten and came back counts from zero.
                            *sum += now.checked_sub(before).unwrap_or(now);
                        }
                    }
                    self.seen.insert(key, counts);
                }
                if is_other {
                    for (state, count) in STATES.into_iter().zip(&mut states) {
                        *count += u64::from(state == path.state);
                    }
                }
            }
            if is_other {
                count += 1;
                paths += show::used(association).count();
                active += show::active(association);
                without_redundancy += u64::from(is_without_redundancy(association));
            }
        }
        let mut samples = Samples::default();
        let were_there = self.sums != <[[u64; COUNTED.len()]; 2]>::default();
        if count == 0 && !were_there {
            return samples;
        }
        let name = Name::other();
        let nowhere = |more: Value| name.with([String::new(), String::new(), more]);
        samples.push(&PATHS, name.with([]), paths);
        samples.push(&PATHS_ACTIVE, name.with([]), active);
        samples.push(&WITHOUT_REDUNDANCY, name.with([]), without_redundancy);
        for (state, count) in STATES.into_iter().zip(states) {
            samples.push(&PATH_STATE, nowhere(state.to_string()), count);
        }
        for (direction, sums) in Direction::BOTH.into_iter().zip(self.sums) {
            for ((family, _), sum) in COUNTED.into_iter().zip(sums) {
                samples.push(family, nowhere(direction.to_string()), sum);
            }
        }
        samples
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

/// The peer of all that have no series of their own.
pub(super) const OTHER: &str = "other";
