//! How associations become known, and how they end.

use crate::world::{LOCAL_TAG, REMOTE_TAG, World, ms};
use sctp_monitor_engine::{
    config::Vantage,
    event::{EndReason, EventKind, Origin, PathState},
};
use sctp_monitor_lab::frames::{self, Packet};

fn ups(world: &World) -> Vec<(Origin, usize, usize)> {
    world
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::AssociationUp {
                origin,
                local,
                remote,
            } => Some((*origin, local.len(), remote.len())),
            _ => None,
        })
        .collect()
}

fn downs(world: &World) -> Vec<EndReason> {
    world
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::AssociationDown { reason } => Some(reason.clone()),
            _ => None,
        })
        .collect()
}

#[test]
fn a_handshake_brings_an_association_up_with_its_address_lists() {
    let mut world = World::new(Vantage::Endpoint);
    world.handshake();
    assert_eq!(ups(&world), [(Origin::Handshake, 2, 2)]);
    let association = world.engine.associations().next().unwrap();
    let known = association.reference();
    assert_eq!(
        (known.local_tag, known.remote_tag),
        (Some(LOCAL_TAG), Some(REMOTE_TAG))
    );
    assert_eq!(
        association.paths().count(),
        4,
        "every pair of addresses is a path"
    );
    assert!(
        association
            .paths()
            .all(|(_, path)| path.state() == PathState::Unconfirmed)
    );
}

#[test]
fn a_handshake_that_is_sent_again_is_reported_once() {
    let mut world = World::new(Vantage::Endpoint);
    world.handshake();
    world.advance(ms(1_000));
    world.handshake();
    assert_eq!(ups(&world).len(), 1);
    assert_eq!(world.engine.associations().count(), 1);
}

#[test]
fn the_peer_may_be_the_initiator() {
    let mut world = World::new(Vantage::Endpoint);
    world.received(1, 0, vec![frames::init(REMOTE_TAG, &["10.1.0.2", "10.2.0.2"])]);
    world.sent(1, REMOTE_TAG, vec![frames::init_ack(LOCAL_TAG, &["10.1.0.1"])]);
    world.received(1, LOCAL_TAG, vec![frames::cookie_echo()]);
    world.sent(1, REMOTE_TAG, vec![frames::cookie_ack()]);
    world.sweep();
    assert_eq!(ups(&world), [(Origin::Handshake, 1, 2)]);
    let known = world.engine.associations().next().unwrap().reference();
    assert_eq!(
        (known.local_tag, known.remote_tag),
        (Some(LOCAL_TAG), Some(REMOTE_TAG))
    );
}

#[test]
fn an_association_is_joined_mid_life_by_its_tags() {
    let mut world = World::new(Vantage::Endpoint);
    world.data(1, 1);
    world.sack(1, 1);
    world.sweep();
    assert_eq!(ups(&world), [(Origin::MidLife, 1, 1)]);
    world.heartbeat_answered(2, ms(1));
    assert_eq!(
        world.engine.associations().count(),
        1,
        "the other path joins by its tag"
    );
    assert_eq!(world.state(2), PathState::Active);
}

#[test]
fn one_direction_alone_is_reported_after_a_while() {
    let mut world = World::new(Vantage::Endpoint);
    world.data(1, 1);
    world.advance(ms(500));
    world.data(1, 2);
    assert_eq!(ups(&world), []);
    world.advance(ms(2_000));
    assert_eq!(ups(&world), [(Origin::MidLife, 1, 1)]);
}

#[test]
fn same_ports_and_other_tags_are_another_association() {
    let mut world = World::new(Vantage::Endpoint);
    world.handshake();
    let there = |chunks| Packet::v4(0x77, chunks).between("10.1.0.1", "10.3.0.9");
    let back = |chunks| Packet::v4(0x88, chunks).between("10.3.0.9", "10.1.0.1");
    world.packet(&there(vec![frames::data(1, 1)]), 1, true);
    world.packet(&back(vec![frames::sack(1, &[])]), 1, false);
    world.sweep();
    assert_eq!(world.engine.associations().count(), 2);
    assert_eq!(ups(&world).len(), 2);
}

#[test]
fn shutdown_complete_ends_it_with_either_tag() {
    for reflected in [false, true] {
        let mut world = World::with_two_paths();
        let chunk = frames::chunk(14, u8::from(reflected), &[]);
        let tag = if reflected { LOCAL_TAG } else { REMOTE_TAG };
        world.sent(1, tag, vec![chunk]);
        world.sweep();
        assert_eq!(downs(&world), [EndReason::Shutdown], "T bit {reflected}");
    }
}

#[test]
fn abort_ends_it_and_names_the_cause() {
    let mut world = World::with_two_paths();
    world.received(2, LOCAL_TAG, vec![frames::abort(false)]);
    world.sweep();
    assert_eq!(downs(&world), [EndReason::Abort(vec!["user-initiated abort"])]);
    world.advance(ms(15_000));
    assert_eq!(world.engine.associations().count(), 0, "and it is forgotten");
}

#[test]
fn forged_control_chunks_change_nothing() {
    let mut world = World::with_two_paths();
    world.received(1, 0xbad, vec![frames::abort(false)]);
    world.received(1, 0xbad, vec![frames::abort(true)]);
    world.received(1, LOCAL_TAG, vec![frames::abort(true)]);
    world.received(1, 0xbad, vec![frames::shutdown_complete()]);
    world.received(1, 0, vec![frames::init(0xbad, &["10.66.6.6"])]);
    world.received(1, 0xbad, vec![frames::init_ack(0xbad, &["10.66.6.6"])]);
    world.received(1, 0xbad, vec![frames::cookie_echo()]);
    world.advance(ms(3_000));
    assert_eq!(world.events, []);
    assert_eq!(world.states(), [PathState::Active, PathState::Active]);
}

#[test]
fn a_restart_replaces_the_association() {
    let mut world = World::with_two_paths();
    let (local, remote) = (["10.1.0.1", "10.2.0.1"], ["10.1.0.2", "10.2.0.2"]);
    world.handshake_with(0x1111, &local, 0x2222, &remote);
    assert_eq!(downs(&world), [EndReason::Replaced]);
    assert_eq!(ups(&world), [(Origin::Handshake, 2, 2)]);
    world.sent(1, 0x2222, vec![frames::heartbeat(&[9; 40])]);
    world.received(1, 0x1111, vec![frames::heartbeat_ack(&[9; 40])]);
    world.sweep();
    let up: Vec<_> = world
        .engine
        .associations()
        .filter(|association| association.is_up())
        .collect();
    assert_eq!(up.len(), 1);
    let (_, path) = up[0].paths().find(|(id, _)| **id == World::path_id(1)).unwrap();
    assert_eq!(path.state(), PathState::Active, "the new tags count as evidence");
}

#[test]
fn a_restart_that_nobody_saw_is_noticed_by_the_tags() {
    let mut world = World::with_two_paths();
    for tsn in 1..20 {
        world.sent(1, 0x2222, vec![frames::data(tsn, 10)]);
        world.received(1, 0x1111, vec![frames::sack(tsn, &[])]);
        world.advance(ms(200));
    }
    assert_eq!(downs(&world), [EndReason::Replaced]);
    let known = world
        .engine
        .associations()
        .find(|association| association.is_up())
        .unwrap()
        .reference();
    assert_eq!((known.local_tag, known.remote_tag), (Some(0x1111), Some(0x2222)));
}

#[test]
fn forged_tags_in_one_direction_are_no_restart() {
    let mut world = World::with_two_paths();
    for tsn in 1..40 {
        world.data(1, tsn);
        world.received(1, 0xbad, vec![frames::sack(tsn, &[])]);
        world.received(1, 0xbad, vec![frames::data(tsn, 10)]);
        world.sack(1, tsn);
        world.advance(ms(200));
    }
    assert_eq!(downs(&world), []);
    assert_eq!(world.state(1), PathState::Active);
}

#[test]
fn a_silent_association_is_forgotten_and_says_so() {
    let mut world = World::with_two_paths();
    world.advance(ms(302_000));
    assert!(matches!(downs(&world)[..], [EndReason::Silent(_)]));
    assert_eq!(world.released.len(), 4, "its four flows are free again");
    assert_eq!(world.engine.associations().count(), 0);
}

#[test]
fn a_few_unanswered_packets_are_forgotten_soon() {
    let mut world = World::new(Vantage::Endpoint);
    for port in 0..50 {
        let scan = Packet::v4(0, vec![frames::init(port.into(), &[])]).ports(1_000 + port, 2905);
        world.packet(&scan, 1, false);
    }
    world.sweep();
    world.advance(ms(12_000));
    assert_eq!(world.released.len(), 50);
    assert_eq!(world.events, []);
}
