//! The engine under traffic and time that do what they like.
//!
//! Input: a byte of options, then what happens, by [`Choices`]. Half of the inputs are honest: records are those of the
//! tracker, and time goes forward; then everything closes in the end. The other half hands in records that no program
//! wrote, lets counters wrap and time run backwards.
//!
//! An input means something else when the traffic's generator changes. So what was found here has a test of its own
//! where it was mended, and its file in `regressions` is one more seed.

pub(crate) mod world;

use std::time::Duration;

use bytemuck::Zeroable as _;
use sctp_monitor_common::abi::{AckOutcome, FlowRecord, HeartbeatAcked, IcmpErrorSeen, NO_SLOT, RingKind};
use sctp_monitor_engine::{NicState, config::Vantage, model::Timestamp, session::Pace};
use sctp_monitor_testkit::{
    choices::{Choices, Input},
    traffic::{PATHS, Passed, Traffic},
};
use world::{SWEEP, World};

/// Runs one input.
pub fn run(bytes: &[u8]) {
    let how = bytes.first().copied().unwrap_or(0);
    let world = play(bytes);
    if how & TWICE != 0 {
        assert_eq!(
            play(bytes).events(),
            world.events(),
            "the same input gives the same output"
        );
    }
}

/// A raw SCTP packet as an input: its bytes decide what happens, honestly and dishonestly.
#[must_use]
pub fn seed(sctp: &[u8]) -> Vec<u8> {
    let how = sctp.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte));
    // Many decisions from few bytes, but not the same ones again.
    let turned = (0..8_u8).flat_map(|turn| sctp.iter().map(move |byte| byte.rotate_left(turn.into())));
    [how].into_iter().chain(turned).take(600).collect()
}

const GATEWAY: u8 = 1;
const DISHONEST: u8 = 2;
const TWICE: u8 = 4;
const REPLAY: u8 = 8;

/// What happens in one input at most: a fuzzer prefers inputs that end.
const STEPS: u32 = 300;

fn play(bytes: &[u8]) -> World {
    let mut input = Input::new(bytes);
    let how = input.byte();
    let vantage = if how & GATEWAY == 0 {
        Vantage::Endpoint
    } else {
        Vantage::Gateway
    };
    let pace = if how & REPLAY == 0 {
        Pace::LIVE
    } else {
        Pace::REPLAY
    };
    let mut world = World::new(vantage, pace);
    let mut traffic = Traffic::new(3);
    let mut frame = Vec::new();
    for _ in 0..STEPS {
        if input.is_over() {
            break;
        }
        if how & DISHONEST != 0 && input.one_in(8) {
            dishonest(&mut world, &mut input);
        } else {
            honest(&mut world, &mut traffic, &mut frame, &mut input);
        }
    }
    world.sweep();
    world.check();
    if how & DISHONEST == 0 {
        world.end();
    }
    world
}

fn honest(world: &mut World, traffic: &mut Traffic, frame: &mut Vec<u8>, input: &mut Input<'_>) {
    match input.below(32) {
        0..=19 => {
            let passed = traffic.frame(input, frame);
            world.frame(frame, passed);
            world.now = world.now + Duration::from_micros(input.below(3_000).into());
        }
        20..=25 => world.advance(Duration::from_millis(input.below(400).into())),
        26 => world.advance(Duration::from_millis(input.below(40_000).into())),
        27 => {
            let state = input.pick(&[NicState::Up, NicState::Up, NicState::Down, NicState::Gone]);
            world.nic(input.below(u32::from(PATHS)) as u8, state);
        }
        28 => world.session.handle_stall(world.now),
        29 => world.store.lose_ring(),
        30 => world.store.offer_released(),
        _ => {
            world.now = world.now + Duration::from_millis(input.below(3_000).into());
            world.sweep();
        }
    }
}

fn dishonest(world: &mut World, input: &mut Input<'_>) {
    let slots = world.store.table.records().len() as u32;
    match input.below(6) {
        0 => world.now = world.now - Duration::from_millis(input.below(100_000).into()),
        1 => {
            let nanos = u64::from(input.u32()) << input.below(16);
            world.now = Timestamp::from_nanos(nanos);
            world.sweep();
        }
        2 => ring_record(world, input),
        3 if slots > 0 => {
            // The tracker goes on with it.
            let slot = input.below(slots) as usize;
            scramble(&mut world.store.table.records_mut()[slot], input);
        }
        4 if slots > 0 => {
            // A slot that another flow has got, or a record that no program wrote.
            let (slot, other) = (input.below(slots), input.below(slots) as usize);
            let mut record = world.store.table.records()[other];
            if input.one_in(2) {
                scramble(&mut record, input);
            }
            world.store.forge(slot, record);
            world.sweep();
        }
        _ => world.advance(SWEEP),
    }
}

/// Changes a few words: to anything, or to what is about to wrap.
fn scramble(record: &mut FlowRecord, input: &mut Input<'_>) {
    let (key, slot) = (record.key, record.slot);
    let words: &mut [u32] = bytemuck::cast_slice_mut(std::slice::from_mut(record));
    for _ in 0..=input.below(8) {
        let at = input.below(words.len() as u32) as usize;
        words[at] = match input.below(4) {
            0 => u32::MAX - input.below(4),
            1 => 1 << input.below(32),
            2 => words[at].wrapping_add(input.below(300)),
            _ => input.u32(),
        };
    }
    // These the programs write once.
    record.key = key;
    record.slot = slot;
}

/// A ring record that no program wrote.
fn ring_record(world: &mut World, input: &mut Input<'_>) {
    let slots = world.store.table.records().len() as u32;
    let slot = input.below(slots + 1);
    let time_ns = world
        .now
        .as_nanos()
        .wrapping_add_signed(i64::from(input.u32() as i32));
    let known = world.store.table.records().get(slot as usize).copied();
    let record = known.unwrap_or(FlowRecord::zeroed());
    if input.one_in(2) {
        let mut acked = HeartbeatAcked::zeroed();
        acked.header.kind = RingKind::HeartbeatAcked as u32;
        acked.header.slot = if slot == slots { NO_SLOT } else { slot };
        acked.header.time_ns = time_ns;
        acked.fingerprint = record.outstanding[0].fingerprint;
        acked.chunk_length = record.outstanding[0].chunk_length;
        acked.outcome = AckOutcome::Unmatched as u16;
        acked.rtt_ns = input.u64();
        world.store.forge_ring(bytemuck::bytes_of(&acked).to_vec());
    } else {
        let mut error = IcmpErrorSeen::zeroed();
        error.header.kind = RingKind::IcmpError as u32;
        error.header.slot = slot;
        error.header.time_ns = time_ns;
        error.key = record.key;
        error.tag = record.tag;
        error.mtu = input.u32();
        [error.version, error.kind, error.code] = [input.pick(&[4, 6, 0]), input.byte(), input.byte()];
        world.store.forge_ring(bytemuck::bytes_of(&error).to_vec());
    }
}

/// Frames of one path, for the other targets.
pub(crate) const PASSED: [Passed; 4] = [
    Passed {
        leaves: true,
        path: 0,
    },
    Passed {
        leaves: false,
        path: 0,
    },
    Passed {
        leaves: true,
        path: 1,
    },
    Passed {
        leaves: false,
        path: 1,
    },
];
