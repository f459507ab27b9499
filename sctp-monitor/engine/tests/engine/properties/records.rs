//! No record makes the engine panic, whatever is in it.

use proptest::prelude::*;
use sctp_monitor_common::{abi::FlowRecord, track::FlowTable as _};
use sctp_monitor_engine::{
    Session,
    config::{Config, Vantage},
    model::Timestamp,
};

use super::{
    bounded,
    steps::{begin, vantage},
};
use sctp_monitor_testkit::{
    store::Store,
    world::{PACE, ms},
};

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
        let mut session = Session::new(config, ms(4), PACE);
        let mut store = Store::default();
        for (slot, bytes, now, stall) in records {
            // Time goes backwards as it likes.
            let now = Timestamp::from_nanos(now);
            store.forge(slot, bytemuck::pod_read_unaligned(&bytes));
            if stall {
                session.handle_stall(now);
            }
            let Ok(()) = session.turn(&mut store, now);
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
            let mut record = *world.store.table.record(slot).unwrap();
            let key = record.key;
            for (at, word) in words {
                let fields: &mut [u64] = bytemuck::cast_slice_mut(std::slice::from_mut(&mut record));
                fields[at] = word;
            }
            record.key = key;
            *world.store.table.record(slot).unwrap() = record;
            world.store.forge(slot, record);
            world.now = Timestamp::from_nanos(now);
            world.sweep();
        }
    }
}
