//! Who sends little and hears nothing: retransmissions in vain, what ends such an outage, and the outages after the first.

use std::time::Duration;

use sctp_monitor_engine::{
    config::Vantage,
    model::{EventKind, PathState, Reason, Timestamp},
};
use sctp_monitor_testkit::{
    frames,
    world::{LOCAL_TAG, World, ms},
};

use crate::{paths::traffic, reports::directions};
use PathState::{Active, Inactive, PotentiallyFailed};

/// A world with one DATA chunk behind it, whose second one is lost: it is sent again after 1, 2 and 4 s over these paths.
fn asks_again(over: [u8; 3]) -> (World, Timestamp) {
    let mut world = World::with_two_paths();
    world.data(1, 1);
    world.advance(ms(1));
    world.sack(1, 1);
    world.advance(ms(2_000));
    let sent_at = world.now;
    world.data(1, 2);
    for (path, wait) in over.into_iter().zip([1_000, 2_000, 4_000]) {
        world.advance(ms(wait));
        world.data(path, 2);
    }
    (world, sent_at)
}

/// When a path took a state, behind `from`.
pub(crate) fn taken(world: &World, path: u8, state: PathState, from: Timestamp) -> Option<Duration> {
    let is_it = |kind: &EventKind| matches!(kind, EventKind::PathStateChanged { path: id, to, .. } if *to == state && *id == World::path_id(path));
    let event = world.events.iter().find(|event| is_it(&event.kind))?;
    Some(event.time.since(from))
}

#[test]
fn each_retransmission_in_vain_is_a_missing_answer() {
    let (world, sent_at) = asks_again([1, 1, 1]);
    let doubted = taken(&world, 1, PotentiallyFailed, sent_at).unwrap();
    let failed = taken(&world, 1, Inactive, sent_at).unwrap();
    assert!((ms(1_000)..=ms(1_040)).contains(&doubted), "{doubted:?}");
    assert!((ms(1_350)..=ms(1_420)).contains(&failed), "{failed:?}");
    assert_eq!(world.state(2), Active);
    let mut world = world;
    let (.., reason) = world.take_changes().pop().unwrap();
    let Reason::DataUnacknowledged {
        tsn, missed, tries, ..
    } = reason
    else {
        panic!("{reason:?}");
    };
    assert_eq!((tsn, missed, tries), (2, 2, 1));
}

#[test]
fn a_sack_over_the_path_that_asked_ends_the_outage() {
    let (mut world, _) = asks_again([1, 1, 1]);
    assert_eq!(world.state(1), Inactive);
    world.advance(ms(1));
    world.sack(1, 2);
    world.advance(ms(20));
    assert_eq!(world.state(1), Active);
    let said = directions(&world).len();
    world.advance(ms(20_000));
    assert_eq!((world.state(1), directions(&world).len()), (Active, said));
}

#[test]
fn a_path_that_carries_only_retransmissions_is_judged_by_them() {
    let (world, sent_at) = asks_again([2, 2, 2]);
    let doubted = taken(&world, 2, PotentiallyFailed, sent_at).unwrap();
    assert!((ms(1_350)..=ms(1_420)).contains(&doubted), "{doubted:?}");
    // The second one at 3 s, in vain until 3.36 s.
    let failed = taken(&world, 2, Inactive, sent_at).unwrap();
    assert!((ms(3_300)..=ms(3_420)).contains(&failed), "{failed:?}");
}

#[test]
fn a_sack_for_what_two_paths_carried_accuses_neither() {
    let (mut world, _) = asks_again([1, 2, 1]);
    world.sack(1, 2);
    world.advance(ms(1_000));
    assert_ne!(world.state(1), Inactive);
    assert_ne!(world.state(2), Inactive, "asked once");
}

#[test]
fn one_retransmission_that_is_answered_is_no_failure() {
    let mut world = World::with_two_paths();
    for tsn in 1..200 {
        world.data(1, tsn);
        if tsn % 10 == 0 {
            world.advance(ms(1_000));
            world.data(1, tsn);
        }
        world.advance(ms(1));
        world.sack(1, tsn);
        world.advance(ms(300));
        assert_eq!(world.state(1), Active, "{tsn}");
    }
    let failures = world
        .take_changes()
        .into_iter()
        .filter(|change| change.2 == Inactive);
    assert_eq!(failures.count(), 0);
}

#[test]
fn nobody_is_accused_where_no_sack_was_ever_seen() {
    let mut world = World::new(Vantage::Endpoint);
    world.handshake();
    world.heartbeat_answered(1, ms(1));
    for _ in 0..6 {
        world.data(1, 1);
        world.advance(ms(1_000));
    }
    assert_eq!(world.state(1), Active);
}

/// Sends 20 messages a second over path 1 into a break, until the break is reported; gives the time that took.
fn detected(world: &mut World, tsn: &mut u32) -> Duration {
    world.events.clear();
    let broken_at = world.now;
    for _ in 0..20 {
        traffic(world, 1, *tsn..*tsn + 1, false);
        *tsn += 1;
    }
    taken(world, 1, Inactive, broken_at).unwrap()
}

#[test]
fn each_break_is_found_as_soon_as_the_first() {
    for moves in [true, false] {
        let mut world = World::with_two_paths();
        let mut tsn = 1;
        let mut times = Vec::new();
        for _ in 0..5 {
            // Longer apart than what makes a path a flapping one.
            traffic(&mut world, 1, tsn..tsn + 1_000, true);
            tsn += 1_000;
            let first = tsn;
            times.push(detected(&mut world, &mut tsn));
            if moves {
                for tsn in first..tsn {
                    world.data(2, tsn);
                }
                world.sack(2, tsn - 1);
                traffic(&mut world, 2, tsn..tsn + 200, true);
                tsn += 200;
                world.heartbeat_answered(1, ms(1));
            } else {
                // Over the same path: in vain, and then one after the other until the peer has all.
                world.data(1, first);
                world.advance(ms(2_000));
                for again in first..tsn {
                    world.data(1, again);
                    world.advance(ms(2));
                    world.received(1, LOCAL_TAG, vec![frames::sack(again, &[])]);
                    world.advance(ms(2));
                }
            }
            world.advance(ms(100));
            assert_eq!(world.state(1), Active, "{moves}, {times:?}");
        }
        let limit = times[0] * 11 / 10 + ms(20);
        assert!(times.iter().all(|time| *time <= limit), "{moves}: {times:?}");
    }
}

/// What usrsctp does behind a broken primary: new DATA goes there, each chunk is retransmitted over the other path after its time-out,
/// and arrives.
#[test]
fn a_path_whose_retransmissions_arrive_is_not_in_doubt() {
    for spacing in [50, 300, 1_000, 2_500] {
        let mut world = World::with_two_paths();
        for tsn in 1..20 {
            world.data(1, tsn);
            world.now = world.now + ms(1);
            world.sack(1, tsn);
            world.advance(ms(50));
        }
        world.take_changes();
        // Path 1 is broken. Five chunks wait; the oldest is retransmitted over path 2 and acknowledged, one after the other.
        let mut sent = 20;
        for acked in 20..60 {
            while sent < acked + 5 {
                world.data(1, sent);
                world.advance(ms(20));
                sent += 1;
            }
            world.advance(ms(spacing));
            world.data(2, acked);
            world.now = world.now + ms(1);
            world.sack(2, acked);
            world.advance(ms(20));
            assert_eq!(world.state(2), Active, "spacing {spacing}, TSN {acked}");
        }
        let changed = world.take_changes();
        let of_second: Vec<_> = changed
            .iter()
            .filter(|change| change.0 == World::path_id(2))
            .collect();
        assert!(of_second.is_empty(), "spacing {spacing}: {of_second:?}");
        assert!(
            changed.iter().any(|change| change.2 == Inactive),
            "path 1 is down: {changed:?}"
        );
    }
}

#[test]
fn what_was_retransmitted_before_a_chunk_was_sent_is_no_try_of_it() {
    for again_after in [50, 150, 250] {
        let mut world = World::with_two_paths();
        traffic(&mut world, 1, 1..40, true);
        // One chunk is lost on path 1, sent again over path 2 and acknowledged before anybody looks.
        world.data(1, 40);
        world.advance(ms(100));
        world.data(2, 40);
        world.now = world.now + ms(1);
        world.sack(2, 40);
        world.advance(ms(20));
        world.take_changes();
        // The next one waits on path 1, and is sent again there.
        world.data(1, 41);
        world.advance(ms(again_after));
        world.data(1, 41);
        world.advance(ms(2_000));
        assert_eq!(
            world.state(2),
            Active,
            "{again_after}: {:?}",
            world.take_changes()
        );
        assert_ne!(world.state(1), Active, "{again_after}");
    }
}

/// A chunk is lost, then the SACK of the next one, which the peer has: the retransmission over path 2 brings the SACK of both.
#[test]
fn a_chunk_that_arrived_though_its_sack_was_lost_is_no_second_loss() {
    for lost in [[true, false], [true, true]] {
        let mut world = World::with_two_paths();
        for tsn in 1..=60 {
            world.data(1, tsn);
            world.advance(ms(1));
            world.sack(1, tsn);
            world.advance(ms(300));
        }
        world.data(1, 61);
        world.advance(ms(300));
        world.data(1, 62);
        world.advance(ms(100));
        world.data(2, 61);
        world.advance(ms(1));
        if lost[1] {
            world.sack(2, 61);
            world.advance(ms(1));
            world.data(2, 62);
            world.advance(ms(1));
        }
        world.sack(2, 62);
        world.advance(ms(100));
        let expected = if lost[1] { Inactive } else { Active };
        assert_eq!(world.state(1), expected, "{lost:?}");
    }
}
