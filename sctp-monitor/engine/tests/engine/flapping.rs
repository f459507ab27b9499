//! Paths that come and go, and heartbeats that are answered from elsewhere.

use sctp_monitor_engine::{
    NicState,
    model::{AnsweredElsewhere, Direction, Evidence, Flapping, Object, PathState, Status},
};
use sctp_monitor_testkit::{
    frames,
    world::{LOCAL_TAG, NIC, World, ms},
};

use crate::reports::{findings, left_open, opened, statuses};
use PathState::{Active, Inactive};
use Status::{Closed, Opened};

fn fails_and_works_again(world: &mut World) {
    world.nic(NIC, "ens1", NicState::Down);
    world.advance(ms(2_000));
    world.nic(NIC, "ens1", NicState::Up);
    world.heartbeat_answered(1, ms(1));
    world.advance(ms(3_000));
}

#[test]
fn a_path_that_comes_and_goes_must_work_for_a_while_to_be_trusted() {
    let mut world = World::with_two_paths();
    for _ in 0..2 {
        fails_and_works_again(&mut world);
        assert_eq!(world.state(1), Active);
    }
    assert_eq!(statuses(&world, "flapping"), []);
    fails_and_works_again(&mut world);
    assert_eq!(world.state(1), Inactive, "3 s are not enough");
    fails_and_works_again(&mut world);
    assert_eq!(world.state(1), Inactive, "the hold begins anew");
    world.advance(ms(6_500));
    assert_eq!(world.state(1), Inactive);
    world.advance(ms(2_000));
    assert_eq!(world.state(1), Active);
    let found = findings(&world, "flapping");
    let (Opened, finding) = found[0] else {
        panic!("{found:?}");
    };
    assert_eq!(finding.object, Object::Path(World::path_id(1)));
    assert!(
        matches!(finding.evidence, Evidence::Flapping(Flapping { failures: 3, .. })),
        "{finding:?}"
    );
    world.advance(ms(60_000));
    assert_eq!(statuses(&world, "flapping"), [Opened, Closed]);
    let flapping = opened(&world).iter().filter(|name| **name == "flapping").count();
    assert_eq!((flapping, left_open(&world.events)), (1, 0));
}

#[test]
fn a_path_that_is_not_trusted_yet_is_not_reported_as_down() {
    let mut world = World::with_two_paths();
    for _ in 0..3 {
        fails_and_works_again(&mut world);
    }
    let downs = statuses(&world, "link_down");
    assert_eq!(downs, [Opened, Closed, Opened, Closed, Opened, Closed]);
    assert_eq!(statuses(&world, "path_down"), []);
}

#[test]
fn failures_far_apart_are_no_flapping() {
    let mut world = World::with_two_paths();
    for _ in 0..6 {
        fails_and_works_again(&mut world);
        world.advance(ms(30_000));
    }
    assert_eq!(statuses(&world, "flapping"), []);
    assert_eq!(world.state(1), Active);
}

#[test]
fn answers_from_another_address_are_reported_as_long_as_they_come_from_there() {
    let mut world = World::with_two_paths();
    for _ in 0..3 {
        let info = world.heartbeat(1);
        world.advance(ms(5));
        world.received(2, LOCAL_TAG, vec![frames::heartbeat_ack(&info)]);
        world.advance(ms(1_000));
    }
    let found = findings(&world, "answered_elsewhere");
    let [(Opened, finding)] = found.as_slice() else {
        panic!("{found:?}");
    };
    let source = World::remote(2).parse().unwrap();
    assert_eq!(
        finding.evidence,
        Evidence::AnsweredElsewhere(AnsweredElsewhere {
            direction: Direction::Forward,
            source,
        })
    );
    assert_eq!(finding.object, Object::Path(World::path_id(1)));
    world.heartbeat_answered(1, ms(1));
    assert_eq!(statuses(&world, "answered_elsewhere"), [Opened], "by chance");
    for _ in 0..3 {
        world.heartbeat_answered(1, ms(1));
    }
    assert_eq!(statuses(&world, "answered_elsewhere"), [Opened, Closed]);
    assert_eq!(left_open(&world.events), 0);
}
