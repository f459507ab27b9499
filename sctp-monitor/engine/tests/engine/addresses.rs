//! Whose an address is: changes by ASCONF, tags that collide, address translation.

use sctp_monitor_engine::{
    Association,
    config::Vantage,
    model::{AddressSource, Direction, EventKind, Origin, PathId, PathState, Side},
};
use sctp_monitor_testkit::{
    frames::{self, Packet},
    world::{LOCAL_TAG, REMOTE_TAG, World, downs, kinds, ms, ups},
};

const ADD: u16 = 0xc001;
const DELETE: u16 = 0xc002;
const SET_PRIMARY: u16 = 0xc004;

/// The local endpoint asks over path 1, the peer answers.
fn asconf(world: &mut World, serial: u32, requests: &[(u16, &str)], refused: &[(u32, u16)]) {
    let asconf = frames::asconf(serial, "10.1.0.1", requests);
    world.sent(1, REMOTE_TAG, vec![asconf]);
    world.received(1, LOCAL_TAG, vec![frames::asconf_ack(serial, refused)]);
    world.sweep();
}

/// An address change: side, added, removed, primary.
type Change = (Side, Vec<String>, Vec<String>, Option<String>);

fn changes(world: &World) -> Vec<Change> {
    let text = |addresses: Vec<std::net::IpAddr>| addresses.iter().map(ToString::to_string).collect();
    kinds(world)
        .into_iter()
        .filter_map(|kind| match kind {
            EventKind::AddressesChanged {
                side,
                added,
                removed,
                primary,
            } => Some((side, text(added), text(removed), primary.map(|ip| ip.to_string()))),
            _ => None,
        })
        .collect()
}

fn path(local: &str, remote: &str) -> PathId {
    PathId {
        local: local.parse().unwrap(),
        remote: remote.parse().unwrap(),
    }
}

fn paths(world: &World) -> Vec<PathId> {
    let association = world.engine().associations().next().unwrap();
    association.paths().map(|(id, _)| *id).collect()
}

#[test]
fn an_address_is_added_when_the_peer_agrees() {
    let mut world = World::with_two_paths();
    let asconf = frames::asconf(7, "10.1.0.1", &[(ADD, "10.3.0.1")]);
    world.sent(1, REMOTE_TAG, vec![asconf]);
    world.sweep();
    assert_eq!(changes(&world), [], "not before the answer");
    world.received(1, LOCAL_TAG, vec![frames::asconf_ack(6, &[])]);
    world.received(1, 0xbad, vec![frames::asconf_ack(7, &[])]);
    world.sweep();
    assert_eq!(changes(&world), [], "nor by an answer to something else");
    world.received(1, LOCAL_TAG, vec![frames::asconf_ack(7, &[])]);
    world.sweep();
    assert_eq!(
        changes(&world),
        [(Side::Local, vec!["10.3.0.1".into()], vec![], None)]
    );
    let association = world.engine().associations().next().unwrap();
    let (_, new) = association
        .paths()
        .find(|(id, _)| **id == path("10.3.0.1", "10.1.0.2"))
        .unwrap();
    assert_eq!(new.state(), PathState::Unconfirmed);
    assert_eq!(association.paths().count(), 6);
}

#[test]
fn an_address_that_is_deleted_takes_its_paths_along() {
    let mut world = World::with_two_paths();
    asconf(&mut world, 1, &[(DELETE, "10.2.0.1")], &[]);
    assert_eq!(
        changes(&world),
        [(Side::Local, vec![], vec!["10.2.0.1".into()], None)]
    );
    let left = [path("10.1.0.1", "10.1.0.2"), path("10.1.0.1", "10.2.0.2")];
    assert_eq!(paths(&world), left);
    // Late packets on the old path.
    world.heartbeat(2);
    world.received(2, LOCAL_TAG, vec![frames::data(5, 10)]);
    world.advance(ms(3_000));
    assert_eq!(paths(&world), left);
    assert_eq!(world.engine().associations().count(), 1);
    world.heartbeat_answered(1, ms(1));
    world.advance(ms(12_000));
    assert_eq!(world.store.released.len(), 2, "its flows are free again");
    // And the address may come back.
    asconf(&mut world, 2, &[(ADD, "10.2.0.1")], &[]);
    assert_eq!(paths(&world).len(), 4);
}

#[test]
fn an_address_that_came_back_unseen_is_joined_again() {
    let mut world = World::with_two_paths();
    asconf(&mut world, 1, &[(DELETE, "10.2.0.1")], &[]);
    for _ in 0..5 {
        world.heartbeat_answered(1, ms(1));
        world.heartbeat_answered(2, ms(1));
        assert_eq!(paths(&world).len(), 2);
        world.advance(ms(15_000));
    }
    world.heartbeat_answered(2, ms(1));
    assert_eq!(paths(&world).len(), 4);
}

#[test]
fn the_last_address_is_not_deleted() {
    let mut world = World::with_two_paths();
    asconf(&mut world, 1, &[(DELETE, "10.2.0.1"), (DELETE, "10.1.0.1")], &[]);
    assert_eq!(
        changes(&world),
        [(Side::Local, vec![], vec!["10.2.0.1".into()], None)]
    );
}

#[test]
fn what_the_peer_refuses_is_not_done() {
    let mut world = World::with_two_paths();
    let requests = [(ADD, "10.3.0.1"), (DELETE, "10.2.0.1"), (ADD, "10.4.0.1")];
    asconf(&mut world, 1, &requests, &[(2, 0xa2)]);
    assert_eq!(
        changes(&world),
        [(Side::Local, vec!["10.3.0.1".into()], vec![], None)],
        "nor what follows it"
    );
}

#[test]
fn the_wildcard_is_the_source_of_the_packet() {
    let mut world = World::with_two_paths();
    // A new address announces itself; the packet's source is not known yet.
    let asconf = frames::asconf(1, "10.2.0.2", &[(ADD, "0.0.0.0"), (SET_PRIMARY, "0.0.0.0")]);
    let packet = Packet::v4(LOCAL_TAG, vec![asconf]).between("10.3.0.2", "10.2.0.1");
    world.packet(&packet, 2, false);
    world.sent(1, REMOTE_TAG, vec![frames::asconf_ack(1, &[])]);
    world.sweep();
    let new = "10.3.0.2".to_owned();
    assert_eq!(
        changes(&world),
        [(Side::Remote, vec![new.clone()], vec![], Some(new))]
    );
    // All others are given up.
    world.events.clear();
    let asconf = frames::asconf(2, "10.2.0.2", &[(DELETE, "0.0.0.0")]);
    let packet = Packet::v4(LOCAL_TAG, vec![asconf]).between("10.3.0.2", "10.2.0.1");
    world.packet(&packet, 2, false);
    let ack = Packet::v4(REMOTE_TAG, vec![frames::asconf_ack(2, &[])]).between("10.2.0.1", "10.3.0.2");
    world.packet(&ack, 2, true);
    world.sweep();
    assert_eq!(
        changes(&world),
        [(
            Side::Remote,
            vec![],
            vec!["10.1.0.2".into(), "10.2.0.2".into()],
            None
        )]
    );
}

#[test]
fn a_forged_asconf_changes_nothing() {
    let mut world = World::with_two_paths();
    let asconf = frames::asconf(1, "10.1.0.1", &[(DELETE, "10.2.0.1")]);
    world.sent(1, 0xbad, vec![asconf]);
    world.received(1, LOCAL_TAG, vec![frames::asconf_ack(1, &[])]);
    world.advance(ms(1_000));
    assert_eq!(kinds(&world), []);
}

#[test]
fn an_asconf_makes_a_learned_address_a_listed_one() {
    let mut world = World::new(Vantage::Endpoint);
    world.heartbeat_answered(1, ms(1));
    world.heartbeat_answered(2, ms(1));
    assert_eq!(ups(&world), [(Origin::MidLife, 1, 1)]);
    let source = |world: &World| {
        let association = world.engine().associations().next().unwrap();
        association
            .addresses(Side::Local)
            .source(&"10.2.0.1".parse().unwrap())
    };
    assert_eq!(source(&world), Some(AddressSource::Learned));
    asconf(&mut world, 1, &[(ADD, "10.2.0.1")], &[]);
    assert_eq!(source(&world), Some(AddressSource::Listed));
}

/// Two packets, one in each direction, between two hosts.
fn exchange(world: &mut World, hosts: [&str; 2], tags: [u32; 2], tsn: u32) {
    let there = Packet::v4(tags[0], vec![frames::data(tsn, 10)]).between(hosts[0], hosts[1]);
    let back = Packet::v4(tags[1], vec![frames::sack(tsn, &[])]).between(hosts[1], hosts[0]);
    world.packet(&there, 1, true);
    world.packet(&back, 1, false);
    world.sweep();
}

#[test]
fn tags_that_collide_between_other_hosts_do_not_merge() {
    for vantage in [Vantage::Endpoint, Vantage::Gateway] {
        let mut world = World::new(vantage);
        for tsn in 1..5 {
            exchange(&mut world, ["10.5.0.1", "10.5.0.2"], [0x77, 0x88], tsn);
            exchange(&mut world, ["10.6.0.1", "10.6.0.2"], [0x77, 0x99], tsn);
            world.advance(ms(2_000));
        }
        assert_eq!(ups(&world), [(Origin::MidLife, 1, 1); 2], "{vantage:?}");
        assert_eq!(world.engine().associations().count(), 2);
        // An ABORT is that of the hosts between which it passes.
        let abort = Packet::v4(0x77, vec![frames::abort(false)]).between("10.6.0.1", "10.6.0.2");
        world.packet(&abort, 1, true);
        world.sweep();
        assert_eq!(downs(&world).len(), 1);
        let up = world
            .engine()
            .associations()
            .find(|association| association.is_established());
        assert_eq!(up.unwrap().reference().local_tag, Some(0x88));
    }
}

#[test]
fn a_second_path_of_unknown_addresses_joins_by_its_tag() {
    let mut world = World::new(Vantage::Endpoint);
    world.heartbeat_answered(1, ms(1));
    world.events.clear();
    let info = world.heartbeat(2);
    world.advance(ms(100));
    assert_eq!(
        world.engine().associations().count(),
        2,
        "the opposite direction may tell more"
    );
    world.advance(ms(2_400));
    assert_eq!(world.engine().associations().count(), 1);
    assert_eq!(downs(&world), []);
    world.received(2, LOCAL_TAG, vec![frames::heartbeat_ack(&info)]);
    world.advance(ms(1_500));
    assert_eq!(world.state(2), PathState::Active);
}

#[test]
fn a_translator_between_two_nics_is_seen_through() {
    let mut world = World::new(Vantage::Gateway);
    let inside = |tag, chunks| Packet::v4(tag, chunks).between("192.168.0.1", "10.1.0.2");
    let outside = |tag, chunks| Packet::v4(tag, chunks).between("10.1.0.2", "203.0.113.1");
    world.packet(
        &inside(0, vec![frames::init(LOCAL_TAG, &["192.168.0.1"])]),
        1,
        true,
    );
    world.sweep();
    world.packet(
        &outside(LOCAL_TAG, vec![frames::init_ack(REMOTE_TAG, &["10.1.0.2"])]),
        1,
        false,
    );
    world.sweep();
    world.packet(&inside(REMOTE_TAG, vec![frames::cookie_echo()]), 1, true);
    world.packet(&outside(LOCAL_TAG, vec![frames::cookie_ack()]), 1, false);
    world.sweep();
    let translated = EventKind::Translated {
        side: Side::Local,
        address: "192.168.0.1".parse().unwrap(),
        seen_as: "203.0.113.1".parse().unwrap(),
    };
    assert_eq!(ups(&world), [(Origin::Handshake, 1, 1)]);
    assert_eq!(kinds(&world)[1], translated);
    world.packet(&inside(REMOTE_TAG, vec![frames::heartbeat(&[7; 40])]), 1, true);
    world.packet(
        &outside(LOCAL_TAG, vec![frames::heartbeat_ack(&[7; 40])]),
        1,
        false,
    );
    world.advance(ms(100));
    assert_eq!(world.engine().associations().count(), 1);
    assert_eq!(paths(&world), [path("192.168.0.1", "10.1.0.2")]);
    let association = world.engine().associations().next().unwrap();
    let (_, only) = association.paths().next().unwrap();
    assert_eq!(only.state(), PathState::Active);
    assert!(only.flow(Direction::Forward).is_some() && only.flow(Direction::Return).is_some());
    // What the peer asks goes to the translator's address, and is answered from the endpoint's own.
    for number in 1..6 {
        let info = [number; 40];
        world.packet(&outside(LOCAL_TAG, vec![frames::heartbeat(&info)]), 1, false);
        world.advance(ms(1));
        world.packet(&inside(REMOTE_TAG, vec![frames::heartbeat_ack(&info)]), 1, true);
        world.advance(ms(500));
    }
    let findings = world.events.iter().filter_map(|event| match &event.kind {
        EventKind::Finding { finding, .. } => Some(finding.evidence.name()),
        _ => None,
    });
    let findings: Vec<_> = findings.filter(|name| *name != "not_redundant").collect();
    assert!(findings.is_empty(), "{findings:?}");
}

#[test]
fn a_translator_seen_on_both_sides_counts_nothing_twice() {
    let mut world = World::new(Vantage::Gateway);
    let both = |world: &mut World, tag, chunks: Vec<Vec<u8>>, there: bool| {
        for (local, leaves) in [("192.168.0.1", there), ("203.0.113.1", there)] {
            let packet = Packet::v4(tag, chunks.clone()).between(local, "10.1.0.2");
            let packet = if leaves { packet } else { packet.reversed() };
            world.packet(&packet, 1, leaves);
        }
    };
    both(&mut world, 0, vec![frames::init(LOCAL_TAG, &[])], true);
    both(
        &mut world,
        LOCAL_TAG,
        vec![frames::init_ack(REMOTE_TAG, &[])],
        false,
    );
    both(&mut world, REMOTE_TAG, vec![frames::cookie_echo()], true);
    both(&mut world, LOCAL_TAG, vec![frames::cookie_ack()], false);
    for tsn in 1..10 {
        both(&mut world, REMOTE_TAG, vec![frames::data(tsn, 10)], true);
        both(&mut world, LOCAL_TAG, vec![frames::sack(tsn, &[])], false);
        world.advance(ms(100));
    }
    assert_eq!(ups(&world), [(Origin::Handshake, 1, 1)]);
    assert_eq!(world.engine().associations().count(), 1);
    assert_eq!(paths(&world), [path("192.168.0.1", "10.1.0.2")]);
    let association = world.engine().associations().next().unwrap();
    let (_, only) = association.paths().next().unwrap();
    let sent = world
        .engine()
        .flow(only.flow(Direction::Forward).unwrap())
        .unwrap();
    assert_eq!(sent.retransmissions, 0);
}

#[test]
fn halves_of_a_translated_association_joined_mid_life_stay_two() {
    let mut world = World::of_a_capture(Vantage::Gateway);
    for tsn in 1..30 {
        let there = Packet::v4(REMOTE_TAG, vec![frames::data(tsn, 10)]).between("192.168.0.1", "10.1.0.2");
        let back = Packet::v4(LOCAL_TAG, vec![frames::sack(tsn, &[])]).between("10.1.0.2", "203.0.113.1");
        world.packet(&there, 1, true);
        world.packet(&back, 1, false);
        world.advance(ms(1_300));
    }
    assert_eq!(ups(&world).len(), 2, "no heartbeat has told that they are one");
    assert!(world.engine().associations().all(Association::is_one_sided));
}

#[test]
fn rates_follow_the_traffic_and_end_with_it() {
    let mut world = World::with_two_paths();
    let rate = |world: &World| {
        let association = world.engine().associations().next().unwrap();
        let (_, path) = association
            .paths()
            .find(|(id, _)| **id == World::path_id(1))
            .unwrap();
        let view = world
            .engine()
            .flow(path.flow(Direction::Forward).unwrap())
            .unwrap();
        (
            view.throughput.packets_per_second,
            view.throughput.bytes_per_second,
        )
    };
    assert_eq!(rate(&world), (None, None), "nobody has measured it yet");
    for tsn in 1..100 {
        world.data(1, tsn);
        world.advance(ms(50));
    }
    // 20 bytes of IP, 12 of SCTP, 16 of DATA header, 100 of data.
    assert_eq!(rate(&world), (Some(20), Some(20 * 148)));
    world.advance(ms(2_500));
    assert_eq!(rate(&world), (Some(0), Some(0)));
}
