//! The tracker over slices, as the programs run it, against the oracle.

use std::collections::BTreeMap;

use sctp_monitor_capture::{Captures, Chain};
use sctp_monitor_common::{
    abi::{FlowRecord, Interface},
    memory::MemoryTable,
    track::{Options, observe},
    wire::{ChunkKind, CutFrame, ParseOptions},
};

use crate::{
    captures::{Case, corpus, own},
    differences::allow_for,
    oracle::{Facts, Key},
};

#[test]
fn the_tracker_counts_what_tshark_counts() {
    assert_counts(&own());
}

#[test]
fn the_tracker_counts_what_tshark_counts_in_the_corpus() {
    if let Some(cases) = corpus("the_tracker_counts_what_tshark_counts_in_the_corpus") {
        assert_counts(&cases);
    }
}

/// Frame by frame: no fragments put together, no tunnels looked into, packets that were captured twice counted twice.
fn assert_counts(cases: &[Case]) {
    let mut flows = 0;
    for case in cases {
        let ours = track(case);
        let plain = |encap: &str| encap.is_empty() || encap == "ip/udp" || encap == "ipv6/udp";
        for path in case.oracle.paths.iter().filter(|path| plain(&path.encap)) {
            if path.fragmented_datagrams > 0 || path.is_labelled() {
                continue;
            }
            let mut key = path.key();
            key.4.clear();
            let facts = ours
                .get(&key)
                .unwrap_or_else(|| panic!("{}: {key:?} was not tracked", case.name));
            let mut theirs = allow_for(&case.name, path, facts);
            theirs.exact = None;
            // Chunks of types without a name are counted together.
            let named = |name: &String| !name.starts_with("TYPE_");
            theirs.chunks.retain(|name, _| named(name));
            assert_eq!(facts, &theirs, "{}: {key:?}", case.name);
            flows += 1;
        }
    }
    assert!(flows > 10, "{flows} flows were compared");
}

fn track(case: &Case) -> BTreeMap<Key, Facts> {
    let mut table = MemoryTable::new();
    let mut captures = Captures::open(std::slice::from_ref(&case.file));
    while let Some(record) = captures.advance() {
        let options = Options {
            link: record.link,
            parse: ParseOptions::default(),
            max_chunks: usize::MAX,
        };
        let frame = CutFrame {
            bytes: record.bytes,
            original_length: record.original_length,
        };
        table.set_now(record.time_ns);
        observe(&frame, Interface::ingress(0), &options, &mut table);
    }
    assert!(captures.take_errors().is_empty(), "{}", case.name);
    table
        .records()
        .iter()
        .map(|record| {
            let key = record.key;
            let plain = Chain::default().to_string();
            let key = (
                key.src.to_ip(),
                key.dst.to_ip(),
                key.src_port,
                key.dst_port,
                plain,
            );
            (key, facts(record))
        })
        .collect()
}

fn facts(record: &FlowRecord) -> Facts {
    Facts {
        packets: record.packets,
        bytes: record.bytes,
        chunks: ChunkKind::ALL
            .iter()
            .filter(|kind| **kind != ChunkKind::Other)
            .map(|kind| (kind.name().to_owned(), record.chunk_count(*kind)))
            .filter(|(_, count)| *count > 0)
            .collect(),
        data_chunks: record.data_chunks,
        data_bytes: record.data_bytes,
        exact: None,
    }
}
