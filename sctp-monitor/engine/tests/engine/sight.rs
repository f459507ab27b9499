//! Packets of a NIC are not seen for a while: nobody is accused of what may have passed.

use std::time::Duration;

use sctp_monitor_engine::{
    config::Config,
    model::{EndReason, EventKind, PathState},
};
use sctp_monitor_testkit::{
    frames,
    world::{LOCAL_TAG, NIC, REMOTE_TAG, World, ms},
};

use PathState::{Active, Inactive, PotentiallyFailed};

/// What of path 1 is seen.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    All,
    /// What leaves; what comes is not.
    Egress,
    Nothing,
}

/// DATA every 50 ms on path 1, acknowledged at once, of which so much is seen.
fn send(world: &mut World, next: &mut u32, messages: u32, seen: Seen) {
    for _ in 0..messages {
        if seen != Seen::Nothing {
            world.data(1, *next);
        }
        world.now = world.now + ms(1);
        if seen == Seen::All {
            world.sack(1, *next);
        }
        *next += 1;
        world.advance(ms(49));
    }
}

/// An association in use.
fn in_use() -> (World, u32) {
    let mut world = World::with_two_paths();
    let mut next = 1;
    send(&mut world, &mut next, 40, Seen::All);
    world.events.clear();
    (world, next)
}

fn watch(world: &mut World, is_watched: bool) {
    world.session.handle_watch(NIC, is_watched, world.now);
}

fn states(world: &mut World) -> Vec<PathState> {
    let changes = world.take_changes().into_iter();
    changes.map(|(_, _, to, _)| to).collect()
}

#[test]
fn what_may_have_passed_unseen_is_held_against_nobody() {
    for seen in [Seen::Egress, Seen::Nothing] {
        for unseen in [1, 5, 60] {
            let (mut world, mut next) = in_use();
            watch(&mut world, false);
            send(&mut world, &mut next, unseen, seen);
            // A heartbeat too.
            if seen == Seen::Egress {
                world.heartbeat(1);
                world.advance(ms(1));
            }
            watch(&mut world, true);
            // Nothing is sent any more: nobody will ever acknowledge what was acknowledged already.
            world.advance(Duration::from_secs(20));
            assert_eq!(states(&mut world), []);
            send(&mut world, &mut next, 40, Seen::All);
            assert_eq!(states(&mut world), []);
        }
    }
}

#[test]
fn it_would_be_held_against_the_path_if_it_were_watched() {
    let (mut world, mut next) = in_use();
    send(&mut world, &mut next, 10, Seen::Egress);
    assert!(states(&mut world).contains(&Inactive));
}

#[test]
fn a_break_is_found_when_they_are_seen_again() {
    // The first SACK that is seen times what was sent before, and so the path is thought to be slow for a while.
    for (unseen, messages) in [(1, 10), (20, 40)] {
        let (mut world, mut next) = in_use();
        watch(&mut world, false);
        send(&mut world, &mut next, unseen, Seen::Egress);
        watch(&mut world, true);
        send(&mut world, &mut next, 4, Seen::All);
        send(&mut world, &mut next, messages, Seen::Egress);
        assert!(states(&mut world).contains(&Inactive), "{unseen}");
    }
}

#[test]
fn a_break_while_they_are_not_seen_is_found_by_what_is_sent_again() {
    let (mut world, mut next) = in_use();
    watch(&mut world, false);
    send(&mut world, &mut next, 20, Seen::Egress);
    watch(&mut world, true);
    let first = next - 20;
    for _ in 0..4 {
        world.data(1, first);
        world.advance(ms(1_000));
    }
    assert!(states(&mut world).contains(&Inactive));
}

#[test]
fn a_path_that_failed_before_has_failed_until_something_proves_otherwise() {
    for doubt in [PotentiallyFailed, Inactive] {
        let (mut world, mut next) = in_use();
        if doubt == Inactive {
            send(&mut world, &mut next, 10, Seen::Egress);
        } else {
            world.heartbeat(1);
            world.advance(ms(1_500));
        }
        assert_eq!(world.state(1), doubt);
        world.events.clear();
        watch(&mut world, false);
        world.advance(ms(5_000));
        watch(&mut world, true);
        world.advance(ms(5_000));
        assert_eq!(states(&mut world), []);
        world.heartbeat_answered(1, ms(1));
        assert_eq!(states(&mut world), [Active]);
    }
}

#[test]
fn other_associations_are_judged_as_ever() {
    let (mut world, mut next) = in_use();
    world.session.handle_watch(NIC + 7, false, world.now);
    send(&mut world, &mut next, 10, Seen::Egress);
    assert!(states(&mut world).contains(&Inactive));
}

/// The peer's own packets come again after a pause that was none.
#[test]
fn a_peer_that_was_not_seen_was_not_silent() {
    let (mut world, _) = in_use();
    let from_peer = |world: &mut World, rounds: u32, is_seen: bool| {
        for _ in 0..rounds {
            for path in [1, 2] {
                if path == 2 || is_seen {
                    let heartbeat = frames::heartbeat(&[7; 40]);
                    world.received(path, LOCAL_TAG, vec![heartbeat]);
                    world.sent(path, REMOTE_TAG, vec![frames::heartbeat_ack(&[7; 40])]);
                }
            }
            world.advance(ms(2_000));
        }
    };
    from_peer(&mut world, 10, true);
    world.events.clear();
    watch(&mut world, false);
    from_peer(&mut world, 20, false);
    watch(&mut world, true);
    from_peer(&mut world, 10, true);
    assert_eq!(states(&mut world), []);
}

/// The NIC of path 1 is not watched; nobody knows what becomes of path 1, but path 2 is seen.
#[test]
fn what_is_seen_of_other_paths_is_judged() {
    let (mut world, _) = in_use();
    watch(&mut world, false);
    world.heartbeat(2);
    world.advance(ms(3_000));
    assert_eq!(states(&mut world), [PotentiallyFailed]);
    // Nor is an association over because it is not seen.
    world.advance(2 * Config::default().idle_after);
    let association = world.engine().associations().next().unwrap();
    assert_eq!(association.paths().count(), 4);
    watch(&mut world, true);
    world.advance(ms(5_000));
    assert_eq!(world.engine().associations().count(), 1);
}

/// On purpose: what is known of its paths is nothing that is known now, and what is seen elsewhere goes on.
#[test]
fn what_crosses_a_nic_that_is_left_out_is_forgotten() {
    for is_broken in [false, true] {
        let (mut world, mut next) = in_use();
        if is_broken {
            send(&mut world, &mut next, 10, Seen::Egress);
            assert_eq!(world.state(1), Inactive);
        }
        world.session.handle_left_out(NIC, world.now);
        world.advance(ms(100));
        assert_eq!(world.state(1), PathState::Unconfirmed);
        assert_eq!(world.state(2), Active);
        assert_eq!(world.engine().incidents().count(), 0, "{is_broken}");
        world.events.clear();
        world.heartbeat(2);
        world.advance(ms(3_000));
        assert_eq!(states(&mut world), [PotentiallyFailed], "it is judged as ever");
        world.session.handle_left_out(NIC + 1, world.now);
        world.advance(ms(100));
        let ends = world.events.iter().filter_map(|event| match &event.kind {
            EventKind::AssociationDown { end } => Some(end.reason.clone()),
            _ => None,
        });
        let ends: Vec<_> = ends.collect();
        assert!(matches!(&ends[..], [EndReason::NotWatched { .. }]), "{ends:?}");
        world.advance(ms(20_000));
        assert_eq!(world.engine().associations().count(), 0);
    }
}

/// Nothing speaks against it any more once the peer's packets are forgotten; that is no proof.
#[test]
fn a_dead_path_works_again_only_when_something_proves_it() {
    let (mut world, mut next) = in_use();
    send(&mut world, &mut next, 10, Seen::Egress);
    assert_eq!(world.state(1), Inactive);
    world.session.handle_watch(NIC + 1, false, world.now);
    world.events.clear();
    send(&mut world, &mut next, 40, Seen::Egress);
    world.advance(Duration::from_secs(30));
    assert_eq!(states(&mut world), []);
}
