//! SipHash-1-3 over whole words: a hash that nobody who does not know the key can aim at.
//!
//! J.-P. Aumasson, D. J. Bernstein, "SipHash: a fast short-input PRF", 2012; one round a word and three at the end, as Rust's
//! and Linux's hash tables take it. A multiply and shift under a secret seed does not do: two inputs whose differences
//! cancel meet under every seed. It stands here because a program of the kernel can call no library that walks slices.

/// The hash of the words and of `tail` (`tail_bytes` bytes of it, at most 7), 128 bits.
#[inline(always)]
pub(super) fn hash_128<const N: usize>(
    key: [u64; 2],
    words: [u64; N],
    tail: u64,
    tail_bytes: usize,
) -> [u64; 2] {
    let mut state = State::new(key);
    state.0[1] ^= 0xee;
    state.take(words, tail, tail_bytes);
    state.0[2] ^= 0xee;
    let first = state.finish();
    state.0[1] ^= 0xdd;
    [first, state.finish()]
}

/// The hash of the words, 64 bits.
#[inline(always)]
pub(super) fn hash_64<const N: usize>(key: [u64; 2], words: [u64; N]) -> u64 {
    let mut state = State::new(key);
    state.take(words, 0, 0);
    state.0[2] ^= 0xff;
    state.finish()
}

struct State([u64; 4]);

impl State {
    #[inline(always)]
    fn new(key: [u64; 2]) -> Self {
        Self([
            key[0] ^ 0x736f_6d65_7073_6575,
            key[1] ^ 0x646f_7261_6e64_6f6d,
            key[0] ^ 0x6c79_6765_6e65_7261,
            key[1] ^ 0x7465_6462_7974_6573,
        ])
    }

    /// Takes the words, and the last one with the length of all in its upper byte.
    #[inline(always)]
    fn take<const N: usize>(&mut self, words: [u64; N], tail: u64, tail_bytes: usize) {
        for word in words {
            self.compress(word);
        }
        self.compress(tail | ((N * 8 + tail_bytes) as u64) << 56);
    }

    #[inline(always)]
    fn compress(&mut self, word: u64) {
        self.0[3] ^= word;
        self.round();
        self.0[0] ^= word;
    }

    #[inline(always)]
    fn finish(&mut self) -> u64 {
        self.round();
        self.round();
        self.round();
        self.0[0] ^ self.0[1] ^ self.0[2] ^ self.0[3]
    }

    #[inline(always)]
    fn round(&mut self) {
        let [mut a, mut b, mut c, mut d] = self.0;
        a = a.wrapping_add(b);
        b = b.rotate_left(13) ^ a;
        a = a.rotate_left(32);
        c = c.wrapping_add(d);
        d = d.rotate_left(16) ^ c;
        a = a.wrapping_add(d);
        d = d.rotate_left(21) ^ a;
        c = c.wrapping_add(b);
        b = b.rotate_left(17) ^ c;
        c = c.rotate_left(32);
        self.0 = [a, b, c, d];
    }
}

#[cfg(test)]
mod tests {
    use std::hash::Hasher as _;

    use proptest::prelude::*;
    use siphasher::{sip::SipHasher13, sip128::Hasher128 as _};

    use super::*;

    proptest! {
        #[test]
        fn it_is_what_others_take_for_siphash(key: [u64; 2], words: [u64; 4], tail: u32) {
            let mut theirs = siphasher::sip128::SipHasher13::new_with_keys(key[0], key[1]);
            theirs.write(bytemuck::bytes_of(&words));
            theirs.write(&tail.to_ne_bytes());
            let theirs = theirs.finish128();
            prop_assert_eq!(hash_128(key, words, tail.into(), 4), [theirs.h1, theirs.h2]);

            let mut theirs = SipHasher13::new_with_keys(key[0], key[1]);
            theirs.write(bytemuck::bytes_of(&words));
            prop_assert_eq!(hash_64(key, words), theirs.finish());
        }
    }
}
