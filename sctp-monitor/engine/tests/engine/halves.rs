//! Associations that are joined mid-life and seen by halves: one direction, or paths that nothing ties together at first.

use sctp_monitor_engine::{
    config::Vantage,
    model::{EventKind, PathState},
};
use sctp_monitor_testkit::{
    frames::{self, Packet},
    world::{LOCAL_TAG, REMOTE_TAG, World, downs, ms, ups},
};

const VANTAGES: [Vantage; 2] = [Vantage::Endpoint, Vantage::Gateway];

/// The associations of which anything is known.
fn known(world: &World) -> usize {
    world.engine().associations().count()
}

#[test]
fn two_paths_in_one_direction_with_one_tag_are_one_association() {
    for vantage in VANTAGES {
        for leaves in [true, false] {
            let mut world = World::new(vantage);
            let tag = if leaves { REMOTE_TAG } else { LOCAL_TAG };
            for round in 0..40 {
                let mut say = |path, chunk| match leaves {
                    true => world.sent(path, tag, vec![chunk]),
                    false => world.received(path, tag, vec![chunk]),
                };
                say(1, frames::data(1_000 + round, 100));
                say(1, frames::sack(round, &[]));
                if round % 30 == 5 {
                    say(2, frames::heartbeat(&[round as u8; 40]));
                    say(2, frames::heartbeat_ack(&[round as u8; 40]));
                }
                world.advance(ms(1_000));
            }
            let what = format!("{vantage:?}, leaves: {leaves}");
            assert_eq!(known(&world), 1, "{what}");
            assert_eq!(ups(&world).len(), 1, "{what}");
            assert_eq!(downs(&world), [], "{what}");
            let association = world.engine().associations().next().unwrap();
            assert!(
                association.paths().any(|(id, _)| *id == World::path_id(2)),
                "{what}"
            );
            let changes = world.take_changes();
            assert_eq!(changes, [], "nothing is known of answers: {what}");
        }
    }
}

#[test]
fn heartbeats_that_are_answered_from_another_address_are_of_one_association() {
    for vantage in VANTAGES {
        for swapped in [false, true] {
            let mut world = World::new(vantage);
            for path in [2, 3, 1] {
                let info = [path; 40];
                // All are answered from the peer's first address to the own first one.
                let asks = Packet::v4(REMOTE_TAG, vec![frames::heartbeat(&info)])
                    .between("10.1.0.1", &World::remote(path));
                let answers =
                    Packet::v4(LOCAL_TAG, vec![frames::heartbeat_ack(&info)]).between("10.1.0.2", "10.1.0.1");
                world.packet(&asks, 1, !swapped);
                world.now = world.now + ms(1);
                world.packet(&answers, 1, swapped);
                world.advance(ms(999));
            }
            world.advance(ms(8_000));
            let what = format!("{vantage:?}, swapped: {swapped}");
            assert_eq!(ups(&world).len(), 1, "{what}: {:?}", world.events);
            assert_eq!(downs(&world), [], "{what}");
            assert_eq!(known(&world), 1, "{what}");
            let association = world.engine().associations().next().unwrap();
            let active = association
                .paths()
                .filter(|(_, path)| path.state() == PathState::Active);
            assert_eq!(active.count(), 3, "{what}");
        }
    }
}

#[test]
fn directions_over_different_paths_are_held_until_a_heartbeat_tells_them_to_be_one() {
    for vantage in VANTAGES {
        let mut world = World::new(vantage);
        let back = |chunk| Packet::v4(LOCAL_TAG, vec![chunk]).between("10.2.0.2", "10.1.0.1");
        for tsn in 1..100 {
            world.data(1, tsn);
            world.now = world.now + ms(1);
            world.packet(&back(frames::sack(tsn, &[])), 2, false);
            world.advance(ms(199));
        }
        assert_eq!(world.events, [], "{vantage:?}: not told apart yet");
        world.heartbeat_answered(1, ms(1));
        assert_eq!(ups(&world).len(), 1, "{vantage:?}");
        assert_eq!(downs(&world), [], "{vantage:?}");
        assert_eq!(known(&world), 1, "{vantage:?}");
    }
}

#[test]
fn one_tag_by_chance_does_not_make_one_association() {
    for vantage in VANTAGES {
        let mut world = World::new(vantage);
        for tsn in 1..40 {
            for path in [1, 2] {
                world.data(path, tsn);
                world.now = world.now + ms(1);
                // The tags of the opposite direction tell them apart.
                world.received(path, LOCAL_TAG + u32::from(path), vec![frames::sack(tsn, &[])]);
            }
            world.advance(ms(100));
        }
        assert_eq!(ups(&world).len(), 2, "{vantage:?}");
        let tied = |event: &EventKind| matches!(event, EventKind::AssociationDown { .. });
        assert!(!world.events.iter().any(|event| tied(&event.kind)), "{vantage:?}");
    }
}
