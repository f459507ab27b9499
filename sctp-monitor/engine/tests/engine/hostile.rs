//! Clocks that go back, as a capture's may: no false alarm, and all goes on once the clock shows again what it showed.

use std::time::Duration;

use sctp_monitor_engine::model::PathState;
use sctp_monitor_testkit::world::{World, ms};

/// Less than what the world's clock shows at first.
const BACK: Duration = Duration::from_secs(500);

#[test]
fn a_clock_that_goes_back_raises_no_alarm_and_ends_nothing() {
    let mut world = World::with_two_paths();
    world.data(1, 1);
    world.now = world.now - BACK;
    world.sack(1, 1);
    for tsn in 2..20 {
        world.data(1, tsn);
        world.advance(ms(30));
        world.sack(1, tsn);
        for path in [1, 2] {
            world.heartbeat_answered(path, ms(1));
        }
        world.advance(ms(500));
    }
    assert_eq!(world.take_changes(), []);
    assert_eq!(world.states(), [PathState::Active, PathState::Active]);
}

#[test]
fn a_failure_is_found_once_the_clock_has_caught_up() {
    let mut world = World::with_two_paths();
    world.now = world.now - BACK;
    world.advance(ms(100));
    world.now = world.now + BACK;
    for _ in 0..6 {
        world.heartbeat(1);
        world.heartbeat_answered(2, ms(1));
        world.advance(ms(500));
    }
    assert_eq!(world.states(), [PathState::Inactive, PathState::Active]);
}

#[test]
fn housekeeping_goes_on_after_the_clock_went_back() {
    let mut world = World::with_two_paths();
    world.now = world.now - BACK;
    world.sweep();
    let due = world.session.next_turn(&world.store, world.now).unwrap();
    let in_time = due.since(world.now);
    assert!(in_time <= Duration::from_secs(1), "{in_time:?}");
}
