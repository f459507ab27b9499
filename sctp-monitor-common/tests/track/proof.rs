//! Which tag of a flow joined mid-life is believed, while others forge packets.

use sctp_monitor_common::{
    abi::{AckOutcome, Counter, Interface, RingRecord},
    track::{MAX_CHUNKS, Options, observe},
    wire::{Frame, LinkType, ParseOptions},
};
use sctp_monitor_testkit::frames::{self, Packet};

use super::{BACK, TAG, Tracker, links::tell_tag};

const FORGED: u32 = 0x0bad_0bad;

/// A packet of 10.1.0.2 > 10.1.0.1 with a tag that nobody gave.
fn forge_back(t: &mut Tracker, chunks: Vec<Vec<u8>>) {
    t.frame(&Packet::v4(FORGED, chunks).reversed().ethernet());
}

fn forge_there(t: &mut Tracker, chunks: Vec<Vec<u8>>) {
    t.frame(&Packet::v4(FORGED, chunks).ethernet());
}

/// A packet of 10.1.0.1 > 10.1.0.2 that this host sends.
fn leaves(t: &mut Tracker, tag: u32, chunks: Vec<Vec<u8>>) {
    let options = Options {
        link: LinkType::Ethernet,
        parse: ParseOptions::default(),
        max_chunks: MAX_CHUNKS,
    };
    let frame = Packet::v4(tag, chunks).ethernet();
    t.table.set_now(t.now_ns);
    observe(&Frame(&frame), Interface::egress(1), &options, &mut t.table);
}

#[test]
fn forged_sacks_that_come_first_earn_nothing() {
    let mut t = Tracker::new();
    t.there(vec![frames::data(1, 5)]);
    forge_back(&mut t, vec![frames::sack(0x4000_0000, &[])]);
    assert_eq!(t.record(1).tag, FORGED, "the first tag is believed");
    assert_eq!((t.record(1).a_rwnd(), t.record(1).proofs), (None, 0));
    assert!(!t.record(0).sender.sack_seen());
    assert!(t.record(0).timed.is_armed());
}

#[test]
fn a_sack_of_what_waits_puts_the_genuine_tag_in_the_place_of_a_forged_one() {
    let mut t = Tracker::new();
    t.there(vec![frames::data(1, 5)]);
    forge_back(&mut t, vec![frames::sack(0x4000_0000, &[])]);
    t.wait(5);
    t.back(vec![frames::sack(1, &[])]);
    let (there, back) = (t.record(0), t.record(1));
    assert_eq!((back.tag, back.proofs), (BACK, 1));
    assert_eq!(there.acknowledgements, 1);
    assert_eq!(there.proofs, 1, "what was acknowledged had the right tag as well");
    assert_eq!(t.count(Counter::TagMismatch), 0);
    // From now on the forged ones are those with a wrong tag.
    forge_back(&mut t, vec![frames::sack(0x4000_0000, &[])]);
    assert_eq!(t.record(1).tag, BACK);
    assert_eq!(t.count(Counter::TagMismatch), 1);
}

#[test]
fn what_was_acknowledged_before_proves_nothing() {
    let mut t = Tracker::new();
    t.there(vec![frames::data(1, 5)]);
    t.back(vec![frames::sack(1, &[])]);
    assert_eq!(t.record(1).proofs, 1);
    forge_back(&mut t, vec![frames::sack(1, &[])]);
    forge_back(&mut t, vec![frames::sack(0, &[])]);
    forge_back(&mut t, vec![frames::sack(2, &[])]);
    assert_eq!((t.record(1).tag, t.record(1).proofs), (BACK, 1));
    assert_eq!(t.count(Counter::TagMismatch), 3);
}

#[test]
fn a_heartbeat_ack_proves_both_tags() {
    let mut t = Tracker::new();
    forge_back(&mut t, vec![frames::data(77, 1)]);
    t.there(vec![frames::heartbeat(&[7; 40])]);
    forge_back(&mut t, vec![frames::heartbeat_ack(&[8; 40])]);
    t.back(vec![frames::heartbeat_ack(&[7; 40])]);
    assert_eq!((t.record(0).tag, t.record(0).proofs), (BACK, 1));
    assert_eq!((t.record(1).tag, t.record(1).proofs), (TAG, 1));
    assert!(!t.record(0).sender.data_seen(), "what was forged is forgotten");
    let records: Vec<_> = std::iter::from_fn(|| t.table.pop_record()).collect();
    let acked = records.iter().find_map(|record| match RingRecord::parse(record) {
        Ok(RingRecord::HeartbeatAcked(acked)) if acked.outcome == AckOutcome::SamePath as u16 => Some(acked),
        _ => None,
    });
    assert_eq!(acked.unwrap().heartbeat_slot, 1);
}

/// Where nobody vouches for a packet (a mirror port), and both directions began with forged ones.
#[test]
fn an_answer_proves_both_tags_though_both_were_forged_first() {
    let mut t = Tracker::new();
    forge_there(&mut t, vec![frames::data(500, 1)]);
    forge_back(&mut t, vec![frames::sack(9, &[])]);
    t.there(vec![frames::data(1, 5)]);
    t.back(vec![frames::sack(1, &[])]);
    assert_eq!((t.record(0).tag, t.record(1).tag), (TAG, BACK));

    let mut t = Tracker::new();
    forge_there(&mut t, vec![frames::data(500, 1)]);
    forge_back(&mut t, vec![frames::sack(9, &[])]);
    t.there(vec![frames::heartbeat(&[7; 40])]);
    t.back(vec![frames::heartbeat_ack(&[7; 40])]);
    assert_eq!((t.record(0).tag, t.record(1).tag), (TAG, BACK));
}

/// What is answered had the tag of the packet that asked, not of one that came in between.
#[test]
fn a_forged_packet_between_question_and_answer_earns_nothing() {
    for between in [
        frames::init_ack(9, &[]),
        frames::sack(77, &[]),
        frames::abort(false),
    ] {
        let mut t = Tracker::new();
        forge_there(&mut t, vec![frames::data(0x4000_0000, 1)]);
        t.there(vec![frames::data(1, 5)]);
        t.frame(&Packet::v4(FORGED + 1, vec![between]).ethernet());
        t.back(vec![frames::sack(1, &[])]);
        assert_eq!((t.record(0).tag, t.record(1).tag), (TAG, BACK));
    }
}

#[test]
fn what_this_host_sends_has_the_right_tag() {
    let mut t = Tracker::new();
    forge_there(&mut t, vec![frames::data(500, 1)]);
    leaves(&mut t, TAG, vec![frames::data(1, 1)]);
    let record = t.record(0);
    assert_eq!((record.tag, record.proofs), (TAG, 1));
    assert!(record.interface.is_egress());
    assert_eq!(record.sender.highest_tsn, 1);
}

#[test]
fn what_this_host_answers_to_a_forged_packet_proves_nothing() {
    for chunk in [
        frames::init_ack(5, &[]),
        frames::abort(false),
        frames::abort(true),
    ] {
        let mut t = Tracker::new();
        leaves(&mut t, TAG, vec![frames::data(1, 1)]);
        leaves(&mut t, FORGED, vec![chunk]);
        assert_eq!((t.record(0).tag, t.record(0).proofs), (TAG, 1));
    }
}

#[test]
fn a_tag_that_user_space_vouches_for_is_not_to_be_replaced() {
    let mut t = Tracker::new();
    t.there(vec![frames::data(1, 5)]);
    t.back(vec![frames::data(1, 1)]);
    tell_tag(&mut t, 1, BACK);
    forge_back(&mut t, vec![frames::sack(1, &[])]);
    assert_eq!(t.record(1).tag, BACK);
    assert_eq!(t.record(0).acknowledgements, 0);
    assert_eq!(t.count(Counter::TagMismatch), 1);
}

#[test]
fn packets_with_a_wrong_tag_say_neither_when_nor_where_a_flow_was_seen() {
    let mut t = Tracker::new();
    t.there(vec![frames::data(1, 5)]);
    tell_tag(&mut t, 0, TAG);
    let before = *t.record(0);
    t.wait(50);
    let mut forged = Packet::v4(FORGED, vec![frames::data(2, 5)]).ethernet();
    forged[6..12].copy_from_slice(&[2, 0, 0, 0, 0, 99]);
    let options = Options {
        link: LinkType::Ethernet,
        parse: ParseOptions::default(),
        max_chunks: MAX_CHUNKS,
    };
    t.table.set_now(t.now_ns);
    observe(&Frame(&forged), Interface::ingress(9), &options, &mut t.table);
    let after = t.record(0);
    assert_eq!(after.tag_mismatches, 1);
    assert_eq!(
        (after.last_seen_ticks, after.interface, after.next_hop),
        (before.last_seen_ticks, before.interface, before.next_hop)
    );
    assert_ne!(before.next_hop, [0; 6]);
}
