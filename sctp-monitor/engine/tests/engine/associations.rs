//! How associations become known, and how they are forgotten.

use sctp_monitor_engine::{
    config::Vantage,
    model::{EndReason, Origin, PathState},
};
use sctp_monitor_testkit::{
    frames::{self, Packet},
    world::{LOCAL_TAG, REMOTE_TAG, World, downs, ms, ups},
};

#[test]
fn a_handshake_brings_an_association_up_with_its_address_lists() {
    let mut world = World::new(Vantage::Endpoint);
    world.handshake();
    assert_eq!(ups(&world), [(Origin::Handshake, 2, 2)]);
    let association = world.engine().associations().next().unwrap();
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
    for (id, path) in association.paths() {
        let expected = if *id == World::path_id(1) {
            PathState::Active
        } else {
            PathState::Unconfirmed
        };
        assert_eq!(
            path.state(),
            expected,
            "{id}: the handshake confirms its own path"
        );
    }
}

#[test]
fn a_handshake_that_is_sent_again_is_reported_once() {
    let mut world = World::new(Vantage::Endpoint);
    world.handshake();
    world.advance(ms(1_000));
    world.handshake();
    assert_eq!(ups(&world).len(), 1);
    assert_eq!(world.engine().associations().count(), 1);
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
    let known = world.engine().associations().next().unwrap().reference();
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
        world.engine().associations().count(),
        1,
        "the other path joins by its tag"
    );
    assert_eq!(world.state(2), PathState::Active);
}

#[test]
fn a_forged_first_packet_of_an_association_joined_mid_life_is_forgotten() {
    let mut world = World::new(Vantage::Endpoint);
    world.received(1, 0xbad, vec![frames::data(1, 1)]);
    for tsn in 1..60 {
        world.data(1, tsn);
        world.now = world.now + ms(1);
        world.sack(1, tsn);
        world.advance(ms(99));
    }
    let known: Vec<_> = world
        .engine()
        .associations()
        .map(sctp_monitor_engine::Association::reference)
        .map(|known| (known.local_tag, known.remote_tag))
        .collect();
    assert_eq!(known, [(Some(LOCAL_TAG), Some(REMOTE_TAG))]);
    assert_eq!(world.state(1), PathState::Active);
    // Now that the tag is known, a forged one changes nothing.
    for tsn in 60..100 {
        world.received(1, 0xbad, vec![frames::data(tsn, 1)]);
        world.data(1, tsn);
        world.sack(1, tsn);
        world.advance(ms(100));
    }
    assert_eq!(world.state(1), PathState::Active);
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
    assert_eq!(world.engine().associations().count(), 2);
    assert_eq!(ups(&world).len(), 2);
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
    assert!(matches!(downs(&world)[..], [EndReason::Silent { .. }]));
    assert_eq!(world.store.released.len(), 4, "its four flows are free again");
    assert_eq!(world.engine().associations().count(), 0);
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
    assert_eq!(world.store.released.len(), 50);
    assert_eq!(world.events, []);
}
