//! How bad a path is that still works.

use std::time::Duration;

/// A path that is slower than it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slow {
    /// Round-trip time now.
    pub rtt: Duration,
    /// What it used to be.
    pub baseline: Duration,
}

/// A loss rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// In percent of the DATA chunks.
    pub percent: f32,
    /// DATA chunks that it was taken from.
    pub chunks: u32,
}
