//! `sctp-monitor pcap` against the oracle.

use std::{collections::BTreeMap, collections::BTreeSet, net::IpAddr, process::Command};

use serde_json::Value;

use crate::{
    captures::{Case, corpus, own},
    differences::allow_for,
    oracle::{Exact, Facts, Key},
};

#[test]
fn flows_are_counted_as_tshark_counts_them() {
    assert_flows(&own());
}

#[test]
fn flows_of_the_corpus_are_counted_as_tshark_counts_them() {
    if let Some(cases) = corpus("flows_of_the_corpus_are_counted_as_tshark_counts_them") {
        assert_flows(&cases);
    }
}

fn assert_flows(cases: &[Case]) {
    let mut flows = 0;
    for case in cases {
        let report = report(case, &["--decap"]);
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
fn paths_have_the_counts_of_their_flows() {
    assert_paths(&own());
}

#[test]
fn paths_of_the_corpus_have_the_counts_of_their_flows() {
    if let Some(cases) = corpus("paths_of_the_corpus_have_the_counts_of_their_flows") {
        assert_paths(&cases);
    }
}

/// What the paths of all associations have of a flow is what the flow has, if all of its tags are theirs. An INIT has no
/// tag, and is of no association. One that turned out to be part of another one has that one's packets. Packets that were
/// captured twice count once in paths, and twice in flows.
fn assert_paths(cases: &[Case]) {
    let mut flows = 0;
    for case in cases {
        let report = report(case, &["--decap"]);
        let mut of_flows: BTreeMap<_, Sum> = BTreeMap::new();
        for flow in list(&report["flows"]) {
            let sum = of_flows
                .entry(
                    ["source", "destination", "source_port", "destination_port"]
                        .map(|name| flow[name].to_string()),
                )
                .or_default();
            sum.add(flow, "first_seen", "last_seen");
            sum.tags.extend(list(&flow["tags"]).map(Value::to_string));
        }
        let mut of_paths: BTreeMap<_, Sum> = BTreeMap::new();
        let whole = |association: &&Value| association["end"]["kind"] != "part_of";
        for association in list(&report["associations"]).filter(whole) {
            let paths = list(&association["paths"]);
            let counts = paths.flat_map(|path| [&path["forward"], &path["return"]]);
            for counts in counts.filter(|counts| !counts.is_null()) {
                let names = ["source", "destination", "source_port", "destination_port"];
                let sum = of_paths
                    .entry(names.map(|name| counts[name].to_string()))
                    .or_default();
                sum.add(counts, "first_seen", "last_seen");
                sum.tags.insert(counts["tag"].to_string());
            }
        }
        for (key, ours) in of_paths {
            let mut flow = of_flows[&key].clone();
            if flow.tags.remove("\"0x00000000\"") {
                flow.leave_out_untagged(&ours);
            }
            let copies = flow.numbers["capture_duplicates"];
            if flow.tags == ours.tags && copies > 0 {
                let packets = (ours.numbers["packets"], flow.numbers["packets"]);
                assert_eq!(packets.0 + copies, packets.1, "{}: {key:?}", case.name);
            } else if flow.tags == ours.tags {
                assert_eq!(ours, flow, "{}: {key:?}", case.name);
                flows += 1;
            }
        }
    }
    assert!(flows > 10, "{flows} flows were compared");
}

/// The counts that flows and paths share.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Sum {
    numbers: BTreeMap<&'static str, u64>,
    chunks: BTreeMap<String, u64>,
    /// When the first packet passed, and the last one.
    times: BTreeSet<String>,
    tags: BTreeSet<String>,
}

impl Sum {
    fn add(&mut self, counts: &Value, first: &str, last: &str) {
        for name in [
            "packets",
            "bytes",
            "data_chunks",
            "data_bytes",
            "data_retransmissions",
            "capture_duplicates",
            "heartbeats",
            "heartbeats_answered",
        ] {
            // Null where nothing is known of answers: the flow has none then.
            let count = counts[name].as_u64();
            assert!(
                count.is_some() || name == "heartbeats_answered",
                "{name} in {counts}"
            );
            *self.numbers.entry(name).or_default() += count.unwrap_or(0);
        }
        for (name, count) in counts["chunks"].as_object().unwrap() {
            *self.chunks.entry(name.clone()).or_default() += count.as_u64().unwrap();
        }
        let ends = [first, last].map(|name| counts[name].as_str().unwrap().to_owned());
        self.times.extend(ends);
        self.times = [self.times.first(), self.times.last()]
            .into_iter()
            .flatten()
            .cloned()
            .collect();
    }

    /// An INIT is alone in its packet, as is an INIT ACK, which synthetic captures have without a tag too. How long they
    /// were and when they passed the flow does not tell.
    fn leave_out_untagged(&mut self, others: &Self) {
        for name in ["INIT", "INIT_ACK"] {
            let all = self.chunks.remove(name).unwrap_or(0);
            let tagged = others.chunks.get(name).copied().unwrap_or(0);
            if tagged > 0 {
                self.chunks.insert(name.to_owned(), tagged);
            }
            *self.numbers.get_mut("packets").unwrap() -= all - tagged;
        }
        self.numbers.insert("bytes", others.numbers["bytes"]);
        self.times = others.times.clone();
    }
}

#[test]
fn tunnels_are_counted_and_left_alone_unless_asked() {
    assert_tunnels(&own());
}

#[test]
fn tunnels_of_the_corpus_are_counted_and_left_alone_unless_asked() {
    if let Some(cases) = corpus("tunnels_of_the_corpus_are_counted_and_left_alone_unless_asked") {
        assert_tunnels(&cases);
    }
}

fn assert_tunnels(cases: &[Case]) {
    for case in cases {
        let report = report(case, &[]);
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

#[test]
fn handshakes_are_read_as_tshark_reads_them() {
    assert_handshakes(&own());
}

#[test]
fn handshakes_of_the_corpus_are_read_as_tshark_reads_them() {
    if let Some(cases) = corpus("handshakes_of_the_corpus_are_read_as_tshark_reads_them") {
        assert_handshakes(&cases);
    }
}

/// Tags and address lists of every handshake that was completed.
fn assert_handshakes(cases: &[Case]) {
    let mut handshakes = 0;
    for case in cases {
        let report = report(case, &["--decap"]);
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
        address("source"),
        address("destination"),
        port("source_port"),
        port("destination_port"),
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
