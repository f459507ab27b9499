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
        // A clock that was set back begins anew.
        let young_for_ns = now_ns.abs_diff(self.young_since_ns);
        if young_for_ns > WITH_IDENTIFICATION_NS || self.young.len() >= MOST_KEPT {
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

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn identity(identification: u16) -> Identity {
        let address = |text: &str| text.parse::<IpAddr>().unwrap().into();
        Identity {
            addresses: [address("10.0.0.1"), address("10.0.0.2")],
            identification,
            total_length: 100,
            checksum: 7,
            tag: 9,
        }
    }

    #[test]
    fn a_packet_captured_twice_is_recognised_for_a_second() {
        let mut duplicates = Duplicates::default();
        let start = 1_700_000_000 * WITH_IDENTIFICATION_NS;
        let mut at = |identification, ms: u64| {
            duplicates.is_repeated(&identity(identification), start + ms * 1_000_000)
        };
        assert!(!at(5, 0));
        assert!(at(5, 999));
        assert!(!at(6, 1_000), "another identification");
        assert!(at(5, 1_998), "a second after the last copy");
        assert!(!at(5, 2_998));
        assert!(!at(0, 3_000));
        assert!(!at(0, 3_001), "a millisecond is too long without identification");
        assert!(at(0, 3_001));
    }

    #[test]
    fn a_clock_that_was_set_back_keeps_what_follows() {
        let mut duplicates = Duplicates::default();
        duplicates.is_repeated(&identity(1), 90_000_000_000);
        assert!(!duplicates.is_repeated(&identity(2), 10_000_000_000));
        assert!(!duplicates.is_repeated(&identity(3), 10_000_001_000));
        assert!(duplicates.is_repeated(&identity(2), 10_000_002_000));
        assert!(duplicates.is_repeated(&identity(3), 10_000_002_000));
    }

    #[test]
    fn memory_is_bounded() {
        let mut duplicates = Duplicates::default();
        for number in 0..300_000_u32 {
            let packet = Identity {
                checksum: number,
                ..identity(1)
            };
            assert!(!duplicates.is_repeated(&packet, 5));
        }
        assert!(duplicates.young.len() + duplicates.old.len() <= 2 * MOST_KEPT);
    }
}
