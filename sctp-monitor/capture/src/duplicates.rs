//! The same packet captured twice.
//!
//! A capture on the "any" device, on a bridge and its ports, or on two sides of a router holds packets more than once. They
//! are no retransmissions: a retransmission is a new IP packet. Two packets are one if all bytes of the SCTP packet, from the
//! common header on, and its length and addresses are the same, within a window of time. The checksum alone says nothing:
//! where a NIC is to fill it in, it is 0 or the same in all packets. The time to live does not count, a router changes it, nor
//! what the packet was wrapped in.
//!
//! A retransmission may have the very same bytes. What tells it apart:
//!
//! - The IPv4 identification is another one, unless it is 0. The same one within a second is the same packet: hosts use an
//!   identification again after 65,536 packets to the same address.
//! - Without an identification (IPv6, or 0, as Linux sets it with "don't fragment") only time does. Copies of a packet lie
//!   microseconds apart, within one host or across one router; no retransmission comes before the sender's time-out, which is
//!   10 ms in the most aggressive stacks. The window is a millisecond: far above the one and far below the other.
//!
//! Where the capture cut a packet off, the bytes that are there count, at most [`CUT_PREFIX`] of them: a copy with another
//! link header was cut elsewhere.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, Hash as _, Hasher as _},
};

use foldhash::quality::RandomState;
use sctp_monitor_common::wire::Address;

use crate::unwrap::Layers;

/// What makes two captured packets the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity<'a> {
    /// Source and destination address.
    pub addresses: [Address; 2],
    /// The IPv4 header's identification; 0 if there is none.
    pub identification: u16,
    /// Bytes of the SCTP packet on the wire.
    pub length: usize,
    /// What was captured of it, from the common header on.
    pub bytes: &'a [u8],
}

impl<'a> Identity<'a> {
    /// Of a packet.
    #[must_use]
    pub fn new(layers: &'a Layers<'_>) -> Self {
        let packet = &layers.packet;
        let frame = layers.inner.frame().bytes;
        let length = packet.end.saturating_sub(packet.at);
        let captured = frame.get(packet.at..).unwrap_or(&[]);
        Self {
            addresses: [packet.src, packet.dst],
            identification: layers.identification,
            length,
            bytes: captured.get(..length).unwrap_or_else(|| {
                // Cut.
                captured.get(..CUT_PREFIX).unwrap_or(captured)
            }),
        }
    }

    fn hash(&self, hasher: &RandomState) -> u64 {
        let mut hasher = hasher.build_hasher();
        self.addresses.hash(&mut hasher);
        hasher.write_u64(u64::from(self.identification) << 32 ^ self.length as u64);
        hasher.write(self.bytes);
        hasher.finish()
    }
}

/// The packets that may still come again.
#[derive(Debug)]
pub struct Duplicates {
    hasher: RandomState,
    with_identification: Recent,
    /// Few, so that they stay in a processor's cache.
    without_identification: Recent,
}

impl Default for Duplicates {
    fn default() -> Self {
        Self {
            hasher: RandomState::default(),
            with_identification: Recent::new(WITH_IDENTIFICATION_NS),
            without_identification: Recent::new(WITHOUT_IDENTIFICATION_NS),
        }
    }
}

impl Duplicates {
    /// Whether a packet was captured before. It is remembered.
    pub fn is_repeated(&mut self, identity: &Identity<'_>, now_ns: u64) -> bool {
        let hash = identity.hash(&self.hasher);
        let recent = if identity.identification == 0 {
            &mut self.without_identification
        } else {
            &mut self.with_identification
        };
        recent.is_repeated(hash, now_ns)
    }
}

/// Packets of one window of time.
#[derive(Debug)]
struct Recent {
    window_ns: u64,
    /// By the hash of a packet's identity, when it was last captured. Two generations: what is not in the younger one is
    /// looked up in the older one, and what is in neither is older than the window.
    young: Times,
    old: Times,
    young_since_ns: u64,
}

type Times = HashMap<u64, u64, NoHash>;

impl Recent {
    fn new(window_ns: u64) -> Self {
        Self {
            window_ns,
            young: Times::default(),
            old: Times::default(),
            young_since_ns: 0,
        }
    }

    fn is_repeated(&mut self, hash: u64, now_ns: u64) -> bool {
        // A clock that was set back begins anew.
        let young_for_ns = now_ns.abs_diff(self.young_since_ns);
        if young_for_ns > self.window_ns || self.young.len() >= MOST_KEPT {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young_since_ns = now_ns;
            // What a burst needed takes time to clear.
            if self.young.capacity() > MUCH.max(8 * self.young.len()) {
                self.young = Times::default();
            }
            self.young.clear();
        }
        let before = self.young.insert(hash, now_ns);
        let Some(before) = before.or_else(|| self.old.get(&hash).copied()) else {
            return false;
        };
        // A capture of several sources need not be in order.
        now_ns.saturating_sub(before) < self.window_ns
    }
}

const WITH_IDENTIFICATION_NS: u64 = 1_000_000_000;
const WITHOUT_IDENTIFICATION_NS: u64 = 1_000_000;
/// Holds the common header and what differs from chunk to chunk: a TSN, a cumulative TSN ack with its first gap block.
pub const CUT_PREFIX: usize = 32;
/// Packets that are remembered, twice in each window: some 4 MiB. At more than 65,536 packets a second the window is shorter than a second.
const MOST_KEPT: usize = 65_536;
/// Packets for which room is kept whatever comes.
const MUCH: usize = 1_024;

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

    fn identity(identification: u16) -> Identity<'static> {
        let address = |text: &str| text.parse::<IpAddr>().unwrap().into();
        Identity {
            addresses: [address("10.0.0.1"), address("10.0.0.2")],
            identification,
            length: 100,
            bytes: &[7; 100],
        }
    }

    #[test]
    fn packets_without_a_checksum_that_differ_anywhere_are_two() {
        let packet = identity(0);
        for at in 0..packet.bytes.len() {
            let mut duplicates = Duplicates::default();
            assert!(!duplicates.is_repeated(&packet, 5));
            let mut bytes = packet.bytes.to_vec();
            bytes[at] ^= 1;
            let other = Identity {
                bytes: &bytes,
                ..packet
            };
            assert!(!duplicates.is_repeated(&other, 5), "{at}");
            let [src, dst] = packet.addresses;
            let back = Identity {
                addresses: [dst, src],
                ..packet
            };
            assert!(!duplicates.is_repeated(&back, 5));
            assert!(!duplicates.is_repeated(&Identity { length: 99, ..packet }, 5));
            assert!(duplicates.is_repeated(&packet, 5));
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
                bytes: &number.to_be_bytes(),
                ..identity(1)
            };
            assert!(!duplicates.is_repeated(&packet, 5));
        }
        let recent = duplicates.with_identification;
        assert!(recent.young.len() + recent.old.len() <= 2 * MOST_KEPT);
    }
}
