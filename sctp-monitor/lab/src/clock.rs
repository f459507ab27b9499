//! The lab's one clock: `CLOCK_MONOTONIC` in nanoseconds, because that is what `bpf_ktime_get_ns` counts, so a fault's
//! instant, an endpoint's event and a program's record compare without conversion.
//!
//! Captures carry wall-clock time stamps; [`wall_clock_offset_ns`] maps them onto the same scale.

use nix::time::{ClockId, clock_gettime};

/// Nanoseconds of `CLOCK_MONOTONIC`.
pub type MonotonicNs = u64;

/// Now.
#[must_use]
pub fn monotonic_ns() -> MonotonicNs {
    read(ClockId::CLOCK_MONOTONIC)
}

/// What to subtract from nanoseconds since the epoch to get [`MonotonicNs`].
///
/// The two clocks are read one after the other: the answer is exact to about a microsecond until somebody sets the wall
/// clock.
#[must_use]
pub fn wall_clock_offset_ns() -> u64 {
    let before = monotonic_ns();
    let wall = read(ClockId::CLOCK_REALTIME);
    let after = monotonic_ns();
    wall - (before + (after - before) / 2)
}

fn read(clock: ClockId) -> u64 {
    let time = clock_gettime(clock).expect("both clocks exist on every Linux");
    let seconds = u64::try_from(time.tv_sec()).expect("neither clock runs before its epoch");
    let nanoseconds = u64::try_from(time.tv_nsec()).expect("tv_nsec lies between 0 and 999,999,999");
    seconds * 1_000_000_000 + nanoseconds
}
