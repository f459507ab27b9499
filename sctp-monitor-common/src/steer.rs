//! Which packets may leave on another path of their association, and what changes in them.
//!
//! SCTP's CRC32c has no pseudo header, so a packet whose addresses are replaced by those of another path is as good as
//! before. It says nothing of the path that it took, unless it holds what is of one path: a HEARTBEAT would confirm an address
//! that it never reached, an ABORT or a handshake may be answered to where it came from. So only packets are moved that hold
//! nothing but user data and acknowledgements, and AUTH, which covers no addresses (RFC 4895).

use crate::{
    track::MAX_CHUNKS,
    wire::{
        Address, Chunk, ChunkKind, ReadPacket, Reading,
        chunk::{Visit, WalkEnd, walk},
    },
};

/// Whether the chunks between two offsets of a packet are such that it may be moved.
pub struct IsMovable {
    /// Offset of the first chunk.
    pub at: usize,
    /// Offset after the last one.
    pub end: usize,
}

impl Reading for IsMovable {
    type Output = bool;

    #[inline(always)]
    fn read<R: ReadPacket>(self, reader: &R) -> bool {
        let mut kinds = Kinds(0);
        let end = walk(reader, self.at, self.end, MAX_CHUNKS, &mut kinds);
        // What follows more DATA than is looked at is DATA as well: it is the last in a packet (RFC 9260 section 6.10). Packets
        // that a NIC cuts up have hundreds of chunks.
        let is_all = end as u32 == WalkEnd::Complete as u32
            || end as u32 == WalkEnd::TooMany as u32 && kinds.0 & DATA != 0;
        is_all && kinds.0 & !MOVABLE == 0 && kinds.0 & (DATA | SACK) != 0
    }
}

/// Bits of the kinds that were met.
struct Kinds(u32);

impl Visit for Kinds {
    #[inline(always)]
    fn visit(&mut self, chunk: &Chunk) {
        self.0 |= 1 << chunk.slot();
    }
}

const DATA: u32 = 1 << ChunkKind::Data as u32 | 1 << ChunkKind::IData as u32;
const SACK: u32 = 1 << ChunkKind::Sack as u32 | 1 << ChunkKind::NrSack as u32;
const MOVABLE: u32 = DATA | SACK | 1 << ChunkKind::Auth as u32;

/// What the checksum of an IPv4 header changes by when it gets other addresses: for [`changed_check`]. 0 for IPv6, which has none.
#[must_use]
pub fn check_delta(from: [Address; 2], to: [Address; 2]) -> u32 {
    let halves = |addresses: [Address; 2]| {
        addresses
            .into_iter()
            .filter_map(Address::v4_word)
            .flat_map(|word| [word & 0xffff, word >> 16])
    };
    // RFC 1624: HC' = ~(~HC + ~m + m'). The sum is the same in either byte order.
    let less = halves(from).map(|half| !half & 0xffff);
    folded(less.chain(halves(to)).sum())
}

/// The checksum of an IPv4 header with other addresses. Both are as they lie in memory.
#[inline(always)]
#[must_use]
pub fn changed_check(check: u16, delta: u32) -> u16 {
    !(folded((!check as u32) + delta) as u16)
}

#[inline(always)]
fn folded(sum: u32) -> u32 {
    let sum = (sum & 0xffff) + (sum >> 16);
    (sum & 0xffff) + (sum >> 16)
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use super::*;
    use crate::wire::Frame;

    fn movable(chunks: &[u8]) -> bool {
        IsMovable {
            at: 0,
            end: chunks.len(),
        }
        .read(&Frame(chunks))
    }

    const DATA_CHUNK: [u8; 20] = [0, 3, 0, 17, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0];
    const SACK_CHUNK: [u8; 16] = [3, 0, 0, 16, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    const AUTH_CHUNK: [u8; 8] = [15, 0, 0, 8, 0, 0, 0, 1];

    #[test]
    fn only_data_and_acknowledgements_are_moved() {
        assert!(movable(&DATA_CHUNK));
        assert!(movable(&SACK_CHUNK));
        assert!(movable(&[&AUTH_CHUNK[..], &SACK_CHUNK, &DATA_CHUNK].concat()));
        for kind in 0..=255_u8 {
            let chunk = [kind, 0, 0, 4];
            let is_moved = [0, 3, 16, 64].contains(&kind);
            assert_eq!(movable(&chunk), is_moved, "{kind} alone");
            let bundled = [&chunk[..], &DATA_CHUNK].concat();
            assert_eq!(
                movable(&bundled),
                is_moved || kind == 15,
                "{kind} in front of DATA"
            );
        }
    }

    #[test]
    fn a_packet_that_cannot_be_read_to_its_end_stays() {
        assert!(!movable(&[]));
        assert!(!movable(&DATA_CHUNK[..16]), "cut");
        assert!(!movable(&[&DATA_CHUNK[..], &[0, 3]].concat()), "half a header");
        assert!(!movable(&[&DATA_CHUNK[..], &[0, 3, 0, 3]].concat()), "no length");
        assert!(movable(&DATA_CHUNK.repeat(100)), "nothing but DATA follows DATA");
        assert!(!movable(&AUTH_CHUNK.repeat(100)));
        assert!(!movable(&[&[4, 0, 0, 4][..], &DATA_CHUNK.repeat(100)].concat()));
    }

    /// Of 10.1.0.1 > 10.1.0.2, as RFC 1071 sums it up.
    fn header_check(src: [u8; 4], dst: [u8; 4]) -> u16 {
        let mut header = [
            0x45, 0, 0, 60, 1, 2, 0x40, 0, 64, 132, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ];
        header[12..16].copy_from_slice(&src);
        header[16..].copy_from_slice(&dst);
        let (words, _) = header.as_chunks::<2>();
        let mut sum: u32 = words
            .iter()
            .map(|word| u32::from(u16::from_ne_bytes(*word)))
            .sum();
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !(sum as u16)
    }

    #[test]
    fn the_checksum_follows_the_addresses() {
        let pairs: [[[u8; 4]; 2]; 5] = [
            [[10, 1, 0, 1], [10, 1, 0, 2]],
            [[10, 2, 0, 1], [10, 2, 0, 2]],
            [[255, 255, 255, 254], [0, 0, 0, 1]],
            [[192, 168, 255, 255], [172, 16, 0, 0]],
            [[1, 0, 0, 0], [255, 255, 0, 0]],
        ];
        for from in pairs {
            for to in pairs {
                let address = |octets: [u8; 4]| Address::from(Ipv4Addr::from(octets));
                let delta = check_delta(from.map(address), to.map(address));
                let changed = changed_check(header_check(from[0], from[1]), delta);
                assert_eq!(changed, header_check(to[0], to[1]), "{from:?} {to:?}");
            }
        }
    }
}
