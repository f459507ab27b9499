//! Clocks that go back, as a capture's may, and an agent that stands still: no false alarm, and all goes on afterwards.

use std::time::Duration;

use sctp_monitor_engine::{NicState, model::PathState};
use sctp_monitor_testkit::{
    frames,
    world::{LOCAL_TAG, NIC, World, ms},
};

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

/// The agent stood still while a HEARTBEAT was answered, after the link had come back. What it finds in the records then proves the
/// path, though nobody is accused yet, and no packet comes later to say it again.
#[test]
fn a_proof_that_came_while_the_agent_stood_still_counts() {
    for stood_still_ms in [50, 100, 150, 500] {
        let mut world = World::with_two_paths();
        world.nic(NIC, "path1", NicState::Up);
        world.nic(NIC, "path1", NicState::Down);
        world.advance(ms(300));
        assert_eq!(world.state(1), PathState::Inactive);
        world.nic(NIC, "path1", NicState::Up);
        world.advance(ms(2_000));
        assert_eq!(world.state(1), PathState::Inactive, "nothing has proved it");
        // No turn is taken meanwhile.
        let info = world.heartbeat(1);
        world.now = world.now + ms(1);
        world.received(1, LOCAL_TAG, vec![frames::heartbeat_ack(&info)]);
        world.now = world.now + ms(stood_still_ms);
        world.session.handle_stall(world.now);
        world.advance(ms(10_000));
        assert_eq!(world.state(1), PathState::Active, "{stood_still_ms} ms");
    }
}
