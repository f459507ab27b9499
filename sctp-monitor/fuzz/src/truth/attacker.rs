//! Who knows addresses and ports, and sends anything in an endpoint's name, but never with its tag.
//!
//! Between the hosts he can send in the name of both. There he could act out an association of his own, and nothing would tell it
//! from a genuine one: so he does not answer himself.

use sctp_monitor_testkit::{
    choices::{Choices, Input},
    frames::{self, Packet},
    world::World,
};

use super::genuine::Genuine;

/// An attacker.
#[derive(Debug)]
pub(super) struct Attacker {
    /// He can send in the name of either endpoint: what is seen does not tell which host it comes from.
    both_names: bool,
    /// He sees what the local endpoint sends, or the remote one where he sends in the local one's name.
    pub(super) sees: bool,
}

impl Attacker {
    pub(super) fn new(both_names: bool) -> Self {
        Self {
            both_names,
            sees: false,
        }
    }

    /// Sends one packet.
    pub(super) fn send(&self, world: &mut World, genuine: &Genuine, input: &mut Input<'_>) {
        // He sees one direction at most, and sends in the other one.
        let to_local = !self.both_names || self.sees || input.one_in(2);
        let path = 1 + input.below(2) as u8;
        let tag = match input.below(4) {
            0 => 0,
            1 => FORGED,
            2 => FORGED + input.below(3),
            _ => input.u32(),
        };
        let tag = if genuine.had(tag) || (INITIATE..INITIATE + 4).contains(&tag) {
            !tag
        } else {
            tag
        };
        let count = 1 + input.below(3);
        let chunks: Vec<_> = (0..count).map(|_| self.chunk(genuine, to_local, input)).collect();
        let (local, remote) = (World::local(path), World::remote(path));
        let (local, remote) = (local.as_str(), remote.as_str());
        // Now and then in the name of somebody who is in no list.
        let remote = if input.one_in(8) { "10.1.0.66" } else { remote };
        let packet = if to_local {
            Packet::v4(tag, chunks).between(remote, local)
        } else {
            Packet::v4(tag, chunks).between(local, remote)
        };
        if input.one_in(10) {
            let quoted = packet.reversed();
            let [kind, code] = [3, input.byte() % 16];
            world.frame(&quoted.icmp_error("10.66.0.1", [kind, code], 0), path, !to_local);
        } else {
            world.packet(&packet, path, !to_local);
        }
        if input.one_in(4) {
            world.sweep();
        }
    }

    fn chunk(&self, genuine: &Genuine, to_local: bool, input: &mut Input<'_>) -> Vec<u8> {
        let tsn = self.tsn(genuine, input);
        let own = INITIATE + input.below(4);
        match input.below(18) {
            0..=2 => frames::sack(tsn, &[]),
            3 => frames::sack(tsn, &[(2, 2 + input.below(9) as u16)]),
            // Beyond his SACKs, and so far that none of them is an answer: one of a TSN up to 4,095 below would be.
            4 => frames::data(tsn | BEYOND_SACKS, 10 + input.below(1_300) as usize),
            5 => frames::heartbeat(&[[1; 8], input.u64().to_be_bytes()].concat()),
            6 | 7 => {
                let info = if self.sees {
                    genuine.info(to_local)
                } else {
                    input.u64().to_be_bytes().to_vec()
                };
                frames::heartbeat_ack(&info)
            }
            8 => frames::init(own, &["10.1.0.2", "10.1.0.66"]),
            9 => frames::init(own, &[]),
            10 => frames::init_ack(own, &["10.1.0.2"]),
            11 => frames::cookie_echo(),
            12 => frames::cookie_ack(),
            13 => frames::abort(input.one_in(2)),
            14 => frames::shutdown(tsn),
            15 => frames::shutdown_ack(),
            16 => frames::shutdown_complete(),
            _ => frames::error(input.below(14) as u16, &[0; 4]),
        }
    }

    /// One that he sees, or a guess. He is never lucky: one of 65,536 around those that pass would be.
    fn tsn(&self, genuine: &Genuine, input: &mut Input<'_>) -> u32 {
        if self.sees && !input.one_in(4) {
            return genuine.tsn().wrapping_sub(input.below(3));
        }
        let guess = input.u32() & 0x7fff_ffff;
        let near = |tsn: u32| guess.wrapping_sub(tsn).wrapping_add(1 << 15) < 1 << 16;
        if near(genuine.tsn()) || near(genuine.peer_tsn()) {
            guess ^ 0x2000_0000
        } else {
            guess
        }
    }
}

/// A tag that no endpoint has.
const FORGED: u32 = 0x0bad_0bad;

/// These bits are set in the TSNs of his DATA. Those that he acknowledges are below 2^31, or few more by a gap.
const BEYOND_SACKS: u32 = 0x8001_0000;

/// The tags that his INITs give. Nothing of his carries one.
const INITIATE: u32 = 0x0bad_1000;
