//! Events are dated by what they rest on, not by when the engine looked.

use sctp_monitor_engine::{
    config::Vantage,
    model::{EventKind, PathState, Timestamp},
};
use sctp_monitor_testkit::{
    frames,
    invariants::left_open,
    world::{LOCAL_TAG, World, ms},
};

/// Time passes, and nobody looks.
fn unseen(world: &mut World, milliseconds: u64) -> Timestamp {
    world.now = world.now + ms(milliseconds);
    world.now
}

/// When a path last became active.
fn active_at(world: &World, path_number: u8) -> Timestamp {
    let is_active = |kind: &EventKind| matches!(kind, EventKind::PathStateChanged { path, to: PathState::Active, .. } if *path == World::path_id(path_number));
    let mut changes = world.events.iter().rev();
    changes.find(|event| is_active(&event.kind)).expect("active").time
}

#[test]
fn a_path_is_active_since_its_heartbeat_was_answered() {
    for vantage in [Vantage::Endpoint, Vantage::Gateway] {
        let mut world = World::new(vantage);
        world.handshake();
        world.events.clear();
        let info = world.heartbeat(2);
        let answered_at = unseen(&mut world, 7);
        world.received(2, LOCAL_TAG, vec![frames::heartbeat_ack(&info)]);
        unseen(&mut world, 15);
        world.sweep();
        assert_eq!(active_at(&world, 2), answered_at);
        let path = world.engine().associations().next().expect("one");
        let (_, path) = path
            .paths()
            .find(|(id, _)| **id == World::path_id(2))
            .expect("path 2");
        assert_eq!(path.since(), answered_at);
    }
}

#[test]
fn a_recovery_and_what_follows_from_it_are_dated_by_the_proof() {
    let mut world = World::with_two_paths();
    for _ in 0..10 {
        world.heartbeat(1);
        world.advance(ms(500));
    }
    assert_eq!(world.state(1), PathState::Inactive);
    let info = world.heartbeat(1);
    let answered_at = unseen(&mut world, 1);
    world.received(1, LOCAL_TAG, vec![frames::heartbeat_ack(&info)]);
    let reported = world.events.len();
    unseen(&mut world, 18);
    world.sweep();
    assert_eq!(active_at(&world, 1), answered_at);
    let after = &world.events[reported..];
    assert!(
        after
            .iter()
            .any(|event| matches!(event.kind, EventKind::Finding { .. }))
    );
    assert!(after.iter().all(|event| event.time == answered_at), "{after:#?}");
}

#[test]
fn new_data_moves_when_it_is_sent() {
    let mut world = World::with_two_paths();
    for tsn in 1_000..1_010 {
        world.data(1, tsn);
        world.advance(ms(1));
        world.sack(1, tsn);
        world.advance(ms(30));
    }
    let moved_at = unseen(&mut world, 3);
    world.data(2, 1_010);
    unseen(&mut world, 16);
    world.sweep();
    for tsn in 1_011..1_016 {
        world.data(2, tsn);
        world.advance(ms(30));
    }
    let moved = world
        .events
        .iter()
        .find(|event| matches!(event.kind, EventKind::DataMoved { .. }));
    assert_eq!(moved.expect("it moved").time, moved_at);
}

#[test]
fn events_are_in_the_order_of_time() {
    let mut world = World::with_two_paths();
    // Each turn finds out about both paths, of which the second has its answer before the first.
    for _ in 0..20 {
        let infos = [1, 2].map(|path| world.heartbeat(path));
        unseen(&mut world, 2);
        world.received(2, LOCAL_TAG, vec![frames::heartbeat_ack(&infos[1])]);
        unseen(&mut world, 2);
        world.received(1, LOCAL_TAG, vec![frames::heartbeat_ack(&infos[0])]);
        world.advance(ms(200));
        for _ in 0..8 {
            world.heartbeat(1);
            world.heartbeat(2);
            world.advance(ms(200));
        }
    }
    assert!(world.events.len() > 10);
    left_open(&world.events);
}

/// When a path first took a state, behind the beginning.
fn taken_at(world: &World, state: PathState) -> Timestamp {
    let is_it = |kind: &EventKind| matches!(kind, EventKind::PathStateChanged { to, .. } if *to == state);
    let event = world.events.iter().find(|event| is_it(&event.kind));
    event
        .unwrap_or_else(|| panic!("{state:?} is not among {:#?}", world.events))
        .time
}

/// When a path fails, by a world that is looked at after each `pause`: one that breaks under DATA, or that only has heartbeats.
fn failed_at(pause: u64, with_data: bool) -> Timestamp {
    let mut world = World::with_two_paths();
    for step in 0..200_u32 {
        unseen(&mut world, 7);
        if with_data && step % 5 == 0 && step < 100 {
            world.data(1, 1 + step / 5);
            if step < 50 {
                unseen(&mut world, 1);
                world.sack(1, 1 + step / 5);
            }
        }
        if !with_data && step % 70 == 0 {
            world.heartbeat(1);
        }
        if u64::from(step) % pause == 0 {
            world.sweep();
        }
    }
    let failed = world.events.iter().position(|event| {
        matches!(&event.kind, EventKind::Finding { finding, .. } if finding.evidence.name() == "path_down")
    });
    let failed_at = taken_at(&world, PathState::Inactive);
    assert_eq!(
        world.events[failed.expect("path_down")].time,
        failed_at,
        "the finding is of the same time"
    );
    failed_at
}

#[test]
fn a_failure_is_dated_by_the_answer_that_stayed_out_whenever_it_is_noticed() {
    for with_data in [true, false] {
        let often = failed_at(1, with_data);
        for pause in [2, 3, 5] {
            let seldom = failed_at(pause, with_data);
            let apart = often.since(seldom).max(seldom.since(often));
            assert!(apart <= ms(8), "{with_data}, {pause}: {apart:?}");
        }
    }
}
