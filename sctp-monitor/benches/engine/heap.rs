//! How much memory is in use, as the allocator itself has it.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering},
};

/// The system's allocator, with a count of the bytes that it has given out.
///
/// It counts what a block really takes (its usable size and the word in front of it, in glibc), which is more than was
/// asked for.
pub(crate) struct Heap {
    used: AtomicUsize,
}

impl Heap {
    pub(crate) const fn new() -> Self {
        Self {
            used: AtomicUsize::new(0),
        }
    }

    /// Bytes in use.
    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
}

// SAFETY: every call goes on to the system's allocator with the caller's own arguments, and its answer back; counting
// allocates nothing.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `alloc`, which is this function's own.
        let block = unsafe { System.alloc(layout) };
        self.used.fetch_add(size(block), Ordering::Relaxed);
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        self.used.fetch_sub(size(block), Ordering::Relaxed);
        // SAFETY: as in `alloc`.
        unsafe { System.dealloc(block, layout) };
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let before = size(block);
        // SAFETY: as in `alloc`.
        let moved = unsafe { System.realloc(block, layout, new_size) };
        if !moved.is_null() {
            self.used.fetch_sub(before, Ordering::Relaxed);
            self.used.fetch_add(size(moved), Ordering::Relaxed);
        }
        moved
    }
}

/// What a block takes; nothing if it is null.
fn size(block: *mut u8) -> usize {
    if block.is_null() {
        return 0;
    }
    // SAFETY: the system's allocator is malloc, the block came from it and was not freed yet.
    let usable = unsafe { libc::malloc_usable_size(block.cast()) };
    usable + size_of::<usize>()
}
