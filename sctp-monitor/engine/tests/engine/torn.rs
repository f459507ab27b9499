//! What the agent reads of a record while a program writes it: words that are old beside words that are new. It is never judged to be
//! what neither the old record nor the new one is.
//!
//! A packet changes several words of a record, in the order that the compiler chose: all that is sure is that an answer is written
//! before the wait for it ends. The agent reads the words in the order of their addresses, and may be stopped between any two
//! (docs/architecture.md). So of one packet it may find any choice of old and new words but one that breaks this rule; and if it is
//! stopped for longer, words of now behind words of then.

use std::{collections::BTreeSet, mem::offset_of, time::Duration};

use sctp_monitor_common::abi::{FlowRecord, OutstandingHeartbeat};
use sctp_monitor_engine::model::{Event, EventKind, PathState, Status};
use sctp_monitor_testkit::{
    choices::{Choices as _, Random},
    frames,
    world::{LOCAL_TAG, REMOTE_TAG, World, ms},
};

const WORDS: usize = size_of::<FlowRecord>() / size_of::<u64>();
type Words = [u64; WORDS];

fn word(offset: usize) -> usize {
    offset / size_of::<u64>()
}

/// Words of what is waited for: who is answered changes them last.
fn waits() -> [usize; 4] {
    let timed = word(offset_of!(FlowRecord, timed));
    let heartbeat =
        |at: usize| word(offset_of!(FlowRecord, outstanding) + at * size_of::<OutstandingHeartbeat>());
    [timed, timed + 1, heartbeat(0), heartbeat(1)]
}

/// Words that tell of an answer.
fn answers() -> [usize; 6] {
    [
        word(offset_of!(FlowRecord, acked_ticks)),
        word(offset_of!(FlowRecord, acknowledgements)),
        word(offset_of!(FlowRecord, acknowledged_here)),
        word(offset_of!(FlowRecord, is_timed)),
        word(offset_of!(FlowRecord, heartbeats_answered)),
        word(offset_of!(FlowRecord, answered_at_ns)),
    ]
}

/// Whether the agent may read this choice of words, the numbers of those that are new.
fn may_be_read(before: &Words, after: &Words, new: &BTreeSet<usize>) -> bool {
    let changes = |at: &usize| before[*at] != after[*at];
    let waits_differ = waits().iter().any(|at| changes(at) && new.contains(at));
    let acknowledged = word(offset_of!(FlowRecord, acknowledgements));
    let here = word(offset_of!(FlowRecord, acknowledged_here));
    let knows_where = !new.contains(&acknowledged) || !changes(&here) || new.contains(&here);
    knows_where && (!waits_differ || answers().iter().all(|at| !changes(at) || new.contains(at)))
}

fn records(world: &World) -> Vec<Words> {
    let records = world.store.table.records();
    records
        .iter()
        .map(|record| bytemuck::must_cast(*record))
        .collect()
}

/// Whoever is accused of something, and of what.
fn accusations(events: &[Event]) -> BTreeSet<String> {
    let accusation = |event: &Event| match &event.kind {
        EventKind::PathStateChanged { path, to, .. }
            if matches!(to, PathState::Inactive | PathState::PotentiallyFailed) =>
        {
            Some(format!("{path:?} {to:?}"))
        }
        EventKind::Finding {
            status: Status::Opened,
            finding,
        } => Some(finding.evidence.name().to_owned()),
        EventKind::AssociationDown { .. } => Some("down".to_owned()),
        _ => None,
    };
    events.iter().filter_map(accusation).collect()
}

/// A packet, and what was before it.
struct Scene {
    name: &'static str,
    before: fn(&mut World),
    packet: fn(&mut World),
}

/// The Heartbeat Info of the last HEARTBEAT over path 1.
const INFO: [u8; 40] = [0x77; 40];

fn heartbeat(world: &mut World) {
    world.sent(1, REMOTE_TAG, vec![frames::heartbeat(&INFO)]);
}

fn scenes() -> Vec<Scene> {
    let scene = |name, before, packet| Scene { name, before, packet };
    vec![
        scene("HEARTBEAT ACK", heartbeat, |world| {
            world.received(1, LOCAL_TAG, vec![frames::heartbeat_ack(&INFO)]);
        }),
        scene("HEARTBEAT ACK elsewhere", heartbeat, |world| {
            world.received(2, LOCAL_TAG, vec![frames::heartbeat_ack(&INFO)]);
        }),
        scene("HEARTBEAT", |_| (), heartbeat),
        scene("DATA", |_| (), |world| world.data(1, 1_000)),
        scene(
            "second DATA",
            |world| world.data(1, 1_000),
            |world| world.data(1, 1_001),
        ),
        scene("SACK", |world| world.data(1, 1_000), |world| world.sack(1, 1_000)),
        scene(
            "SACK of the first",
            |world| {
                for tsn in 1_000..1_003 {
                    world.data(1, tsn);
                }
            },
            |world| world.sack(1, 1_000),
        ),
        scene(
            "SACK of a later one",
            |world| {
                for tsn in 1_000..1_004 {
                    world.data(1, tsn);
                }
            },
            |world| world.received(1, LOCAL_TAG, vec![frames::sack(999, &[(2, 3)])]),
        ),
        scene(
            "retransmission",
            |world| world.data(1, 1_000),
            |world| world.data(1, 1_000),
        ),
        scene(
            "retransmission elsewhere",
            |world| world.data(1, 1_000),
            |world| world.data(2, 1_000),
        ),
        scene(
            "SACK of what went over both",
            |world| {
                world.data(1, 1_000);
                world.data(2, 1_000);
            },
            |world| world.sack(1, 1_000),
        ),
        scene(
            "DATA of the peer",
            |_| (),
            |world| {
                world.received(1, LOCAL_TAG, vec![frames::data(77_000, 100)]);
            },
        ),
        scene(
            "SACK to the peer",
            |world| world.received(1, LOCAL_TAG, vec![frames::data(77_000, 100)]),
            |world| world.sent(1, REMOTE_TAG, vec![frames::sack(77_000, &[])]),
        ),
    ]
}

/// An association at work on both paths.
fn at_work() -> World {
    let mut world = World::with_two_paths();
    for tsn in 900..910 {
        world.data(1, tsn);
        world.advance(ms(1));
        world.sack(1, tsn);
        world.advance(ms(9));
    }
    world.heartbeat_answered(2, ms(1));
    world.received(1, LOCAL_TAG, vec![frames::data(76_999, 100)]);
    world.sent(1, REMOTE_TAG, vec![frames::sack(76_999, &[])]);
    world.advance(ms(20));
    world.events.clear();
    world
}

/// What is said if the look at the moment of the packet finds this record, and all goes well from then on.
fn said(scene: &Scene, after: Duration, slot: usize, seen: Option<&Words>) -> BTreeSet<String> {
    let mut world = at_work();
    (scene.before)(&mut world);
    world.advance(after);
    (scene.packet)(&mut world);
    if let Some(seen) = seen {
        world.store.forge(slot as u32, bytemuck::must_cast(*seen));
    }
    world.sweep();
    world.advance(ms(1));
    // Whatever waits is answered.
    world.received(1, LOCAL_TAG, vec![frames::heartbeat_ack(&INFO)]);
    world.sack(1, 1_003);
    world.sent(1, REMOTE_TAG, vec![frames::sack(77_000, &[])]);
    world.advance(ms(200));
    for tsn in 1_004..1_008 {
        world.data(1, tsn);
        world.advance(ms(1));
        world.sack(1, tsn);
        world.advance(ms(99));
    }
    accusations(&world.events)
}

#[test]
fn a_record_of_which_some_words_are_old_accuses_nobody() {
    let mut tried = 0;
    for scene in scenes() {
        for after in [1, 140, 190].map(ms) {
            let mut world = at_work();
            (scene.before)(&mut world);
            world.advance(after);
            let old = records(&world);
            (scene.packet)(&mut world);
            let new = records(&world);
            for (slot, (before, now)) in old.iter().zip(&new).enumerate() {
                let changed: Vec<_> = (0..WORDS).filter(|at| before[*at] != now[*at]).collect();
                if changed.is_empty() {
                    continue;
                }
                let mut whole = said(&scene, after, slot, Some(before));
                whole.extend(said(&scene, after, slot, None));
                for choice in choices(&changed) {
                    if !may_be_read(before, now, &choice) {
                        continue;
                    }
                    let mut torn = *before;
                    for at in &choice {
                        torn[*at] = now[*at];
                    }
                    let said = said(&scene, after, slot, Some(&torn));
                    let more: Vec<_> = said.difference(&whole).collect();
                    assert!(
                        more.is_empty(),
                        "{}, {after:?}, slot {slot}, words {choice:?} of {changed:?}: {more:?}",
                        scene.name
                    );
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 1_000, "{tried}");
}

/// Choices of these words: each alone, all but each, the first ones, the last ones, and some by chance.
fn choices(changed: &[usize]) -> BTreeSet<BTreeSet<usize>> {
    let mut random = Random::from_seed(changed.len() as u64);
    let all: BTreeSet<_> = changed.iter().copied().collect();
    let mut choices = BTreeSet::new();
    for (count, at) in changed.iter().enumerate() {
        choices.insert(BTreeSet::from([*at]));
        choices.insert(all.iter().copied().filter(|other| other != at).collect());
        choices.insert(changed[..count].iter().copied().collect());
        choices.insert(changed[count..].iter().copied().collect());
        choices.insert(all.iter().copied().filter(|_| random.one_in(2)).collect());
    }
    choices
}

#[test]
fn an_agent_that_is_stopped_within_a_record_accuses_nobody() {
    for seed in 0..60 {
        let mut random = Random::from_seed(seed);
        let mut world = at_work();
        let mut tsn = 1_000;
        for round in 0..60 {
            // Time at which the turn began, and what stood in the records then.
            let began = world.now;
            let then = records(&world);
            let stopped = match random.below(4) {
                0 => ms(u64::from(random.below(400))),
                _ => ms(u64::from(random.below(30))),
            };
            // Meanwhile all goes on.
            let packets = 1 + random.below(12);
            for _ in 0..packets {
                world.now = world.now + stopped / packets;
                let path = 1 + u8::from(random.one_in(8));
                if random.one_in(6) {
                    let info = world.heartbeat(path);
                    world.received(path, LOCAL_TAG, vec![frames::heartbeat_ack(&info)]);
                } else {
                    world.data(path, tsn);
                    if random.one_in(2) {
                        world.data(path, tsn + 1);
                        tsn += 1;
                    }
                    world.now = world.now + ms(1);
                    world.sack(path, tsn);
                    tsn += 1;
                }
            }
            let now = records(&world);
            let ended = world.now;
            let slot = random.below(now.len() as u32) as usize;
            let cut = random.below(WORDS as u32) as usize;
            if let Some(then) = then.get(slot) {
                let mut torn = *then;
                torn[cut..].copy_from_slice(&now[slot][cut..]);
                world.store.forge(slot as u32, bytemuck::must_cast(torn));
            }
            world.now = began;
            world.sweep();
            world.now = ended;
            if ended.since(began) > ms(80) {
                world.session.handle_stall(world.now);
            }
            world.sweep();
            world.advance(ms(u64::from(random.below(40))));
            let said = accusations(&world.events);
            assert!(
                said.is_empty(),
                "seed {seed}, round {round}, word {cut}: {said:?}"
            );
        }
    }
}
