//! Where decisions come from: the bytes of a fuzzer's input, or a seed.
//!
//! What is built from one can be built from the other, so the fuzzer and the comparison of programs with slices share
//! their traffic.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// A source of decisions.
pub trait Choices {
    /// The next eight bits.
    fn byte(&mut self) -> u8;

    /// The next sixteen bits.
    fn u16(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// The next 32 bits.
    fn u32(&mut self) -> u32 {
        u32::from(self.u16()) << 16 | u32::from(self.u16())
    }

    /// The next 64 bits.
    fn u64(&mut self) -> u64 {
        u64::from(self.u32()) << 32 | u64::from(self.u32())
    }

    /// A number below `end`, 0 if that is 0.
    fn below(&mut self, end: u32) -> u32 {
        let number = match end {
            0 | 1 => return 0,
            2..=256 => u32::from(self.byte()),
            257..=0x1_0000 => u32::from(self.u16()),
            _ => self.u32(),
        };
        number % end
    }

    /// True once in so many times. A fuzzer's input that has ended says false.
    fn one_in(&mut self, times: u32) -> bool {
        self.below(times) + 1 == times
    }

    /// One of these, of which there must be some.
    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u32) as usize]
    }
}

/// A fuzzer's input, taken from its beginning. What lies past its end is zero.
#[derive(Debug, Clone)]
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// From its first byte.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    /// What two bytes of length announce, or what is left of it.
    pub fn packet(&mut self) -> &'a [u8] {
        let length = usize::from(self.u16()).min(self.0.len());
        let (packet, rest) = self.0.split_at(length);
        self.0 = rest;
        packet
    }
}

impl Choices for Input<'_> {
    fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((byte, rest)) => {
                self.0 = rest;
                *byte
            }
            None => 0,
        }
    }
}

/// Chance, from a seed: the same seed decides the same on every machine.
#[derive(Debug, Clone)]
pub struct Random {
    generator: ChaCha8Rng,
    /// Bytes at hand: drawing them one by one would cost more than what is made of them.
    bytes: [u8; 64],
    used: usize,
}

impl Random {
    /// From a seed.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        Self {
            generator: ChaCha8Rng::seed_from_u64(seed),
            bytes: [0; 64],
            used: 64,
        }
    }
}

impl Choices for Random {
    fn byte(&mut self) -> u8 {
        if self.used == self.bytes.len() {
            self.generator.fill(&mut self.bytes[..]);
            self.used = 0;
        }
        self.used += 1;
        self.bytes[self.used - 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_that_has_ended_is_zero() {
        let mut input = Input::new(&[0, 3, 7, 8]);
        assert_eq!(input.packet(), [7, 8], "less than announced");
        assert!(input.is_over());
        assert_eq!((input.u32(), input.below(9), input.packet().len()), (0, 0, 0));
        assert!(!input.one_in(2));
    }

    #[test]
    fn a_seed_decides_the_same_again() {
        let draw = |seed| {
            let mut random = Random::from_seed(seed);
            (0..100).map(|_| random.byte()).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }
}
