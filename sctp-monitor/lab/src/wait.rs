//! Waiting for a condition under a deadline: the only place in the lab, and in tests that use it, that sleeps.

use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, ClockNanosleepFlags, clock_nanosleep};

use crate::clock::{MonotonicNs, monotonic_ns};

/// Short beside every figure the project measures, long enough that a waiting test costs no CPU.
const INTERVAL: Duration = Duration::from_millis(2);

/// The condition did not come true in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the condition did not come true within {within:?}")]
pub struct TimedOut {
    /// How long it was waited for.
    pub within: Duration,
}

/// Asks `condition` again and again until it answers `Some`, at least once, for at most `within`.
///
/// # Errors
/// [`TimedOut`] when the condition still answers `None` at the deadline.
pub fn until<T>(within: Duration, mut condition: impl FnMut() -> Option<T>) -> Result<T, TimedOut> {
    let deadline_ns = monotonic_ns() + u64::try_from(within.as_nanos()).expect("a deadline within 584 years");
    loop {
        let last_try = monotonic_ns() >= deadline_ns;
        if let Some(answer) = condition() {
            return Ok(answer);
        }
        if last_try {
            return Err(TimedOut { within });
        }
        sleep();
    }
}

/// Returns at this time, or a little later.
pub(crate) fn until_ns(at_ns: MonotonicNs) {
    let at = TimeSpec::from_duration(Duration::from_nanos(at_ns));
    // A signal may end it early.
    while monotonic_ns() < at_ns {
        let _ = clock_nanosleep(ClockId::CLOCK_MONOTONIC, ClockNanosleepFlags::TIMER_ABSTIME, &at);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one sleep: between two looks at a condition under a deadline"
)]
fn sleep() {
    std::thread::sleep(INTERVAL);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_that_comes_true_is_answered() {
        let mut looks = 0;
        let answer = until(Duration::from_secs(5), || {
            looks += 1;
            (looks == 3).then_some("third")
        });
        assert_eq!(answer, Ok("third"));
    }

    #[test]
    fn the_condition_is_asked_even_when_no_time_is_left() {
        assert_eq!(until(Duration::ZERO, || Some(1)), Ok(1));
    }

    #[test]
    fn a_condition_that_never_comes_true_times_out() {
        let within = Duration::from_millis(10);
        assert_eq!(until(within, || None::<()>), Err(TimedOut { within }));
    }
}
