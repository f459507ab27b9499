//! The programs in the running kernel: the verifier takes them within budget, and they do packet by packet what the
//! same functions do over a slice.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is how it fails")]

mod both;
mod budgets;
mod corpus;
mod packets;
mod probes;
mod random;
mod steer;
mod two_cpus;

use aya::programs::{TestRun as _, TestRunOptions};
use sctp_monitor_common::abi::{Counter, FlowLinks, TABLE_LAYOUT, limits::unproved_share};
use sctp_monitor_testkit::frames::{self, Packet};

use crate::{
    both::{Both, XDP_PASS, generous, kernel},
    packets::packets,
};

const PROGRAMS: [&str; 4] = ["xdp_ingress", "xdp_ingress_frags", "tc_ingress", "tc_egress"];
const TAG: u32 = 0x1234_5678;
const BACK: u32 = 0x8765_4321;

/// Well below the verifier's limit of a million: other kernels take other paths through the same program, and some of them
/// longer ones. Linux 6.1 needs most of those that are tested (the table in docs/compatibility.md).
const INSTRUCTION_BUDGET: u32 = 600_000;

#[test]
fn the_verifier_takes_every_program_within_budget() {
    let mut kernel = kernel();
    for name in PROGRAMS.into_iter().chain(["tc_steer"]) {
        let info = if name.starts_with("xdp") {
            kernel.xdp(name).unwrap().info().unwrap()
        } else {
            kernel.classifier(name).unwrap().info().unwrap()
        };
        let verified = info.verified_instruction_count().expect("Linux 5.16 tells");
        println!(
            "{name}: {verified} instructions verified, {} bytes of machine code",
            info.size_jitted()
        );
        assert!(verified <= INSTRUCTION_BUDGET, "{name} needs {verified}");
    }
}

#[test]
fn programs_and_slices_agree_on_every_kind_of_packet() {
    for name in PROGRAMS {
        let mut both = Both::new(name);
        for (what, frame) in packets() {
            both.frame(&frame)
                .unwrap_or_else(|difference| panic!("{name}, {what}: {difference}"));
        }
        let counters = both.kernel.counters().unwrap();
        for counter in [
            Counter::TagMismatch,
            Counter::IcmpQuoteTruncated,
            Counter::IcmpFlowUnknown,
            Counter::IcmpTagMismatch,
        ] {
            assert!(counters.value(counter) > 0, "{}", counter.name());
        }
    }
}

#[test]
fn programs_and_slices_agree_on_cut_packets() {
    for name in PROGRAMS {
        let mut both = Both::new(name);
        // BPF_PROG_TEST_RUN wants an Ethernet header and one byte, for TC an IP header too (net/bpf/test_run.c).
        let shortest = if name.starts_with("xdp") { 15 } else { 54 };
        for (what, frame) in packets() {
            for length in (shortest..frame.len().min(300)).step_by(3) {
                both.frame(&frame[..length])
                    .unwrap_or_else(|difference| panic!("{name}, {what} cut to {length}: {difference}"));
            }
        }
    }
}

#[test]
fn programs_and_slices_agree_on_damaged_packets() {
    for name in PROGRAMS {
        let mut both = Both::new(name);
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        for (what, frame) in packets() {
            for _ in 0..40 {
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                let mut damaged = frame.clone();
                // Behind the addresses, so that the packets stay within a few flows.
                let from = 14.min(damaged.len() - 1);
                let at = from + (random >> 33) as usize % (damaged.len() - from).min(160);
                damaged[at] = (random >> 24) as u8;
                both.frame(&damaged).unwrap_or_else(|difference| {
                    panic!("{name}, {what} with byte {at} damaged: {difference}")
                });
            }
        }
    }
}

#[test]
fn a_packet_that_spans_buffers_is_read_whole() {
    let mut both = Both::new("xdp_ingress_frags");
    let chunks = (0..6)
        .map(|tsn| frames::data(tsn, 1_400))
        .chain([frames::heartbeat(&[7; 40])])
        .collect();
    let frame = Packet::v4(TAG, chunks).ethernet();
    assert!(frame.len() > 8_000);
    both.frame(&frame).unwrap();
    let record = both.kernel.record(0).unwrap();
    assert_eq!(record.data_chunks, 6);
    assert_ne!(record.outstanding[0].sent_at_ns, 0);
}

#[test]
fn packets_as_long_as_ip_allows_are_read_as_far_as_they_are_worth_it() {
    // As many chunks of four bytes, and as many gap ack blocks, as fit into 65,535 bytes.
    let chunks = Packet::v4(TAG, vec![frames::cookie_ack(); 16_375]).ethernet();
    let gaps: Vec<_> = (1..=16_000_u16).map(|n| (2 * n, 2 * n)).collect();
    let back = |chunk| Packet::v4(BACK, vec![chunk]).reversed().ethernet();
    let sack = back(frames::sack(8_000, &gaps));
    let mut liar = frames::sack(8_000, &gaps);
    liar[12..16].fill(0xff);
    // BPF_PROG_TEST_RUN takes no such packet for the other programs.
    let mut both = Both::new("xdp_ingress_frags");
    for (what, frame) in [
        (
            "DATA",
            &Packet::v4(TAG, vec![frames::data(40_000, 10)]).ethernet(),
        ),
        ("chunks", &chunks),
        ("SACK that lies", &back(liar)),
        ("SACK", &sack),
    ] {
        both.frame(frame)
            .unwrap_or_else(|difference| panic!("{what}: {difference}"));
    }
    let counters = both.kernel.counters().unwrap();
    assert_eq!(counters.value(Counter::ChunksTooMany), 1);
    let record = both.kernel.record(0).unwrap();
    assert_eq!(record.sender.highest_acked, 40_000);
}

#[test]
fn nothing_is_dropped_or_changed() {
    let mut both = Both::new("xdp_ingress");
    for (what, frame) in packets() {
        let mut out = vec![0; frame.len() + 64];
        let mut options = TestRunOptions::new();
        options.data_in = Some(&frame);
        options.data_out = Some(&mut out);
        let result = both.kernel.xdp("xdp_ingress").unwrap().test_run(options).unwrap();
        assert_eq!(result.return_value, XDP_PASS, "{what}");
        assert_eq!(&out[..result.data_size_out as usize], frame, "{what}");
    }
}

#[test]
fn a_table_says_what_it_was_made_with() {
    let mut both = Both::new("xdp_ingress");
    let facts = *both.kernel.table();
    assert_eq!((facts.flows, facts.layout), (generous().max_flows, TABLE_LAYOUT));
    assert_ne!(facts.index_seed, kernel().table().index_seed, "a secret");
    // The programs have the flow under the same seed: it is known until it is forgotten.
    let frame = Packet::v6(TAG, vec![frames::data(1, 1)]).ethernet();
    both.run(&frame);
    both.run(&frame);
    let record = both.kernel.record(0).unwrap();
    assert_eq!(record.packets, 2);
    both.kernel.forget(&record.key).unwrap();
    both.run(&frame);
    assert_eq!(both.kernel.record(1).unwrap().key, record.key);
}

#[test]
fn links_lie_where_the_programs_read_them() {
    let mut both = Both::new("tc_egress");
    let told = FlowLinks {
        tag: BACK,
        ..FlowLinks::default()
    };
    let frame = Packet::v4(TAG, vec![frames::data(1, 1)]).ethernet();
    both.frame(&frame).unwrap();
    // The host itself sends it.
    let slot = unproved_share(generous().max_flows);
    both.link(slot, &told);
    assert_eq!(
        both.kernel.record(slot).unwrap().tag,
        TAG,
        "the programs write records"
    );
    both.frame(&frame).unwrap();
    let record = both.kernel.record(slot).unwrap();
    assert_eq!((record.tag, record.tag_mismatches), (BACK, 1));
    assert!(!record.sender.data_seen());
    // Whoever gets the slot next is told nothing.
    both.forget_all();
    for port in 0..generous().max_flows as u16 {
        both.run(
            &Packet::v4(TAG, vec![frames::data(1, 1)])
                .ports(1 + port, 7)
                .ethernet(),
        );
    }
    let record = both.kernel.record(slot).unwrap();
    assert_eq!((record.tag, record.tag_mismatches), (TAG, 0));
}
