//! Random worlds: what may happen, and how it is made to happen.

use proptest::prelude::*;
use sctp_monitor_engine::{NicState, config::Vantage};
use sctp_monitor_testkit::{
    frames::{self, Packet},
    world::{LOCAL_TAG, NIC, REMOTE_TAG, SWEEP, World, ms},
};

/// Something that happens.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Either side sends this over a path, with the right tag or another one.
    Packet {
        path: u8,
        leaves: bool,
        forged: bool,
        content: Content,
    },
    /// A heartbeat over a path is answered after so many milliseconds.
    Answered { path: u8, leaves: bool, rtt: u64 },
    /// So many chunks of DATA are sent over a path, 10 ms apart, and all are acknowledged over a path.
    Acknowledged { path: u8, back: u8, chunks: u32 },
    /// A router says that a packet did not arrive.
    Icmp { path: u8 },
    /// A NIC changes its state.
    Nic { path: u8, state: NicState },
    /// So many milliseconds pass, with sweeps.
    Wait(u64),
    /// So many milliseconds pass without any sweep.
    Skip(u64),
    /// The agent noticed that it stood still.
    Stall,
    /// The ring buffer overflows: what is in it is lost.
    RingLost,
}

#[derive(Debug, Clone)]
pub(super) enum Content {
    /// The next chunk of the sender.
    Data,
    /// The chunk before so many others once more.
    DataAgain(u32),
    /// All that was sent so long ago, and a gap ack block, perhaps.
    Sack {
        behind: u32,
        gap: bool,
    },
    Heartbeat(u8),
    HeartbeatAck(u8),
    Shutdown,
    Abort,
    Init,
    CookieEcho,
}

/// The two endpoints, as far as what they send depends on what they sent before.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tsns {
    pub(super) to_remote: u32,
    pub(super) to_local: u32,
}

impl Tsns {
    pub(super) fn last(&mut self, leaves: bool) -> &mut u32 {
        if leaves {
            &mut self.to_remote
        } else {
            &mut self.to_local
        }
    }

    pub(super) fn chunk(&mut self, leaves: bool, content: &Content) -> Vec<u8> {
        match content {
            Content::Data => {
                let last = self.last(leaves);
                *last += 1;
                frames::data(*last, 100)
            }
            Content::DataAgain(behind) => frames::data(self.last(leaves).saturating_sub(*behind), 100),
            Content::Sack { behind, gap } => {
                let acked = self.last(!leaves).saturating_sub(*behind);
                if *gap && acked > 3 {
                    frames::sack(acked - 3, &[(2, 3)])
                } else {
                    frames::sack(acked, &[])
                }
            }
            Content::Heartbeat(info) => frames::heartbeat(&[*info; 40]),
            Content::HeartbeatAck(info) => frames::heartbeat_ack(&[*info; 40]),
            Content::Shutdown => frames::shutdown(1),
            Content::Abort => frames::abort(false),
            Content::Init => frames::init(77, &["10.1.0.1", "10.2.0.1"]),
            Content::CookieEcho => frames::cookie_echo(),
        }
    }
}

pub(super) fn path() -> impl Strategy<Value = u8> {
    1..=2_u8
}

pub(super) fn content() -> impl Strategy<Value = Content> {
    prop_oneof![
        10 => Just(Content::Data),
        3 => (0..5_u32).prop_map(Content::DataAgain),
        6 => (0..4_u32, any::<bool>()).prop_map(|(behind, gap)| Content::Sack { behind, gap }),
        4 => (0..6_u8).prop_map(Content::Heartbeat),
        4 => (0..6_u8).prop_map(Content::HeartbeatAck),
    ]
}

/// What changes associations as well.
fn any_content() -> impl Strategy<Value = Content> {
    prop_oneof![
        40 => content(),
        1 => Just(Content::Shutdown),
        1 => Just(Content::Abort),
        1 => Just(Content::Init),
        1 => Just(Content::CookieEcho),
    ]
}

fn nic() -> impl Strategy<Value = NicState> {
    prop_oneof![
        2 => Just(NicState::Up),
        1 => Just(NicState::Down),
        1 => Just(NicState::Gone),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let packet = (path(), any::<bool>(), prop::bool::weighted(0.1), any_content());
    prop_oneof![
        20 => packet.prop_map(|(path, leaves, forged, content)| Step::Packet { path, leaves, forged, content }),
        5 => (path(), any::<bool>(), 0..200_u64)
            .prop_map(|(path, leaves, rtt)| Step::Answered { path, leaves, rtt }),
        5 => (path(), path(), 1..20_u32)
            .prop_map(|(path, back, chunks)| Step::Acknowledged { path, back, chunks }),
        1 => path().prop_map(|path| Step::Icmp { path }),
        1 => (path(), nic()).prop_map(|(path, state)| Step::Nic { path, state }),
        10 => (1..400_u64).prop_map(Step::Wait),
        2 => (1_000..40_000_u64).prop_map(Step::Wait),
        1 => (1..3_000_u64).prop_map(Step::Skip),
        1 => Just(Step::Stall),
        1 => Just(Step::RingLost),
    ]
}

pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 1..60)
}

pub(super) fn vantage() -> impl Strategy<Value = Vantage> {
    prop_oneof![Just(Vantage::Endpoint), Just(Vantage::Gateway)]
}

pub(super) fn begin(vantage: Vantage) -> World {
    let mut world = World::new(vantage);
    world.handshake();
    for path in [1, 2] {
        world.heartbeat_answered(path, ms(1));
    }
    world
}

pub(super) fn send(world: &mut World, path: u8, leaves: bool, forged: bool, chunk: Vec<u8>) {
    let tag = match (forged, leaves) {
        (true, _) => 0xbad,
        (false, true) => REMOTE_TAG,
        (false, false) => LOCAL_TAG,
    };
    if leaves {
        world.sent(path, tag, vec![chunk]);
    } else {
        world.received(path, tag, vec![chunk]);
    }
}

pub(super) fn happen(world: &mut World, tsns: &mut Tsns, step: &Step) {
    match step {
        Step::Packet {
            path,
            leaves,
            forged,
            content,
        } => {
            let chunk = tsns.chunk(*leaves, content);
            send(world, *path, *leaves, *forged, chunk);
        }
        Step::Answered { path, leaves, rtt } => {
            let info = [200 + path; 40];
            send(world, *path, *leaves, false, frames::heartbeat(&info));
            world.advance(ms(*rtt));
            send(world, *path, !leaves, false, frames::heartbeat_ack(&info));
        }
        Step::Acknowledged { path, back, chunks } => {
            for _ in 0..*chunks {
                let chunk = tsns.chunk(true, &Content::Data);
                send(world, *path, true, false, chunk);
                world.advance(ms(10));
            }
            let chunk = tsns.chunk(
                false,
                &Content::Sack {
                    behind: 0,
                    gap: false,
                },
            );
            send(world, *back, false, false, chunk);
        }
        Step::Icmp { path } => {
            let sent = Packet::v4(REMOTE_TAG, vec![frames::data(1, 100)])
                .between(&World::local(*path), &World::remote(*path));
            world.frame(&sent.icmp_error("10.1.0.254", [3, 1], 0), *path, false);
        }
        Step::Nic { path, state } => {
            let if_index = NIC - 1 + u32::from(*path);
            let name = format!("ens{path}");
            world.nic(if_index, &name, *state);
        }
        Step::Wait(time) => world.advance(ms(*time)),
        Step::Skip(time) => {
            world.now = world.now + ms(*time);
            world.sweep();
        }
        Step::Stall => world.session.handle_stall(world.now),
        Step::RingLost => world.store.lose_ring(),
    }
}

pub(super) fn run(vantage: Vantage, steps: &[Step]) -> World {
    let mut world = begin(vantage);
    let mut tsns = Tsns::default();
    for step in steps {
        happen(&mut world, &mut tsns, step);
        world.advance(SWEEP);
    }
    world
}
