//! The same packet captured twice.
//!
//! A capture on the "any" device, on a bridge and its ports, or on two sides of a router holds packets more than once. They
//! are no retransmissions: a retransmission is a new IP packet. Two packets are one if addresses, length, tag, checksum
//! and IPv4 identification are the same, within a second; without an identification (IPv6, or 0, as Linux sets it with
//! "don't fragment") within a millisecond. The time to live does not count, a router changes it.

use std::{collections::HashMap, hash::BuildHasher as _};

use foldhash::fast::RandomState;
use sctp_monitor_common::wire::Address;

/// What makes two captured packets the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Source and destination address.
    pub addresses: [Address; 2],
    /// The IPv4 header's identification; 0 if there is none.
    pub identification: u16,
    /// Bytes by the IP header.
    pub total_length: u32,
    /// The common header's checksum.
    pub checksum: u32,
    /// The common header's verification tag.
    pub tag: u32,
}

/// The packets of the last second.
#[derive(Debug, Default)]
pub struct Duplicates {
    hasher: RandomState,
    /// By the hash of a packet's identity, when it was last captured. Two generations: what is not in the younger one is
    /// looked up in the older one, and what is in neither is older than a second.
    young: HashMap<u64, u64, NoHash>,
    old: HashMap<u64, u64, NoHash>,
    young_since_ns: u64,
}

impl Duplicates {
    /// Whether a packet was captured before. It is remembered.
    pub fn is_repeated(&mut self, identity: &Identity, now_ns: u64) -> bool {
        if now_ns.wrapping_sub(self.young_since_ns) > WITH_IDENTIFICATION_NS || self.young.len() >= MOST_KEPT
        {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
            self.young_since_ns = now_ns;
        }
        let hash = self.hasher.hash_one(identity);
        let before = self.young.insert(hash, now_ns);
        let Some(before) = before.or_else(|| self.old.get(&hash).copied()) else {
            return false;
        };
        let window_ns = if identity.identification == 0 {
            WITHOUT_IDENTIFICATION_NS
        } else {
            WITH_IDENTIFICATION_NS
        };
        // A capture of several sources need not be in order.
        now_ns.saturating_sub(before) < window_ns
    }
}

/// Hosts use an identification again after 65,536 packets to the same address.
const WITH_IDENTIFICATION_NS: u64 = 1_000_000_000;
/// Two SACKs that say the same are rarely a millisecond apart.
const WITHOUT_IDENTIFICATION_NS: u64 = 1_000_000;
/// Packets that are remembered, twice: some 4 MiB. At more than 65,536 packets a second the window is shorter than a second.
const MOST_KEPT: usize = 65_536;

/// The keys are hashes already.
#[derive(Debug, Clone, Copy, Default)]
struct NoHash;

impl std::hash::BuildHasher for NoHash {
    type Hasher = Same;

    fn build_hasher(&self) -> Same {
        Same(0)
    }
}

#[derive(Debug)]
struct Same(u64);

impl std::hash::Hasher for Same {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0 << 8 | u64::from(*byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}
