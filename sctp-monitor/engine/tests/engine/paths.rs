//! How paths are judged.

use sctp_monitor_common::{abi::Counter, track::FlowTable as _};
use sctp_monitor_engine::{
    NicState,
    config::Vantage,
    model::{PathState, Reason},
};
use sctp_monitor_testkit::{
    frames::{self, Packet},
    world::{LOCAL_TAG, NIC, REMOTE_TAG, World, ms},
};

use PathState::{Active, Inactive, PotentiallyFailed, Unconfirmed};

/// Sends a message every 50 ms over a path, and lets the peer acknowledge every second one while `acked` says so.
pub(crate) fn traffic(world: &mut World, path: u8, tsns: std::ops::Range<u32>, acked: bool) {
    for tsn in tsns {
        world.data(path, tsn);
        world.now = world.now + ms(1);
        if acked && tsn % 2 == 0 {
            world.sack(path, tsn);
        }
        world.advance(ms(49));
    }
}

#[test]
fn an_answered_heartbeat_makes_a_path_active() {
    let mut world = World::new(Vantage::Endpoint);
    world.handshake();
    world.events.clear();
    world.heartbeat_answered(2, ms(3));
    let changes = world.take_changes();
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].0, World::path_id(2));
    assert_eq!((changes[0].1, changes[0].2), (Unconfirmed, Active));
    assert_eq!(changes[0].3, Reason::HeartbeatAnswered { rtt: ms(3) });
}

#[test]
fn an_unanswered_heartbeat_is_a_doubt_and_the_third_a_failure() {
    let mut world = World::with_two_paths();
    world.heartbeat(1);
    world.advance(ms(150));
    assert_eq!(world.take_changes(), [], "within the time-out");
    world.advance(ms(40));
    assert_eq!(world.states(), [PotentiallyFailed, Active]);
    for _ in 0..2 {
        world.advance(ms(30_000));
        assert_eq!(
            world.states(),
            [PotentiallyFailed, Active],
            "heartbeats may be lost"
        );
        world.heartbeat(1);
        world.advance(ms(300));
    }
    let changes: Vec<_> = world
        .take_changes()
        .into_iter()
        .map(|(_, from, to, _)| (from, to))
        .collect();
    assert_eq!(
        changes,
        [(Active, PotentiallyFailed), (PotentiallyFailed, Inactive)]
    );
    for _ in 0..3 {
        world.advance(ms(30_000));
        world.heartbeat(1);
    }
    assert_eq!(world.take_changes(), [], "reported once");
}

#[test]
fn a_path_that_never_lost_a_heartbeat_is_given_up_after_two() {
    let mut world = World::with_two_paths();
    for _ in 0..70 {
        world.heartbeat_answered(1, ms(1));
        world.advance(ms(1_000));
    }
    for _ in 0..2 {
        world.heartbeat(1);
        world.advance(ms(1_000));
    }
    assert_eq!(world.state(1), Inactive);
}

#[test]
fn an_answer_brings_the_path_back() {
    let mut world = World::with_two_paths();
    for _ in 0..3 {
        world.heartbeat(1);
        world.advance(ms(1_000));
    }
    assert_eq!(world.state(1), Inactive);
    world.take_changes();
    world.heartbeat_answered(1, ms(2));
    let changes = world.take_changes();
    assert_eq!(changes.len(), 1);
    assert_eq!((changes[0].1, changes[0].2), (Inactive, Active));
}

#[test]
fn a_late_answer_is_an_answer() {
    let mut world = World::with_two_paths();
    let info = world.heartbeat(1);
    world.advance(ms(400));
    assert_eq!(world.state(1), PotentiallyFailed);
    world.received(1, LOCAL_TAG, vec![frames::heartbeat_ack(&info)]);
    world.sweep();
    assert_eq!(world.state(1), Active);
}

#[test]
fn an_answer_from_another_address_is_credited_rightly() {
    let mut world = World::with_two_paths();
    let info = world.heartbeat(1);
    world.advance(ms(5));
    world.received(2, LOCAL_TAG, vec![frames::heartbeat_ack(&info)]);
    world.advance(ms(1_000));
    assert_eq!(world.states(), [Active, Active]);
    assert_eq!(world.take_changes(), []);
}

#[test]
fn an_answer_over_a_pair_never_seen_before_is_credited_too() {
    let mut world = World::with_two_paths();
    let info = world.heartbeat(1);
    // The peer answers from a third address, whose flow the programs do not know as part of the association.
    let ack = Packet::v4(LOCAL_TAG, vec![frames::heartbeat_ack(&info)]).between("10.3.0.2", "10.1.0.1");
    world.packet(&ack, 1, false);
    world.sweep();
    world.advance(ms(1_000));
    assert_eq!(
        world.store.table.counters().value(Counter::HeartbeatAckUnmatched),
        1
    );
    assert_eq!(world.state(1), Active);
}

#[test]
fn a_lost_path_mtu_probe_is_no_evidence() {
    let mut world = World::with_two_paths();
    for info in 100..104 {
        world.sent(
            1,
            REMOTE_TAG,
            vec![frames::heartbeat(&[info; 40]), frames::chunk(132, 0, &[0; 1_400])],
        );
        world.advance(ms(3_000));
    }
    assert_eq!(world.take_changes(), []);
}

#[test]
fn a_forged_answer_does_not_hide_a_failure() {
    let mut world = World::with_two_paths();
    for _ in 0..3 {
        let info = world.heartbeat(1);
        world.received(1, 0xbad, vec![frames::heartbeat_ack(&info)]);
        world.advance(ms(1_000));
    }
    assert_eq!(world.state(1), Inactive);
}

#[test]
fn unacknowledged_data_is_reported_with_its_figures() {
    let mut world = World::with_two_paths();
    traffic(&mut world, 1, 1..21, true);
    assert_eq!(world.take_changes(), []);
    let broken_at = world.now;
    traffic(&mut world, 1, 21..31, false);
    let inactive = world.events.iter().find(|event| {
        matches!(
            event.kind,
            sctp_monitor_engine::model::EventKind::PathStateChanged { to: Inactive, .. }
        )
    });
    let after = inactive.expect("reported").time.since(broken_at);
    assert!(after <= ms(500), "{after:?}");
    let changes = world.take_changes();
    let (path, from, to, reason) = changes.last().unwrap();
    assert_eq!((*path, *from, *to), (World::path_id(1), Active, Inactive));
    let Reason::DataUnacknowledged {
        tsn,
        cum_tsn_ack,
        packets,
        ..
    } = reason
    else {
        panic!("{reason:?}");
    };
    assert_eq!((*tsn, *cum_tsn_ack), (21, 20));
    assert!(*packets >= 3);
    assert_eq!(world.state(2), Active);
}

#[test]
fn data_that_moves_to_another_path_does_not_clear_the_broken_one() {
    let mut world = World::with_two_paths();
    traffic(&mut world, 1, 1..21, true);
    traffic(&mut world, 1, 21..31, false);
    assert_eq!(world.state(1), Inactive);
    world.take_changes();
    for tsn in 21..31 {
        world.data(2, tsn);
    }
    world.sack(2, 30);
    traffic(&mut world, 2, 31..61, true);
    assert_eq!(world.states(), [Inactive, Active]);
    assert_eq!(world.take_changes(), []);
    world.heartbeat_answered(1, ms(1));
    assert_eq!(world.state(1), Active);
}

#[test]
fn a_sack_over_any_path_counts() {
    let mut world = World::with_two_paths();
    for tsn in 1..40 {
        world.data(1, tsn);
        world.now = world.now + ms(1);
        world.sack(2, tsn);
        world.advance(ms(49));
    }
    assert_eq!(world.take_changes(), []);
}

#[test]
fn a_delayed_ack_for_a_single_packet_is_no_failure() {
    let mut world = World::with_two_paths();
    for tsn in 1..20 {
        world.data(1, tsn);
        world.advance(ms(200));
        world.sack(1, tsn);
        world.advance(ms(800));
    }
    assert_eq!(world.take_changes(), []);
}

#[test]
fn single_losses_are_no_failure() {
    let mut world = World::with_two_paths();
    let mut tsn = 1;
    for _ in 0..50 {
        // One chunk is lost; the next ones are acknowledged by gap ack blocks, then it comes again.
        traffic(&mut world, 1, tsn..tsn + 1, true);
        world.data(1, tsn + 1);
        world.advance(ms(50));
        for late in 2..5_u16 {
            world.data(1, tsn + u32::from(late));
            world.received(1, LOCAL_TAG, vec![frames::sack(tsn, &[(2, late)])]);
            world.advance(ms(50));
        }
        world.data(1, tsn + 1);
        world.sack(1, tsn + 4);
        world.advance(ms(50));
        tsn += 5;
    }
    assert_eq!(world.take_changes(), []);
}

#[test]
fn a_nic_without_link_fails_its_paths_at_once() {
    let mut world = World::with_two_paths();
    world.nic(NIC, "ens1", NicState::Down);
    world.sweep();
    assert_eq!(world.states(), [Inactive, Active]);
    let changes = world.take_changes();
    assert_eq!(changes.len(), 1);
    let down = Reason::LinkDown {
        interface: "ens1".into(),
    };
    assert_eq!(changes[0].3, down);
    world.nic(NIC, "ens1", NicState::Up);
    world.advance(ms(100));
    assert_eq!(world.state(1), Inactive, "a link is no proof of a path");
    world.heartbeat_answered(1, ms(1));
    assert_eq!(world.state(1), Active);
}

#[test]
fn a_vanished_nic_fails_its_paths() {
    let mut world = World::with_two_paths();
    world.nic(NIC + 1, "ens2", NicState::Gone);
    world.sweep();
    assert_eq!(world.states(), [Active, Inactive]);
}

#[test]
fn what_the_peer_sends_and_this_host_leaves_unanswered_is_no_failure() {
    let mut world = World::with_two_paths();
    for info in 60..70 {
        world.received(
            1,
            LOCAL_TAG,
            vec![frames::heartbeat(&[info; 40]), frames::data(info.into(), 10)],
        );
        world.advance(ms(1_000));
    }
    assert_eq!(world.take_changes(), []);
}

#[test]
fn the_peers_heartbeats_confirm_a_path_that_this_host_never_probes() {
    let mut world = World::new(Vantage::Endpoint);
    world.handshake();
    world.events.clear();
    world.received(2, LOCAL_TAG, vec![frames::heartbeat(&[5; 40])]);
    world.sent(2, REMOTE_TAG, vec![frames::heartbeat_ack(&[5; 40])]);
    world.sweep();
    let changes = world.take_changes();
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].3, Reason::PeerHeartbeatAnswered);
}

#[test]
fn a_gateway_judges_by_both_directions() {
    let mut world = World::new(Vantage::Gateway);
    world.handshake();
    let answered = |world: &mut World, info: u8| {
        world.sent(1, REMOTE_TAG, vec![frames::heartbeat(&[info; 40])]);
        world.received(1, LOCAL_TAG, vec![frames::heartbeat_ack(&[info; 40])]);
        world.received(1, LOCAL_TAG, vec![frames::heartbeat(&[info + 100; 40])]);
        world.sent(1, REMOTE_TAG, vec![frames::heartbeat_ack(&[info + 100; 40])]);
        world.advance(ms(100));
    };
    answered(&mut world, 1);
    assert_eq!(world.state(1), Active);
    // The near side no longer answers the far side; the far side still answers the near one.
    for info in 2..5 {
        world.sent(1, REMOTE_TAG, vec![frames::heartbeat(&[info; 40])]);
        world.received(1, LOCAL_TAG, vec![frames::heartbeat_ack(&[info; 40])]);
        world.received(1, LOCAL_TAG, vec![frames::heartbeat(&[info + 100; 40])]);
        world.advance(ms(1_000));
    }
    assert_eq!(world.state(1), Inactive);
    answered(&mut world, 9);
    assert_eq!(world.state(1), Active);
}

#[test]
fn a_full_ring_buffer_hides_no_failure() {
    let mut world = World::with_two_paths();
    for _ in 0..3 {
        world.heartbeat(1);
        // Nothing of it reaches user space but the flow record.
        world.store.lose_ring();
        world.advance(ms(1_000));
    }
    assert_eq!(world.state(1), Inactive);
}

#[test]
fn the_same_input_gives_the_same_output() {
    let run = || {
        let mut world = World::with_two_paths();
        traffic(&mut world, 1, 1..21, true);
        traffic(&mut world, 1, 21..41, false);
        world.heartbeat(2);
        world.advance(ms(3_000));
        world.heartbeat_answered(1, ms(2));
        world.events
    };
    assert_eq!(run(), run());
}

#[test]
fn a_slot_that_holds_another_flow_is_another_flow() {
    let mut world = World::with_two_paths();
    let mut record = *world.store.table.record(0).unwrap();
    record.key.src_port = 7;
    record.tag = 0x999;
    world.store.forge(0, record);
    world.sweep();
    assert_eq!(world.engine().flow(0).unwrap().source_port, 7);
    let association = world.engine().associations().next().unwrap();
    let slots: Vec<_> = association
        .paths()
        .filter_map(|(_, path)| path.flow(sctp_monitor_engine::model::Direction::Forward))
        .collect();
    assert!(!slots.contains(&0));
}

#[test]
fn chunks_are_known_from_the_flows_record_only() {
    let mut world = World::with_two_paths();
    traffic(&mut world, 1, 1..21, true);
    let id = world.engine().associations().next().unwrap().id();
    let chunks = |has_record: bool| {
        let record = |slot: u32| {
            let records = world.store.table.records();
            records.get(slot as usize).filter(|_| has_record).copied()
        };
        let view = world.engine().association_view(id, record).unwrap();
        let path = view.paths.into_iter().find(|path| path.id == World::path_id(1));
        let flow = path.unwrap().forward.unwrap();
        assert_eq!(flow.data_chunks, 20);
        flow.chunks
    };
    assert_eq!(chunks(false), None, "unknown is not none");
    assert_eq!(chunks(true).unwrap()["DATA"], 20);
}
