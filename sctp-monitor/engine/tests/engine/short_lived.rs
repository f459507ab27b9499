//! Associations between the same two hosts that do not last, one after the other.

use sctp_monitor_engine::{
    config::Vantage,
    model::{EventKind, Evidence, ShortLived, Status},
};
use sctp_monitor_testkit::{
    frames,
    world::{World, kinds, ms},
};

const LOCAL: [&str; 2] = ["10.1.0.1", "10.2.0.1"];
const REMOTE: [&str; 2] = ["10.1.0.2", "10.2.0.2"];

/// How an association ends, and who is to blame.
#[derive(Debug, Clone, Copy)]
enum End {
    AbortBy { local: bool, t_bit: bool },
    ShutdownBy { local: bool },
}

/// One association after the other, each of which lives so long; the next one begins so much later.
fn live(world: &mut World, number: u32, end: Option<End>, lives_ms: u64, pause_ms: u64) {
    let (local, remote) = (0x1000 + number, 0x2000 + number);
    world.handshake_with(local, &LOCAL, remote, &REMOTE);
    world.sent(1, remote, vec![frames::data(1, 10)]);
    world.received(1, local, vec![frames::sack(1, &[])]);
    world.advance(ms(lives_ms));
    match end {
        Some(End::AbortBy { local: true, t_bit }) => {
            let tag = if t_bit { local } else { remote };
            world.sent(1, tag, vec![frames::abort(t_bit)]);
        }
        Some(End::AbortBy { local: false, t_bit }) => {
            let tag = if t_bit { remote } else { local };
            world.received(1, tag, vec![frames::abort(t_bit)]);
        }
        Some(End::ShutdownBy { local: true }) => {
            world.sent(1, remote, vec![frames::shutdown(0)]);
            world.received(1, local, vec![frames::shutdown_ack()]);
            world.sent(1, remote, vec![frames::shutdown_complete()]);
        }
        Some(End::ShutdownBy { local: false }) => {
            world.received(1, local, vec![frames::shutdown(0)]);
            world.sent(1, remote, vec![frames::shutdown_ack()]);
            world.received(1, local, vec![frames::shutdown_complete()]);
        }
        // The next handshake restarts it.
        None => {}
    }
    world.advance(ms(pause_ms));
}

fn found(world: &World) -> Vec<(Status, ShortLived)> {
    kinds(world)
        .into_iter()
        .filter_map(|kind| match kind {
            EventKind::Finding { status, finding } => match finding.evidence {
                Evidence::ShortLived(seen) => Some((status, seen)),
                _ => None,
            },
            _ => None,
        })
        .collect()
}

#[test]
fn short_lives_in_a_row_are_found_with_who_ends_them() {
    for vantage in [Vantage::Endpoint, Vantage::Gateway] {
        for local in [false, true] {
            for end in [
                End::AbortBy { local, t_bit: false },
                End::AbortBy { local, t_bit: true },
                End::ShutdownBy { local },
            ] {
                let mut world = World::new(vantage);
                for number in 0..2 {
                    live(&mut world, number, Some(end), 1_000, 2_000);
                }
                assert_eq!(found(&world), [], "{vantage:?}, {end:?}: two are being started");
                live(&mut world, 2, Some(end), 1_000, 2_000);
                let seen = found(&world);
                let [(Status::Opened, seen)] = seen.as_slice() else {
                    panic!("{vantage:?}, {end:?}: {seen:?}");
                };
                assert_eq!((seen.associations, seen.restarts, seen.refused), (3, 0, 0));
                let by = if local { LOCAL[0] } else { REMOTE[0] };
                assert_eq!(
                    seen.ended_by,
                    [by.parse::<std::net::IpAddr>().unwrap()],
                    "{end:?}"
                );
                assert!(seen.longest >= ms(1_000) && seen.longest < ms(1_200));
                live(&mut world, 3, Some(end), 20_000, 100);
                assert_eq!(found(&world).last().unwrap().0, Status::Closed, "one that lasts");
            }
        }
    }
}

#[test]
fn restarts_in_a_row_are_found() {
    for vantage in [Vantage::Endpoint, Vantage::Gateway] {
        let mut world = World::new(vantage);
        for number in 0..4 {
            live(&mut world, number, None, 500, 500);
        }
        let seen = found(&world);
        let [(Status::Opened, seen)] = seen.as_slice() else {
            panic!("{vantage:?}: {seen:?}");
        };
        assert_eq!((seen.associations, seen.restarts, seen.refused), (0, 3, 0));
        world.advance(ms(70_000));
        assert_eq!(found(&world).last().unwrap().0, Status::Closed, "and they stop");
    }
}

#[test]
fn short_lives_that_are_far_apart_are_none() {
    let mut world = World::new(Vantage::Endpoint);
    for number in 0..5 {
        live(
            &mut world,
            number,
            Some(End::ShutdownBy { local: true }),
            1_000,
            70_000,
        );
    }
    assert_eq!(found(&world), []);
}

#[test]
fn associations_that_last_are_none() {
    let mut world = World::new(Vantage::Endpoint);
    for number in 0..5 {
        live(
            &mut world,
            number,
            Some(End::AbortBy {
                local: false,
                t_bit: false,
            }),
            6_000,
            1_000,
        );
    }
    assert_eq!(found(&world), []);
}
