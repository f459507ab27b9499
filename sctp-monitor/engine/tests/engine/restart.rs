//! An agent that goes on where another one was stopped says what that one would have said.

use sctp_monitor_engine::{
    NicState,
    config::Vantage,
    model::{Event, PathState},
};
use sctp_monitor_testkit::{
    frames,
    world::{LOCAL_TAG, NIC, REMOTE_TAG, World, ms},
};

/// All that is said while something happens, of one agent, and of as many as there are looks.
fn said(begin: fn() -> World, happens: fn(&mut World)) -> Vec<Event> {
    let of = |restarts: Option<u32>| {
        let mut world = begin();
        if let Some(looks) = restarts {
            world.restart_every(looks);
        }
        happens(&mut world);
        world.finish();
        world.events
    };
    let events = of(None);
    assert!(!events.is_empty());
    for looks in [4, 50] {
        assert_eq!(of(Some(looks)), events, "another agent every {looks} looks");
    }
    events
}

/// DATA over a path at 20 a second, which is answered.
fn traffic(world: &mut World, path: u8, tsns: std::ops::Range<u32>) {
    for tsn in tsns {
        world.data(path, tsn);
        world.advance(ms(5));
        world.received(path, LOCAL_TAG, vec![frames::sack(tsn, &[])]);
        world.advance(ms(45));
    }
}

#[test]
fn a_break_and_a_recovery() {
    let events = said(World::with_two_paths, |world| {
        traffic(world, 1, 1..40);
        for tsn in 40..46 {
            world.data(1, tsn);
            world.advance(ms(50));
        }
        assert_eq!(world.state(1), PathState::Inactive);
        world.advance(ms(700));
        for tsn in 40..46 {
            world.data(2, tsn);
        }
        world.received(2, LOCAL_TAG, vec![frames::sack(45, &[])]);
        traffic(world, 2, 46..60);
        world.heartbeat_answered(1, ms(1));
        world.advance(ms(2_000));
        assert_eq!(world.state(1), PathState::Active);
    });
    assert!(events.len() > 6, "{events:?}");
}

#[test]
fn an_association_that_is_joined_mid_life_and_its_end() {
    said(
        || World::new(Vantage::Endpoint),
        |world| {
            traffic(world, 1, 1..20);
            world.heartbeat_answered(2, ms(3));
            world.received(1, LOCAL_TAG, vec![frames::data(900, 100)]);
            world.sent(1, REMOTE_TAG, vec![frames::sack(900, &[])]);
            world.advance(ms(3_000));
            world.received(1, LOCAL_TAG, vec![frames::abort(false)]);
            world.advance(ms(12_000));
        },
    );
}

#[test]
fn a_handshake_that_is_repeated_and_links_that_fail() {
    said(
        || World::new(Vantage::Endpoint),
        |world| {
            world.handshake();
            world.advance(ms(500));
            for path in [1, 2] {
                world.heartbeat_answered(path, ms(1));
            }
            for _ in 0..4 {
                world.nic(NIC, "ens1", NicState::Down);
                world.advance(ms(1_500));
                world.nic(NIC, "ens1", NicState::Up);
                world.heartbeat_answered(1, ms(1));
                world.advance(ms(2_500));
            }
            world.handshake();
            world.advance(ms(40_000));
        },
    );
}
