//! Which path takes the packets of another one, and for how long it keeps them.

use sctp_monitor_testkit::frames::Packet;

use super::*;

use PathState::PotentiallyFailed;

/// Path 1 has failed, its packets leave on path 2.
fn moved_onto_the_second(paths: u8) -> (World, Host) {
    let (mut world, mut host) = world_of(paths, moving());
    host.send(&mut world, 10, &[1]);
    assert_eq!(steering_of(&mut world), [started(1, 2, SteeringMode::Move)]);
    host.send(&mut world, 20, &[1]);
    assert_eq!(world.state(2), Active);
    (world, host)
}

/// The second path is in doubt: a heartbeat is not answered.
fn doubt_the_second(world: &mut World) {
    world.heartbeat(2);
    world.advance(ms(1_500));
    assert_eq!(world.state(2), PotentiallyFailed);
}

fn changed(path: u8, from: u8, onto: u8) -> EventKind {
    EventKind::SteeringChanged {
        path: World::path_id(path),
        from: World::path_id(from),
        onto: World::path_id(onto),
        mode: SteeringMode::Move,
    }
}

fn ends(world: &mut World) -> Vec<SteeringEnd> {
    steering_of(world).iter().filter_map(end_of).collect()
}

#[test]
fn a_path_in_doubt_hands_them_on_to_one_that_works() {
    let (mut world, _) = moved_onto_the_second(3);
    doubt_the_second(&mut world);
    assert_eq!(steering_of(&mut world), [changed(1, 2, 3)]);
    assert_eq!(orders(&world)[0].if_index, NIC + 2);
}

#[test]
fn a_path_in_doubt_keeps_them_for_want_of_a_better_one() {
    let (mut world, _) = moved_onto_the_second(2);
    doubt_the_second(&mut world);
    assert_eq!(steering_of(&mut world), []);
    assert_eq!(orders(&world).len(), 1);
}

#[test]
fn a_path_in_doubt_gives_them_back_to_one_that_works_again() {
    let (mut world, _) = moved_onto_the_second(2);
    world.heartbeat_answered(1, ms(1));
    assert_eq!(world.state(1), Active, "but not for long enough");
    assert_eq!(steering_of(&mut world), []);
    doubt_the_second(&mut world);
    assert_eq!(ends(&mut world), [SteeringEnd::PathRecovered]);
    assert_eq!(orders(&world), []);
}

#[test]
fn a_path_that_becomes_too_small_takes_them_no_longer() {
    for paths in [2, 3] {
        let (mut world, mut host) = moved_onto_the_second(paths);
        world.session.handle_mtu(NIC, 1_500);
        world.session.handle_mtu(NIC + 1, 1_400);
        host.send(&mut world, 40, &[1]);
        let events = steering_of(&mut world);
        if paths == 2 {
            assert_eq!(end_of(&events[0]), Some(SteeringEnd::NoPathLeft), "{events:?}");
            assert_eq!(orders(&world), []);
        } else {
            assert_eq!(events, [changed(1, 2, 3)]);
        }
    }
}

#[test]
fn they_leave_by_the_nic_by_which_their_new_path_leaves() {
    let (mut world, mut host) = moved_onto_the_second(2);
    assert_eq!(orders(&world)[0].if_index, NIC + 1);
    // The host's route for path 2 leads over another NIC from now on.
    for _ in 0..5 {
        let heartbeat = Packet::v4(REMOTE_TAG, vec![frames::heartbeat(&[9; 40])])
            .between(&World::local(2), &World::remote(2));
        world.packet(&heartbeat, 3, true);
        world.received(2, LOCAL_TAG, vec![frames::heartbeat_ack(&[9; 40])]);
        world.advance(ms(400));
    }
    assert_eq!(orders(&world)[0].if_index, NIC + 2);
    assert_eq!(steering_of(&mut world), [], "it is the same path");
    host.send(&mut world, 1, &[1]);
}

#[test]
fn what_a_path_takes_is_not_moved_on_by_the_operator() {
    let (mut world, _) = moved_onto_the_second(3);
    let id = world.engine().steered_paths()[0].association.id;
    let add = |world: &mut World, path| {
        world
            .session
            .handle_steering(id, World::path_id(path), true, world.now)
    };
    assert_eq!(add(&mut world, 2), Err(SteeringObstacle::TakesOthers));
    assert_eq!(add(&mut world, 3), Ok(()), "nothing leaves on it but its own");
    world.sweep();
    assert_eq!(orders(&world).len(), 2);
}

#[test]
fn one_that_was_answered_lately_comes_first() {
    let (mut world, mut host) = world_of(3, moving());
    world.advance(ms(4_000));
    world.heartbeat_answered(3, ms(30));
    host.send(&mut world, 10, &[]);
    host.send(&mut world, 10, &[1]);
    assert_eq!(
        steering_of(&mut world),
        [started(1, 3, SteeringMode::Move)],
        "path 2 is faster, and may have failed as well"
    );
}

#[test]
fn nothing_is_moved_where_it_is_not_seen() {
    for nic in [NIC, NIC + 1] {
        let (mut world, _) = moved_onto_the_second(2);
        world.session.handle_watch(nic, false, world.now);
        world.sweep();
        assert_eq!(ends(&mut world), [SteeringEnd::NotWatched]);
        assert_eq!(orders(&world), []);
        world.advance(ms(1_000));
        assert_eq!(orders(&world), []);
        world.session.handle_watch(nic, true, world.now);
        world.advance(ms(1_000));
        assert_eq!(
            steering_of(&mut world).last(),
            Some(&started(1, 2, SteeringMode::Move))
        );
    }
}
