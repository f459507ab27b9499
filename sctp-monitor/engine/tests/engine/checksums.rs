//! Packets of an association that were right and answered, and are spoiled from some time on.

use sctp_monitor_common::abi::FlowKey;
use sctp_monitor_engine::model::{EventKind, Evidence, Object, Status};
use sctp_monitor_testkit::{
    frames::{self, Packet},
    world::{LOCAL_TAG, REMOTE_TAG, World, ms},
};

/// What the peer sends to this host over path 1.
fn key() -> FlowKey {
    let packet = Packet::v4(LOCAL_TAG, vec![]).reversed();
    FlowKey {
        src: World::remote(1).parse::<std::net::IpAddr>().unwrap().into(),
        dst: World::local(1).parse::<std::net::IpAddr>().unwrap().into(),
        src_port: packet.ports.0,
        dst_port: packet.ports.1,
    }
}

/// A HEARTBEAT of the peer, right or not, which this host answers or not.
fn heartbeat(world: &mut World, info: u8, is_right: bool, is_answered: bool) {
    let info = vec![0x80 | info; 40];
    world.received(1, LOCAL_TAG, vec![frames::heartbeat(&info)]);
    world
        .session
        .handle_checksum(&key(), LOCAL_TAG, is_right, world.now);
    world.advance(ms(1));
    if is_answered {
        world.sent(1, REMOTE_TAG, vec![frames::heartbeat_ack(&info)]);
    }
    world.advance(ms(999));
}

/// A world in which the peer was right and answered.
fn world() -> World {
    let mut world = World::with_two_paths();
    for info in 0..3 {
        heartbeat(&mut world, info, true, true);
    }
    world
}

/// What was reported of checksums, with the packets.
fn reported(world: &World) -> Vec<(Status, u32)> {
    let of_checksums = |kind: &EventKind| match kind {
        EventKind::Finding { status, finding } => match &finding.evidence {
            Evidence::BadChecksum(bad) => {
                assert_eq!(bad.other, None);
                let Object::Path(path) = finding.object else {
                    panic!("{finding:?}");
                };
                assert_eq!(path.local.to_string(), World::remote(1), "the sender");
                Some((*status, bad.packets))
            }
            _ => None,
        },
        _ => None,
    };
    world
        .events
        .iter()
        .filter_map(|event| of_checksums(&event.kind))
        .collect()
}

#[test]
fn a_path_that_spoils_packets_from_some_time_on_is_found_until_one_is_right() {
    let mut world = world();
    for info in 10..13 {
        heartbeat(&mut world, info, false, false);
    }
    assert_eq!(reported(&world), [], "three may be chance");
    heartbeat(&mut world, 13, false, false);
    heartbeat(&mut world, 14, false, false);
    assert_eq!(reported(&world)[0], (Status::Opened, 4));
    assert_eq!(reported(&world).len(), 1);
    heartbeat(&mut world, 15, true, true);
    world.advance(ms(1_000));
    assert_eq!(reported(&world).last().unwrap().0, Status::Closed);
}

#[test]
fn what_is_answered_is_not_accused() {
    let mut world = world();
    for info in 10..20 {
        heartbeat(&mut world, info, false, true);
    }
    assert_eq!(reported(&world), []);
}

#[test]
fn a_right_one_in_between_is_enough() {
    let mut world = world();
    for info in 10..30 {
        heartbeat(&mut world, info, info % 4 == 0, false);
    }
    assert_eq!(reported(&world), []);
}

#[test]
fn packets_with_another_tag_accuse_nobody() {
    let mut world = world();
    for _ in 0..10 {
        for tag in [0, LOCAL_TAG + 1] {
            world.session.handle_checksum(&key(), tag, false, world.now);
        }
        world.advance(ms(1_000));
    }
    assert_eq!(reported(&world), []);
}

#[test]
fn what_never_was_right_is_not_accused_alone() {
    let mut world = World::with_two_paths();
    for info in 0..20 {
        heartbeat(&mut world, info, false, false);
    }
    assert_eq!(reported(&world), []);
}

#[test]
fn it_ends_some_time_behind_the_last_packet() {
    let mut world = world();
    for info in 10..16 {
        heartbeat(&mut world, info, false, false);
    }
    assert_eq!(reported(&world).last().unwrap().0, Status::Opened);
    world.advance(ms(590_000));
    assert_eq!(reported(&world).last().unwrap().0, Status::Opened);
    world.advance(ms(20_000));
    assert_eq!(reported(&world).last().unwrap().0, Status::Closed);
}
