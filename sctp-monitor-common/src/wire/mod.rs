//! Parsers over a bounded reader, and what probes are built with.
//!
//! One parser serves XDP (direct packet access), TC (direct or by helper), and byte slices. It therefore never forms
//! a slice of the packet: every read names an offset and a constant size, which the reader checks, because that is
//! the only form the verifier can follow. A failed read is `None` and never a panic.

pub mod address;
pub mod chunk;
pub mod control;
pub mod data;
pub mod emit;
pub mod extension;
pub mod heartbeat;
pub mod icmp;
pub mod init;
pub mod ip;
pub mod link;
pub mod param;
pub mod readable;
pub mod sack;
pub mod sctp;

pub use address::Address;
pub use chunk::{Chunk, ChunkKind};
pub use link::LinkType;
pub use readable::{Readable, Reading};
pub use sctp::{ParseOptions, Pass, SctpPacket, Unparsed, parse};

/// Reads a packet in pieces of constant size.
pub trait ReadPacket {
    /// `N` bytes from `offset`, or `None` if the packet does not hold them all.
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]>;

    /// `N` words of four bytes from `offset`, as they lie in memory: `u32::from_be` makes numbers of them. Headers are
    /// read by words, because one check and a few loads cost the programs less than a check for each field.
    fn read_words<const N: usize>(&self, offset: usize) -> Option<[u32; N]>;

    /// Bytes of the whole frame.
    fn len(&self) -> usize;

    /// The same offset, of which nothing is known any more.
    ///
    /// The verifier follows each header length on its own to the end of the program. Where headers nest, that is more
    /// than it can do; the kernel's readers make it forget. Everyone else returns the offset as it is.
    #[inline(always)]
    fn forget(&self, offset: usize) -> usize {
        offset
    }

    /// How many packets leave the NIC for this one: with segmentation offload, what a host sends is cut up only behind
    /// the programs.
    #[inline(always)]
    fn segments(&self) -> u32 {
        1
    }

    /// Whether the frame holds nothing.
    #[inline(always)]
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The byte at `offset`.
    #[inline(always)]
    fn read_u8(&self, offset: usize) -> Option<u8> {
        let [byte] = self.read::<1>(offset)?;
        Some(byte)
    }

    /// The big-endian integer at `offset`.
    #[inline(always)]
    fn read_u16(&self, offset: usize) -> Option<u16> {
        Some(u16::from_be_bytes(self.read(offset)?))
    }

    /// The big-endian integer at `offset`.
    #[inline(always)]
    fn read_u32(&self, offset: usize) -> Option<u32> {
        let [word] = self.read_words(offset)?;
        Some(u32::from_be(word))
    }
}

/// A packet in memory: a capture record, a ring record, a test vector.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a>(pub &'a [u8]);

impl ReadPacket for Frame<'_> {
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.0.get(offset..)?.first_chunk().copied()
    }

    fn read_words<const N: usize>(&self, offset: usize) -> Option<[u32; N]> {
        let (words, _) = self.0.get(offset..)?.as_chunks::<4>();
        words.first_chunk().map(|words| words.map(u32::from_ne_bytes))
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

/// A packet of which only the first bytes were captured.
#[derive(Debug, Clone, Copy)]
pub struct CutFrame<'a> {
    /// What was captured.
    pub bytes: &'a [u8],
    /// Bytes that the frame had on the wire.
    pub original_length: usize,
}

impl ReadPacket for CutFrame<'_> {
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        Frame(self.bytes).read(offset)
    }

    fn read_words<const N: usize>(&self, offset: usize) -> Option<[u32; N]> {
        Frame(self.bytes).read_words(offset)
    }

    fn len(&self) -> usize {
        self.original_length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_frame_keeps_its_length() {
        let frame = CutFrame {
            bytes: &[1, 2],
            original_length: 9,
        };
        assert_eq!(
            (frame.len(), frame.read_u8(1), frame.read_u8(2)),
            (9, Some(2), None)
        );
    }

    #[test]
    fn frame_reads_only_what_it_holds() {
        let frame = Frame(&[0x00, 0x01, 0x02, 0x03]);
        assert_eq!(frame.read_u8(3), Some(3));
        assert_eq!(frame.read_u16(2), Some(0x0203));
        assert_eq!(frame.read_u32(0), Some(0x0001_0203));
        assert_eq!(frame.read_u32(1), None);
        assert_eq!(frame.read_words(0), Some([0x0001_0203_u32.to_be()]));
        assert_eq!(frame.read_words::<2>(0), None);
        assert_eq!(frame.read_u8(usize::MAX), None);
    }
}
