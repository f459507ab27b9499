//! What holds whatever happens: invariants over random packets, losses, links and stalls.

mod interleaving;
mod records;
mod steps;

use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;
use sctp_monitor_common::abi::FlowRecord;
use sctp_monitor_engine::{NicState, config::Vantage, model::PathState};
use sctp_monitor_testkit::{
    invariants::{check_reason, left_open},
    world::{SWEEP, World, ms},
};
use steps::{Step, Tsns, begin, happen, path, run, steps, vantage};

/// What counts up in a record.
fn counters(record: &FlowRecord) -> [u64; 4] {
    [
        record.packets,
        record.data_chunks,
        record.heartbeats_answered.into(),
        record.tag_mismatches.into(),
    ]
}

/// The usual 256 runs of each property, which take some ten seconds; PROPTEST_CASES asks for more.
fn bounded() -> ProptestConfig {
    ProptestConfig {
        max_shrink_iters: 2_000,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(bounded())]

    #[test]
    fn states_change_for_a_reason_and_findings_in_order(vantage in vantage(), steps in steps()) {
        let world = run(vantage, &steps);
        world.events.iter().for_each(check_reason);
        left_open(&world.events);
    }

    #[test]
    fn all_that_was_opened_closes_when_everything_has_ended(vantage in vantage(), steps in steps()) {
        let mut world = run(vantage, &steps);
        for _ in 0..20 {
            world.advance(ms(1));
            world.now = world.now + Duration::from_secs(40);
        }
        world.sweep();
        prop_assert_eq!(world.engine().associations().count(), 0);
        prop_assert_eq!(left_open(&world.events), 0);
        prop_assert_eq!(world.engine().incidents().count(), 0);
    }

    #[test]
    fn all_failures_are_over_when_everything_is_answered(mut steps in steps()) {
        // Where the first packet of an association that is not known is a forged one, its tag is taken for the true one.
        steps.retain(|step| !matches!(step, Step::Packet { forged: true, .. }));
        let mut world = run(Vantage::Endpoint, &steps);
        let mut tsns = Tsns { to_remote: 5_000, to_local: 5_000 };
        for path in [1, 2] {
            happen(&mut world, &mut tsns, &Step::Nic { path, state: NicState::Up });
        }
        // Longer than a path stays distrusted, and a rate is remembered. Every second packet is acknowledged (RFC 9260 section
        // 6.2), as soon as any step has one acknowledged: a path whose answers take longer than they used to is slow.
        for _ in 0..90 {
            for path in [1, 2] {
                world.heartbeat_answered(path, ms(1));
                for _ in 0..2 {
                    happen(&mut world, &mut tsns, &Step::Acknowledged { path, back: path, chunks: 2 });
                }
                world.advance(ms(400));
            }
        }
        let up: Vec<_> = world.engine().associations().filter(|association| association.is_established()).collect();
        let paths = up
            .iter()
            .flat_map(|association| association.paths().map(|(id, path)| (association.id(), id, path)));
        let used = [1, 2].map(World::path_id);
        for (association, id, path) in paths.filter(|(_, id, _)| used.contains(id)) {
            prop_assert_eq!(path.state(), PathState::Active, "{:?}", id);
            prop_assert_eq!(world.engine().path_findings(association, id), &[]);
        }
        prop_assert_eq!(world.engine().incidents().count(), 0);
    }

    #[test]
    fn no_path_fails_where_everything_is_answered(
        calm in prop::collection::vec((path(), 1..30_u32, 0..60_u64, 1..3_000_u64, any::<bool>()), 1..40),
    ) {
        let mut world = begin(Vantage::Endpoint);
        let mut tsns = Tsns::default();
        world.events.clear();
        for (path, chunks, rtt, pause, data) in calm {
            if data {
                for _ in 0..chunks {
                    happen(&mut world, &mut tsns, &Step::Acknowledged { path, back: 3 - path, chunks: 2 });
                }
            } else {
                happen(&mut world, &mut tsns, &Step::Answered { path, leaves: true, rtt });
            }
            world.advance(ms(pause));
        }
        prop_assert_eq!(world.take_changes(), []);
    }

    #[test]
    fn counters_never_go_back(vantage in vantage(), steps in steps()) {
        let mut world = begin(vantage);
        let mut tsns = Tsns::default();
        let mut before = BTreeMap::new();
        for step in &steps {
            happen(&mut world, &mut tsns, step);
            world.advance(SWEEP);
            for (slot, record) in (0_u32..).zip(world.store.table.records()) {
                let now = counters(record);
                let seen = before.insert(slot, now).unwrap_or(now);
                prop_assert!(seen.iter().zip(now).all(|(seen, now)| *seen <= now));
                if let Some(view) = world.engine().flow(slot) {
                    // What was counted before its association began is not the flow's.
                    prop_assert!(view.packets <= now[0] && view.data_chunks <= now[1]);
                }
            }
        }
    }

    #[test]
    fn the_same_input_gives_the_same_output(vantage in vantage(), steps in steps()) {
        prop_assert_eq!(run(vantage, &steps).events, run(vantage, &steps).events);
    }
}
