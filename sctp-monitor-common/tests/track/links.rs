//! What user space says of a flow, and what tracking makes of it.

use sctp_monitor_common::abi::{Counter, FlowLinks, SlotRef};
use sctp_monitor_testkit::frames::{self, Packet};

use crate::{BACK, MS, TAG, Tracker, tie};

const NEW_TAG: u32 = 0x0bad_cafe;

pub(crate) fn tell_tag(t: &mut Tracker, slot: u32, tag: u32) {
    let links = FlowLinks {
        tag,
        ..t.table.all_links()[slot as usize]
    };
    t.table.link(slot, &links);
}

#[test]
fn a_tag_that_is_told_takes_the_place_of_the_first_one() {
    let mut t = Tracker::new();
    t.there(vec![frames::heartbeat(&[7; 40]), frames::data(10, 1)]);
    tell_tag(&mut t, 0, NEW_TAG);
    assert_eq!(
        t.record(0).tag,
        TAG,
        "nobody but tracking writes a record of a flow"
    );
    t.frame(&Packet::v4(NEW_TAG, vec![frames::sack(1, &[])]).ethernet());
    let record = t.record(0);
    assert_eq!((record.tag, record.tag_mismatches), (NEW_TAG, 0));
    assert!(!record.sender.data_seen() && !record.waits_for_answer());
    assert!(!record.sender.sack_seen());
    t.there(vec![frames::data(11, 1)]);
    assert_eq!(t.record(0).tag_mismatches, 1);
}

#[test]
fn the_same_tag_forgets_nothing() {
    let mut t = Tracker::new();
    t.there(vec![frames::data(10, 1)]);
    tell_tag(&mut t, 0, TAG);
    t.there(vec![frames::sack(1, &[])]);
    assert!(t.record(0).sender.data_seen() && t.record(0).timed.is_armed());
}

#[test]
fn a_flow_without_a_tag_takes_no_other_than_the_one_told() {
    let mut t = Tracker::new();
    t.frame(&Packet::v4(0, vec![frames::init(5, &[])]).ethernet());
    tell_tag(&mut t, 0, NEW_TAG);
    t.there(vec![frames::data(1, 1)]);
    let record = t.record(0);
    assert_eq!((record.tag, record.tag_mismatches), (NEW_TAG, 1));
    assert!(!record.sender.data_seen());
}

/// The flow that holds the TSN state may be idle when the association gets another tag.
#[test]
fn the_state_of_an_idle_flow_is_forgotten_too() {
    let mut t = Tracker::new();
    let other =
        |tag, chunks: Vec<Vec<u8>>| Packet::v4(tag, chunks).between("10.2.0.1", "10.2.0.2").ethernet();
    t.there(vec![frames::data(1_000, 1)]);
    t.frame(&other(TAG, vec![frames::data(1_001, 1)]));
    t.back(vec![frames::cookie_ack()]);
    tie(&mut t, &[0, 1], SlotRef::to(2));
    tie(&mut t, &[2], SlotRef::to(0));
    for slot in [0, 1] {
        tell_tag(&mut t, slot, NEW_TAG);
    }
    tell_tag(&mut t, 2, BACK);
    // A SACK of the new association neither acknowledges what the old one sent, ...
    t.back(vec![frames::sack(5, &[])]);
    let record = t.record(0);
    assert_eq!((record.acknowledgements, record.acked_ticks), (0, 0));
    assert_eq!((record.sender.cum_tsn_ack, record.sender.data_seen()), (5, false));
    // ... nor are its TSNs older than the old one's.
    t.frame(&other(NEW_TAG, vec![frames::data(6, 1)]));
    assert_eq!(t.record(0).sender.highest_tsn, 6);
    assert_eq!(t.record(1).retransmissions, 0);
    assert_eq!(t.record(1).timed.tsn, 6);
}

#[test]
fn a_heartbeat_of_another_association_is_not_answered() {
    let mut t = Tracker::new();
    t.there(vec![frames::heartbeat(&[7; 40])]);
    t.back(vec![frames::cookie_ack()]);
    tell_tag(&mut t, 0, NEW_TAG);
    t.back(vec![frames::heartbeat_ack(&[7; 40])]);
    assert_eq!(t.record(0).heartbeats_answered, 0);
    assert_eq!(t.count(Counter::HeartbeatAckUnmatched), 1);
}

#[test]
fn links_come_before_the_pair_that_was_found() {
    let mut t = Tracker::new();
    t.there(vec![frames::data(10, 1)]);
    t.frame(
        &Packet::v4(TAG, vec![frames::data(11, 1)])
            .between("10.2.0.1", "10.2.0.2")
            .ethernet(),
    );
    t.back(vec![frames::cookie_ack()]);
    tie(&mut t, &[0], SlotRef::to(2));
    tie(&mut t, &[1], SlotRef::to(2));
    tie(&mut t, &[2], SlotRef::to(1));
    t.back(vec![frames::sack(11, &[])]);
    assert_eq!(
        (t.record(0).acknowledgements, t.record(1).acknowledgements),
        (0, 1)
    );
}

/// Its heartbeat may be answered before user space has seen it.
#[test]
fn a_pair_that_began_since_comes_before_the_links() {
    let mut t = Tracker::new();
    let other = |chunks| Packet::v4(TAG, chunks).between("10.2.0.1", "10.2.0.2");
    t.frame(&other(vec![frames::data(10, 1)]).ethernet());
    t.back(vec![frames::cookie_ack()]);
    tie(&mut t, &[0], SlotRef::to(1));
    tie(&mut t, &[1], SlotRef::to(0));
    t.there(vec![frames::heartbeat(&[7; 40])]);
    t.wait(1);
    t.back(vec![frames::heartbeat_ack(&[7; 40])]);
    assert_eq!(t.record(2).heartbeats_answered, 1);
    assert_eq!(t.record(2).heartbeat_rtt.last_ns, MS);
}

#[test]
fn a_slot_that_passed_to_another_flow_is_no_pair() {
    let mut t = Tracker::new();
    t.there(vec![frames::data(10, 1)]);
    t.back(vec![frames::cookie_ack()]);
    let key = t.record(0).key;
    t.table.forget(&key);
    t.table.release(0);
    t.frame(&Packet::v4(TAG, vec![frames::data(10, 1)]).ports(9, 9).ethernet());
    assert_eq!(t.record(0).key.src_port, 9);
    t.back(vec![frames::sack(10, &[])]);
    assert_eq!(t.record(0).acknowledgements, 0);
    assert!(t.record(0).timed.is_armed());
}

/// An ABORT that reflects a tag is a stranger's if the tag is not that of the opposite direction.
#[test]
fn a_reflected_tag_is_compared_with_the_one_told() {
    let mut t = Tracker::new();
    t.there(vec![frames::data(1, 1)]);
    t.back(vec![frames::data(1, 1)]);
    tell_tag(&mut t, 1, NEW_TAG);
    t.frame(&Packet::v4(NEW_TAG, vec![frames::abort(true)]).ethernet());
    assert_eq!(t.record(0).tag_mismatches, 0);
    t.frame(&Packet::v4(BACK, vec![frames::abort(true)]).ethernet());
    assert_eq!(t.record(0).tag_mismatches, 1);
}
