//! The decoder of control chunks: packets of an association that is up, with whatever is in them.
//!
//! Input: for each packet a byte of options, two of length, and the packet from its common header on.

use std::time::Duration;

use bytemuck::Zeroable as _;
use sctp_monitor_common::{
    abi::{ControlHeader, FlowKey, NO_SLOT, RingHeader, RingKind, RingRecord},
    wire::Address,
};
use sctp_monitor_engine::{Association, config::Vantage, session::Pace};
use sctp_monitor_testkit::{
    choices::{Choices as _, Input},
    traffic::Passed,
};

use crate::engine::{PASSED, world::World};

/// Runs one input.
pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let vantage = if input.byte() & 1 == 0 {
        Vantage::Endpoint
    } else {
        Vantage::Gateway
    };
    let mut world = World::new(vantage, Pace::LIVE);
    handshake(&mut world);
    while !input.is_over() {
        let how = input.byte();
        let mut packet = input.packet().to_vec();
        correct(&mut packet, how);
        hand_over(&mut world, &packet, how);
        if how & SWEEPS != 0 {
            world.advance(Duration::from_millis(if how & LONG != 0 { 61_000 } else { 20 }));
        }
    }
    world.sweep();
    world.check();
    world.end();
}

/// A raw SCTP packet as an input: from either side, with the right tag and with its own.
#[must_use]
pub fn seed(sctp: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0];
    for how in [RIGHT_TAG, RIGHT_TAG | 1, SWEEPS, RIGHT_TAG | SWEEPS | 1] {
        bytes.push(how);
        bytes.extend((sctp.len() as u16).to_be_bytes());
        bytes.extend(sctp);
    }
    bytes
}

/// Which of [`PASSED`] the packet is.
const WAY: u8 = 3;
const RIGHT_TAG: u8 = 4;
const NO_TAG: u8 = 8;
const SWEEPS: u8 = 16;
const LONG: u8 = 32;
/// The packet's flow found no slot.
const UNTRACKED: u8 = 64;
/// The packet also passes the tracker, as it does in the kernel.
const TRACKED: u8 = 128;

const PORT: u16 = 36_412;
/// In packets to the local endpoint, and to the remote one.
const TAGS: [u32; 2] = [0x10ca_1000, 0x4e01_e000];

/// Ports and tag of the association, if the options want them.
fn correct(packet: &mut [u8], how: u8) {
    let leaves = PASSED[usize::from(how & WAY)].leaves;
    if how & RIGHT_TAG != 0
        && let Some(header) = packet.first_chunk_mut::<8>()
    {
        let [a, b] = PORT.to_be_bytes();
        let [c, d, e, f] = TAGS[usize::from(leaves)].to_be_bytes();
        *header = [a, b, a, b, c, d, e, f];
    }
    if how & NO_TAG != 0
        && let Some(tag) = packet.get_mut(4..8)
    {
        tag.fill(0);
    }
}

fn hand_over(world: &mut World, packet: &[u8], how: u8) {
    let passed = PASSED[usize::from(how & WAY)];
    if how & TRACKED != 0 {
        world.frame(&ethernet(packet, passed), passed);
        return;
    }
    let mut header = ControlHeader::zeroed();
    header.header = RingHeader {
        kind: RingKind::Control as u32,
        slot: if how & UNTRACKED == 0 { 0 } else { NO_SLOT },
        time_ns: world.now.as_nanos(),
    };
    header.key = key(packet, passed);
    header.interface = world.interface(passed);
    header.packet_length = packet.len() as u32;
    header.captured_length = packet.len() as u32;
    let bytes = [bytemuck::bytes_of(&header), packet].concat();
    assert!(RingRecord::parse(&bytes).is_ok(), "what the programs would write");
    world.store.forge_ring(bytes);
}

fn key(packet: &[u8], passed: Passed) -> FlowKey {
    let [src, dst] = addresses(passed).map(|address| Address::from_v4(u32::from_ne_bytes(address)));
    let port = |at: usize| {
        packet
            .get(at..at + 2)
            .map_or(0, |port| u16::from_be_bytes([port[0], port[1]]))
    };
    FlowKey {
        src,
        dst,
        src_port: port(0),
        dst_port: port(2),
    }
}

fn addresses(passed: Passed) -> [[u8; 4]; 2] {
    let (local, remote) = ([10, passed.path, 0, 1], [10, passed.path, 0, 2]);
    if passed.leaves {
        [local, remote]
    } else {
        [remote, local]
    }
}

fn ethernet(sctp: &[u8], passed: Passed) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0];
    frame.extend(((20 + sctp.len()) as u16).to_be_bytes());
    frame.extend([0, 0, 0, 0, 64, 132, 0, 0]);
    frame.extend(addresses(passed).as_flattened());
    frame.extend(sctp);
    frame
}

/// INIT to COOKIE ACK; both endpoints list the addresses of two paths.
fn handshake(world: &mut World) {
    let listed = |leaves| {
        [0, 1].map(|path| {
            let [[a, b, c, d], _] = addresses(Passed { leaves, path });
            [0, 5, 0, 8, a, b, c, d]
        })
    };
    let init = |kind: u8, leaves: bool| {
        let mut chunk = vec![kind, 0, 0, 36];
        chunk.extend(TAGS[usize::from(!leaves)].to_be_bytes());
        chunk.extend([0, 1, 0, 0, 0, 10, 0, 10, 0, 0, 0, 1]);
        chunk.extend(listed(leaves).as_flattened());
        chunk
    };
    let [to_local, to_remote] = TAGS;
    for (tag, way, chunk) in [
        (0, 0, init(1, true)),
        (to_local, 1, init(2, false)),
        (to_remote, 0, vec![10, 0, 0, 4]),
        (to_local, 1, vec![11, 0, 0, 4]),
    ] {
        let mut packet = [PORT.to_be_bytes(), PORT.to_be_bytes()].as_flattened().to_vec();
        packet.extend(u32::to_be_bytes(tag));
        packet.extend([0; 4]);
        packet.extend(chunk);
        world.frame(&ethernet(&packet, PASSED[way]), PASSED[way]);
    }
    world.sweep();
    assert!(
        world.engine().associations().any(Association::is_established),
        "the handshake was understood"
    );
}
