//! DATA that moves from path to path.

use sctp_monitor_engine::model::{Direction, EventKind};

use crate::paths::traffic;
use sctp_monitor_testkit::world::{World, kinds, ms};

#[test]
fn data_that_moves_is_reported_once_with_its_gap() {
    let mut world = World::with_two_paths();
    traffic(&mut world, 1, 1..41, true);
    traffic(&mut world, 1, 41..51, false);
    world.advance(ms(500));
    for tsn in 41..51 {
        world.data(2, tsn);
    }
    world.sack(2, 50);
    traffic(&mut world, 2, 51..71, true);
    let moves: Vec<_> = kinds(&world)
        .into_iter()
        .filter_map(|kind| match kind {
            EventKind::DataMoved {
                direction,
                from,
                to,
                gap,
            } => Some((direction, from, to, gap)),
            _ => None,
        })
        .collect();
    let [(Direction::Forward, from, to, Some(gap))] = moves.as_slice() else {
        panic!("{moves:?}");
    };
    assert_eq!((*from, *to), (World::path_id(1), World::path_id(2)));
    // TSN 40 was acknowledged 49 ms before TSN 41 was sent; 51 was sent half a second after the last unanswered one.
    assert_eq!(*gap, ms(49 + 10 * 50 + 500));
    let association = world.engine().associations().next().unwrap();
    assert_eq!(association.primary(Direction::Forward), Some(World::path_id(2)));
}

#[test]
fn a_retransmission_on_another_path_moves_nothing() {
    let mut world = World::with_two_paths();
    for tsn in (1..101).step_by(2) {
        traffic(&mut world, 1, tsn..tsn + 1, false);
        world.data(2, tsn);
        world.sack(2, tsn);
        traffic(&mut world, 1, tsn + 1..tsn + 2, true);
    }
    let moved = |kind: &EventKind| matches!(kind, EventKind::DataMoved { .. });
    assert!(!kinds(&world).iter().any(moved));
}
