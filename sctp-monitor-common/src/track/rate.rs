//! How many events of one kind are let through in a second.

use bytemuck::{Pod, Zeroable};

/// At most so many events in each second: a bucket that user space cannot starve and a flood cannot widen.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
pub struct RateLimit {
    second_began_ns: u64,
    used: u64,
}

impl RateLimit {
    /// Whether one more event is within `per_second`.
    #[inline(always)]
    pub fn admits(&mut self, now_ns: u64, per_second: u64) -> bool {
        if now_ns.wrapping_sub(self.second_began_ns) >= 1_000_000_000 {
            self.second_began_ns = now_ns;
            self.used = 0;
        }
        if self.used >= per_second {
            return false;
        }
        self.used += 1;
        true
    }
}
