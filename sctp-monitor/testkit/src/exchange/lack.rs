//! What a capture does not have of what was sent.

use std::time::Duration;

use super::{Exchange, Sent, plan::Side};
use crate::choices::{Choices as _, Random};

/// Why some packets are not in a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// It has all of them.
    Nothing,
    /// It begins so long behind the first packet.
    Beginning(Duration),
    /// It has only what this side sent.
    Answers(Side),
    /// It has only this path.
    OtherPaths(usize),
    /// It was saved through a display filter: packets that have a chunk of this type.
    OtherChunks(u8),
    /// Whoever recorded it lost so many of a thousand packets.
    SomePackets(u32),
    /// Whoever recorded it stood still, from and to, behind the first packet.
    AWhile(Duration, Duration),
}

impl Lack {
    /// Of any kind, for an association that lasts so long.
    #[must_use]
    pub fn from_seed(seed: u64, lasts: Duration) -> Self {
        let mut random = Random::from_seed(seed ^ 0x6c61_636b);
        match random.below(8) {
            0 => Self::Nothing,
            1 => Self::Beginning(lasts.mul_f64(0.3)),
            2 => Self::Answers(random.pick(&[Side::A, Side::B])),
            3 => Self::OtherPaths(random.below(2) as usize),
            // DATA, SACK, HEARTBEAT, HEARTBEAT ACK.
            4 | 5 => Self::OtherChunks(random.pick(&[0, 0, 3, 4, 5])),
            6 => Self::SomePackets(random.pick(&[5, 50, 300])),
            _ => Self::AWhile(lasts.mul_f64(0.3), lasts.mul_f64(0.6)),
        }
    }
}

impl Exchange {
    /// What such a capture has of it.
    #[must_use]
    pub fn lacking(mut self, lack: Lack, seed: u64) -> Self {
        let mut random = Random::from_seed(seed);
        let began_ns = self.packets.first().map_or(0, |packet| packet.at_ns);
        self.packets.retain(|packet: &Sent| {
            let since = Duration::from_nanos(packet.at_ns - began_ns);
            match lack {
                Lack::Nothing => true,
                Lack::Beginning(until) => since >= until,
                Lack::Answers(side) => packet.from == side,
                Lack::OtherPaths(path) => packet.path == path,
                Lack::OtherChunks(kind) => packet.chunks.iter().any(|chunk| chunk[0] == kind),
                Lack::SomePackets(per_mille) => random.below(1_000) >= per_mille,
                Lack::AWhile(from, to) => !(from..to).contains(&since),
            }
        });
        self
    }
}
