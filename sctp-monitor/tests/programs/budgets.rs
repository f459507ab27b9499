//! What the programs let through, by how much is known of who sends: slots, new flows, and what user space is told.

use aya::programs::TestRun as _;
use sctp_monitor::kernel::{Kernel, LoadOptions};
use sctp_monitor_common::abi::{
    Counter, FlowLinks, RingRecord,
    limits::{FLOW_PART, NETWORK_PART, unproved_share},
};
use sctp_monitor_testkit::frames::{self, Packet};

use crate::{
    BACK, TAG,
    both::{Both, generous, options},
};

const HOST: &str = "10.1.0.1";
const PEER: &str = "10.2.0.1";

/// A packet in the name of a host of the network with this number.
fn forged(network: u16, chunk: Vec<u8>) -> Packet {
    let source = format!("10.{}.{}.1", 100 + (network >> 8), network & 255);
    Packet::v4(TAG, vec![chunk]).between(&source, HOST)
}

fn data() -> Vec<u8> {
    frames::data(1, 1)
}

fn from_one(port: u16) -> Vec<u8> {
    Packet::v4(TAG, vec![data()]).ports(port, 7).ethernet()
}

fn count(kernel: &Kernel, counter: Counter) -> u64 {
    kernel.counters().unwrap().value(counter)
}

/// Packets of the flow with this source port.
fn packets_of(kernel: &Kernel, port: u16) -> u64 {
    (0..kernel.max_flows())
        .filter_map(|slot| kernel.record(slot))
        .find(|record| record.key.src_port == port)
        .map_or(0, |record| record.packets)
}

/// Control packets that wait in the ring, by their source.
fn control_of(kernel: &mut Kernel) -> Vec<String> {
    let mut sources = Vec::new();
    while kernel.with_ring_record(|bytes| {
        if let Ok(RingRecord::Control(header, _)) = RingRecord::parse(bytes) {
            sources.push(header.key.src.to_ip().to_string());
        }
    }) {}
    sources
}

#[test]
fn the_flow_table_has_an_end_and_says_so() {
    let options = LoadOptions {
        max_flows: 64,
        ..generous()
    };
    let mut both = Both::with("xdp_ingress", &options);
    for port in 0..100 {
        both.run(&from_one(1_000 + port));
    }
    let share = u64::from(unproved_share(64));
    assert_eq!(count(&both.kernel, Counter::FlowTableFull), 100 - share);
    both.run(&from_one(1_000));
    assert_eq!(
        packets_of(&both.kernel, 1_000),
        2,
        "a known flow is still tracked"
    );
}

#[test]
fn forged_flows_leave_the_rest_of_the_table_to_genuine_ones() {
    let options = LoadOptions {
        max_flows: 64,
        ..generous()
    };
    let mut kernel = Kernel::load(&options).unwrap();
    for network in 0..100 {
        ingress(&mut kernel, &forged(network, data()));
    }
    // The host goes on with associations of its own, and is answered.
    for port in 0..16 {
        let sent = Packet::v4(BACK, vec![data()]).ports(2_000 + port, 7);
        egress(&mut kernel, &sent);
        let answer = Packet {
            tag: TAG,
            ..sent.reversed()
        };
        ingress(&mut kernel, &answer);
        assert_eq!(packets_of(&kernel, 2_000 + port), 1, "port {port}");
    }
    let opened = (0..64)
        .filter(|slot| kernel.record(*slot).unwrap().packets > 0)
        .count();
    assert_eq!(opened, 64);
    // Slots that genuine flows have free are offered to any, one by one.
    assert_eq!(kernel.offer_one_more().unwrap(), None);
}

#[test]
fn new_flows_are_opened_at_a_bounded_rate() {
    const PER_SECOND: u64 = 64;
    let options = LoadOptions {
        new_flows_per_second: PER_SECOND,
        ..generous()
    };
    let mut both = Both::with("tc_ingress", &options);
    for port in 0..200 {
        both.run(&from_one(1_000 + port));
    }
    // The two hundred take milliseconds; a second boundary may let as many more in.
    let opened = 200 - count(&both.kernel, Counter::NewFlowsLimited);
    let of_a_network = PER_SECOND / NETWORK_PART;
    assert!((of_a_network..=2 * of_a_network).contains(&opened), "{opened}");
    for network in 0..400 {
        both.run(&forged(network, data()).ethernet());
    }
    let opened = 600 - count(&both.kernel, Counter::NewFlowsLimited);
    assert!((PER_SECOND / 2..=2 * PER_SECOND).contains(&opened), "{opened}");
}

#[test]
fn a_flow_that_comes_again_is_let_in_through_a_flood() {
    let options = LoadOptions {
        new_flows_per_second: 80,
        ..generous()
    };
    let mut both = Both::with("xdp_ingress", &options);
    let mut network = 0;
    let mut flood = |both: &mut Both, packets: u16| {
        for _ in 0..packets {
            both.run(&forged(network, data()).ethernet());
            network += 1;
        }
    };
    // Whenever its second began: flood until nothing new is let in.
    flood(&mut both, 400);
    assert!(count(&both.kernel, Counter::NewFlowsLimited) > 0);
    for _ in 0..5 {
        both.run(&from_one(999));
        flood(&mut both, 100);
    }
    let packets = packets_of(&both.kernel, 999);
    assert!(packets >= 3, "{packets}");
}

#[test]
fn icmp_errors_are_handed_over_at_a_bounded_rate() {
    const PER_SECOND: u64 = 640;
    let options = LoadOptions {
        control_per_second: PER_SECOND,
        ..generous()
    };
    let mut both = Both::with("xdp_ingress", &options);
    let sent = Packet::v4(TAG, vec![data()]);
    both.run(&sent.ethernet());
    let error = sent.icmp_error("10.1.0.254", [3, 1], 0);
    for _ in 0..200 {
        both.run(&error);
    }
    let told = 200 - count(&both.kernel, Counter::IcmpLimited);
    let of_a_flow = PER_SECOND / FLOW_PART;
    assert!((of_a_flow..=2 * of_a_flow).contains(&told), "{told}");
}

/// One flow, one network and all of them have an end each; who is proved, or answers, meets none of them.
#[test]
fn forged_control_packets_leave_room_for_those_of_others() {
    const PER_SECOND: u64 = 320;
    let options = LoadOptions {
        control_per_second: PER_SECOND,
        ..generous()
    };
    let mut kernel = Kernel::load(&options).unwrap();
    let error = || frames::error(1, &[0; 4]);
    for _ in 0..400 {
        ingress(&mut kernel, &forged(1, error()));
    }
    let of_a_flow = (PER_SECOND / FLOW_PART) as usize;
    let told = control_of(&mut kernel).len();
    assert!((of_a_flow..=2 * of_a_flow).contains(&told), "{told} of one flow");
    for port in 0..400 {
        ingress(&mut kernel, &forged(2, error()).ports(1_000 + port, 7));
    }
    let of_a_network = (PER_SECOND / NETWORK_PART) as usize;
    let told = control_of(&mut kernel).len();
    assert!(
        (of_a_network..=2 * of_a_network).contains(&told),
        "{told} of one network"
    );
    for network in 3..1_500 {
        ingress(&mut kernel, &forged(network, error()));
    }
    let told = control_of(&mut kernel).len();
    assert!(told <= 2 * PER_SECOND as usize, "{told} of all networks");
    // The host opens an association, its peer answers, and it is proved when the host goes on.
    let to_peer = |tag, chunk| Packet::v4(tag, vec![chunk]).between(HOST, PEER);
    let to_host = |tag, chunk| Packet::v4(tag, vec![chunk]).between(PEER, HOST);
    egress(&mut kernel, &to_peer(0, frames::init(TAG, &[])));
    ingress(&mut kernel, &to_host(TAG, frames::init_ack(BACK, &[])));
    egress(&mut kernel, &to_peer(BACK, frames::cookie_echo()));
    assert_eq!(control_of(&mut kernel), [HOST, PEER, HOST]);
}

#[test]
fn what_nothing_proves_leaves_half_of_the_ring() {
    let options = LoadOptions {
        ring_bytes: 4096,
        ..generous()
    };
    let mut both = Both::with("xdp_ingress", &options);
    let heartbeat = |info: u8| Packet::v4(TAG, vec![frames::heartbeat(&[info; 40])]).ethernet();
    for info in 0..200 {
        both.run(&heartbeat(info));
    }
    let refused = count(&both.kernel, Counter::RingFull);
    assert!(refused > 50, "{refused}");
    // Its tag being vouched for, the rest is its own.
    let told = FlowLinks {
        tag: TAG,
        ..FlowLinks::default()
    };
    both.link(0, &told);
    for _ in 0..10 {
        both.run(&heartbeat(200));
    }
    assert_eq!(count(&both.kernel, Counter::RingFull), refused);
    for info in 0..200 {
        both.run(&heartbeat(info));
    }
    let overrun = count(&both.kernel, Counter::RingFull) - refused;
    assert!(overrun > 50, "{overrun}");
    let record = both.kernel.record(0).unwrap();
    assert_eq!(record.packets, 410, "the flow table misses nothing");
}

fn ingress(kernel: &mut Kernel, packet: &Packet) {
    let frame = packet.ethernet();
    let program = kernel.xdp("xdp_ingress").unwrap();
    program.test_run(options(&frame)).unwrap();
}

fn egress(kernel: &mut Kernel, packet: &Packet) {
    let frame = packet.ethernet();
    let program = kernel.classifier("tc_egress").unwrap();
    program.test_run(options(&frame)).unwrap();
}
