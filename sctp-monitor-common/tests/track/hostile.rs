//! Packets that nobody sends in good faith, counters that wrap, and clocks that go back.

use sctp_monitor_common::{
    abi::{Counter, FlowRecord},
    track::{FlowTable as _, MAX_CHUNKS},
    wire::ChunkKind,
};
use sctp_monitor_testkit::frames::{self, Packet};

use crate::{MS, TAG, Tracker};

/// Chunks of four bytes that fit into an IPv4 packet.
const MOST_CHUNKS: usize = (65_535 - 20 - 12) / 4;

#[test]
fn a_packet_of_sixteen_thousand_chunks_is_walked_as_far_as_was_asked() {
    let frame = Packet::v4(TAG, vec![frames::cookie_ack(); MOST_CHUNKS]).ethernet();
    for (max_chunks, walked) in [
        (1, 1),
        (MAX_CHUNKS, MAX_CHUNKS),
        (MOST_CHUNKS - 1, MOST_CHUNKS - 1),
        (MOST_CHUNKS, MOST_CHUNKS),
        (usize::MAX, MOST_CHUNKS),
    ] {
        let mut t = Tracker::new();
        t.frame_of(&frame, max_chunks);
        assert_eq!(t.record(0).chunk_count(ChunkKind::CookieAck), walked as u64);
        let too_many = t.count(Counter::ChunksTooMany) == 1;
        assert_eq!(too_many, walked < MOST_CHUNKS, "{max_chunks}");
    }
}

#[test]
fn thousands_of_data_chunks_are_all_taken() {
    // Without user data, which no sender may send (RFC 9260 section 3.3.1) and the tracker need not mind.
    let chunks: Vec<_> = (1..=4_000).map(|tsn| frames::data(tsn, 0)).collect();
    let mut t = Tracker::new();
    t.frame_of(&Packet::v4(TAG, chunks).ethernet(), usize::MAX);
    let record = t.record(0);
    assert_eq!((record.data_chunks, record.data_bytes), (4_000, 0));
    assert_eq!(
        (record.sender.highest_tsn, record.run_start, record.highest_sent),
        (4_000, 1, 4_000)
    );
}

#[test]
fn a_sack_may_have_as_many_gap_blocks_as_fit() {
    let mut t = Tracker::new();
    t.there(vec![frames::data(40_000, 10)]);
    let gaps: Vec<_> = (1..=16_000_u16).map(|n| (2 * n, 2 * n)).collect();
    t.back(vec![frames::sack(8_000, &gaps)]);
    assert_eq!(t.record(0).sender.highest_acked, 40_000);
    assert_eq!(t.record(0).acknowledgements, 1, "a gap ack proves the path");
}

#[test]
fn gap_blocks_and_duplicates_beyond_the_chunk_are_not_believed() {
    for counts in [[0xff, 0xff, 0xff, 0xff], [0, 0, 0xff, 0xff], [0xff, 0xff, 0, 0]] {
        let mut t = Tracker::new();
        t.there(vec![frames::data(1, 10), frames::data(2, 10)]);
        let mut sack = frames::sack(1, &[]);
        sack[12..16].copy_from_slice(&counts);
        // What follows in the packet is no gap block.
        t.back(vec![sack, frames::chunk(132, 0, &[0xff; 100])]);
        assert_eq!(t.record(0).sender.highest_acked, 1, "{counts:?}");
        assert_eq!(t.record(0).spurious, 0, "{counts:?}");
    }
}

#[test]
fn a_chunk_length_that_leads_nowhere_ends_the_walk() {
    for (length, counter) in [
        (0, Counter::ChunkLengthTooShort),
        (1, Counter::ChunkLengthTooShort),
        (3, Counter::ChunkLengthTooShort),
        (0xffff, Counter::ChunkLengthPastEnd),
        (0xfffc, Counter::ChunkLengthPastEnd),
    ] {
        let mut t = Tracker::new();
        let mut chunk = frames::cookie_ack();
        chunk[2..4].copy_from_slice(&u16::to_be_bytes(length));
        t.frame_of(
            &Packet::v4(TAG, vec![frames::data(1, 1), chunk, frames::data(2, 1)]).ethernet(),
            usize::MAX,
        );
        assert_eq!(t.record(0).data_chunks, 1, "{length}");
        assert_eq!(t.count(counter), 1, "{length}");
    }
}

#[test]
fn tsns_go_on_over_the_wrap() {
    let mut t = Tracker::new();
    t.back(vec![frames::cookie_ack()]);
    for tsn in [u32::MAX - 1, u32::MAX, 0, 1] {
        t.there(vec![frames::data(tsn, 10)]);
        t.wait(1);
        t.back(vec![frames::sack(tsn, &[])]);
    }
    t.there(vec![frames::data(u32::MAX, 10)]);
    let record = t.record(1);
    assert_eq!((record.acknowledgements, record.retransmissions), (4, 1));
    assert_eq!((record.sender.highest_tsn, record.sender.cum_tsn_ack), (1, 1));
}

#[test]
fn counters_wrap() {
    let mut t = Tracker::new();
    t.there(vec![frames::data(1, 10)]);
    t.back(vec![frames::cookie_ack()]);
    let full = |record: &mut FlowRecord| {
        record.packets = u64::MAX;
        record.bytes = u64::MAX;
        record.data_chunks = u64::MAX;
        record.data_bytes = u64::MAX;
        record.chunks = [u32::MAX; 32];
        record.tag_mismatches = u32::MAX;
        record.retransmissions = u32::MAX;
        record.lost = u32::MAX;
        record.late = u32::MAX;
        record.spurious = u32::MAX;
        record.acknowledgements = u32::MAX;
        record.acknowledged_here = u32::MAX;
        record.heartbeats_answered = u32::MAX;
        record.answered_elsewhere = u32::MAX;
    };
    for slot in [0, 1] {
        full(t.table.record(slot).unwrap());
    }
    t.there(vec![frames::data(1, 10), frames::heartbeat(&[7; 40])]);
    t.there(vec![frames::data(6, 10), frames::data(2, 10)]);
    t.back(vec![frames::sack(6, &[]), frames::heartbeat_ack(&[7; 40])]);
    t.there(vec![frames::data(7, 10)]);
    t.back(vec![frames::sack(7, &[])]);
    t.frame(&Packet::v4(7, vec![frames::sack(6, &[])]).ethernet());
    let record = t.record(0);
    assert_eq!(
        (record.packets, record.data_chunks, record.data_bytes),
        (3, 3, 39)
    );
    assert_eq!((record.retransmissions, record.lost, record.late), (0, 0, 0));
    assert_eq!(
        (
            record.heartbeats_answered,
            record.acknowledgements,
            record.acknowledged_here,
            record.tag_mismatches
        ),
        (0, 1, 1, 0)
    );
    assert_eq!(record.chunk_count(ChunkKind::Heartbeat), 0);
}

#[test]
fn a_clock_that_goes_back_times_nothing_absurd() {
    let mut t = Tracker::new();
    t.there(vec![frames::data(1, 10), frames::heartbeat(&[7; 40])]);
    t.back(vec![frames::cookie_ack()]);
    t.now_ns -= 500 * MS;
    t.back(vec![frames::sack(1, &[]), frames::heartbeat_ack(&[7; 40])]);
    let record = t.record(0);
    assert_eq!((record.heartbeat_rtt.last_ns, record.data_rtt.last_ns), (0, 0));
    assert_eq!((record.heartbeats_answered, record.acknowledgements), (1, 1));
    // And goes on from there.
    t.there(vec![frames::data(2, 10), frames::heartbeat(&[8; 40])]);
    t.wait(3);
    t.back(vec![frames::sack(2, &[]), frames::heartbeat_ack(&[8; 40])]);
    assert_eq!(
        (t.record(0).heartbeat_rtt.last_ns, t.record(0).data_rtt.last_ns),
        (3 * MS, 3 * MS)
    );
}
