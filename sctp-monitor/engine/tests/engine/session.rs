//! The session: in which order it looks at what, and when it wants to come back. The store writes down what it is asked for.

use std::{borrow::Borrow, cell::RefCell, convert::Infallible, time::Duration};

use sctp_monitor_common::{
    abi::{FlowKey, FlowLinks, FlowRecord, Interface, RingRecord},
    memory::MemoryTable,
    track::{MAX_CHUNKS, Options, observe},
    wire::{Frame, LinkType, ParseOptions},
};
use sctp_monitor_engine::{
    Session,
    config::Config,
    model::{EventKind, PathState, Timestamp},
    session::{FlowStore, News, Pace},
};
use sctp_monitor_testkit::{
    frames::{self, Packet},
    world::{LOCAL_TAG, REMOTE_TAG, ms},
};

/// What the session asked of its store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Ring,
    Changed,
    Record(u32),
    Link(u32),
    Release(u32),
    End,
}

/// A flow table that keeps account of who asks for what.
#[derive(Debug, Default)]
struct Listed {
    table: MemoryTable,
    asked: RefCell<Vec<Asked>>,
}

impl Listed {
    fn ask(&self, what: Asked) {
        self.asked.borrow_mut().push(what);
    }

    /// Slots whose record was read since the last call.
    fn take_read(&self) -> Vec<u32> {
        self.asked
            .take()
            .into_iter()
            .filter_map(|asked| match asked {
                Asked::Record(slot) => Some(slot),
                _ => None,
            })
            .collect()
    }
}

impl FlowStore for Listed {
    type Error = Infallible;

    fn take_ring(&mut self, take: impl FnMut(&RingRecord<'_>)) {
        self.ask(Asked::Ring);
        self.table.take_ring(take);
    }

    fn news(&self) -> News {
        self.table.news()
    }

    fn take_changed(&mut self, changed: &mut Vec<u32>) {
        self.ask(Asked::Changed);
        self.table.take_changed(changed);
    }

    fn record(&self, slot: u32) -> Option<impl Borrow<FlowRecord>> {
        self.ask(Asked::Record(slot));
        self.table.records().get(slot as usize)
    }

    fn link(&mut self, slot: u32, links: &FlowLinks) {
        self.ask(Asked::Link(slot));
        self.table.link(slot, links);
    }

    fn release(&mut self, slot: u32, key: &FlowKey, now: Timestamp) -> Result<(), Infallible> {
        self.ask(Asked::Release(slot));
        FlowStore::release(&mut self.table, slot, key, now)
    }

    fn end_turn(&mut self, _now: Timestamp) -> Result<(), Infallible> {
        self.ask(Asked::End);
        Ok(())
    }
}

/// A session, its store and its clock.
struct Stage {
    store: Listed,
    session: Session,
    now: Timestamp,
}

impl Stage {
    fn new(pace: Pace) -> Self {
        Self {
            store: Listed::default(),
            session: Session::new(Config::default(), Duration::from_nanos(1), pace),
            now: Timestamp::from_nanos(1_000_000_000_000),
        }
    }

    /// With an association on one path, which a heartbeat and DATA have crossed.
    fn with_association(pace: Pace) -> Self {
        let mut stage = Self::new(pace);
        stage.pass(0, true, frames::init(LOCAL_TAG, &["10.1.0.1"]));
        stage.pass(LOCAL_TAG, false, frames::init_ack(REMOTE_TAG, &["10.1.0.2"]));
        stage.pass(REMOTE_TAG, true, frames::cookie_echo());
        stage.pass(LOCAL_TAG, false, frames::cookie_ack());
        stage.turn();
        stage.pass(REMOTE_TAG, true, frames::heartbeat(&[1; 40]));
        stage.wait(ms(1));
        stage.pass(LOCAL_TAG, false, frames::heartbeat_ack(&[1; 40]));
        stage.turn();
        stage.answered(1);
        stage.wait(ms(20));
        stage.turn();
        while stage.session.poll_event().is_some() {}
        stage.store.asked.take();
        stage
    }

    fn pass(&mut self, tag: u32, leaves: bool, chunk: Vec<u8>) {
        let packet = Packet::v4(tag, vec![chunk]).between("10.1.0.1", "10.1.0.2");
        let (packet, interface) = if leaves {
            (packet, Interface::egress(11))
        } else {
            (packet.reversed(), Interface::ingress(11))
        };
        let options = Options {
            link: LinkType::Ethernet,
            parse: ParseOptions::default(),
            max_chunks: MAX_CHUNKS,
        };
        self.store.table.set_now(self.now.as_nanos());
        observe(
            &Frame(&packet.ethernet()),
            interface,
            &options,
            &mut self.store.table,
        );
    }

    /// DATA, and its SACK at once.
    fn answered(&mut self, tsn: u32) {
        self.pass(REMOTE_TAG, true, frames::data(tsn, 100));
        self.pass(LOCAL_TAG, false, frames::sack(tsn, &[]));
    }

    fn wait(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    fn turn(&mut self) {
        let Ok(()) = self.session.turn(&mut self.store, self.now);
    }

    /// When the session wants to come back, from now on.
    fn until_next(&self) -> Option<Duration> {
        let next = self.session.next_turn(&self.store, self.now)?;
        Some(next.since(self.now))
    }

    fn failures(&mut self) -> usize {
        std::iter::from_fn(|| self.session.poll_event())
            .filter(|event| {
                matches!(
                    event.kind,
                    EventKind::PathStateChanged {
                        to: PathState::PotentiallyFailed | PathState::Inactive,
                        ..
                    }
                )
            })
            .count()
    }
}

/// Without stalls: the clock jumps.
const LIVE: Pace = Pace {
    stall: None,
    ..Pace::LIVE
};

#[test]
fn ring_records_come_before_flow_records_and_decisions_behind_them() {
    let mut stage = Stage::new(LIVE);
    stage.pass(0, true, frames::init(LOCAL_TAG, &["10.1.0.1"]));
    stage.pass(LOCAL_TAG, false, frames::init_ack(REMOTE_TAG, &["10.1.0.2"]));
    stage.pass(REMOTE_TAG, true, frames::cookie_echo());
    stage.pass(LOCAL_TAG, false, frames::cookie_ack());
    stage.turn();
    let asked = stage.store.asked.take();
    let order: Vec<_> = asked
        .iter()
        .map(|asked| match asked {
            Asked::Ring => 0,
            Asked::Changed => 1,
            Asked::Record(_) => 2,
            Asked::Link(_) | Asked::Release(_) => 3,
            Asked::End => 4,
        })
        .collect();
    assert!(order.is_sorted(), "{asked:?}");
    for step in [
        Asked::Ring,
        Asked::Changed,
        Asked::Record(0),
        Asked::Record(1),
        Asked::Link(0),
        Asked::Link(1),
        Asked::End,
    ] {
        assert!(asked.contains(&step), "{step:?} in {asked:?}");
    }
}

#[test]
fn a_record_that_has_not_changed_and_waits_for_nothing_is_not_read() {
    for pace in [LIVE, Pace::REPLAY] {
        let mut stage = Stage::with_association(pace);
        stage.wait(ms(600));
        stage.turn();
        stage.store.take_read();
        stage.wait(ms(20));
        stage.turn();
        assert_eq!(stage.store.take_read(), [0_u32; 0], "{pace:?}");
    }
}

#[test]
fn a_flow_that_waits_for_an_answer_is_looked_at_until_it_comes() {
    let mut stage = Stage::with_association(LIVE);
    stage.pass(REMOTE_TAG, true, frames::data(2, 100));
    for _ in 0..3 {
        stage.turn();
        assert_eq!(stage.store.take_read(), [0]);
        stage.wait(ms(20));
    }
    stage.pass(LOCAL_TAG, false, frames::sack(2, &[]));
    stage.turn();
    assert_eq!(stage.store.take_read(), [0, 1]);
    stage.wait(ms(20));
    stage.turn();
    assert_eq!(stage.store.take_read(), [0_u32; 0]);
}

#[test]
fn a_flow_is_as_fresh_as_the_last_turn() {
    let seen = |pace: Pace| {
        let mut stage = Stage::with_association(pace);
        let mut packets = Vec::new();
        for tsn in 2..40 {
            stage.answered(tsn);
            stage.turn();
            packets.push(stage.session.engine().flow(0).unwrap().packets);
            stage.wait(ms(20));
        }
        packets.dedup();
        packets.len()
    };
    assert_eq!(seen(LIVE), 38);
    assert_eq!(seen(Pace::REPLAY), 38);
}

#[test]
fn the_last_turn_looks_at_all_that_has_changed() {
    let mut stage = Stage::with_association(Pace::REPLAY);
    for tsn in 2..6 {
        stage.answered(tsn);
        stage.turn();
        stage.wait(ms(20));
    }
    stage.answered(6);
    let Ok(()) = stage.session.finish(&mut stage.store, stage.now);
    let packets = stage.session.engine().flow(0).unwrap().packets;
    assert_eq!(packets, stage.store.table.records()[0].packets);
}

#[test]
fn the_next_turn_is_as_soon_as_what_waits_needs_it() {
    let mut stage = Stage::new(LIVE);
    assert_eq!(stage.until_next(), None, "nothing was ever seen");
    stage.pass(REMOTE_TAG, true, frames::cookie_echo());
    assert_eq!(stage.until_next(), Some(Duration::ZERO), "the first turn");

    let mut stage = Stage::with_association(LIVE);
    let idle = stage.until_next().unwrap();
    assert!(
        idle > LIVE.sweep && idle <= ms(1_000),
        "housekeeping only: {idle:?}"
    );
    stage.wait(ms(5));
    stage.answered(2);
    assert_eq!(stage.until_next(), Some(ms(15)), "the next sweep");
    stage.wait(ms(30));
    assert_eq!(stage.until_next(), Some(Duration::ZERO), "never in the past");
    stage.turn();
    stage.pass(REMOTE_TAG, true, frames::abort(false));
    assert_eq!(stage.until_next(), Some(LIVE.breath), "what cannot wait");
    stage.session.take_ring(&mut stage.store);
    assert_eq!(stage.until_next(), Some(LIVE.breath), "taken, but not acted on");
}

#[test]
fn a_turn_that_comes_late_accuses_nobody_at_once() {
    let failures_after = |pace: Pace, late: Duration| {
        let mut stage = Stage::with_association(pace);
        for info in 2..6 {
            stage.pass(REMOTE_TAG, true, frames::heartbeat(&[info; 40]));
        }
        stage.turn();
        stage.wait(late);
        stage.turn();
        let at_once = stage.failures();
        for _ in 0..20 {
            stage.wait(ms(20));
            stage.turn();
        }
        (at_once, stage.failures())
    };
    let long = ms(5_000);
    assert_eq!(
        failures_after(Pace::REPLAY, long).0,
        1,
        "nobody stood still in a capture"
    );
    let (at_once, later) = failures_after(Pace::LIVE, long);
    assert_eq!((at_once, later > 0), (0, true));
}

#[test]
fn a_released_slot_is_left_alone_until_it_holds_another_flow() {
    let mut stage = Stage::with_association(LIVE);
    stage.pass(REMOTE_TAG, true, frames::data(2, 100));
    stage.turn();
    stage.pass(REMOTE_TAG, true, frames::abort(false));
    let mut released = Vec::new();
    for _ in 0..600 {
        stage.wait(ms(100));
        stage.turn();
        released.extend(
            stage
                .store
                .asked
                .take()
                .into_iter()
                .filter_map(|asked| match asked {
                    Asked::Release(slot) => Some(slot),
                    _ => None,
                }),
        );
    }
    released.sort_unstable();
    assert_eq!(released, [0, 1]);
    stage.turn();
    assert_eq!(stage.store.take_read(), [0_u32; 0]);
    stage.pass(REMOTE_TAG, true, frames::data(3, 100));
    stage.turn();
    assert_eq!(stage.store.take_read(), [0], "it was offered again");
}
