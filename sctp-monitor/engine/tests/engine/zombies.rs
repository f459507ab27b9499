//! Associations that are dead alive.

use sctp_monitor_engine::model::{Evidence, Object, Side, Status, Zombie};
use sctp_monitor_testkit::{
    frames,
    world::{LOCAL_TAG, REMOTE_TAG, World, downs, ms},
};

use crate::reports::{findings, left_open, opened, statuses};
use Status::{Closed, Opened};

fn only_zombie(world: &World) -> Zombie {
    let found = findings(world, "zombie");
    let [(Opened, finding)] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(finding.object, Object::Association);
    let Evidence::Zombie(zombie) = finding.evidence else {
        panic!("{finding:?}");
    };
    zombie
}

fn sack_with_window(cum_tsn_ack: u32, window: u32) -> Vec<u8> {
    let mut value = cum_tsn_ack.to_be_bytes().to_vec();
    value.extend(window.to_be_bytes());
    value.extend([0; 4]);
    frames::chunk(3, 0, &value)
}

#[test]
fn a_peer_that_reads_nothing_for_long_is_a_zombie_until_it_reads() {
    let mut world = World::with_two_paths();
    let probe = |world: &mut World, tsn: u32, window: u32| {
        world.data(1, tsn);
        world.received(1, LOCAL_TAG, vec![sack_with_window(tsn, window)]);
        world.advance(ms(1_000));
    };
    for tsn in 1..25 {
        probe(&mut world, tsn, 0);
    }
    probe(&mut world, 25, 1_500);
    assert_eq!(opened(&world), [""; 0], "a slow reader reads");
    for tsn in 26..55 {
        probe(&mut world, tsn, 0);
    }
    assert_eq!(opened(&world), [""; 0]);
    for tsn in 55..60 {
        probe(&mut world, tsn, 0);
    }
    let Zombie::NobodyReads {
        side: Side::Remote,
        window_zero_for: time,
    } = only_zombie(&world)
    else {
        panic!("{:?}", findings(&world, "zombie"));
    };
    assert!(time >= ms(30_000), "{time:?}");
    probe(&mut world, 60, 9_000);
    world.advance(ms(1_000));
    assert_eq!(statuses(&world, "zombie"), [Opened, Closed]);
    assert_eq!(left_open(&world.events), 0);
}

/// Heartbeats on path 1 are answered every five seconds, for so many.
fn lives_on(world: &mut World, seconds: u64) {
    for _ in 0..seconds / 5 {
        world.heartbeat_answered(1, ms(1));
        world.advance(ms(4_999));
    }
}

#[test]
fn heartbeats_answered_long_after_the_end_are_a_zombie() {
    let mut world = World::with_two_paths();
    world.sent(1, REMOTE_TAG, vec![frames::abort(false)]);
    world.sweep();
    assert_eq!(downs(&world).len(), 1);
    lives_on(&mut world, 40);
    assert_eq!(only_zombie(&world), Zombie::AnswersAfterEnd);
    world.advance(ms(60_000));
    assert_eq!(
        statuses(&world, "zombie"),
        [Opened, Closed],
        "it is silent at last"
    );
    assert_eq!(left_open(&world.events), 0);
    assert_eq!(world.engine().associations().count(), 0);
}

#[test]
fn a_few_late_answers_after_the_end_are_none() {
    let mut world = World::with_two_paths();
    world.sent(1, REMOTE_TAG, vec![frames::abort(false)]);
    world.sweep();
    lives_on(&mut world, 5);
    world.advance(ms(60_000));
    assert_eq!(opened(&world), [""; 0]);
    assert_eq!(world.engine().associations().count(), 0);
}

#[test]
fn a_shutdown_that_does_not_end_is_a_zombie_while_the_peer_answers() {
    let mut world = World::with_two_paths();
    world.received(1, LOCAL_TAG, vec![frames::shutdown(1)]);
    lives_on(&mut world, 25);
    assert_eq!(opened(&world), [""; 0]);
    lives_on(&mut world, 10);
    let Zombie::ShutdownPending { pending: time } = only_zombie(&world) else {
        panic!("{:?}", findings(&world, "zombie"));
    };
    assert!(time >= ms(30_000), "{time:?}");
    world.sent(1, REMOTE_TAG, vec![frames::shutdown_complete()]);
    world.sweep();
    assert_eq!(statuses(&world, "zombie"), [Opened, Closed]);
    assert_eq!(left_open(&world.events), 0);
}

#[test]
fn a_shutdown_that_nobody_answers_is_none() {
    let mut world = World::with_two_paths();
    world.sent(1, REMOTE_TAG, vec![frames::shutdown(1)]);
    world.advance(ms(60_000));
    assert_eq!(statuses(&world, "zombie"), []);
}
