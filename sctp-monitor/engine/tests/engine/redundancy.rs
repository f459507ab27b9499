//! What would break, though nothing is broken: paths that share something, and addresses that were never confirmed.

use sctp_monitor_engine::{
    NicState,
    config::Vantage,
    model::{Evidence, NotRedundant, Object, Shared, Status},
};
use sctp_monitor_testkit::{
    frames::{self, Packet},
    world::{LOCAL_TAG, NIC, REMOTE_TAG, World, ms},
};

use crate::reports::{findings, left_open, opened, statuses};
use Status::{Closed, Opened};

/// What the only association's paths are said to share.
fn shared(world: &World) -> Vec<Shared> {
    let found = findings(world, "not_redundant");
    let [(Opened, finding)] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(finding.object, Object::Association);
    let Evidence::NotRedundant(NotRedundant { shared }) = &finding.evidence else {
        panic!("{finding:?}");
    };
    shared.clone()
}

/// A heartbeat between these addresses on a path's NIC, and its answer.
fn answered(world: &mut World, path: u8, local: &str, remote: &str) {
    let info = [path ^ 0x55; 40];
    let heartbeat = Packet::v4(REMOTE_TAG, vec![frames::heartbeat(&info)]).between(local, remote);
    world.packet(&heartbeat, path, true);
    let ack = Packet::v4(LOCAL_TAG, vec![frames::heartbeat_ack(&info)]).between(remote, local);
    world.packet(&ack, path, false);
    world.sweep();
}

#[test]
fn two_paths_that_share_nothing_are_redundant() {
    let mut world = World::with_two_paths();
    for (nic, name) in [(NIC, "ens1"), (NIC + 1, "ens2")] {
        world.nic(nic, name, NicState::Up);
    }
    world.advance(ms(120_000));
    assert_eq!(opened(&world), [""; 0]);
}

#[test]
fn a_single_pair_of_addresses_is_not_redundant() {
    let mut world = World::new(Vantage::Endpoint);
    world.handshake_with(LOCAL_TAG, &["10.1.0.1"], REMOTE_TAG, &["10.1.0.2"]);
    world.heartbeat_answered(1, ms(1));
    world.advance(ms(2_000));
    assert_eq!(opened(&world), [""; 0], "it has just begun");
    world.advance(ms(60_000));
    let both = [
        Shared::LocalAddress("10.1.0.1".parse().unwrap()),
        Shared::RemoteAddress("10.1.0.2".parse().unwrap()),
    ];
    assert_eq!(shared(&world), both);
    world.received(1, LOCAL_TAG, vec![frames::abort(false)]);
    world.sweep();
    assert_eq!(statuses(&world, "not_redundant"), [Opened, Closed]);
}

#[test]
fn a_single_homed_peer_is_not_redundant() {
    let mut world = World::new(Vantage::Endpoint);
    world.handshake_with(LOCAL_TAG, &["10.1.0.1"], REMOTE_TAG, &["10.1.0.2"]);
    answered(&mut world, 1, "10.1.0.1", "10.1.0.2");
    answered(&mut world, 2, "10.2.0.1", "10.1.0.2");
    world.advance(ms(10_000));
    assert_eq!(
        shared(&world),
        [Shared::RemoteAddress("10.1.0.2".parse().unwrap())]
    );
}

/// Two paths from two local addresses to two remote ones, over these NICs; says what they share.
fn two_paths(local: [&str; 2], nics: [u8; 2], one_next_hop: bool) -> Vec<Shared> {
    let mut world = World::new(Vantage::Endpoint);
    world.one_next_hop = one_next_hop;
    for (nic, name) in [(NIC, "ens1"), (NIC + 1, "ens2")] {
        world.nic(nic, name, NicState::Up);
    }
    let remote = ["10.8.0.2", "10.9.0.2"];
    world.handshake_with(LOCAL_TAG, &local, REMOTE_TAG, &remote);
    for ((nic, local), remote) in nics.into_iter().zip(local).zip(remote) {
        answered(&mut world, nic, local, remote);
    }
    world.advance(ms(10_000));
    shared(&world)
}

#[test]
fn a_shared_nic_is_named() {
    let found = two_paths(["10.1.0.1", "10.2.0.1"], [1, 1], false);
    assert_eq!(found, [Shared::Interface("ens1".to_owned())]);
}

#[test]
fn a_shared_next_hop_is_named() {
    let found = two_paths(["10.1.0.1", "10.2.0.1"], [1, 2], true);
    assert_eq!(found, [Shared::NextHop([2, 0, 0, 0, 0, 0])]);
}

#[test]
fn a_shared_subnet_is_named() {
    let found = two_paths(["10.1.0.1", "10.1.0.9"], [1, 2], false);
    assert_eq!(found, [Shared::Subnet("10.1.0.0".parse().unwrap())]);
}

#[test]
fn a_path_that_is_used_later_ends_the_finding() {
    let mut world = World::new(Vantage::Endpoint);
    for (nic, name) in [(NIC, "ens1"), (NIC + 1, "ens2")] {
        world.nic(nic, name, NicState::Up);
    }
    world.handshake();
    answered(&mut world, 1, "10.1.0.1", "10.1.0.2");
    answered(&mut world, 1, "10.2.0.1", "10.2.0.2");
    world.advance(ms(10_000));
    assert_eq!(shared(&world), [Shared::Interface("ens1".to_owned())]);
    // A route was changed: the second path leaves by the second NIC now.
    answered(&mut world, 2, "10.2.0.1", "10.2.0.2");
    world.advance(ms(2_000));
    let after = statuses(&world, "not_redundant");
    assert!(
        after == [Opened, Closed] || findings(&world, "not_redundant").len() > 1,
        "{after:?}"
    );
}

#[test]
fn an_association_joined_mid_life_is_given_time_to_show_its_other_path() {
    let mut world = World::new(Vantage::Endpoint);
    for second in 0..40 {
        world.heartbeat_answered(1, ms(1));
        if second == 28 {
            world.heartbeat_answered(2, ms(1));
        }
        world.advance(ms(999));
    }
    assert_eq!(opened(&world), [""; 0]);
}

#[test]
fn an_address_that_is_never_confirmed_is_reported_until_it_is() {
    let mut world = World::new(Vantage::Endpoint);
    world.handshake();
    world.heartbeat_answered(1, ms(1));
    for _ in 0..58 {
        world.heartbeat_answered(1, ms(1));
        world.heartbeat(2);
        world.advance(ms(999));
    }
    assert_eq!(statuses(&world, "secondary_unconfirmed"), []);
    world.advance(ms(3_000));
    let found = findings(&world, "secondary_unconfirmed");
    let [(Opened, pair)] = found.as_slice() else {
        panic!("{found:?}");
    };
    // Its two addresses were tried with each other alone: either may fail.
    let (object, words) = (Object::Path(World::path_id(2)), "58 HEARTBEATs between them");
    assert!(pair.object == object && pair.text.contains(words), "{pair:?}");
    world.heartbeat_answered(2, ms(1));
    world.advance(ms(1_000));
    assert_eq!(statuses(&world, "secondary_unconfirmed"), [Opened, Closed]);
    assert_eq!(left_open(&world.events), 0);
}

/// HEARTBEATs from one address to another one, by the numbers of their paths; none is answered but the first.
fn unconfirmed(vantage: Vantage, tried: &[(u8, u8)]) -> Vec<Object> {
    let mut world = World::new(vantage);
    world.handshake();
    for second in 0..70 {
        world.heartbeat_answered(1, ms(1));
        for (number, (from, to)) in tried.iter().enumerate() {
            let info = [second as u8, number as u8, 0].repeat(14);
            let packet = Packet::v4(REMOTE_TAG, vec![frames::heartbeat(&info)]);
            world.packet(
                &packet.between(&World::local(*from), &World::remote(*to)),
                *from,
                true,
            );
        }
        world.advance(ms(999));
    }
    let found = findings(&world, "secondary_unconfirmed");
    assert!(found.iter().all(|(status, _)| *status == Opened), "{found:?}");
    found.into_iter().map(|(_, finding)| finding.object).collect()
}

#[test]
fn of_two_addresses_the_one_that_fails_is_named() {
    let [local, remote] = [World::path_id(2).local, World::path_id(2).remote];
    for vantage in [Vantage::Endpoint, Vantage::Gateway] {
        for (tried, named) in [
            (&[(2, 2)][..], &[Object::Path(World::path_id(2))][..]),
            // Nobody tried.
            (&[], &[Object::Local(local), Object::Remote(remote)]),
            // The local address works with another one, or the remote one does.
            (&[(2, 2), (1, 2)], &[Object::Remote(remote)]),
            (&[(2, 2), (2, 1)], &[Object::Local(local)]),
            // Each was tried with the address of the other endpoint that works.
            (
                &[(1, 2), (2, 1), (2, 2)],
                &[Object::Local(local), Object::Remote(remote)],
            ),
        ] {
            let mut found = unconfirmed(vantage, tried);
            found.sort_unstable();
            assert_eq!(found, named, "{vantage:?} {tried:?}");
        }
    }
}

#[test]
fn an_address_that_is_added_later_has_its_own_minute() {
    let mut world = World::new(Vantage::Endpoint);
    world.handshake_with(LOCAL_TAG, &["10.1.0.1"], REMOTE_TAG, &["10.1.0.2"]);
    world.heartbeat_answered(1, ms(1));
    world.advance(ms(100_000));
    let adds = frames::asconf(1, "10.1.0.2", &[(0xc001, "10.2.0.2")]);
    world.received(1, LOCAL_TAG, vec![adds]);
    world.sent(1, REMOTE_TAG, vec![frames::asconf_ack(1, &[])]);
    world.advance(ms(50_000));
    assert_eq!(statuses(&world, "secondary_unconfirmed"), []);
    world.advance(ms(12_000));
    assert_eq!(statuses(&world, "secondary_unconfirmed"), [Opened]);
    let gone = frames::asconf(2, "10.1.0.2", &[(0xc002, "10.2.0.2")]);
    world.received(1, LOCAL_TAG, vec![gone]);
    world.sent(1, REMOTE_TAG, vec![frames::asconf_ack(2, &[])]);
    world.advance(ms(2_000));
    assert_eq!(statuses(&world, "secondary_unconfirmed"), [Opened, Closed]);
}

#[test]
fn nothing_is_found_where_only_one_direction_is_seen() {
    for vantage in [Vantage::Endpoint, Vantage::Gateway] {
        for leaves in [true, false] {
            let mut world = World::of_a_capture(vantage);
            for tsn in 1..1_500 {
                for path in [1, 2] {
                    let chunk = match tsn % 100 {
                        0 => frames::heartbeat(&[path; 40]),
                        50 => frames::sack(tsn, &[]),
                        _ => frames::data(tsn * 2 + u32::from(path), 100),
                    };
                    if leaves {
                        world.sent(path, REMOTE_TAG, vec![chunk]);
                    } else {
                        world.received(path, LOCAL_TAG, vec![chunk]);
                    }
                }
                world.advance(ms(50));
            }
            world.advance(ms(30_000));
            assert_eq!(opened(&world), [""; 0], "{vantage:?} {leaves}");
        }
    }
}
