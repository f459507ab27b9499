//! HEARTBEAT and HEARTBEAT ACK (RFC 9260 sections 3.3.5 and 3.3.6).
//!
//! The receiver sends the Heartbeat Info back unchanged, from whatever address it likes. So the information, not
//! the addresses, tells which heartbeat an ack answers; it is opaque, and a fingerprint of it is enough.

use super::{Chunk, ReadPacket};

/// Identifies the information that a HEARTBEAT carries and its HEARTBEAT ACK returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeartbeatInfo {
    /// Hash of the chunk's value, of its first [`FINGERPRINT_LEN`] bytes if it is longer.
    pub fingerprint: u32,
    /// The chunk's length field, which is part of the identity.
    pub chunk_length: u16,
}

impl HeartbeatInfo {
    /// Reads `chunk`, which must be HEARTBEAT or HEARTBEAT ACK; `None` if its value is cut.
    #[inline(always)]
    pub fn read<R: ReadPacket>(reader: &R, chunk: &Chunk) -> Option<Self> {
        let length = chunk.value_length().min(FINGERPRINT_LEN);
        let mut hash = SEED;
        for index in 0..FINGERPRINT_LEN / WORD {
            if (index + 1) * WORD > length {
                break;
            }
            hash = mix(hash, reader.read_u32(chunk.value_at() + index * WORD)?);
        }
        let rest = length % WORD;
        if rest != 0 {
            // Bytes after the value are padding, which the ack need not repeat. Where the rest begins follows from
            // the length, not from the loop, which would give the verifier one more state for every round.
            let word = reader.read_u32(chunk.value_at() + length - rest)?;
            hash = mix(hash, word >> (8 * (WORD - rest)));
        }
        Some(Self {
            fingerprint: hash,
            chunk_length: chunk.length,
        })
    }
}

/// Bytes of the information that the fingerprint covers: more than any stack sends (Linux 40 to 60, FreeBSD 40),
/// less than what would make a heartbeat expensive.
pub const FINGERPRINT_LEN: usize = 256;

/// One round of a multiply-xorshift hash (constants of MurmurHash3's 32-bit finaliser).
#[inline(always)]
fn mix(hash: u32, word: u32) -> u32 {
    let hash = (hash ^ word).wrapping_mul(0x85eb_ca6b);
    (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35)
}

const WORD: usize = 4;
const SEED: u32 = 0x5c7b_0001;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Frame, chunk::chunks};

    fn first(bytes: &[u8]) -> Option<HeartbeatInfo> {
        let chunk = chunks(&Frame(bytes), 0, bytes.len()).next()?;
        HeartbeatInfo::read(&Frame(bytes), &chunk)
    }

    fn heartbeat(kind: u8, info: &[u8], padding: &[u8]) -> Vec<u8> {
        let length = u8::try_from(8 + info.len()).unwrap();
        let mut bytes = vec![kind, 0, 0, length, 0, 1, 0, length - 4]; // Heartbeat Info parameter
        bytes.extend(info);
        bytes.extend(padding);
        bytes
    }

    #[test]
    fn an_ack_has_the_fingerprint_of_its_heartbeat() {
        let info: Vec<u8> = (0..40).collect();
        assert_eq!(first(&heartbeat(4, &info, &[])), first(&heartbeat(5, &info, &[])));
        assert!(first(&heartbeat(4, &info, &[])).is_some());
    }

    #[test]
    fn padding_is_no_part_of_it() {
        let info = [1, 2, 3, 4, 5];
        assert_eq!(
            first(&heartbeat(4, &info, &[0, 0, 0])),
            first(&heartbeat(5, &info, &[9, 9, 9]))
        );
    }

    #[test]
    fn every_byte_and_the_length_count() {
        let info = [0; 37];
        let original = first(&heartbeat(4, &info, &[0; 3])).unwrap();
        for at in 0..info.len() {
            let mut other = info;
            other[at] = 1;
            assert_ne!(
                first(&heartbeat(4, &other, &[0; 3])).unwrap(),
                original,
                "byte {at}"
            );
        }
        assert_ne!(first(&heartbeat(4, &[0; 38], &[0; 2])).unwrap(), original);
    }

    #[test]
    fn a_cut_value_is_none() {
        let mut bytes = heartbeat(4, &[7; 40], &[]);
        bytes.truncate(30);
        assert_eq!(first(&bytes), None);
    }

    #[test]
    fn an_empty_value_has_an_identity_too() {
        assert_eq!(first(&[4, 0, 0, 4]).unwrap().chunk_length, 4);
    }
}
