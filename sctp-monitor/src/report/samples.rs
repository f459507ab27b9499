//! Summaries that tests make up.

use std::{collections::BTreeMap, net::IpAddr};

use sctp_monitor_engine::model::{
    AddressSource, AddressView, AssociationId, AssociationRef, AssociationView, FlowView, HandshakeTimes,
    Origin, PathId, PathState, PathView, PhaseView, Schema, Sides, Snapshot, Throughput, Timestamp,
};

use super::{FlowTable, Interface, Summary};
use crate::lag::Lag;

pub(crate) const LOCAL: &str = "10.1.1.1";
pub(crate) const FIRST: &str = "10.1.1.2";
pub(crate) const SECOND: &str = "10.1.2.2";

pub(crate) fn now() -> Timestamp {
    "2026-11-23T17:00:00.5Z".parse().unwrap()
}

pub(crate) fn long_ago() -> Timestamp {
    "2026-11-23T16:00:00Z".parse().unwrap()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// One with a path to each of these remote addresses, in these states.
pub(crate) fn association(id: u16, paths: &[(&str, PathState)]) -> AssociationView {
    let known = |text: &str| AddressView {
        address: address(text),
        source: AddressSource::Listed,
        seen_as: None,
    };
    AssociationView {
        reference: AssociationRef {
            sides: Sides::ThisHost,
            id: AssociationId(id.into()),
            local_port: 40_000 + id,
            remote_port: 3868,
            local_tag: Some(1),
            remote_tag: Some(2),
        },
        origin: Origin::Handshake,
        since: long_ago(),
        phase: PhaseView::Established,
        one_sided: false,
        restarts: None,
        local_addresses: vec![known(LOCAL)],
        remote_addresses: paths.iter().map(|(remote, _)| known(remote)).collect(),
        offers: None,
        handshake_times: HandshakeTimes::default(),
        primary_forward: None,
        primary_return: None,
        findings: Vec::new(),
        paths: paths
            .iter()
            .map(|(remote, state)| PathView {
                id: PathId {
                    local: address(LOCAL),
                    remote: address(remote),
                },
                state: *state,
                since: long_ago(),
                reason: None,
                probes: None,
                findings: Vec::new(),
                forward: None,
                return_: (*state == PathState::Active).then(|| Box::new(flow(remote, now()))),
                steering: None,
            })
            .collect(),
        more_unused_paths: 0,
    }
}

/// Packets from a remote address, the last one at that time.
pub(crate) fn flow(remote: &str, last_seen: Timestamp) -> FlowView {
    FlowView {
        source: address(remote),
        destination: address(LOCAL),
        source_port: 3868,
        destination_port: 40_000,
        tag: 1,
        interface: None,
        packets: 10,
        bytes: 1_000,
        chunks: None,
        data_chunks: 0,
        data_bytes: 0,
        retransmissions: 0,
        heartbeats: 5,
        heartbeats_answered: 5,
        answered_elsewhere: 0,
        ack_source: None,
        tag_mismatches: 0,
        ppid: 0,
        a_rwnd: None,
        heartbeat_rtt: None,
        data_to_sack: None,
        first_seen: long_ago(),
        last_seen,
        throughput: Throughput::default(),
    }
}

/// What a watch of path1 that saw these says at its end.
pub(crate) fn summary(associations: &[AssociationView]) -> Summary {
    Summary {
        snapshot: Snapshot {
            schema: Schema,
            time: now(),
            associations: associations.to_vec(),
            incidents: Vec::new(),
            findings: Vec::new(),
        },
        since: Some(long_ago()),
        interfaces: vec![Interface {
            interface: "path1".to_owned(),
            hook: "xdp-native".to_owned(),
        }],
        not_watched: Vec::new(),
        flows: FlowTable {
            slots: 16,
            in_use: 0,
            opened: 0,
        },
        associations_ended: 0,
        counters: BTreeMap::new(),
        reports: Vec::new(),
        lag: Lag::default(),
        log_lines_lost: 0,
    }
}
