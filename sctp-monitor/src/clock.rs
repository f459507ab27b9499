//! The only place that reads clocks.

use std::time::Duration;

use nix::time::{ClockId, clock_getres, clock_gettime};
use sctp_monitor_engine::model::{Timestamp, WallClock};

/// The clocks of this host. The programs and the engine use CLOCK_MONOTONIC.
#[derive(Debug, Clone, Copy)]
pub struct Clock;

impl Clock {
    /// What CLOCK_MONOTONIC shows, as a time of day. Read it again now and then: the time of day may be set.
    ///
    /// # Errors
    /// If the kernel has no such clock, which it has.
    pub fn read() -> nix::Result<WallClock> {
        let monotonic = nanoseconds(ClockId::CLOCK_MONOTONIC)?;
        let wall = nanoseconds(ClockId::CLOCK_REALTIME)?;
        Ok(WallClock::with_zero_at(i128::from(wall) - i128::from(monotonic)))
    }

    /// The time now, as the programs' `bpf_ktime_get_ns` tells it.
    ///
    /// # Errors
    /// If the kernel has no such clock, which it has.
    pub fn now() -> nix::Result<Timestamp> {
        nanoseconds(ClockId::CLOCK_MONOTONIC).map(Timestamp::from_nanos)
    }
}

/// The time of day now.
#[must_use]
pub fn time_of_day() -> Timestamp {
    nanoseconds(ClockId::CLOCK_REALTIME).map_or(Timestamp::default(), Timestamp::from_nanos)
}

/// The time that this thread has had of a CPU.
#[must_use]
pub fn thread_time() -> Duration {
    nanoseconds(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from_nanos)
}

/// Lets time pass.
#[expect(clippy::disallowed_methods, reason = "this is the module for it")]
pub fn wait(time: Duration) {
    std::thread::sleep(time);
}

/// One tick of the coarse clock in flow records: a jiffy, which is what the kernel's coarse clocks advance by
/// (`KTIME_LOW_RES`, kernel/time/posix-timers.c).
///
/// # Errors
/// If the kernel has no such clock, which it has.
pub fn tick() -> nix::Result<Duration> {
    clock_getres(ClockId::CLOCK_MONOTONIC_COARSE).map(Duration::from)
}

fn nanoseconds(clock: ClockId) -> nix::Result<u64> {
    let nanos = Duration::from(clock_gettime(clock)?).as_nanos();
    Ok(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_day_follows_the_monotonic_clock() {
        let clock = Clock::read().unwrap();
        let now = Clock::now().unwrap();
        let later = now + Duration::from_secs(1);
        let between = clock.date(later).since(clock.date(now));
        assert_eq!(between, Duration::from_secs(1));
        assert!(
            clock.date(now).as_nanos() > 1_700_000_000_000_000_000,
            "after 2023"
        );
    }

    #[test]
    fn a_tick_is_a_jiffy() {
        let tick = tick().unwrap();
        assert!(
            (Duration::from_millis(1)..=Duration::from_millis(10)).contains(&tick),
            "{tick:?}"
        );
    }
}
