//! `sctp-monitor pcap` against the oracle.

use std::{collections::BTreeMap, collections::BTreeSet, net::IpAddr, process::Command};

use serde_json::Value;

use crate::{
    captures::{Case, all},
    differences::allow_for,
    oracle::{Exact, Facts, Key},
};

#[test]
fn flows_are_counted_as_tshark_counts_them() {
    let mut flows = 0;
    for case in all("flows_are_counted_as_tshark_counts_them") {
        let report = report(&case, &["--decap"]);
        let mut ours: BTreeMap<Key, &Value> = list(&report["flows"]).map(|flow| (key(flow), flow)).collect();
        for path in &case.oracle.paths {
            let key = path.key();
            let flow = ours
                .remove(&key)
                .unwrap_or_else(|| panic!("{}: {key:?} is missing", case.name));
            let ours = facts(flow);
            assert_eq!(ours, allow_for(&case.name, path, &ours), "{}: {key:?}", case.name);
            if path.malformed_frames == 0 {
                assert_rtts(flow, &path.hb_rtts, &case.name);
            }
            flows += 1;
        }
        assert!(
            ours.is_empty(),
            "{}: tshark knows no {:?}",
            case.name,
            ours.keys()
        );
    }
    assert!(flows > 10, "{flows} flows were compared");
}

#[test]
fn tunnels_are_counted_and_left_alone_unless_asked() {
    for case in all("tunnels_are_counted_and_left_alone_unless_asked") {
        let report = report(&case, &[]);
        let tunnelled: u64 = report["capture"]["tunnelled"]
            .as_object()
            .unwrap()
            .values()
            .map(|packets| packets.as_u64().unwrap())
            .sum();
        let plain: u64 = list(&report["flows"])
            .map(|flow| flow["packets"].as_u64().unwrap())
            .sum();
        let all: u64 = case.oracle.paths.iter().map(|path| path.packets).sum();
        assert_eq!(plain + tunnelled, all, "{}", case.name);
    }
}

/// Tags and address lists of every handshake that was completed.
#[test]
fn handshakes_are_read_as_tshark_reads_them() {
    let mut handshakes = 0;
    for case in all("handshakes_are_read_as_tshark_reads_them") {
        let report = report(&case, &["--decap"]);
        let known: BTreeMap<(String, String), [BTreeSet<IpAddr>; 2]> = list(&report["associations"])
            .filter(|association| association["origin"] == "handshake")
            .map(|association| {
                let tag = |side: &str| association[side].as_str().unwrap().to_owned();
                let addresses = |side: &str| -> BTreeSet<IpAddr> {
                    let address = |known: &Value| known["address"].as_str().unwrap().parse().unwrap();
                    list(&association[side]).map(address).collect()
                };
                (
                    (tag("local_tag"), tag("remote_tag")),
                    [addresses("local_addresses"), addresses("remote_addresses")],
                )
            })
            .collect();
        for association in case
            .oracle
            .associations
            .iter()
            .filter(|known| known.init_frame.is_some())
        {
            let tags = (association.tag_a.clone(), association.tag_b.clone());
            // Without a COOKIE ECHO there is no association.
            if let Some(addresses) = known.get(&tags) {
                let theirs = [association.addrs_a.clone(), association.addrs_b.clone()];
                assert_eq!(*addresses, theirs, "{}: {tags:?}", case.name);
                handshakes += 1;
            }
        }
    }
    assert!(handshakes > 0, "no handshake was compared");
}

fn report(case: &Case, arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_sctp-monitor"))
        .args(["pcap", "--format", "json"])
        .args(arguments)
        .arg(&case.file)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {stderr}", case.name);
    serde_json::from_slice(&output.stdout).unwrap()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().unwrap().iter()
}

fn key(flow: &Value) -> Key {
    let address = |name: &str| flow[name].as_str().unwrap().parse().unwrap();
    let port = |name: &str| u16::try_from(flow[name].as_u64().unwrap()).unwrap();
    (
        address("src"),
        address("dst"),
        port("sport"),
        port("dport"),
        flow["encapsulation"].as_str().unwrap().to_owned(),
    )
}

fn facts(flow: &Value) -> Facts {
    let number = |name: &str| {
        flow[name]
            .as_u64()
            .unwrap_or_else(|| panic!("no {name} in {flow}"))
    };
    Facts {
        packets: number("packets"),
        bytes: number("bytes"),
        chunks: serde_json::from_value(flow["chunks"].clone()).unwrap(),
        data_chunks: number("data_chunks"),
        data_bytes: number("data_bytes"),
        exact: Some(Exact {
            data_retransmissions: number("data_retransmissions"),
            capture_duplicates: number("capture_duplicates"),
            sacks: number("sacks"),
            heartbeats: number("heartbeats"),
            heartbeat_acks: number("heartbeat_acks"),
            tags: serde_json::from_value(flow["tags"].clone()).unwrap(),
        }),
    }
}

/// Every pair of HEARTBEAT and HEARTBEAT ACK, in order, to two microseconds.
fn assert_rtts(flow: &Value, theirs: &[f64], name: &str) {
    let ours: Vec<f64> = list(&flow["heartbeat_rtts_ns"])
        .map(|nanos| nanos.as_f64().unwrap() / 1e9)
        .collect();
    assert_eq!(ours.len(), theirs.len(), "{name}: pairs of {}", key(flow).0);
    for (ours, theirs) in ours.iter().zip(theirs) {
        assert!((ours - theirs).abs() <= 2e-6, "{name}: {ours} s and {theirs} s");
    }
}
