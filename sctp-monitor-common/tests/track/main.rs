//! What packets do to the records, packet by packet, over a table in memory.

mod copies;
mod hostile;
mod links;
mod probes;
mod proof;

use sctp_monitor_common::{
    abi::{AckOutcome, Counter, FlowLinks, FlowRecord, Interface, RingRecord, SlotRef},
    memory::MemoryTable,
    track::{MAX_CHUNKS, Options, observe},
    wire::{ChunkKind, Frame, LinkType, ParseOptions},
};
use sctp_monitor_testkit::frames::{self, Packet};

const TAG: u32 = 0x1234_5678;
const BACK: u32 = 0x8765_4321;
const MS: u64 = 1_000_000;

struct Tracker {
    table: MemoryTable,
    now_ns: u64,
}

impl Tracker {
    fn new() -> Self {
        Self {
            table: MemoryTable::new(),
            now_ns: 1_000 * MS,
        }
    }

    fn frame(&mut self, frame: &[u8]) {
        self.frame_of(frame, MAX_CHUNKS);
    }

    /// A frame of which so many chunks are walked.
    fn frame_of(&mut self, frame: &[u8], max_chunks: usize) {
        let options = Options {
            link: LinkType::Ethernet,
            parse: ParseOptions::default(),
            max_chunks,
        };
        self.table.set_now(self.now_ns);
        observe(&Frame(frame), Interface::ingress(1), &options, &mut self.table);
    }

    /// A frame that is seen elsewhere.
    fn frame_at(&mut self, frame: &[u8], interface: Interface) {
        let options = Options {
            link: LinkType::Ethernet,
            parse: ParseOptions::default(),
            max_chunks: MAX_CHUNKS,
        };
        self.table.set_now(self.now_ns);
        observe(&Frame(frame), interface, &options, &mut self.table);
    }

    /// A packet of the flow 10.1.0.1 > 10.1.0.2.
    fn there(&mut self, chunks: Vec<Vec<u8>>) {
        self.frame(&Packet::v4(TAG, chunks).ethernet());
    }

    /// A packet of the opposite direction.
    fn back(&mut self, chunks: Vec<Vec<u8>>) {
        self.frame(&Packet::v4(BACK, chunks).reversed().ethernet());
    }

    fn wait(&mut self, ms: u64) {
        self.now_ns += ms * MS;
    }

    fn record(&self, slot: usize) -> &FlowRecord {
        &self.table.records()[slot]
    }

    fn count(&self, counter: Counter) -> u64 {
        self.table.counters().value(counter)
    }
}

#[test]
fn packets_bytes_and_chunks_are_counted() {
    let mut t = Tracker::new();
    t.there(vec![frames::data(1, 5), frames::data(2, 7), frames::sack(9, &[])]);
    assert_eq!(t.record(0).ppid, 46);
    t.there(vec![frames::i_data(3, 10), frames::chunk(131, 0, &[])]);
    let record = t.record(0);
    assert_eq!(record.packets, 2);
    assert_eq!(record.bytes, (20 + 12 + 24 + 24 + 16) + (20 + 12 + 32 + 4));
    assert_eq!((record.data_chunks, record.data_bytes), (3, 22));
    assert_eq!(record.chunk_count(ChunkKind::Data), 2);
    assert_eq!(record.chunk_count(ChunkKind::IData), 1);
    assert_eq!(record.chunk_count(ChunkKind::Sack), 1);
    assert_eq!(record.chunk_count(ChunkKind::Other), 1);
    assert_eq!(t.count(Counter::ChunkUnknown), 1);
    assert_eq!(record.ppid, 60);
}

#[test]
fn both_directions_know_each_other() {
    let mut t = Tracker::new();
    t.there(vec![frames::data(1, 5)]);
    assert_eq!(t.record(0).pair, SlotRef::NONE);
    t.back(vec![frames::sack(1, &[])]);
    assert_eq!(
        (t.record(0).pair, t.record(1).pair),
        (SlotRef::to(1), SlotRef::to(0))
    );
    assert_eq!((t.record(0).tag, t.record(1).tag), (TAG, BACK));
}

#[test]
fn a_heartbeat_is_timed_to_its_ack() {
    let mut t = Tracker::new();
    t.there(vec![frames::heartbeat(&[7; 40])]);
    t.back(vec![frames::data(1, 1)]);
    t.wait(3);
    t.back(vec![frames::heartbeat_ack(&[7; 40])]);
    let record = t.record(0);
    assert_eq!(record.heartbeat_rtt.last_ns, 3 * MS);
    assert_eq!(record.heartbeats_answered, 1);
    assert_eq!(record.answered_at_ns, t.now_ns);
    assert!(record.outstanding.iter().all(|entry| entry.sent_at_ns == 0));
    assert_eq!(record.answered_elsewhere, 0);
}

#[test]
fn an_ack_with_other_information_answers_nothing() {
    let mut t = Tracker::new();
    t.back(vec![frames::data(1, 1)]);
    t.there(vec![frames::heartbeat(&[7; 40])]);
    t.back(vec![frames::heartbeat_ack(&[8; 40])]);
    t.back(vec![frames::heartbeat_ack(&[7; 36])]);
    assert_eq!(t.record(1).heartbeats_answered, 0);
    assert_eq!(t.count(Counter::HeartbeatAckUnmatched), 2);
}

#[test]
fn an_ack_from_another_address_answers_the_heartbeats_flow() {
    let mut t = Tracker::new();
    let other = |chunks| Packet::v4(TAG, chunks).between("10.2.0.1", "10.2.0.2");
    t.there(vec![frames::data(1, 1)]);
    t.frame(&other(vec![frames::heartbeat(&[1; 40])]).ethernet());
    t.back(vec![frames::sack(1, &[])]);
    // User space ties the flows together: 0 and 1 are siblings, 2 is the opposite direction.
    tie(&mut t, &[0, 1], SlotRef::to(2));
    tie(&mut t, &[2], SlotRef::to(0));
    t.wait(5);
    t.back(vec![frames::heartbeat_ack(&[1; 40])]);
    let record = t.record(1);
    assert_eq!((record.heartbeats_answered, record.answered_elsewhere), (1, 1));
    assert_eq!(record.heartbeat_rtt.last_ns, 5 * MS);
    assert_eq!(record.ack_source.to_ip().to_string(), "10.1.0.2");
    let outcome =
        std::iter::from_fn(|| t.table.pop_record()).find_map(|bytes| match RingRecord::parse(&bytes) {
            Ok(RingRecord::HeartbeatAcked(acked)) => {
                Some((acked.outcome, acked.heartbeat_slot, acked.rtt_ns))
            }
            _ => None,
        });
    assert_eq!(outcome, Some((AckOutcome::OtherPath as u16, 1, 5 * MS)));
}

#[test]
fn the_older_heartbeat_gives_way() {
    let mut t = Tracker::new();
    for info in 1..=3 {
        t.there(vec![frames::heartbeat(&[info; 40])]);
        t.wait(10);
    }
    t.back(vec![frames::heartbeat_ack(&[1; 40])]);
    assert_eq!(t.record(0).heartbeats_answered, 0, "the first one was forgotten");
    t.back(vec![frames::heartbeat_ack(&[3; 40])]);
    t.back(vec![frames::heartbeat_ack(&[2; 40])]);
    assert_eq!(t.record(0).heartbeats_answered, 2);
}

#[test]
fn a_path_mtu_probe_is_marked() {
    let mut t = Tracker::new();
    t.there(vec![
        frames::heartbeat(&[7; 40]),
        frames::chunk(132, 0, &[0; 900]),
    ]);
    assert_eq!(t.record(0).outstanding[0].padded, 1);
}

#[test]
fn data_is_timed_to_the_sack_that_covers_it() {
    let mut t = Tracker::new();
    t.there(vec![frames::data(10, 1)]);
    t.back(vec![frames::data(1, 1)]);
    t.wait(4);
    t.there(vec![frames::data(11, 1)]);
    assert_eq!(t.record(0).timed.packets(), 2);
    t.wait(4);
    t.back(vec![frames::sack(11, &[])]);
    let record = t.record(0);
    assert_eq!(
        record.data_rtt.last_ns,
        4 * MS,
        "from the second packet on the peer may not wait"
    );
    assert_eq!((record.acknowledgements, record.acknowledged_packets), (1, 2));
    assert_eq!(record.acked_ticks, t.now_ns);
    assert!(!record.timed.is_armed());
    assert_eq!((record.sender.cum_tsn_ack, record.sender.highest_tsn), (11, 11));
}

#[test]
fn a_retransmitted_chunk_times_nothing_and_proves_the_path_that_alone_carried_it() {
    let mut t = Tracker::new();
    t.there(vec![frames::data(10, 1)]);
    t.back(vec![frames::data(1, 1)]);
    t.there(vec![frames::data(10, 1)]);
    assert!(t.record(0).timed.is_resent());
    assert_eq!(t.record(0).retransmissions, 1);
    t.wait(4);
    t.back(vec![frames::sack(10, &[])]);
    let record = t.record(0);
    assert!(!record.timed.is_armed());
    assert_eq!((record.data_rtt.last_ns, record.acked_ticks), (0, t.now_ns));
    assert_eq!((record.acknowledgements, record.acknowledged_here), (1, 1));
}

#[test]
fn a_sack_that_comes_later_than_any_sender_waits_times_nothing() {
    let mut t = Tracker::new();
    t.there(vec![frames::data(10, 1)]);
    t.back(vec![frames::data(1, 1)]);
    t.wait(13_000);
    t.back(vec![frames::sack(10, &[])]);
    let record = t.record(0);
    assert_eq!((record.acknowledgements, record.data_rtt.last_ns), (1, 0));
}

#[test]
fn a_gap_ack_proves_the_path_but_times_nothing() {
    let mut t = Tracker::new();
    t.back(vec![frames::data(1, 1)]);
    for tsn in 10..14 {
        t.there(vec![frames::data(tsn, 1)]);
    }
    t.back(vec![frames::sack(9, &[(2, 4)])]); // 10 is missing
    let record = t.record(1);
    assert!(!record.timed.is_armed());
    assert_eq!(record.acked_ticks, t.now_ns);
    assert_eq!(record.data_rtt.last_ns, 0);
    assert_eq!((record.sender.cum_tsn_ack, record.sender.highest_acked), (9, 13));
}

#[test]
fn a_packet_passes_by_the_cumulative_tsn_ack_or_the_last_gap_block() {
    for (cum, blocks, passes) in [
        (10, vec![], true),
        (8, vec![(2, 2)], true),
        (8, vec![(2, 4)], true),
        (8, vec![(3, 3)], false),
        (8, vec![(2, 2), (4, 4)], false),
    ] {
        let mut t = Tracker::new();
        t.back(vec![frames::data(1, 1)]);
        for tsn in 10..13 {
            t.there(vec![frames::data(tsn, 300)]);
        }
        t.back(vec![frames::sack(cum, &blocks)]);
        let passed = (t.record(1).passed, t.record(1).passed_bytes);
        assert_eq!(passed, if passes { (1, 348) } else { (0, 0) }, "{cum} {blocks:?}");
    }
}

#[test]
fn the_largest_packet_is_watched_until_it_is_retransmitted() {
    let mut t = Tracker::new();
    t.back(vec![frames::data(1, 1)]);
    t.there(vec![frames::data(10, 1_000)]);
    t.back(vec![frames::sack(8, &[(2, 2)])]); // 9 was never seen
    assert_eq!((t.record(1).passed, t.record(1).passed_bytes), (1, 1_048));
    t.there(vec![frames::data(11, 1_000)]);
    assert_eq!((t.record(1).sized_tsn, t.record(1).sized_bytes), (11, 1_048));
    t.there(vec![frames::data(11, 1_000)]);
    assert_eq!(t.record(1).sized_bytes, 0);
    t.back(vec![frames::sack(11, &[])]);
    assert_eq!(t.record(1).passed, 1, "one of two arrived");
}

#[test]
fn a_time_out_is_measured_on_a_lone_packet_only() {
    let mut t = Tracker::new();
    t.back(vec![frames::data(1, 1)]);
    t.there(vec![frames::data(10, 1)]);
    t.wait(100);
    t.there(vec![frames::data(10, 1)]);
    assert_eq!(t.record(1).resent_after_us, 100_000);
    t.back(vec![frames::sack(10, &[])]);
    t.there(vec![frames::data(11, 1)]);
    t.wait(1);
    t.there(vec![frames::data(12, 1)]);
    t.wait(1);
    t.there(vec![frames::data(11, 1)]);
    assert_eq!(
        t.record(1).resent_after_us,
        100_000,
        "it may have been reported missing"
    );
}

#[test]
fn a_sack_that_says_nothing_new_proves_nothing() {
    let mut t = Tracker::new();
    t.back(vec![frames::data(1, 1)]);
    t.there(vec![frames::data(10, 1)]);
    t.back(vec![frames::sack(9, &[])]);
    assert!(t.record(1).timed.is_armed());
    assert_eq!(t.record(1).acked_ticks, 0);
    t.back(vec![frames::sack(9, &[])]);
    assert_eq!(t.record(1).acked_ticks, 0);
}

#[test]
fn retransmissions_are_told_from_reordering() {
    let mut t = Tracker::new();
    for tsn in [1, 2, 4, 3, 5] {
        t.there(vec![frames::data(tsn, 1)]);
    }
    assert_eq!(t.record(0).retransmissions, 0);
    t.there(vec![frames::data(3, 1), frames::data(4, 1), frames::data(6, 1)]);
    assert_eq!(t.record(0).retransmissions, 2);
    assert_eq!(t.record(0).sender.highest_tsn, 6);
}

#[test]
fn what_is_sent_again_was_lost_by_the_flow_that_carried_it_first() {
    let mut t = Tracker::new();
    let other = |chunks| Packet::v4(TAG, chunks).between("10.2.0.1", "10.2.0.2").ethernet();
    for tsn in 10..14 {
        t.there(vec![frames::data(tsn, 100)]);
    }
    t.frame(&other(vec![frames::data(14, 100)]));
    tie(&mut t, &[0, 1], SlotRef::NONE);
    t.frame(&other(vec![frames::data(11, 100)]));
    t.frame(&other(vec![frames::data(14, 100)]));
    assert_eq!(
        (t.record(0).lost, t.record(1).lost),
        (1, 0),
        "14 was carried before the flows were tied"
    );
    t.frame(&other(vec![frames::data(15, 100), frames::data(16, 100)]));
    t.frame(&other(vec![frames::data(15, 100), frames::data(16, 100)]));
    assert_eq!((t.record(0).lost, t.record(1).lost), (1, 2));
    assert_eq!(t.record(1).lost_bytes, 148);
    assert_eq!(t.record(1).retransmissions, 3);
}

#[test]
fn what_was_sent_again_over_another_flow_proves_neither() {
    let mut t = Tracker::new();
    let other = |chunks| Packet::v4(TAG, chunks).between("10.2.0.1", "10.2.0.2").ethernet();
    t.there(vec![frames::data(10, 100)]);
    t.frame(&other(vec![frames::heartbeat(&[7; 40])]));
    t.back(vec![frames::data(1, 1)]);
    tie(&mut t, &[0, 1], SlotRef::to(2));
    t.there(vec![frames::data(10, 100)]);
    t.frame(&other(vec![frames::data(10, 100)]));
    assert!(t.record(0).timed.is_resent_elsewhere());
    t.back(vec![frames::sack(10, &[])]);
    assert!(!t.record(0).timed.is_armed());
    assert_eq!(
        (t.record(0).acknowledgements, t.record(1).acknowledgements),
        (0, 0)
    );
}

#[test]
fn a_sack_over_another_address_pair_is_not_one_that_came_here() {
    let mut t = Tracker::new();
    let back = |chunks| {
        Packet::v4(BACK, chunks)
            .between("10.2.0.2", "10.2.0.1")
            .ethernet()
    };
    t.there(vec![frames::data(10, 100)]);
    t.back(vec![frames::data(1, 1)]);
    t.frame(&back(vec![frames::data(2, 1)]));
    tie(&mut t, &[0], SlotRef::to(1));
    tie(&mut t, &[1, 2], SlotRef::to(0));
    t.frame(&back(vec![frames::sack(10, &[])]));
    assert_eq!(
        (t.record(0).acknowledgements, t.record(0).acknowledged_here),
        (1, 0)
    );
    t.there(vec![frames::data(11, 100)]);
    t.back(vec![frames::sack(11, &[])]);
    assert_eq!(
        (t.record(0).acknowledgements, t.record(0).acknowledged_here),
        (2, 1)
    );
}

#[test]
fn what_comes_late_was_lost_before() {
    let mut t = Tracker::new();
    for tsn in [1, 2, 4, 5, 6, 3] {
        t.there(vec![frames::data(tsn, 1)]);
    }
    assert_eq!((t.record(0).late, t.record(0).lost), (1, 0));
    for tsn in [8, 7, 9] {
        t.there(vec![frames::data(tsn, 1)]);
    }
    assert_eq!(t.record(0).late, 1, "overtaken by one is no loss");
    assert_eq!(t.record(0).run_start, 1);
}

#[test]
fn a_duplicate_was_sent_again_for_nothing() {
    let mut t = Tracker::new();
    t.back(vec![frames::data(1, 1)]);
    for tsn in [10, 11, 10] {
        t.there(vec![frames::data(tsn, 1)]);
    }
    let mut sack = frames::sack(11, &[]);
    t.back(vec![sack.clone()]);
    assert_eq!(t.record(1).spurious, 0);
    sack[3] += 4;
    sack[15] = 1;
    sack.extend(10_u32.to_be_bytes());
    t.back(vec![sack]);
    assert_eq!((t.record(1).lost, t.record(1).spurious), (1, 1));
}

#[test]
fn the_next_hop_is_known() {
    let mut t = Tracker::new();
    let frame = Packet::v4(TAG, vec![frames::data(1, 1)]).ethernet();
    t.frame(&frame);
    assert_eq!(t.record(0).next_hop, frame[6..12]);
}

/// What the agent does once it knows that flows are of one direction of an association.
fn tie(t: &mut Tracker, slots: &[u32], reverse: SlotRef) {
    let ring = slots.iter().cycle().skip(1);
    for (slot, next) in slots.iter().zip(ring) {
        let links = FlowLinks {
            tsn_state: SlotRef::to(slots[0]),
            reverse,
            next: SlotRef::to(*next),
            ..FlowLinks::default()
        };
        t.table.link(*slot, &links);
    }
}

#[test]
fn a_wrong_tag_is_evidence_of_nothing() {
    let mut t = Tracker::new();
    t.there(vec![frames::heartbeat(&[7; 40]), frames::data(1, 1)]);
    t.back(vec![frames::data(1, 1)]);
    links::tell_tag(&mut t, 1, BACK);
    let forged = |chunks| Packet::v4(0xbad, chunks).reversed().ethernet();
    t.frame(&forged(vec![
        frames::heartbeat_ack(&[7; 40]),
        frames::sack(1, &[]),
    ]));
    assert_eq!(t.record(0).heartbeats_answered, 0);
    assert!(t.record(0).timed.is_armed());
    let flow = t.record(1);
    assert_eq!(
        (flow.packets, flow.tag_mismatches, flow.mismatched_tag),
        (2, 1, 0xbad)
    );
    assert_eq!(flow.tag, BACK);
    assert_eq!(t.count(Counter::TagMismatch), 1);
}

#[test]
fn init_has_no_tag_and_teaches_none() {
    let mut t = Tracker::new();
    t.frame(&Packet::v4(0, vec![frames::init(5, &[])]).ethernet());
    assert_eq!(t.record(0).tag, 0);
    t.there(vec![frames::cookie_echo()]);
    assert_eq!(t.record(0).tag, TAG);
    t.frame(&Packet::v4(0, vec![frames::init(6, &[])]).ethernet());
    assert_eq!(t.record(0).tag_mismatches, 0);
    t.frame(&Packet::v4(0, vec![frames::data(1, 1)]).ethernet());
    assert_eq!(t.record(0).tag_mismatches, 1, "only INIT may have tag 0");
}

#[test]
fn a_reflected_tag_is_no_mismatch_and_teaches_none() {
    let mut t = Tracker::new();
    t.frame(&Packet::v4(BACK, vec![frames::abort(true)]).ethernet());
    assert_eq!((t.record(0).tag, t.record(0).tag_mismatches), (0, 0));
    t.there(vec![frames::data(1, 1)]);
    t.frame(&Packet::v4(BACK, vec![frames::abort(true)]).ethernet());
    assert_eq!(t.record(0).tag_mismatches, 0);
    t.frame(&Packet::v4(BACK, vec![frames::abort(false)]).ethernet());
    assert_eq!(t.record(0).tag_mismatches, 1);
}

#[test]
fn control_packets_reach_user_space_whole() {
    let mut t = Tracker::new();
    let packet = Packet::v4(TAG, vec![frames::cookie_echo(), frames::data(1, 333)]);
    t.frame(&packet.ethernet());
    t.there(vec![frames::data(2, 1)]);
    let records: Vec<_> = std::iter::from_fn(|| t.table.pop_record()).collect();
    assert!(matches!(
        RingRecord::parse(&records[0]),
        Ok(RingRecord::FlowOpened(_))
    ));
    let Ok(RingRecord::Control(header, bytes)) = RingRecord::parse(&records[1]) else {
        panic!("no control record");
    };
    assert_eq!(bytes, packet.sctp());
    assert_eq!(header.packet_length as usize, packet.sctp().len());
    assert_eq!((header.header.slot, header.tag_mismatch), (0, 0));
    assert_eq!(records.len(), 2, "DATA alone makes no record");
}

#[test]
fn malformed_chunks_are_counted_by_reason_and_the_rest_is_used() {
    let good = frames::data(1, 4);
    let cases: [(&[u8], Counter); 4] = [
        (&[0, 3, 0, 3], Counter::ChunkLengthTooShort),
        (&[3, 0, 0, 99, 0, 0, 0, 1], Counter::ChunkLengthPastEnd),
        (&[3, 0], Counter::ChunkHeaderTruncated),
        (&[0; 4], Counter::ChunkLengthTooShort),
    ];
    for (tail, counter) in cases {
        let mut t = Tracker::new();
        t.there(vec![good.clone(), tail.to_vec()]);
        assert_eq!(t.count(counter), 1, "{tail:?}");
        assert_eq!((t.record(0).packets, t.record(0).data_chunks), (1, 1), "{tail:?}");
    }
    let mut t = Tracker::new();
    t.there(vec![]);
    assert_eq!(t.count(Counter::NoChunks), 1);
    assert_eq!(t.record(0).packets, 1);
}

#[test]
fn a_packet_with_too_many_chunks_is_used_as_far_as_it_goes() {
    let mut t = Tracker::new();
    let many = u32::try_from(MAX_CHUNKS).unwrap() + 5;
    t.there((0..many).map(|tsn| frames::data(tsn, 1)).collect());
    assert_eq!(t.record(0).data_chunks, MAX_CHUNKS as u64);
    assert_eq!(t.count(Counter::ChunksTooMany), 1);
}

#[test]
fn every_way_to_carry_sctp_makes_the_same_flow() {
    let packet = Packet::v4(TAG, vec![frames::data(1, 4)]);
    for frame in [
        packet.ethernet(),
        packet.vlan(&[5]),
        packet.vlan(&[5, 6]),
        packet.udp(9899),
    ] {
        let mut t = Tracker::new();
        t.frame(&frame);
        assert_eq!(t.record(0).data_chunks, 1);
        assert_eq!(t.record(0).key.src.to_ip().to_string(), "10.1.0.1");
    }
    let mut t = Tracker::new();
    t.frame(&packet.tcp());
    t.frame(&packet.udp(9898));
    assert!(t.table.records().is_empty());
}

#[test]
fn no_prefix_of_a_packet_panics() {
    let sctp = vec![
        frames::heartbeat(&[7; 41]),
        frames::sack(1, &[(2, 3)]),
        frames::data(5, 9),
    ];
    let packets = [
        Packet::v4(TAG, sctp).vlan(&[7]),
        Packet::v6(0, vec![frames::init(5, &["10.1.0.1", "2001:db8::1"])]).ethernet(),
        Packet::v4(TAG, vec![frames::abort(true), frames::heartbeat_ack(&[7; 3])]).udp(9899),
    ];
    for packet in packets {
        for length in 0..packet.len() {
            Tracker::new().frame(&packet[..length]);
        }
    }
}

#[test]
fn what_a_sack_leaves_is_waited_for() {
    let mut t = Tracker::new();
    t.back(vec![frames::data(1, 1)]);
    t.there(vec![frames::data(10, 1)]);
    t.wait(50);
    t.there(vec![frames::data(11, 1)]);
    let second_at = t.now_ns;
    t.wait(50);
    t.there(vec![frames::data(12, 1)]);
    t.wait(100);
    t.back(vec![frames::sack(10, &[])]);
    let record = t.record(1);
    assert_eq!((record.timed.tsn, record.timed.sent_at_ns), (11, second_at));
    assert_eq!((record.timed.packets(), record.acknowledgements), (2, 1));
    t.wait(10);
    t.back(vec![frames::sack(11, &[])]);
    let record = t.record(1);
    assert_eq!((record.timed.tsn, record.timed.sent_at_ns), (12, t.now_ns));
    assert!(record.timed.is_left_over());
    t.wait(10);
    t.there(vec![frames::data(13, 1)]);
    assert_eq!(t.record(1).timed.tsn, 13, "new DATA can be timed");
    t.back(vec![frames::sack(13, &[])]);
    assert!(!t.record(1).timed.is_armed());
    assert_eq!(t.record(1).acknowledgements, 3);
}
