//! Handshakes: what they offer, and what they do to associations that are there already.

use sctp_monitor_common::wire::{ChunkKind, init::Extensions};
use sctp_monitor_engine::{
    config::Vantage,
    model::{AddressSource, Direction, EndReason, EventKind, Origin, PathState, Side},
};
use sctp_monitor_testkit::{
    frames::{self, Packet},
    world::{LOCAL_TAG, REMOTE_TAG, World, downs, kinds, ms, ups},
};

const LOCAL: [&str; 2] = ["10.1.0.1", "10.2.0.1"];
const REMOTE: [&str; 2] = ["10.1.0.2", "10.2.0.2"];

#[test]
fn a_handshake_tells_streams_and_extensions_of_both_sides() {
    let mut world = World::new(Vantage::Endpoint);
    let init = frames::offering(frames::init(LOCAL_TAG, &LOCAL), (10, 2048), &[193, 128]);
    let init_ack = frames::offering(frames::init_ack(REMOTE_TAG, &REMOTE), (5, 8), &[192]);
    world.sent(1, 0, vec![init]);
    world.received(1, LOCAL_TAG, vec![init_ack]);
    world.sent(1, REMOTE_TAG, vec![frames::cookie_echo()]);
    world.received(1, LOCAL_TAG, vec![frames::cookie_ack()]);
    world.sweep();
    let EventKind::AssociationUp {
        offers, one_sided, ..
    } = &world.events[0].kind
    else {
        panic!("{:?}", world.events);
    };
    let offers = offers.unwrap();
    assert_eq!(
        (
            offers.streams(Direction::Forward),
            offers.streams(Direction::Return)
        ),
        (8, 5)
    );
    let names = |extensions: Extensions| -> Vec<_> { extensions.kinds().map(ChunkKind::name).collect() };
    assert_eq!(names(offers.local.extensions), ["ASCONF_ACK", "ASCONF"]);
    assert_eq!(names(offers.remote.extensions), ["FORWARD_TSN"]);
    assert!(!one_sided);
}

#[test]
fn the_initiator_may_take_the_first_of_two_answers() {
    let mut world = World::new(Vantage::Endpoint);
    world.sent(1, 0, vec![frames::init(LOCAL_TAG, &LOCAL)]);
    world.received(1, LOCAL_TAG, vec![frames::init_ack(REMOTE_TAG, &REMOTE)]);
    world.sent(1, 0, vec![frames::init(LOCAL_TAG, &LOCAL)]);
    world.received(1, LOCAL_TAG, vec![frames::init_ack(0x3333, &REMOTE)]);
    world.sent(1, REMOTE_TAG, vec![frames::cookie_echo()]);
    world.received(1, LOCAL_TAG, vec![frames::cookie_ack()]);
    world.sweep();
    assert_eq!(ups(&world), [(Origin::Handshake, 2, 2)]);
}

#[test]
fn a_restart_replaces_the_association() {
    let mut world = World::with_two_paths();
    let before = world.engine().associations().next().unwrap().reference().id;
    world.handshake_with(0x1111, &LOCAL, 0x2222, &REMOTE);
    assert_eq!(downs(&world), [EndReason::Restarted]);
    assert_eq!(ups(&world), [(Origin::Handshake, 2, 2)]);
    let states = |world: &World| -> Vec<_> {
        let association = world
            .engine()
            .associations()
            .find(|association| association.is_established());
        let paths = association.unwrap().paths();
        paths.map(|(_, path)| path.state()).collect()
    };
    world.advance(ms(100));
    assert_eq!(
        states(&world),
        [
            PathState::Active,
            PathState::Unconfirmed,
            PathState::Unconfirmed,
            PathState::Unconfirmed
        ],
        "what the old one proved is past, the handshake proves its own path"
    );
    world.sent(1, 0x2222, vec![frames::heartbeat(&[9; 40])]);
    world.received(1, 0x1111, vec![frames::heartbeat_ack(&[9; 40])]);
    world.sweep();
    let up: Vec<_> = world
        .engine()
        .associations()
        .filter(|association| association.is_established())
        .collect();
    assert_eq!(up.len(), 1);
    assert_eq!(up[0].restarts(), Some(before));
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
        .engine()
        .associations()
        .find(|association| association.is_established())
        .unwrap()
        .reference();
    assert_eq!((known.local_tag, known.remote_tag), (Some(0x1111), Some(0x2222)));
}

#[test]
fn a_handshake_with_fewer_addresses_is_still_a_restart_and_one_with_others_is_not() {
    let mut world = World::with_two_paths();
    world.handshake_with(0x1111, &LOCAL, 0x2222, &["10.1.0.2"]);
    assert_eq!(downs(&world), [EndReason::Restarted]);
    world.events.clear();
    world.handshake_with(0x3333, &LOCAL, 0x4444, &["10.1.0.2", "10.9.0.2"]);
    assert_eq!(
        downs(&world),
        [EndReason::Restarted],
        "nothing says that it had no other"
    );
    world.events.clear();
    world.handshake_with(0x5555, &LOCAL, 0x6666, &["10.1.0.2", "10.8.0.2"]);
    assert_eq!(downs(&world), [EndReason::Replaced]);
}

#[test]
fn a_gateway_knows_a_restart_whoever_begins() {
    // Joined mid-life, the lower address is local; in a handshake the initiator is.
    for initiator in ["10.1.0.1", "10.1.0.2"] {
        let responder = if initiator == "10.1.0.1" {
            "10.1.0.2"
        } else {
            "10.1.0.1"
        };
        let mut world = World::new(Vantage::Gateway);
        world.heartbeat_answered(1, ms(1));
        assert_eq!(ups(&world), [(Origin::MidLife, 1, 1)]);
        let there = |tag, chunk| Packet::v4(tag, vec![chunk]).between(initiator, responder);
        let back = |tag, chunk| Packet::v4(tag, vec![chunk]).between(responder, initiator);
        world.packet(&there(0, frames::init(0x1111, &[])), 1, true);
        world.packet(&back(0x1111, frames::init_ack(0x2222, &[])), 1, false);
        world.packet(&there(0x2222, frames::cookie_echo()), 1, true);
        world.packet(&back(0x1111, frames::cookie_ack()), 1, false);
        world.sweep();
        assert_eq!(downs(&world), [EndReason::Restarted], "{initiator} begins");
        assert_eq!(ups(&world).len(), 2);
    }
}

#[test]
fn a_late_packet_of_the_old_association_changes_nothing() {
    let mut world = World::with_two_paths();
    world.handshake_with(0x1111, &LOCAL, 0x2222, &REMOTE);
    world.events.clear();
    world.received(1, LOCAL_TAG, vec![frames::abort(false)]);
    world.received(2, LOCAL_TAG, vec![frames::shutdown_complete()]);
    world.received(2, LOCAL_TAG, vec![frames::data(9, 10)]);
    world.sent(1, REMOTE_TAG, vec![frames::shutdown(1)]);
    world.advance(ms(3_000));
    assert_eq!(kinds(&world), []);
    let up = world
        .engine()
        .associations()
        .filter(|association| association.is_established());
    assert_eq!(up.count(), 1);
}

#[test]
fn ports_may_be_used_again_after_the_end() {
    let mut world = World::with_two_paths();
    world.received(1, LOCAL_TAG, vec![frames::shutdown_complete()]);
    world.advance(ms(100));
    world.handshake_with(0x1111, &LOCAL, 0x2222, &REMOTE);
    assert_eq!(downs(&world), [EndReason::Shutdown { by: None }]);
    assert_eq!(ups(&world), [(Origin::Handshake, 2, 2)]);
    world.advance(ms(15_000));
    assert_eq!(
        world.engine().associations().count(),
        1,
        "the old one is forgotten"
    );
    assert_eq!(world.engine().associations().next().unwrap().restarts(), None);
}

#[test]
fn both_endpoints_may_begin_at_the_same_time() {
    let mut world = World::new(Vantage::Endpoint);
    world.sent(1, 0, vec![frames::init(LOCAL_TAG, &LOCAL)]);
    world.received(1, 0, vec![frames::init(REMOTE_TAG, &REMOTE)]);
    world.sent(1, REMOTE_TAG, vec![frames::init_ack(LOCAL_TAG, &LOCAL)]);
    world.received(1, LOCAL_TAG, vec![frames::init_ack(REMOTE_TAG, &REMOTE)]);
    world.sent(1, REMOTE_TAG, vec![frames::cookie_echo()]);
    world.received(1, LOCAL_TAG, vec![frames::cookie_echo()]);
    world.sent(1, REMOTE_TAG, vec![frames::cookie_ack()]);
    world.received(1, LOCAL_TAG, vec![frames::cookie_ack()]);
    world.advance(ms(1_000));
    assert_eq!(ups(&world), [(Origin::Handshake, 2, 2)]);
    assert_eq!(world.events.len(), 2, "and its path is active");
    assert_eq!(world.engine().associations().count(), 1);
}

#[test]
fn an_endpoint_that_gives_two_tags_while_both_begin_has_one_association() {
    let mut world = World::new(Vantage::Endpoint);
    world.sent(1, 0, vec![frames::init(LOCAL_TAG, &LOCAL)]);
    world.received(1, 0, vec![frames::init(0x7777, &REMOTE)]);
    world.received(1, LOCAL_TAG, vec![frames::init_ack(0x8888, &REMOTE)]);
    world.sent(1, 0x7777, vec![frames::init_ack(LOCAL_TAG, &LOCAL)]);
    world.sent(1, 0x8888, vec![frames::cookie_echo()]);
    world.received(1, LOCAL_TAG, vec![frames::cookie_echo()]);
    world.sent(1, 0x7777, vec![frames::cookie_ack()]);
    world.received(1, LOCAL_TAG, vec![frames::cookie_ack()]);
    world.advance(ms(1_000));
    assert_eq!(ups(&world).len(), 1);
    assert_eq!(downs(&world), []);
    let known = world.engine().associations().next().unwrap().reference();
    assert_eq!(
        (known.local_tag, known.remote_tag),
        (Some(LOCAL_TAG), Some(0x7777))
    );
}

#[test]
fn a_handshake_seen_late_corrects_what_traffic_taught() {
    let mut world = World::new(Vantage::Endpoint);
    // The flows of path 2 are known before its handshake is.
    world.heartbeat_answered(2, ms(1));
    assert_eq!(ups(&world), [(Origin::MidLife, 1, 1)]);
    world.sent(1, 0, vec![frames::init(LOCAL_TAG, &LOCAL)]);
    world.received(1, LOCAL_TAG, vec![frames::init_ack(REMOTE_TAG, &REMOTE)]);
    let source = |world: &World| {
        let association = world.engine().associations().next().unwrap();
        association
            .addresses(Side::Remote)
            .source(&"10.2.0.2".parse().unwrap())
    };
    assert_eq!(source(&world), Some(AddressSource::Learned));
    world.events.clear();
    world.sent(2, REMOTE_TAG, vec![frames::cookie_echo()]);
    world.sweep();
    assert_eq!(source(&world), Some(AddressSource::Listed));
    let sides: Vec<_> = kinds(&world)
        .into_iter()
        .map(|kind| match kind {
            EventKind::AddressesChanged { side, added, .. } => (side, added.len()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(sides, [(Side::Local, 1), (Side::Remote, 1)]);
    let association = world.engine().associations().next().unwrap();
    assert_eq!(association.paths().count(), 4);
    assert!(association.offers().is_some());
}

#[test]
fn a_restart_begins_with_other_tsns() {
    let mut world = World::with_two_paths();
    for tsn in 5_000..5_010 {
        world.data(1, tsn);
        world.sack(1, tsn);
        world.advance(ms(50));
    }
    world.heartbeat(1);
    world.handshake_with(0x1111, &LOCAL, 0x2222, &REMOTE);
    for tsn in 1_000..1_040 {
        world.sent(1, 0x2222, vec![frames::data(tsn, 100)]);
        world.now = world.now + ms(1);
        if tsn < 1_010 {
            world.received(1, 0x1111, vec![frames::sack(tsn, &[])]);
        }
        world.advance(ms(49));
    }
    let up = world
        .engine()
        .associations()
        .find(|association| association.is_established());
    let (_, path) = up
        .unwrap()
        .paths()
        .find(|(id, _)| **id == World::path_id(1))
        .unwrap();
    let sent = world
        .engine()
        .flow(path.flow(Direction::Forward).unwrap())
        .unwrap();
    assert_eq!(sent.retransmissions, 0);
    let states: Vec<_> = world.take_changes().into_iter().map(|change| change.2).collect();
    assert_eq!(
        states[0],
        PathState::Active,
        "the old association's heartbeat is forgotten"
    );
    assert_eq!(
        *states.last().unwrap(),
        PathState::Inactive,
        "DATA of the new one is missed"
    );
}

/// More INITs than are remembered, in the names of many, while the peer takes its time.
#[test]
fn forged_inits_push_out_no_handshake_that_is_none_of_theirs() {
    let (local, remote) = (["10.1.0.1", "10.2.0.1"], ["10.1.0.2", "10.2.0.2"]);
    let forge = |world: &mut World| {
        for number in 0..3_000_u16 {
            let [high, low] = number.to_be_bytes();
            let init = frames::init(0x0bad_0000 + u32::from(number), &[]);
            let packet = Packet::v4(0, vec![init]).between(&format!("10.{}.{low}.66", 100 + high), local[0]);
            world.packet(&packet, 1, false);
            if number % 100 == 0 {
                world.sweep();
            }
        }
        world.sweep();
    };
    for by_peer in [false, true] {
        let mut world = World::new(Vantage::Endpoint);
        let send = |world: &mut World, from_initiator: bool, tag, chunk| {
            if from_initiator == by_peer {
                world.received(1, tag, vec![chunk]);
            } else {
                world.sent(1, tag, vec![chunk]);
            }
        };
        let (initiator, responder) = if by_peer { (remote, local) } else { (local, remote) };
        send(&mut world, true, 0, frames::init(LOCAL_TAG, &initiator));
        if !by_peer {
            forge(&mut world);
        }
        send(
            &mut world,
            false,
            LOCAL_TAG,
            frames::init_ack(REMOTE_TAG, &responder),
        );
        send(&mut world, true, REMOTE_TAG, frames::cookie_echo());
        forge(&mut world);
        send(&mut world, false, LOCAL_TAG, frames::cookie_ack());
        world.sweep();
        assert_eq!(ups(&world), [(Origin::Handshake, 2, 2)], "by the peer: {by_peer}");
    }
}
