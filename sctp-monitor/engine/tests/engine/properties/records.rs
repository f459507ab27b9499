//! No record makes the engine panic, whatever is in it.

use proptest::prelude::*;
use sctp_monitor_common::{abi::FlowRecord, track::FlowTable as _};
use sctp_monitor_engine::{
    Engine,
    config::{Config, Vantage},
    model::Timestamp,
};

use super::{
    bounded,
    steps::{begin, vantage},
};
use sctp_monitor_testkit::world::ms;

proptest! {
    #![proptest_config(bounded())]

    #[test]
    fn no_record_makes_the_engine_panic(
        vantage in vantage(),
        records in prop::collection::vec(
            (0..6_u32, prop::collection::vec(any::<u8>(), size_of::<FlowRecord>()), any::<u64>(), any::<bool>()),
            1..40,
        ),
    ) {
        let config = Config { vantage, ..Config::default() };
        let mut engine = Engine::new(config, ms(4));
        for (slot, bytes, now, stall) in records {
            // Time goes backwards as it likes.
            let now = Timestamp::from_nanos(now);
            engine.handle_record(slot, &bytemuck::pod_read_unaligned(&bytes), now);
            if stall {
                engine.handle_stall(now);
            }
            engine.handle_timeout(now);
            while engine.poll_output().is_some() {}
        }
    }

    #[test]
    fn no_record_of_a_known_flow_makes_the_engine_panic(
        changes in prop::collection::vec(
            (0..4_u32, prop::collection::vec((0..64_usize, any::<u64>()), 1..10), 0..2_000_000_000_000_u64),
            1..60,
        ),
    ) {
        let mut world = begin(Vantage::Endpoint);
        for (slot, words, now) in changes {
            let mut record = *world.table.record(slot).unwrap();
            let key = record.key;
            for (at, word) in words {
                let fields: &mut [u64] = bytemuck::cast_slice_mut(std::slice::from_mut(&mut record));
                fields[at] = word;
            }
            record.key = key;
            *world.table.record(slot).unwrap() = record;
            let now = Timestamp::from_nanos(now);
            world.engine.handle_record(slot, &record, now);
            world.engine.handle_timeout(now);
            while world.engine.poll_output().is_some() {}
        }
    }
}
