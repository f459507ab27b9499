//! What names a flow, and the shorter key under which the index map has it.

use bytemuck::{Pod, Zeroable};

use super::siphash;
use crate::wire::{Address, SctpPacket, icmp::IcmpError};

/// Names a flow.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
pub struct FlowKey {
    /// Source address.
    pub src: Address,
    /// Destination address.
    pub dst: Address,
    /// SCTP source port.
    pub src_port: u16,
    /// SCTP destination port.
    pub dst_port: u16,
}

impl FlowKey {
    /// The key of the opposite direction.
    #[inline(always)]
    #[must_use]
    pub fn reversed(&self) -> Self {
        Self {
            src: self.dst,
            dst: self.src,
            src_port: self.dst_port,
            dst_port: self.src_port,
        }
    }

    /// The key under which the index map has the flow.
    ///
    /// The kernel hashes and compares 16 bytes faster than 36. IPv4 addresses and ports fit into them. IPv6 addresses
    /// do not: theirs are 127 bits of SipHash-1-3 under a secret seed, so that nobody can make two flows meet.
    #[inline(always)]
    #[must_use]
    pub fn index(&self, seed: [u64; 2]) -> IndexKey {
        let words: [u32; 9] = bytemuck::must_cast(*self);
        let pair = |low: usize, high: usize| u64::from(words[low]) | u64::from(words[high]) << 32;
        if self.src.is_v4() && self.dst.is_v4() {
            return IndexKey([pair(3, 7), u64::from(words[8])]);
        }
        let addresses = [pair(0, 1), pair(2, 3), pair(4, 5), pair(6, 7)];
        let hash = siphash::hash_128(seed, addresses, u64::from(words[8]), 4);
        // The top bit is never set in an IPv4 key.
        IndexKey([hash[0], hash[1] | 1 << 63])
    }
}

impl From<&SctpPacket> for FlowKey {
    #[inline(always)]
    fn from(packet: &SctpPacket) -> Self {
        Self {
            src: packet.src,
            dst: packet.dst,
            src_port: packet.src_port,
            dst_port: packet.dst_port,
        }
    }
}

/// The flow of the packet that the error quotes.
impl From<&IcmpError> for FlowKey {
    #[inline(always)]
    fn from(error: &IcmpError) -> Self {
        Self {
            src: error.src,
            dst: error.dst,
            src_port: error.src_port,
            dst_port: error.dst_port,
        }
    }
}

/// In one piece: field by field costs a capture's look-up as much again.
impl core::hash::Hash for FlowKey {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        state.write(bytemuck::bytes_of(self));
    }
}

/// The index map's key: see [`FlowKey::index`].
#[repr(transparent)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Pod, Zeroable)]
pub struct IndexKey([u64; 2]);

impl IndexKey {
    /// Of two words.
    #[inline(always)]
    #[must_use]
    pub const fn of(words: [u64; 2]) -> Self {
        Self(words)
    }

    /// A hash that nobody who does not know the seed can aim at.
    #[inline(always)]
    #[must_use]
    pub fn hash(self, seed: [u64; 2]) -> u64 {
        siphash::hash_64(seed, self.0)
    }
}

const _: () = assert!(size_of::<FlowKey>() == 36);
const _: () = assert!(size_of::<IndexKey>() == 16);

#[cfg(test)]
mod tests {
    use super::*;

    fn key(src: &str, dst: &str, src_port: u16, dst_port: u16) -> FlowKey {
        let address = |text: &str| Address::from(text.parse::<core::net::IpAddr>().unwrap());
        FlowKey {
            src: address(src),
            dst: address(dst),
            src_port,
            dst_port,
        }
    }

    /// Differences of one to four bits, and the same bits in two or three words: what cancels in a multiply and shift.
    #[test]
    fn no_difference_makes_two_flows_meet_under_every_seed() {
        const SEEDS: [[u64; 2]; 4] = [[0, 0], [1, 2], [u64::MAX, 7], [0x0123_4567_89ab_cdef, 1 << 63]];
        let own = key("2001:db8:0:1::1", "2001:db8:0:1::2", 3868, 40_000);
        let bits = size_of::<FlowKey>() * 8;
        let flipped = |bits: &[usize]| {
            let mut twin = own;
            for bit in bits {
                bytemuck::bytes_of_mut(&mut twin)[bit / 8] ^= 1 << (bit % 8);
            }
            twin
        };
        let steps = [7, 8, 16, 31, 32, 33, 63, 64, 65, 96, 128];
        for bit in 0..bits {
            for step in steps {
                let at = |times: usize| (bit + step * times) % bits;
                for twin in [
                    flipped(&[bit]),
                    flipped(&[bit, at(1)]),
                    flipped(&[bit, at(1), at(2)]),
                    flipped(&[bit, at(1), at(2), at(3)]),
                ] {
                    for seed in SEEDS.into_iter().filter(|_| twin != own) {
                        let (own, twin) = (own.index(seed), twin.index(seed));
                        assert_ne!(own, twin, "bit {bit}, step {step}, seed {seed:?}");
                        assert_ne!(
                            own.hash(seed),
                            twin.hash(seed),
                            "bit {bit}, step {step}, seed {seed:?}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn index_keys_tell_flows_apart() {
        let keys = [
            key("10.0.0.1", "10.0.0.2", 1, 2),
            key("10.0.0.2", "10.0.0.1", 1, 2),
            key("10.0.0.1", "10.0.0.2", 2, 1),
            key("2001:db8::1", "2001:db8::2", 1, 2),
            key("2001:db8::2", "2001:db8::1", 1, 2),
            key("2001:db8::1", "2001:db8::2", 2, 1),
            key("2001:db8:0:1::", "2001:db8::2", 1, 2),
            key("::ffff:0:0:1", "::ffff:0:0:2", 1, 2),
        ];
        for seed in [[0, 0], [7, 9]] {
            let unique: std::collections::HashSet<_> = keys.iter().map(|key| key.index(seed)).collect();
            assert_eq!(unique.len(), keys.len());
        }
        assert_eq!(
            keys[0].index([1, 2]),
            keys[0].index([3, 4]),
            "IPv4 keys are exact"
        );
        assert_ne!(
            keys[3].index([1, 2]),
            keys[3].index([3, 4]),
            "IPv6 keys depend on the seed"
        );
    }
}
