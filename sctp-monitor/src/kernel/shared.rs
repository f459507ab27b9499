//! What both sides share: the one bridge between its types' Pod and aya's, and how the agent reads it.

use std::sync::atomic::{AtomicU64, Ordering};

use bytemuck::Pod;

/// A type of the kernel boundary as a map key or value.
#[derive(Debug, Clone, Copy)]
#[repr(transparent)]
pub(super) struct Shared<T>(pub(super) T);

// SAFETY: bytemuck's Pod has every promise of aya's (any bit pattern, no padding, no pointers), and the wrapper is
// transparent.
unsafe impl<T: Pod> aya::Pod for Shared<T> {}

/// A copy of what programs write meanwhile: each word is old or new, and none is older than one in front of it.
///
/// # Safety
/// `place` is valid for reads, and aligned to words of eight bytes. A program is the only one that writes there.
pub(super) unsafe fn read_words<T: Pod>(place: *const T) -> T {
    const { assert!(size_of::<T>().is_multiple_of(size_of::<u64>())) };
    let words = size_of::<T>() / size_of::<u64>();
    // SAFETY: so many words are there, by the promise above; an `AtomicU64` has the size and alignment of a word.
    let words = unsafe { std::slice::from_raw_parts(place.cast::<AtomicU64>(), words) };
    in_order(words)
}

/// A copy of these words, read in order.
pub(super) fn in_order<T: Pod>(words: &[AtomicU64]) -> T {
    let mut copy = T::zeroed();
    let bytes = bytemuck::bytes_of_mut(&mut copy).chunks_exact_mut(size_of::<u64>());
    for (bytes, word) in bytes.zip(words) {
        bytes.copy_from_slice(&word.load(Ordering::Acquire).to_ne_bytes());
    }
    copy
}
