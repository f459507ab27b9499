//! The one bridge between the shared types' Pod and aya's.

use bytemuck::Pod;

/// A type of the kernel boundary as a map key or value.
#[derive(Debug, Clone, Copy)]
#[repr(transparent)]
pub(super) struct Shared<T>(pub(super) T);

// SAFETY: bytemuck's Pod has every promise of aya's (any bit pattern, no padding, no pointers), and the wrapper is
// transparent.
unsafe impl<T: Pod> aya::Pod for Shared<T> {}
