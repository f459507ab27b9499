//! A flow table that fills up: who must go, and who never does.

use sctp_monitor_engine::{
    config::{Config, Vantage},
    model::{EndReason, Origin, PathState},
};
use sctp_monitor_testkit::{
    frames::{self, Packet},
    world::{World, downs, kinds, ms, ups},
};

const MAX_FLOWS: u32 = 512;

/// A world with an association, and a small flow table.
fn crowded() -> World {
    let mut world = World::with(Config {
        vantage: Vantage::Endpoint,
        max_flows: MAX_FLOWS,
        ..Config::default()
    });
    world.handshake();
    for path in [1, 2] {
        world.heartbeat_answered(path, ms(1));
    }
    world.events.clear();
    world
}

/// The first packet of the forged flow with this number.
fn stranger(number: u32) -> Packet {
    let source = format!("10.200.{}.{}", number >> 8 & 255, number & 255);
    Packet::v4(0x4000_0000 | number, vec![frames::data(1, 8)])
        .between(&source, "10.1.0.1")
        .ports((1_024 + (number >> 16)) as u16, 36_412)
}

fn in_use(world: &World) -> usize {
    world.store.table.records().len() - world.store.released.len()
}

#[test]
fn a_slow_flood_leaves_room_for_what_is_new_and_genuine() {
    let mut world = crowded();
    let mut number = 0;
    let mut most = 0;
    // 100 new flows a second, each with two packets: within unanswered_after alone they would be 1,000.
    for _ in 0..300 {
        for _ in 0..10 {
            world.packet(&stranger(number), 1, false);
            world.packet(&stranger(number), 1, false);
            number += 1;
        }
        world.advance(ms(100));
        most = most.max(in_use(&world));
    }
    let quarter = MAX_FLOWS as usize / 4;
    assert!(most <= MAX_FLOWS as usize - quarter, "{most} slots were in use");
    assert_eq!(kinds(&world), [], "nobody is told of associations that are none");
    assert_eq!(world.states(), [PathState::Active, PathState::Active]);
    // A new association comes, and stays.
    let there = |tag, chunk| Packet::v4(tag, vec![chunk]).between("10.7.0.1", "10.7.0.2");
    let back = |tag, chunk| Packet::v4(tag, vec![chunk]).between("10.7.0.2", "10.7.0.1");
    world.packet(&there(0, frames::init(0x1111, &[])), 1, true);
    world.packet(&back(0x1111, frames::init_ack(0x2222, &[])), 1, false);
    world.packet(&there(0x2222, frames::cookie_echo()), 1, true);
    world.packet(&back(0x1111, frames::cookie_ack()), 1, false);
    world.sweep();
    assert_eq!(ups(&world), [(Origin::Handshake, 1, 1)]);
}

#[test]
fn forged_flows_that_go_on_are_let_go_for_others() {
    let mut world = crowded();
    // As many as the table has room for, each with a packet every two seconds, in turn.
    for round in 0..10 {
        for number in 0..MAX_FLOWS - 4 {
            if number % 20 == round % 20 {
                world.advance(ms(5));
            }
            world.packet(&stranger(number), 1, false);
        }
        world.advance(ms(1_900));
        assert!(
            in_use(&world) <= MAX_FLOWS as usize / 2 + 200,
            "{}",
            in_use(&world)
        );
    }
    let crowded_out = downs(&world);
    assert!(
        crowded_out
            .iter()
            .all(|reason| matches!(reason, EndReason::CrowdedOut { .. })),
        "{crowded_out:?}"
    );
    assert_eq!(world.states(), [PathState::Active, PathState::Active]);
}

#[test]
fn what_works_is_never_let_go() {
    let mut world = crowded();
    for number in 0..400 {
        // Each is answered: a genuine association between two hosts.
        let there = stranger(number);
        let back = Packet {
            tag: 0x7000_0000 | number,
            chunks: vec![frames::sack(1, &[])],
            ..there.clone().reversed()
        };
        world.packet(&back, 1, true);
        world.packet(&there, 1, false);
        world.sweep();
        let heartbeat = Packet {
            chunks: vec![frames::heartbeat(&number.to_be_bytes())],
            ..back
        };
        let ack = Packet {
            chunks: vec![frames::heartbeat_ack(&number.to_be_bytes())],
            ..there
        };
        world.packet(&heartbeat, 1, true);
        world.packet(&ack, 1, false);
        world.sweep();
    }
    world.advance(ms(30_000));
    assert_eq!(downs(&world), []);
    assert_eq!(world.store.released.len(), 0);
}
