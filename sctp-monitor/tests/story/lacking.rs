//! Captures that lack packets of a healthy association: what is not in the file may have passed all the same.

use sctp_monitor_testkit::{
    choices::{Choices as _, Random},
    exchange::{Form, Header},
    frames::{self, Packet},
};
use serde_json::Value as Json;

use crate::{case::list, variants::told};

type Records = Vec<(u64, Vec<u8>)>;

/// What is said of a healthy association that it must not be: that a path has failed, or anything that follows from it. The time
/// to a SACK, which waits for DATA to go with, is not asked about.
fn failures(told: &Json) -> Vec<&Json> {
    let is_one = |event: &&Json| match event["event"].as_str() {
        Some("incident") => event["finding"] != "latency_degraded",
        Some("finding") => event["finding"] == "path_down" || event["finding"] == "peer_down",
        Some("path_state_changed") => event["to"] == "inactive",
        _ => false,
    };
    list(&told["events"]).iter().filter(is_one).collect()
}

/// Shows each seed's conversation without what `lacks` takes out.
fn assert_no_failure(what: &str, mut lacks: impl FnMut(&Seen, &mut Random) -> bool) {
    for seed in 0..SEEDS {
        let mut random = Random::from_seed(!seed);
        let records: Records = bundled(seed)
            .into_iter()
            .filter(|(seen, _)| !lacks(seen, &mut random))
            .map(|(seen, frame)| (seen.at_ns, frame))
            .collect();
        if records.is_empty() {
            continue;
        }
        assert_eq!(
            failures(&told(&records, ETHERNET)),
            Vec::<&Json>::new(),
            "{what}, seed {seed}"
        );
    }
}

/// What a packet is, for a filter.
struct Seen {
    at_ns: u64,
    leaves: bool,
    chunks: Vec<u8>,
}

/// Both sides send DATA in turns, a packet or two; a SACK goes with DATA that is sent within 200 ms, and by itself if none is.
fn bundled(seed: u64) -> Vec<(Seen, Vec<u8>)> {
    const TAGS: [u32; 2] = [0x2222_2222, 0x1111_1111];
    let mut random = Random::from_seed(seed);
    let mut packets = Vec::new();
    let mut at_ns = 1_700_000_000_000_000_000;
    let mut push = |at_ns: u64, side: usize, chunks: Vec<Vec<u8>>| {
        let seen = Seen {
            at_ns,
            leaves: side == 0,
            chunks: chunks.iter().map(|chunk| chunk[0]).collect(),
        };
        let packet = Packet::v4(TAGS[side], chunks);
        let packet = if side == 0 { packet } else { packet.reversed() };
        packets.push((seen, packet.ethernet()));
    };
    let mut tsns = [0_u32; 2];
    // The TSN that waits for a SACK of this side.
    let mut owed = [None::<u32>; 2];
    let mut side = 0;
    for _ in 0..400 {
        // Each second packet is acknowledged at once (RFC 9260 section 6.2).
        if owed[1 - side].is_some() || random.one_in(3) {
            side = 1 - side;
        }
        let pause = [2, 5, 30, 150, 1_200][random.below(5) as usize] * MS;
        if pause > 200 * MS {
            for (side, owed) in owed.iter_mut().enumerate() {
                if let Some(tsn) = owed.take() {
                    push(at_ns + 200 * MS + side as u64, side, vec![frames::sack(tsn, &[])]);
                }
            }
        }
        at_ns += pause;
        tsns[side] += 1;
        let sack = owed[side].take().map(|tsn| frames::sack(tsn, &[]));
        let data = frames::data(tsns[side], 20 + random.below(400) as usize);
        push(at_ns, side, sack.into_iter().chain([data]).collect());
        owed[1 - side] = Some(tsns[side]);
    }
    packets
}

#[test]
fn a_filter_on_data_makes_no_failure() {
    assert_no_failure("DATA", |seen, _| !seen.chunks.contains(&0));
}

#[test]
fn a_filter_on_one_kind_of_chunk_makes_no_failure() {
    for kind in [1, 3, 4, 5] {
        assert_no_failure(&format!("chunks of type {kind}"), |seen, _| {
            !seen.chunks.contains(&kind)
        });
    }
}

#[test]
fn a_filter_on_one_direction_makes_no_failure() {
    for side in [true, false] {
        assert_no_failure("one direction", |seen, _| seen.leaves == side);
    }
}

#[test]
fn a_recorder_that_loses_packets_makes_no_failure() {
    for of in [2, 4, 10, 50] {
        assert_no_failure(&format!("one of {of} is lost"), |_, random| random.one_in(of));
    }
}

#[test]
fn a_capture_that_begins_late_makes_no_failure() {
    for ms in [1, 500, 1_700] {
        assert_no_failure("from the middle on", |seen, _| {
            seen.at_ns % 1_000_000_000_000 < ms * MS
        });
    }
}

#[test]
fn gaps_in_a_capture_make_no_failure() {
    for every_ms in [400, 900, 2_500] {
        assert_no_failure("gaps", |seen, _| (seen.at_ns / (every_ms * MS)) % 2 == 1);
    }
}

#[test]
fn short_snapshots_make_no_failure() {
    for bytes in [60, 70, 96] {
        for seed in 0..SEEDS {
            let packets = bundled(seed).into_iter();
            let records: Records = packets
                .map(|(seen, frame)| (seen.at_ns, frame[..frame.len().min(bytes)].to_vec()))
                .collect();
            let told = told(&records, ETHERNET);
            assert_eq!(failures(&told), Vec::<&Json>::new(), "{bytes} bytes, seed {seed}");
        }
    }
}

#[test]
fn nothing_is_timed_by_what_answers_something_else() {
    for seed in 0..SEEDS {
        let packets = bundled(seed).into_iter();
        let records: Records = packets
            .filter(|(seen, _)| seen.chunks.contains(&0))
            .map(|(seen, frame)| (seen.at_ns, frame))
            .collect();
        let told = told(&records, ETHERNET);
        for path in list(&told["associations"][0]["paths"]) {
            for direction in ["forward", "return"] {
                let srtt = path[direction]["data_to_sack"]["srtt_ms"].as_f64();
                assert!(srtt.is_none_or(|ms| ms < 3_000.0), "seed {seed}: {srtt:?}");
            }
        }
    }
}

const ETHERNET: Form = Form {
    header: Header::Ethernet,
    offload: false,
    numbered: false,
    copied_after_ns: None,
};
const MS: u64 = 1_000_000;
const SEEDS: u64 = 10;
