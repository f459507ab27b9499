//! Packets of a flow for which there is an order leave on the other path, if they hold nothing but DATA and SACK; all others
//! are as if the program were not there.

use std::time::Duration;

use aya::programs::{TestRun as _, TestRunOptions};
use sctp_monitor::{
    clock::Clock,
    kernel::{Kernel, LEASE, LoadOptions},
};
use sctp_monitor_common::{
    abi::{FlowKey, SteerCounts, SteerMode, SteerOrder},
    steer::check_delta,
    wire::{Frame, LinkType, ParseOptions, parse},
};
use sctp_monitor_engine::model::Timestamp;
use sctp_monitor_testkit::frames::{self, Packet};

use crate::{TAG, both::generous};

#[test]
fn packets_of_data_and_sacks_leave_on_the_other_path() {
    let mut steered = Steered::new(SteerMode::Move, Duration::ZERO);
    let auth = frames::chunk(15, 0, &[7; 24]);
    for (what, chunks) in [
        ("DATA", vec![frames::data(1, 100)]),
        ("DATA of odd length", vec![frames::data(1, 101)]),
        ("DATA x32", (0..32).map(|tsn| frames::data(tsn, 4)).collect()),
        ("DATA x80", (0..80).map(|tsn| frames::data(tsn, 4)).collect()),
        ("I-DATA", vec![frames::i_data(1, 100)]),
        ("SACK", vec![frames::sack(9, &[(2, 3)])]),
        ("NR-SACK", vec![frames::chunk(16, 0, &[0; 16])]),
        ("SACK and DATA", vec![frames::sack(9, &[]), frames::data(1, 10)]),
        ("AUTH and DATA", vec![auth.clone(), frames::data(1, 10)]),
        (
            "AUTH, SACK and DATA",
            vec![auth, frames::sack(9, &[]), frames::data(1, 10)],
        ),
    ] {
        for packet in [Packet::v4(TAG, chunks.clone()), Packet::v6(TAG, chunks)] {
            steered.kernel.renew_orders(now());
            let before = steered.counts(&packet);
            let (end, left) = steered.leave(&packet.ethernet());
            let other = elsewhere(&packet).ethernet();
            assert_eq!(end, REDIRECTED, "{what}");
            // The next hop's Ethernet addresses are filled in later.
            assert_eq!(left[12..], other[12..], "{what}");
            let counts = steered.counts(&packet);
            let grown = (counts.packets - before.packets, counts.bytes - before.bytes);
            assert_eq!(grown, (1, other.len() as u64 - 14), "{what}");
            assert_eq!((counts.kept, counts.failed, counts.lapsed), (0, 0, 0), "{what}");
        }
    }
}

#[test]
fn all_other_packets_of_the_flow_go_as_before() {
    let mut steered = Steered::new(SteerMode::Move, Duration::ZERO);
    let info = [3; 40];
    let data = || frames::data(1, 10);
    let of_tag = |tag, chunks| Packet::v4(tag, chunks).ethernet();
    let mut frames = vec![
        ("HEARTBEAT", of_tag(TAG, vec![frames::heartbeat(&info)])),
        ("HEARTBEAT ACK", of_tag(TAG, vec![frames::heartbeat_ack(&info)])),
        (
            "HEARTBEAT and DATA",
            of_tag(TAG, vec![frames::heartbeat(&info), data()]),
        ),
        (
            "DATA and HEARTBEAT",
            of_tag(TAG, vec![data(), frames::heartbeat(&info)]),
        ),
        ("INIT", of_tag(0, vec![frames::init(7, &[])])),
        ("INIT ACK", of_tag(TAG, vec![frames::init_ack(7, &[])])),
        (
            "COOKIE ECHO and DATA",
            of_tag(TAG, vec![frames::cookie_echo(), data()]),
        ),
        (
            "COOKIE ACK and SACK",
            of_tag(TAG, vec![frames::cookie_ack(), frames::sack(1, &[])]),
        ),
        ("ABORT", of_tag(TAG, vec![frames::abort(false)])),
        ("SHUTDOWN", of_tag(TAG, vec![frames::shutdown(1)])),
        (
            "SHUTDOWN and SACK",
            of_tag(TAG, vec![frames::sack(1, &[]), frames::shutdown(1)]),
        ),
        ("SHUTDOWN ACK", of_tag(TAG, vec![frames::shutdown_ack()])),
        (
            "SHUTDOWN COMPLETE",
            of_tag(TAG, vec![frames::shutdown_complete()]),
        ),
        ("ERROR", of_tag(TAG, vec![frames::error(1, &[])])),
        ("ASCONF", of_tag(TAG, vec![frames::asconf(1, "10.1.0.1", &[])])),
        (
            "FORWARD TSN and DATA",
            of_tag(TAG, vec![frames::chunk(192, 0, &[0; 4]), data()]),
        ),
        ("AUTH alone", of_tag(TAG, vec![frames::chunk(15, 0, &[7; 24])])),
        (
            "an unknown chunk",
            of_tag(TAG, vec![frames::chunk(99, 0, &[1]), data()]),
        ),
        ("no chunk", of_tag(TAG, vec![])),
        ("half a chunk", of_tag(TAG, vec![data(), vec![0, 3]])),
        ("another tag", of_tag(TAG + 1, vec![data()])),
    ];
    let mut first_fragment = of_tag(TAG, vec![data()]);
    first_fragment[14 + 6] |= 0x20;
    frames.push(("a first fragment", first_fragment));
    for (number, (what, frame)) in (1..).zip(&frames) {
        let (end, left) = steered.leave(frame);
        assert_eq!((end, &left), (PASSED, frame), "{what}");
        let counts = steered.counts(&Packet::v4(TAG, vec![]));
        assert_eq!((counts.packets, counts.kept), (0, number), "{what}");
    }
}

#[test]
fn packets_of_other_flows_go_as_before() {
    let mut steered = Steered::new(SteerMode::Move, Duration::ZERO);
    let packet = || Packet::v4(TAG, vec![frames::data(1, 10)]);
    let mut later_fragment = packet().ethernet();
    later_fragment[14 + 7] = 9;
    for (what, frame) in [
        ("the other direction", packet().reversed().ethernet()),
        ("another port", packet().ports(1, 36412).ethernet()),
        ("the path that it would go to", elsewhere(&packet()).ethernet()),
        ("in UDP", packet().udp(9899)),
        ("TCP", packet().tcp()),
        ("a later fragment", later_fragment),
    ] {
        let (end, left) = steered.leave(&frame);
        assert_eq!((end, &left), (PASSED, &frame), "{what}");
    }
    assert_eq!(steered.counts(&packet()), SteerCounts::default());
}

#[test]
fn a_vlan_tag_stays_behind() {
    let mut steered = Steered::new(SteerMode::Move, Duration::ZERO);
    for packet in [
        Packet::v4(TAG, vec![frames::data(1, 10)]),
        Packet::v6(TAG, vec![frames::data(1, 10)]),
    ] {
        let untagged = elsewhere(&packet).ethernet();
        for tags in [&[100][..], &[100, 200]] {
            steered.kernel.renew_orders(now());
            let (end, left) = steered.leave(&packet.vlan(tags));
            assert_eq!(end, REDIRECTED, "{tags:?}");
            assert_eq!(left[12..], untagged[12..], "{tags:?}");
        }
    }
}

#[test]
fn a_dry_run_counts_and_changes_nothing() {
    let mut steered = Steered::new(SteerMode::DryRun, Duration::ZERO);
    let packet = Packet::v4(TAG, vec![frames::data(1, 10)]);
    for frame in [packet.ethernet(), packet.vlan(&[100])] {
        let (end, left) = steered.leave(&frame);
        assert_eq!((end, left), (PASSED, frame));
    }
    let bytes = packet.ethernet().len() as u64 - 14;
    let counts = steered.counts(&packet);
    assert_eq!(
        (counts.would_have_packets, counts.packets, counts.bytes),
        (2, 0, 0)
    );
    assert_eq!(counts.would_have_bytes, 2 * bytes + 4, "a VLAN tag counts");
}

#[test]
fn an_order_lapses_unless_it_is_renewed() {
    let packet = Packet::v4(TAG, vec![frames::data(1, 10)]);
    let mut steered = Steered::new(SteerMode::Move, LEASE + Duration::from_millis(50));
    assert_eq!(steered.leave(&packet.ethernet()), (PASSED, packet.ethernet()));
    assert_eq!(steered.counts(&packet).lapsed, 1);
    steered.kernel.renew_orders(now());
    assert_eq!(steered.leave(&packet.ethernet()).0, REDIRECTED);
    assert_eq!(steered.counts(&packet).lapsed, 1);
}

#[test]
fn an_order_ends_when_it_is_taken_back_and_another_one_begins_anew() {
    let packet = Packet::v4(TAG, vec![frames::data(1, 10)]);
    let key = key_of(&packet);
    let mut steered = Steered::new(SteerMode::Move, Duration::ZERO);
    for _ in 0..3 * PLACES {
        assert_eq!(steered.leave(&packet.ethernet()).0, REDIRECTED);
        assert_eq!(
            steered.counts(&packet).packets,
            1,
            "nothing is left of the order before"
        );
        steered.kernel.steer(&key, None, now()).unwrap();
        assert_eq!(steered.kernel.steered(&key), None);
        assert_eq!(steered.leave(&packet.ethernet()).0, PASSED);
        let later = now() + Duration::from_secs(1);
        steered
            .kernel
            .steer(&key, Some(&order(&packet, SteerMode::Move)), later)
            .unwrap();
    }
}

#[test]
fn there_are_no_more_orders_than_places() {
    let mut steered = Steered::new(SteerMode::Move, Duration::ZERO);
    let flow = |port: u32| Packet::v4(TAG, vec![frames::data(1, 10)]).ports(port as u16, 1);
    let order = order(&flow(1), SteerMode::Move);
    let mut given = 0;
    while steered
        .kernel
        .steer(&key_of(&flow(given)), Some(&order), now())
        .is_ok()
    {
        given += 1;
    }
    assert_eq!(given, PLACES - 2, "two flows have one from the start");
    assert_eq!(steered.leave(&flow(given).ethernet()).0, PASSED);
    assert_eq!(steered.leave(&flow(given - 1).ethernet()).0, REDIRECTED);
}

#[test]
fn a_packet_that_a_nic_cuts_up_is_moved_whole() {
    let mut steered = Steered::new(SteerMode::Move, Duration::ZERO);
    let packet = Packet::v4(TAG, (0..15).map(|tsn| frames::data(tsn, 150)).collect());
    let mut context = [0_u8; 192];
    // include/uapi/linux/bpf.h: gso_segs and gso_size of __sk_buff.
    context[GSO_SEGS_AT..GSO_SEGS_AT + 4].copy_from_slice(&2_u32.to_ne_bytes());
    context[GSO_SIZE_AT..GSO_SIZE_AT + 4].copy_from_slice(&1_400_u32.to_ne_bytes());
    let (end, left) = steered.leave_with(&packet.ethernet(), Some(&context));
    assert_eq!(end, REDIRECTED);
    assert_eq!(left[12..], elsewhere(&packet).ethernet()[12..]);
    assert_eq!(steered.counts(&packet).packets, 2);
}

#[test]
fn packets_of_data_and_sacks_leave_on_both_paths() {
    let mut steered = Steered::new(SteerMode::Both, Duration::ZERO);
    for chunks in [vec![frames::data(1, 100)], vec![frames::sack(9, &[])]] {
        for packet in [Packet::v4(TAG, chunks.clone()), Packet::v6(TAG, chunks)] {
            steered.kernel.renew_orders(now());
            let before = steered.counts(&packet);
            // The first one has left by the loopback NIC, on which tests run.
            let (end, left) = steered.leave(&packet.ethernet());
            let other = elsewhere(&packet).ethernet();
            assert_eq!((end, &left[12..]), (REDIRECTED, &other[12..]));
            let counts = steered.counts(&packet);
            assert_eq!((counts.packets - before.packets, counts.uncopied), (1, 0));
        }
    }
    let heartbeat = Packet::v4(TAG, vec![frames::heartbeat(&[3; 40])]);
    assert_eq!(
        steered.leave(&heartbeat.ethernet()),
        (PASSED, heartbeat.ethernet())
    );
    assert_eq!(steered.counts(&heartbeat).kept, 1);
}

#[test]
fn packets_are_copied_on_the_nic_by_which_the_host_sends_them_only() {
    let mut steered = Steered::new(SteerMode::Both, Duration::ZERO);
    let packet = Packet::v4(TAG, vec![frames::data(1, 10)]);
    let mut order = order(&packet, SteerMode::Both);
    order.from_if_index = 2;
    steered
        .kernel
        .steer(&key_of(&packet), Some(&order), now())
        .unwrap();
    assert_eq!(steered.leave(&packet.ethernet()), (PASSED, packet.ethernet()));
    assert_eq!(steered.counts(&packet), SteerCounts::default());
}

#[test]
fn a_packet_that_a_nic_cuts_up_is_never_copied() {
    let mut steered = Steered::new(SteerMode::Both, Duration::ZERO);
    let packet = Packet::v4(TAG, (0..15).map(|tsn| frames::data(tsn, 150)).collect());
    let mut context = [0_u8; 192];
    context[GSO_SEGS_AT..GSO_SEGS_AT + 4].copy_from_slice(&2_u32.to_ne_bytes());
    context[GSO_SIZE_AT..GSO_SIZE_AT + 4].copy_from_slice(&1_400_u32.to_ne_bytes());
    let whole = packet.ethernet();
    assert_eq!(
        steered.leave_with(&whole, Some(&context)),
        (PASSED, whole.clone())
    );
    let counts = steered.counts(&packet);
    assert_eq!((counts.uncopied, counts.packets), (2, 0));
    // The path has failed: it is moved.
    let mut order = order(&packet, SteerMode::Both);
    order.moves_segmented = 1;
    steered
        .kernel
        .steer(&key_of(&packet), Some(&order), now())
        .unwrap();
    let (end, left) = steered.leave_with(&whole, Some(&context));
    assert_eq!(
        (end, &left[12..]),
        (REDIRECTED, &elsewhere(&packet).ethernet()[12..])
    );
    let counts = steered.counts(&packet);
    assert_eq!((counts.uncopied, counts.packets), (2, 2));
}

/// The program, with orders for the IPv4 and the IPv6 flow of the test packets.
struct Steered {
    kernel: Kernel,
}

impl Steered {
    /// The orders are as old as that.
    fn new(mode: SteerMode, age: Duration) -> Self {
        let mut kernel = Kernel::load(&LoadOptions {
            steered_flows: PLACES,
            ..generous()
        })
        .unwrap();
        // Loading takes longer than a lease where the kernel is slow.
        let ordered_at = Timestamp::from_nanos(now().as_nanos() - age.as_nanos() as u64);
        for packet in [Packet::v4(TAG, vec![]), Packet::v6(TAG, vec![])] {
            let order = order(&packet, mode);
            kernel.steer(&key_of(&packet), Some(&order), ordered_at).unwrap();
        }
        Self { kernel }
    }

    /// What becomes of a frame, and what it looks like then.
    fn leave(&mut self, frame: &[u8]) -> (u32, Vec<u8>) {
        self.leave_with(frame, None)
    }

    fn leave_with(&mut self, frame: &[u8], context: Option<&[u8]>) -> (u32, Vec<u8>) {
        let mut out = vec![0; frame.len() + 64];
        let mut options = TestRunOptions::new();
        options.data_in = Some(frame);
        options.data_out = Some(&mut out);
        options.ctx_in = context;
        let program = self.kernel.classifier("tc_steer").unwrap();
        let result = program.test_run(options).unwrap();
        out.truncate(result.data_size_out as usize);
        (result.return_value, out)
    }

    fn counts(&self, packet: &Packet) -> SteerCounts {
        self.kernel.steered(&key_of(packet)).unwrap()
    }
}

fn order(packet: &Packet, mode: SteerMode) -> SteerOrder {
    let (from, to) = (key_of(packet), key_of(&elsewhere(packet)));
    SteerOrder {
        src: to.src,
        dst: to.dst,
        lease_until_ns: 0,
        tag: TAG,
        if_index: 1,
        mode: mode as u32,
        check_delta: check_delta([from.src, from.dst], [to.src, to.dst]),
        from_if_index: 1,
        moves_segmented: 0,
    }
}

/// The same packet on the other path.
fn elsewhere(packet: &Packet) -> Packet {
    if packet.addresses.0.is_ipv4() {
        packet.clone().between("10.2.255.1", "172.16.0.254")
    } else {
        packet.clone().between("2001:db8:2::1", "fd00::ffff:2")
    }
}

fn key_of(packet: &Packet) -> FlowKey {
    let frame = packet.ethernet();
    let parsed = parse(&Frame(&frame), LinkType::Ethernet, ParseOptions::default());
    FlowKey::from(&parsed.unwrap())
}

fn now() -> Timestamp {
    Clock::now().unwrap()
}

const PLACES: u32 = 16;

/// TC_ACT_REDIRECT and TC_ACT_UNSPEC (include/uapi/linux/pkt_cls.h).
const REDIRECTED: u32 = 7;
const PASSED: u32 = u32::MAX;

const GSO_SEGS_AT: usize = 164;
const GSO_SIZE_AT: usize = 176;
