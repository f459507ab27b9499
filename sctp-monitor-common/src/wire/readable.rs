//! A packet that may lie in one piece or in several, and what is read of it at a time.
//!
//! Each way to read a packet is a [`ReadPacket`] of its own, and code that reads exists once for each. The verifier follows
//! all of it, and all that comes after it too. So which reader fits is decided anew for each piece of reading, and what does
//! not read exists once.

use super::ReadPacket;

/// A packet, and the readers of which one fits it.
pub trait Readable {
    /// Does one piece of reading by the reader that fits.
    fn read_by<R: Reading>(&self, reading: R) -> R::Output;
}

/// A piece of reading, by whichever reader.
pub trait Reading {
    /// What it gives.
    type Output;

    /// Reads.
    fn read<R: ReadPacket>(self, reader: &R) -> Self::Output;
}

/// One reader fits all its packets.
impl<P: ReadPacket> Readable for P {
    #[inline(always)]
    fn read_by<R: Reading>(&self, reading: R) -> R::Output {
        reading.read(self)
    }
}
