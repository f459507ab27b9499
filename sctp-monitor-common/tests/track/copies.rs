//! Packets that pass on two paths each: what is said twice counts once, and is no loss.

use sctp_monitor_common::abi::{Announcement, FlowLinks, Interface, ProbeInfo, SlotRef, SteerMark};
use sctp_monitor_testkit::frames::{self, Packet};

use crate::{BACK, MS, TAG, Tracker, tie};

/// Two paths of one association, whose packets 10.1.0.1 > 10.1.0.2 are in slot 0, and those of 10.2.0.1 > 10.2.0.2 in slot 1.
fn two_paths() -> Tracker {
    let mut t = Tracker::new();
    for path in [1, 2] {
        t.frame(&on(path, TAG, vec![frames::data(1, 10)]).ethernet());
    }
    t.wait(10);
    for path in [1, 2] {
        t.frame(&on(path, BACK, vec![frames::sack(1, &[])]).reversed().ethernet());
    }
    tie(&mut t, &[0, 1], SlotRef::to(2));
    tie(&mut t, &[2, 3], SlotRef::to(0));
    t
}

fn on(path: u8, tag: u32, chunks: Vec<Vec<u8>>) -> Packet {
    Packet::v4(tag, chunks).between(&format!("10.{path}.0.1"), &format!("10.{path}.0.2"))
}

fn tell_copies(t: &mut Tracker, slots: &[u32]) {
    for slot in slots {
        let links = FlowLinks {
            copies: 1,
            ..t.table.all_links()[*slot as usize]
        };
        t.table.link(*slot, &links);
    }
}

fn sent_on_both(t: &mut Tracker, tsn: u32) {
    for (path, mark) in [(1, SteerMark::First), (2, SteerMark::Second)] {
        t.table.set_mark(Some(mark));
        t.frame(&on(path, TAG, vec![frames::data(tsn, 10)]).ethernet());
    }
    t.table.set_mark(None);
}

/// A SACK that reports the last TSN as a duplicate.
fn sack_of_two(tsn: u32) -> Vec<u8> {
    let mut value = tsn.to_be_bytes().to_vec();
    value.extend(65_536_u32.to_be_bytes());
    value.extend([0, 0, 0, 1]);
    value.extend(tsn.to_be_bytes());
    frames::chunk(3, 0, &value)
}

#[test]
fn what_this_host_sends_on_both_counts_once_and_is_waited_for_on_neither() {
    let mut t = two_paths();
    tell_copies(&mut t, &[0, 1, 2, 3]);
    let before: Vec<_> = [0, 1].map(|slot| *t.record(slot)).into();
    for tsn in 2..12 {
        sent_on_both(&mut t, tsn);
        t.wait(3);
        for path in [2, 1] {
            t.frame(&on(path, BACK, vec![sack_of_two(tsn)]).reversed().ethernet());
        }
    }
    let [first, second] = [0, 1].map(|slot| t.record(slot).since(&before[slot]));
    assert_eq!((first.packets, second.packets), (10, 10), "both were on the wire");
    assert_eq!((first.data_chunks, second.data_chunks), (10, 0));
    for record in [first, second] {
        assert_eq!(
            (record.retransmissions, record.lost, record.late, record.spurious),
            (0, 0, 0, 0)
        );
        assert_eq!(record.acknowledgements, 0, "nobody knows which of two arrived");
        assert!(!record.timed.is_armed());
    }
    assert_eq!(t.record(0).highest_sent, 11);
    // What the host itself retransmits is a retransmission.
    sent_on_both(&mut t, 11);
    assert_eq!(t.record(0).since(&before[0]).retransmissions, 1);
    assert_eq!(t.record(1).since(&before[1]).retransmissions, 0);
}

#[test]
fn what_the_peer_sends_on_both_is_no_loss() {
    // The peer's packets are those of slots 0 and 1 here.
    for copies in [false, true] {
        let mut t = two_paths();
        if copies {
            tell_copies(&mut t, &[0, 1]);
        }
        let before: Vec<_> = [0, 1].map(|slot| *t.record(slot)).into();
        for tsn in 2..42 {
            // Now one is faster, now the other.
            let order = if tsn % 3 == 0 { [1, 2] } else { [2, 1] };
            for path in order {
                t.frame(&on(path, TAG, vec![frames::data(tsn, 10)]).ethernet());
            }
        }
        let all: Vec<_> = [0, 1].map(|slot| t.record(slot).since(&before[slot])).into();
        let lost: u32 = all.iter().map(|record| record.lost + record.late).sum();
        let again: u32 = all.iter().map(|record| record.retransmissions).sum();
        if copies {
            assert_eq!((lost, again), (0, 0));
        } else {
            assert!(lost >= 20 && again == 40, "{lost} {again}");
        }
    }
}

#[test]
fn what_the_peer_retransmits_on_the_same_path_is_lost_though_it_sends_on_both() {
    let mut t = two_paths();
    tell_copies(&mut t, &[0, 1]);
    let data = |t: &mut Tracker, path, tsn| t.frame(&on(path, TAG, vec![frames::data(tsn, 10)]).ethernet());
    for tsn in 2..12 {
        data(&mut t, 1, tsn);
        data(&mut t, 2, tsn);
    }
    let before = *t.record(0);
    data(&mut t, 1, 10);
    data(&mut t, 2, 10);
    let since = t.record(0).since(&before);
    assert_eq!((since.retransmissions, since.lost), (1, 1));
}

#[test]
fn an_agent_at_the_other_end_is_heard_with_the_right_tag_and_on_what_arrives() {
    let probe = ProbeInfo {
        index: 1,
        generation: 1,
        sequence: 1,
        sent_at_ns: MS,
    };
    let heartbeat = |would_copy, copies| {
        let says = Announcement { would_copy, copies };
        vec![frames::heartbeat(&probe.to_bytes([7, 7], 9, says))]
    };
    let mut t = two_paths();
    t.table = std::mem::take(&mut t.table).with_probes([1, 2], 4);
    for (would_copy, copies) in [(true, false), (true, true), (false, false)] {
        t.frame(&on(1, TAG, heartbeat(would_copy, copies)).ethernet());
    }
    assert_eq!((t.record(0).would_copy, t.record(0).copies), (2, 1));
    t.frame(&on(1, TAG + 1, heartbeat(true, true)).ethernet());
    t.frame_at(
        &on(1, TAG, heartbeat(true, true)).ethernet(),
        Interface::egress(1),
    );
    // One that answers this agent's own probe says what this agent said.
    let own = ProbeInfo {
        index: 1,
        generation: 1,
        sequence: 1,
        sent_at_ns: MS,
    };
    let says = Announcement {
        would_copy: true,
        copies: true,
    };
    let ack = frames::heartbeat_ack(&own.to_bytes([1, 2], 9, says));
    t.frame(&on(1, TAG, vec![ack]).ethernet());
    assert_eq!((t.record(0).would_copy, t.record(0).copies), (2, 1));
}
