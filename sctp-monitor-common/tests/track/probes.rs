//! The agent's own probes: what is recognised, what is consumed, and what they leave alone.

use bytemuck::Zeroable as _;
use sctp_monitor_common::{
    abi::{Announcement, FlowRecord, Interface, ProbeInfo, ProbePath, ProbeRecord},
    memory::MemoryTable,
    track::{MAX_CHUNKS, Options, Verdict, observe},
    wire::{Address, ChunkKind, Frame, LinkType, ParseOptions},
};
use sctp_monitor_testkit::frames::{self, Packet};

use crate::{BACK, MS, TAG};

const KEY: [u64; 2] = [0x0123_4567_89ab_cdef, 42];
const PORT: u16 = 36_412;

/// This host, 10.1.0.1, probes 10.1.0.2.
fn table() -> MemoryTable {
    let mut table = MemoryTable::new().with_probes(KEY, 4);
    table.assign_probe(2, &path());
    table
}

fn path() -> ProbePath {
    ProbePath {
        generation: 5,
        tag: TAG,
        ack_tag: BACK,
        src_port: PORT,
        dst_port: PORT,
        dst: Address::from(std::net::IpAddr::from([10, 1, 0, 2])),
        ..ProbePath::zeroed()
    }
}

fn info(sequence: u32, sent_at_ns: u64) -> Vec<u8> {
    let probe = ProbeInfo {
        index: 2,
        generation: 5,
        sequence,
        sent_at_ns,
    };
    probe.to_bytes(KEY, BACK, Announcement::default()).to_vec()
}

fn look(table: &mut MemoryTable, packet: &Packet, interface: Interface) -> Verdict {
    let options = Options {
        link: LinkType::Ethernet,
        parse: ParseOptions::default(),
        max_chunks: MAX_CHUNKS,
    };
    observe(&Frame(&packet.ethernet()), interface, &options, table)
}

fn sent(table: &mut MemoryTable, chunks: Vec<Vec<u8>>) -> Verdict {
    look(table, &Packet::v4(TAG, chunks), Interface::egress(1))
}

fn arrives(table: &mut MemoryTable, tag: u32, chunks: Vec<Vec<u8>>) -> Verdict {
    look(table, &Packet::v4(tag, chunks).reversed(), Interface::ingress(1))
}

fn record(table: &MemoryTable) -> ProbeRecord {
    table.probe_record(2).expect("it has four places")
}

#[test]
fn an_answer_alone_is_consumed_and_timed_and_no_flow_counts_it() {
    let mut table = table();
    sent(&mut table, vec![frames::data(7, 100)]);
    arrives(&mut table, BACK, vec![frames::sack(7, &[])]);
    while table.pop_record().is_some() {}
    let before: Vec<_> = table.records().iter().map(without_time).collect();
    table.set_now(1_000 * MS);
    let info = info(1, 1_000 * MS);
    assert_eq!(sent(&mut table, vec![frames::heartbeat(&info)]), Verdict::Pass);
    table.set_now(1_003 * MS);
    let ack = vec![frames::heartbeat_ack(&info)];
    assert_eq!(arrives(&mut table, BACK, ack), Verdict::Consume);
    let record = record(&table);
    assert_eq!((record.left, record.answered, record.passed), (1, 1, 0));
    assert_eq!(record.left_sent_at_ns, 1_000 * MS);
    assert_eq!(
        (record.answered_sent_at_ns, record.answered_at_ns),
        (1_000 * MS, 1_003 * MS)
    );
    assert_eq!(record.rtt.last_ns, 3 * MS);
    assert_eq!(record.interface, Interface::egress(1));
    let after: Vec<_> = table.records().iter().map(without_time).collect();
    assert_eq!(before, after);
    assert!(table.pop_record().is_none());
}

/// A record without when its flow was last seen, and by how much it was proved: its host did send that.
fn without_time(record: &FlowRecord) -> FlowRecord {
    FlowRecord {
        last_seen_ticks: 0,
        proofs: 0,
        ..*record
    }
}

#[test]
fn longer_information_is_read_as_far_as_it_says_something() {
    let mut table = table();
    let mut long = info(1, MS);
    long.resize(116, 0);
    assert_eq!(
        arrives(&mut table, BACK, vec![frames::heartbeat_ack(&long)]),
        Verdict::Consume
    );
    assert_eq!(record(&table).answered, 1);
}

#[test]
fn an_answer_with_other_chunks_passes_with_them() {
    let mut table = table();
    sent(&mut table, vec![frames::data(7, 100)]);
    let ack = |sequence| frames::heartbeat_ack(&info(sequence, MS));
    assert_eq!(
        arrives(&mut table, BACK, vec![frames::sack(7, &[]), ack(1)]),
        Verdict::Pass
    );
    assert_eq!(
        arrives(&mut table, BACK, vec![ack(2), frames::sack(7, &[])]),
        Verdict::Pass
    );
    let record = record(&table);
    assert_eq!((record.answered, record.passed), (2, 2));
    let [forward, back] = table.records() else {
        panic!("two flows")
    };
    assert_eq!(forward.sender.highest_acked, 7, "the SACK counts");
    assert_eq!(
        back.chunk_count(ChunkKind::HeartbeatAck),
        0,
        "no answer to the host's own"
    );
    assert_eq!(back.packets, 2);
}

#[test]
fn the_same_answer_again_is_consumed_and_proves_nothing() {
    let mut table = table();
    let answer = |table: &mut MemoryTable, sequence, at| {
        table.set_now(at);
        arrives(
            table,
            BACK,
            vec![frames::heartbeat_ack(&info(sequence, 100 * MS))],
        )
    };
    assert_eq!(answer(&mut table, 1, 101 * MS), Verdict::Consume);
    assert_eq!(answer(&mut table, 1, 900 * MS), Verdict::Consume);
    let record = record(&table);
    assert_eq!((record.answered, record.repeated), (1, 1));
    assert_eq!(record.answered_at_ns, 101 * MS);
}

#[test]
fn what_is_not_the_agents_own_passes_and_is_no_answer() {
    let good = info(1, MS);
    let ack = |info: &[u8]| vec![frames::heartbeat_ack(info)];
    let mut forged = good.clone();
    *forged.last_mut().unwrap() ^= 1;
    let mut table = table();
    assert_eq!(arrives(&mut table, BACK, ack(&forged)), Verdict::Pass);
    assert_eq!(
        arrives(&mut table, BACK ^ 1, ack(&good)),
        Verdict::Pass,
        "another tag"
    );
    let ports = Packet::v4(BACK, ack(&good)).reversed().ports(PORT, PORT + 1);
    assert_eq!(
        look(&mut table, &ports, Interface::ingress(1)),
        Verdict::Pass,
        "another port"
    );
    let leaves = Packet::v4(BACK, ack(&good)).reversed();
    assert_eq!(look(&mut table, &leaves, Interface::egress(1)), Verdict::Pass);
    assert_eq!(record(&table).answered, 0);
    table.assign_probe(
        2,
        &ProbePath {
            generation: 6,
            ..path()
        },
    );
    assert_eq!(
        arrives(&mut table, BACK, ack(&good)),
        Verdict::Pass,
        "of the path before"
    );
    table.assign_probe(2, &ProbePath::zeroed());
    assert_eq!(
        arrives(&mut table, BACK, ack(&good)),
        Verdict::Pass,
        "probed no longer"
    );
    let mut off = MemoryTable::new();
    assert_eq!(arrives(&mut off, BACK, ack(&good)), Verdict::Pass, "no probing");
}

#[test]
fn an_answer_from_another_address_says_so() {
    let mut table = table();
    let ack = Packet::v4(BACK, vec![frames::heartbeat_ack(&info(1, MS))]).between("10.2.0.2", "10.1.0.1");
    assert_eq!(look(&mut table, &ack, Interface::ingress(1)), Verdict::Consume);
    let record = record(&table);
    assert_eq!((record.answered, record.answered_elsewhere), (1, 1));
    assert_eq!(record.ack_source.to_ip().to_string(), "10.2.0.2");
}

#[test]
fn a_probe_says_neither_where_nor_when_the_host_sends() {
    let mut table = table();
    table.set_now(MS);
    sent(&mut table, vec![frames::data(7, 100)]);
    let before = table.records()[0];
    table.set_now(20_000 * MS);
    let probe = Packet::v4(TAG, vec![frames::heartbeat(&info(1, 20_000 * MS))]);
    look(&mut table, &probe, Interface::egress(2));
    assert_eq!(record(&table).left, 1);
    let after = table.records()[0];
    assert_eq!(after.last_seen_ticks, before.last_seen_ticks);
    assert_eq!(after.interface.if_index(), 1);
    // The next of its own packets says it anew.
    look(
        &mut table,
        &Packet::v4(TAG, vec![frames::data(8, 100)]),
        Interface::egress(1),
    );
    let after = table.records()[0];
    assert_eq!(after.interface, Interface::egress(1));
    assert!(after.last_seen_ticks > before.last_seen_ticks);
}

/// The peer's host has an agent too.
#[test]
fn probes_of_another_agent_are_no_heartbeats_of_a_stack() {
    let mut table = MemoryTable::new();
    let info = info(1, MS);
    arrives(&mut table, BACK, vec![frames::heartbeat(&info)]);
    sent(&mut table, vec![frames::heartbeat_ack(&info)]);
    let [back, forward] = table.records() else {
        panic!("two flows")
    };
    assert_eq!(back.outstanding[0].sent_at_ns, 0);
    assert_eq!((back.packets, back.chunk_count(ChunkKind::Heartbeat)), (1, 0));
    assert_eq!(
        (forward.packets, forward.chunk_count(ChunkKind::HeartbeatAck)),
        (1, 0)
    );
    assert_eq!(back.heartbeats_answered, 0);
    // The stack's own are as before.
    arrives(&mut table, BACK, vec![frames::heartbeat(&[7; 40])]);
    sent(&mut table, vec![frames::heartbeat_ack(&[7; 40])]);
    assert_eq!(table.records()[0].heartbeats_answered, 1);
}
