//! Which endpoint is the local one between the hosts.

use sctp_monitor_engine::{
    config::Vantage,
    model::{AssociationRef, Direction, Event, EventKind, PathId, PathState, Sides},
};
use sctp_monitor_testkit::{
    frames::{self, Packet},
    world::{LOCAL_TAG, REMOTE_TAG, World, ms},
};

/// Whose address is lower, and whose port where both have one address.
const LOW: (&str, u16) = ("10.0.0.1", 4_000);
const HIGH: (&str, u16) = ("10.0.0.2", 3_868);

fn up(world: &World) -> (AssociationRef, Vec<std::net::IpAddr>) {
    let up = |event: &Event| match &event.kind {
        EventKind::AssociationUp { local, .. } => Some((event.association?, local.clone())),
        _ => None,
    };
    world.events.iter().find_map(up).unwrap()
}

/// What one sends the other one, on the NIC of path 1.
fn send(world: &mut World, from: (&str, u16), to: (&str, u16), tag: u32, chunk: Vec<u8>) {
    let packet = Packet::v4(tag, vec![chunk])
        .between(from.0, to.0)
        .ports(from.1, to.1);
    world.packet(&packet, 1, true);
}

/// HEARTBEATs of `first`, answered; then its DATA, acknowledged.
fn joined_mid_life(first: (&str, u16), second: (&str, u16)) -> World {
    let mut world = World::new(Vantage::Gateway);
    for round in 0..3_u8 {
        send(
            &mut world,
            first,
            second,
            REMOTE_TAG,
            frames::heartbeat(&[round; 40]),
        );
        world.advance(ms(1));
        send(
            &mut world,
            second,
            first,
            LOCAL_TAG,
            frames::heartbeat_ack(&[round; 40]),
        );
        world.advance(ms(500));
    }
    for tsn in 0..20 {
        send(&mut world, first, second, REMOTE_TAG, frames::data(tsn, 100));
        world.advance(ms(1));
        send(&mut world, second, first, LOCAL_TAG, frames::sack(tsn, &[]));
        world.advance(ms(100));
    }
    world
}

#[test]
fn side_a_has_the_lower_address_or_port_whoever_is_seen_first() {
    let on_one_host = [("127.0.0.1", 3_868), ("127.0.0.1", 4_000)];
    for [low, high] in [[LOW, HIGH], on_one_host] {
        for [first, second] in [[low, high], [high, low]] {
            let world = joined_mid_life(first, second);
            let (known, local) = up(&world);
            assert_eq!(known.sides, Sides::SideA);
            assert_eq!(local, [low.0.parse::<std::net::IpAddr>().unwrap()]);
            assert_eq!((known.local_port, known.remote_port), (low.1, high.1));
            let to_low = if first == low { LOCAL_TAG } else { REMOTE_TAG };
            assert_eq!(known.local_tag, Some(to_low));
            let association = world.engine().associations().next().unwrap();
            let [(id, path)] = association.paths().collect::<Vec<_>>()[..] else {
                panic!("one path");
            };
            let expected = [low, high].map(|end| end.0.parse().unwrap());
            assert_eq!([id.local, id.remote], expected);
            assert_eq!(path.state(), PathState::Active, "{first:?}");
            let primary = PathId {
                local: expected[0],
                remote: expected[1],
            };
            let forward = first == low;
            let [sent, received] =
                [Direction::Forward, Direction::Return].map(|direction| association.primary(direction));
            let (with_data, without) = if forward {
                (sent, received)
            } else {
                (received, sent)
            };
            assert_eq!((with_data, without), (Some(primary), None), "{first:?}");
        }
    }
}

#[test]
fn a_handshake_makes_the_initiator_local() {
    for [initiator, responder] in [[LOW, HIGH], [HIGH, LOW]] {
        // A heartbeat comes first, of an association that nothing is known of.
        for early in [false, true] {
            let mut world = World::new(Vantage::Gateway);
            if early {
                send(
                    &mut world,
                    responder,
                    initiator,
                    LOCAL_TAG,
                    frames::heartbeat(&[7; 40]),
                );
                world.advance(ms(40));
            }
            for (from, to, tag, chunk) in [
                (initiator, responder, 0, frames::init(LOCAL_TAG, &[])),
                (responder, initiator, LOCAL_TAG, frames::init_ack(REMOTE_TAG, &[])),
                (initiator, responder, REMOTE_TAG, frames::cookie_echo()),
                (responder, initiator, LOCAL_TAG, frames::cookie_ack()),
            ] {
                send(&mut world, from, to, tag, chunk);
                world.advance(ms(1));
            }
            world.advance(ms(100));
            let (known, local) = up(&world);
            assert_eq!(known.sides, Sides::Initiator, "{initiator:?} {early}");
            assert_eq!(local, [initiator.0.parse::<std::net::IpAddr>().unwrap()]);
            assert_eq!(
                (known.local_port, known.local_tag),
                (initiator.1, Some(LOCAL_TAG))
            );
            assert_eq!(known.remote_tag, Some(REMOTE_TAG));
        }
    }
}

#[test]
fn on_a_host_local_is_this_host() {
    for [first, second] in [[LOW, HIGH], [HIGH, LOW]] {
        let mut world = World::new(Vantage::Endpoint);
        let init = Packet::v4(0, vec![frames::init(REMOTE_TAG, &[])]).between(second.0, first.0);
        world.packet(&init, 1, false);
        let answer =
            Packet::v4(REMOTE_TAG, vec![frames::init_ack(LOCAL_TAG, &[])]).between(first.0, second.0);
        world.packet(&answer, 1, true);
        let echo = Packet::v4(LOCAL_TAG, vec![frames::cookie_echo()]).between(second.0, first.0);
        world.packet(&echo, 1, false);
        let ack = Packet::v4(REMOTE_TAG, vec![frames::cookie_ack()]).between(first.0, second.0);
        world.packet(&ack, 1, true);
        world.advance(ms(100));
        let (known, local) = up(&world);
        assert_eq!(known.sides, Sides::ThisHost);
        assert_eq!(local, [first.0.parse::<std::net::IpAddr>().unwrap()]);
    }
}
