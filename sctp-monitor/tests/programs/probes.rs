//! Probes in the running kernel: recognised and consumed as over a slice.

use bytemuck::Zeroable as _;
use sctp_monitor::kernel::LoadOptions;
use sctp_monitor_common::{
    abi::{Announcement, ProbeInfo, ProbePath, ProbeRecord},
    wire::Address,
};
use sctp_monitor_testkit::frames::{self, Packet};

use crate::{
    BACK, INSTRUCTION_BUDGET, PROGRAMS, TAG,
    both::{Both, XDP_PASS, generous},
    packets::packets,
};
use sctp_monitor::kernel::Kernel;

/// include/uapi/linux/bpf.h
const XDP_DROP: u32 = 1;
/// include/uapi/linux/pkt_cls.h
const TC_ACT_SHOT: u32 = 2;
const TC_ACT_UNSPEC: u32 = u32::MAX;

const PLACE: u32 = 9;

fn probing() -> LoadOptions {
    LoadOptions {
        probed_paths: 16,
        ..generous()
    }
}

fn path() -> ProbePath {
    ProbePath {
        generation: 3,
        tag: TAG,
        ack_tag: BACK,
        src_port: 36_412,
        dst_port: 36_412,
        dst: Address::from(std::net::IpAddr::from([10, 1, 0, 2])),
        ..ProbePath::zeroed()
    }
}

fn both(program: &'static str) -> Both {
    let mut both = Both::with(program, &probing());
    both.assign_probe(PLACE, &path());
    both
}

fn info(key: [u64; 2], sequence: u32) -> Vec<u8> {
    let probe = ProbeInfo {
        index: PLACE,
        generation: 3,
        sequence,
        sent_at_ns: 1,
    };
    let mut info = probe.to_bytes(key, BACK, Announcement::default()).to_vec();
    info.resize(56, 0);
    info
}

/// Without what depends on the time.
fn timeless(mut record: ProbeRecord) -> ProbeRecord {
    record.answered_at_ns = 0;
    record.rtt = ProbeRecord::zeroed().rtt;
    record
}

#[test]
fn the_verifier_takes_every_program_that_looks_for_probes() {
    let mut kernel = Kernel::load(&probing()).unwrap();
    for name in PROGRAMS {
        let info = if name.starts_with("xdp") {
            kernel.xdp(name).unwrap().info().unwrap()
        } else {
            kernel.classifier(name).unwrap().info().unwrap()
        };
        let verified = info.verified_instruction_count().expect("Linux 5.16 tells");
        println!("{name}: {verified} instructions verified");
        assert!(verified <= INSTRUCTION_BUDGET, "{name} needs {verified}");
    }
}

#[test]
fn an_answer_alone_ends_at_the_program_and_one_in_company_passes() {
    for (name, pass, consume) in [
        ("xdp_ingress", XDP_PASS, XDP_DROP),
        ("xdp_ingress_frags", XDP_PASS, XDP_DROP),
        ("tc_ingress", TC_ACT_UNSPEC, TC_ACT_SHOT),
    ] {
        let mut both = both(name);
        let key = both.kernel.probe_key();
        let ack = |sequence| frames::heartbeat_ack(&info(key, sequence));
        let mut back = |chunks| {
            let frame = Packet::v4(BACK, chunks).reversed().ethernet();
            let action = both.action(&frame);
            (
                action,
                timeless(both.kernel.probe_record(PLACE).unwrap()),
                both.compare_probe(PLACE),
            )
        };
        let (action, record, _) = back(vec![ack(1)]);
        assert_eq!((action, record.answered), (consume, 1), "{name}");
        let (action, record, _) = back(vec![ack(1)]);
        assert_eq!(
            (action, record.answered, record.repeated),
            (consume, 1, 1),
            "{name}"
        );
        let (action, record, _) = back(vec![ack(2), frames::sack(1, &[])]);
        assert_eq!((action, record.answered, record.passed), (pass, 2, 1), "{name}");
        let mut forged = info(key, 3);
        forged[30] ^= 1;
        let (action, record, agree) = back(vec![frames::heartbeat_ack(&forged)]);
        assert_eq!((action, record.answered), (pass, 2), "{name}");
        assert_eq!(agree, Ok(()), "{name}");
    }
}

#[test]
fn a_probe_that_leaves_is_counted_as_such_and_as_nothing_else() {
    let mut both = both("tc_egress");
    let key = both.kernel.probe_key();
    let frame = Packet::v4(TAG, vec![frames::heartbeat(&info(key, 1))]).ethernet();
    assert_eq!(both.action(&frame), TC_ACT_UNSPEC);
    let record = both.kernel.probe_record(PLACE).unwrap();
    assert_eq!((record.left, record.left_sent_at_ns), (1, 1));
    assert_eq!(both.compare_probe(PLACE), Ok(()));
    let packets: u64 = (0..generous().max_flows)
        .filter_map(|slot| both.kernel.record(slot))
        .map(|record| record.packets)
        .sum();
    assert_eq!(packets, 0, "it is none of the host's traffic");
}

#[test]
fn programs_that_look_for_probes_agree_with_slices_on_every_kind_of_packet() {
    for name in PROGRAMS {
        let mut both = both(name);
        for (what, frame) in packets() {
            both.frame(&frame)
                .unwrap_or_else(|difference| panic!("{name}, {what}: {difference}"));
        }
    }
}
