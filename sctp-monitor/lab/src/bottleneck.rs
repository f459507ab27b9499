//! A slow line with a queue in front of it: what does not fit into the queue is dropped (drop-tail).

use crate::clock::{MonotonicNs, monotonic_ns};
use crate::fault::{FaultError, Path};

impl Path {
    /// Lets through `kilobits` a second in each direction; up to `queue` bytes wait, and what comes then is dropped. It lasts
    /// until [`Self::heal`].
    ///
    /// # Errors
    /// When `tc` is missing, or the kernel has no token bucket filter.
    pub fn slow_down(&self, kilobits: u32, queue: u32) -> Result<MonotonicNs, FaultError> {
        self.traffic_control(&[0, 1], |device| {
            format!("qdisc replace dev {device} root tbf rate {kilobits}kbit burst {BURST} limit {queue}\n")
        })?;
        self.state().netem = true;
        Ok(monotonic_ns())
    }
}

/// Bytes that pass at once: some full frames.
const BURST: u32 = 6_000;
