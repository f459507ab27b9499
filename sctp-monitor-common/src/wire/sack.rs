//! SACK (RFC 9260 section 3.3.4), and the part of NR-SACK that is the same: its blocks are laid out otherwise, and not
//! looked at.

use super::{Chunk, ChunkKind, ReadPacket};

/// What a SACK says about the receiver's progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sack {
    /// Every TSN up to this one has arrived.
    pub cum_tsn_ack: u32,
    /// The highest TSN that has arrived: the end of the last gap ack block, or the cumulative TSN ack.
    pub highest_acked: u32,
    /// The lowest TSN of the last gap ack block; the cumulative TSN ack if there is none.
    pub last_block_start: u32,
    /// Gap ack blocks, by the count field.
    pub gap_blocks: u16,
    /// Duplicate TSNs, by the count field.
    pub duplicate_tsns: u16,
    /// The first of them, if there is one.
    pub first_duplicate: u32,
    /// Advertised receiver window credit.
    pub a_rwnd: u32,
}

impl Sack {
    /// Reads `chunk`, which must be SACK or NR-SACK; `None` if its fixed part is cut.
    ///
    /// Gap ack blocks and duplicate TSNs that are counted but lie outside the chunk are not believed.
    #[inline(always)]
    pub fn read<R: ReadPacket>(reader: &R, chunk: &Chunk) -> Option<Self> {
        let [cum_tsn_ack, a_rwnd, counts] = reader.read_words(chunk.value_at())?;
        let cum_tsn_ack = u32::from_be(cum_tsn_ack);
        let counts = if chunk.is(ChunkKind::NrSack) {
            0
        } else {
            u32::from_be(counts)
        };
        let (gap_blocks, duplicate_tsns) = ((counts >> 16) as u16, counts as u16);
        let (gap_start, gap_end) = last_gap(reader, chunk, gap_blocks as usize).unwrap_or((0, 0));
        let (duplicate_tsns, first_duplicate) = if duplicate_tsns == 0 {
            (0, 0)
        } else {
            match first_duplicate(reader, chunk, gap_blocks as usize, duplicate_tsns as usize) {
                Some(tsn) => (duplicate_tsns, tsn),
                None => (0, 0),
            }
        };
        Some(Self {
            cum_tsn_ack,
            highest_acked: cum_tsn_ack.wrapping_add(u32::from(gap_end)),
            last_block_start: cum_tsn_ack.wrapping_add(u32::from(gap_start)),
            gap_blocks,
            duplicate_tsns,
            first_duplicate,
            a_rwnd: u32::from_be(a_rwnd),
        })
    }

    /// Whether it says that `tsn` has arrived, as far as the cumulative TSN ack and the last gap ack block tell. The block with
    /// the newest TSNs is the one that changes.
    #[inline(always)]
    #[must_use]
    pub fn tells_of(&self, tsn: u32) -> bool {
        // By serial number arithmetic (RFC 9260 section 1.6).
        self.cum_tsn_ack.wrapping_sub(tsn) as i32 >= 0
            || tsn.wrapping_sub(self.last_block_start)
                <= self.highest_acked.wrapping_sub(self.last_block_start)
    }
}

/// The last gap ack block, its start and its end, relative to the cumulative TSN ack.
#[inline(always)]
fn last_gap<R: ReadPacket>(reader: &R, chunk: &Chunk, gap_blocks: usize) -> Option<(u16, u16)> {
    if gap_blocks == 0 || BLOCKS_AT + gap_blocks * BLOCK_LEN > chunk.length as usize {
        return None;
    }
    // Read whole, and from its start: an offset that is reached by going back is more than the verifier believes.
    let block = reader.read_u32(chunk.at() + (BLOCKS_AT - BLOCK_LEN) + gap_blocks * BLOCK_LEN)?;
    Some(((block >> 16) as u16, block as u16))
}

/// The first duplicate TSN, which follows the gap ack blocks.
#[inline(always)]
fn first_duplicate<R: ReadPacket>(
    reader: &R,
    chunk: &Chunk,
    gap_blocks: usize,
    duplicates: usize,
) -> Option<u32> {
    if BLOCKS_AT + (gap_blocks + duplicates) * BLOCK_LEN > chunk.length as usize {
        return None;
    }
    reader.read_u32(chunk.at() + BLOCKS_AT + gap_blocks * BLOCK_LEN)
}

const BLOCKS_AT: usize = 16;
const BLOCK_LEN: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Frame, chunk::chunks};

    fn first(bytes: &[u8]) -> Option<Sack> {
        let chunk = chunks(&Frame(bytes), 0, bytes.len()).next()?;
        Sack::read(&Frame(bytes), &chunk)
    }

    const WITH_GAPS: [u8; 28] = [
        3, 0, 0, 28, // SACK
        0xff, 0xff, 0xff, 0xfe, // cumulative TSN ack
        0, 1, 0, 0, // receiver window
        0, 2, 0, 1, // two gap ack blocks, one duplicate
        0, 2, 0, 3, // +2 to +3
        0, 5, 0, 9, // +5 to +9
        0, 0, 0, 1, // duplicate TSN
    ];

    #[test]
    fn highest_acked_includes_the_gap_blocks() {
        let expected = Sack {
            cum_tsn_ack: 0xffff_fffe,
            highest_acked: 7,
            last_block_start: 3,
            gap_blocks: 2,
            duplicate_tsns: 1,
            first_duplicate: 1,
            a_rwnd: 0x1_0000,
        };
        assert_eq!(first(&WITH_GAPS), Some(expected));
    }

    #[test]
    fn it_tells_of_what_is_acknowledged_and_of_its_last_block() {
        let sack = first(&WITH_GAPS).unwrap();
        let told = [0xffff_fffd, 0xffff_fffe, 0xffff_ffff, 0, 2, 3, 7, 8].map(|tsn| sack.tells_of(tsn));
        assert_eq!(told, [true, true, false, false, false, true, true, false]);
    }

    #[test]
    fn blocks_outside_the_chunk_are_not_believed() {
        let mut bytes = WITH_GAPS;
        bytes[12..14].copy_from_slice(&[0xff, 0xff]);
        assert_eq!(first(&bytes).unwrap().highest_acked, 0xffff_fffe);
        assert_eq!(first(&bytes).unwrap().gap_blocks, 0xffff);
        assert_eq!(first(&bytes).unwrap().duplicate_tsns, 0);
    }

    #[test]
    fn more_duplicates_than_the_chunk_holds_are_not_believed() {
        let mut bytes = WITH_GAPS;
        bytes[15] = 2;
        assert_eq!(first(&bytes).unwrap().duplicate_tsns, 0);
    }

    #[test]
    fn the_blocks_of_an_nr_sack_are_left_alone() {
        let mut bytes = WITH_GAPS;
        bytes[0] = 16;
        let sack = first(&bytes).unwrap();
        assert_eq!((sack.highest_acked, sack.duplicate_tsns), (0xffff_fffe, 0));
    }

    #[test]
    fn a_cut_fixed_part_is_none() {
        assert_eq!(first(&WITH_GAPS[..15]), None);
    }
}
