//! Frames of a few associations: packets that make sense now and then, so that the records fill and change, and lies in
//! every field otherwise. Retransmissions, SACKs with gap ack blocks, acks from elsewhere, wrong tags, fragments, nested
//! headers, ICMP errors that quote what was sent before, flipped bytes and cut ends.

mod chunks;
mod headers;

use crate::choices::Choices;

/// What was decided so far: who talks to whom, and how far they got.
#[derive(Debug, Clone)]
pub struct Traffic {
    associations: Vec<Association>,
    /// The last IP packet, which a router may complain about.
    last: Vec<u8>,
    chunks: Vec<u8>,
}

/// Two endpoints with [`PATHS`] addresses each. Arrays hold what goes to the local endpoint first, then what leaves it.
#[derive(Debug, Clone)]
struct Association {
    number: u8,
    v6: bool,
    ports: [u16; 2],
    tags: [u32; 2],
    /// The last TSNs sent.
    tsns: [u32; 2],
}

/// Which way a frame goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passed {
    /// It goes from the local endpoint to the remote one.
    pub leaves: bool,
    /// The path, of [`PATHS`].
    pub path: u8,
}

/// Addresses of each endpoint.
pub const PATHS: u8 = 3;

impl Traffic {
    /// Of so many associations, every third of which runs over IPv6.
    #[must_use]
    pub fn new(associations: u8) -> Self {
        let associations = (0..associations).map(Association::new).collect();
        Self {
            associations,
            last: Vec::new(),
            chunks: Vec::new(),
        }
    }

    /// Writes the next Ethernet frame.
    pub fn frame(&mut self, choices: &mut impl Choices, out: &mut Vec<u8>) -> Passed {
        out.clear();
        // VLAN tags are what real frames begin with, but for the wrong ones.
        let tags = if choices.one_in(5) { choices.below(6) } else { 0 };
        out.extend([
            2,
            0,
            0,
            0,
            0,
            choices.below(3) as u8,
            2,
            0,
            0,
            0,
            1,
            choices.below(3) as u8,
        ]);
        for _ in 0..tags {
            out.extend(
                choices
                    .pick(&[0x8100_u16, 0x8100, 0x88a8, 0x9100, 0x9200, 0x9300])
                    .to_be_bytes(),
            );
            out.extend([0, 100]);
        }
        let type_at = out.len();
        out.extend([0, 0]);
        let (passed, v6) = self.packet(choices, out);
        let ether_type: u16 = match choices.below(64) {
            0 => choices.pick(&[0x0806, 0x8847, 0x0800, 0x86dd]),
            _ if v6 => 0x86dd,
            _ => 0x0800,
        };
        out[type_at..type_at + 2].copy_from_slice(&ether_type.to_be_bytes());
        damage(choices, out);
        passed
    }

    /// The next SCTP packet, common header first.
    #[must_use]
    pub fn sctp_packet(&mut self, choices: &mut impl Choices) -> Vec<u8> {
        let index = choices.below(self.associations.len() as u32) as usize;
        let passed = Passed {
            leaves: choices.one_in(2),
            path: 0,
        };
        self.sctp(index, passed, choices);
        self.chunks.clone()
    }

    /// Appends the next IP packet; tells also whether it is IPv6.
    fn packet(&mut self, choices: &mut impl Choices, out: &mut Vec<u8>) -> (Passed, bool) {
        let index = choices.below(self.associations.len() as u32) as usize;
        let passed = Passed {
            leaves: choices.one_in(2),
            path: choices.below(u32::from(PATHS)) as u8,
        };
        let v6 = self.associations[index].v6;
        if choices.one_in(12) && !self.last.is_empty() {
            let v6 = self.last[0] >> 4 == 6;
            headers::icmp_error(&self.last, choices, out);
            return (passed, v6);
        }
        self.sctp(index, passed, choices);
        let association = &self.associations[index];
        let mut src = association.address(passed.path, passed.leaves);
        // Seldom across.
        let to = if choices.one_in(16) {
            choices.below(u32::from(PATHS)) as u8
        } else {
            passed.path
        };
        let dst = association.address(to, !passed.leaves);
        if v6 && choices.one_in(64) {
            // An IPv4-mapped address, which no host may send.
            src[..12].copy_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]);
        }
        let at = out.len();
        headers::ip(&src, &dst, &self.chunks, choices, out);
        self.last.clear();
        self.last.extend_from_slice(&out[at..]);
        (passed, v6)
    }

    /// Writes an SCTP packet, common header first, without its checksum, which nobody looks at.
    fn sctp(&mut self, index: usize, passed: Passed, choices: &mut impl Choices) {
        let association = &mut self.associations[index];
        let out = &mut self.chunks;
        let way = usize::from(passed.leaves);
        out.clear();
        let [to_local, to_remote] = association.ports;
        let (src, dst) = if passed.leaves {
            (to_local, to_remote)
        } else {
            (to_remote, to_local)
        };
        out.extend(src.to_be_bytes());
        out.extend(dst.to_be_bytes());
        out.extend([0; 8]);
        match choices.below(32) {
            0 => {}
            1 => {
                for _ in 0..choices.below(100) {
                    chunks::empty(choices.pick(&[11, 11, 12, 0, 3, 255]), choices, out);
                }
            }
            2..=3 => {
                for _ in 0..choices.below(16) {
                    chunks::chunk(association, passed.leaves, choices, out);
                }
            }
            4..=9 => {
                for _ in 0..2 + choices.below(3) {
                    chunks::chunk(association, passed.leaves, choices, out);
                }
            }
            _ => chunks::chunk(association, passed.leaves, choices, out),
        }
        let begins_with_init = out.get(12) == Some(&1);
        let tag = match choices.below(32) {
            0 => choices.u32(),
            1 => association.tags[1 - way],
            2 => 0,
            3..=24 if begins_with_init => 0,
            _ => association.tags[way],
        };
        out[4..8].copy_from_slice(&tag.to_be_bytes());
    }
}

impl Association {
    fn new(number: u8) -> Self {
        let spread = u32::from(number).wrapping_mul(0x9e37_79b9);
        Self {
            number,
            v6: number % 3 == 2,
            ports: [36_412, 2_905 + u16::from(number % 2)],
            tags: [0x10ca_1000 ^ spread, 0x4e01_e000 ^ spread],
            // Every other one is about to wrap.
            tsns: [u32::MAX - 50 * (spread & 1), spread],
        }
    }

    /// One of the local or of the remote addresses.
    fn address(&self, path: u8, local: bool) -> Vec<u8> {
        let host = u8::from(!local) + 1;
        if self.v6 {
            vec![
                0x20,
                1,
                0x0d,
                0xb8,
                0,
                0,
                0,
                path,
                0,
                0,
                0,
                0,
                0,
                0,
                self.number,
                host,
            ]
        } else {
            vec![10, path, self.number, host]
        }
    }

    /// The last TSN of what comes the other way.
    fn acked(&self, leaves: bool) -> u32 {
        self.tsns[usize::from(!leaves)]
    }
}

/// Flips bytes, cuts the end off, or pads.
fn damage(choices: &mut impl Choices, out: &mut Vec<u8>) {
    match choices.below(20) {
        0..=1 => {
            for _ in 0..=choices.below(3) {
                // Within the headers as often as anywhere, but seldom in the addresses: the flows would be too many.
                let at = if choices.one_in(2) {
                    choices.below(80)
                } else {
                    choices.u32()
                } as usize
                    % out.len();
                out[at] = match choices.below(4) {
                    0 => out[at] ^ 1 << choices.below(8),
                    1 => choices.pick(&[0, 0xff, 0x7f, 0x80]),
                    _ => choices.byte(),
                };
            }
        }
        2 => out.truncate(choices.u16() as usize % out.len()),
        3 => out.truncate(out.len() - (choices.below(24) as usize).min(out.len())),
        4 => out.resize(out.len() + choices.below(30) as usize, 0),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use sctp_monitor_common::{
        abi::{Counter, FlowRecord, Interface},
        memory::MemoryTable,
        track::{MAX_CHUNKS, Options, observe},
        wire::{ChunkKind, Frame, LinkType, ParseOptions},
    };

    use super::*;
    use crate::choices::Random;

    /// Traffic that no longer reaches the tracker would test nothing, and nobody would notice.
    #[test]
    fn every_counter_and_every_kind_of_chunk_is_reached() {
        let (mut traffic, mut random) = (Traffic::new(9), Random::from_seed(1));
        let mut table = MemoryTable::new();
        let options = Options {
            link: LinkType::Ethernet,
            parse: ParseOptions::default(),
            max_chunks: MAX_CHUNKS,
        };
        let mut frame = Vec::new();
        for now in 1..=FRAMES {
            traffic.frame(&mut random, &mut frame);
            table.set_now(now);
            observe(&Frame(&frame), Interface::ingress(1), &options, &mut table);
            while table.pop_record().is_some() {}
        }
        // A table in memory has no limits.
        let of_the_kernel = [
            Counter::FlowTableFull,
            Counter::NewFlowsLimited,
            Counter::RingFull,
            Counter::ControlLimited,
            Counter::HeartbeatLimited,
            Counter::IcmpLimited,
        ];
        for (counter, value) in table.counters().iter() {
            assert_eq!(value > 0, !of_the_kernel.contains(&counter), "{}", counter.name());
        }
        let sum = |of: &dyn Fn(&FlowRecord) -> u64| -> u64 { table.records().iter().map(of).sum() };
        for kind in ChunkKind::ALL {
            assert!(sum(&|record| record.chunk_count(*kind)) > 0, "{}", kind.name());
        }
        for (what, often) in [
            ("acknowledgements", sum(&|record| record.acknowledgements.into())),
            ("answers", sum(&|record| record.heartbeats_answered.into())),
            ("retransmissions", sum(&|record| record.retransmissions.into())),
            ("lost", sum(&|record| record.lost.into())),
            ("late", sum(&|record| record.late.into())),
            ("spurious", sum(&|record| record.spurious.into())),
        ] {
            println!("{what}: {often}");
            assert!(often > FRAMES / 1_000, "{what}: {often}");
        }
        assert!(
            table.records().len() < FRAMES as usize / 5,
            "{} flows",
            table.records().len()
        );
    }

    const FRAMES: u64 = 20_000;
}
