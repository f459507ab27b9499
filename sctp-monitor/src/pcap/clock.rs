//! The capture's own clock, made to run forwards.
//!
//! The engine's time never goes back; a capture's may: the host's clock may have been set while it was captured, and not all
//! records that come late can be put in order. A packet that still comes late is taken for simultaneous with the one
//! before, and counted. A clock that was set back goes on from there, and how far it was off is remembered.

use sctp_monitor_capture::reorder::SET_BACK_NS;
use sctp_monitor_engine::model::{Timestamp, WallClock};

/// Turns the times of records into times of the engine.
#[derive(Debug, Default)]
pub(crate) struct CaptureClock {
    now_ns: u64,
    /// What is added to the capture's times, because its clock was set back.
    shift_ns: u64,
    /// Records that came too late to be put in order.
    pub(crate) late: u64,
    /// Times that the clock was set back.
    pub(crate) set_back: u64,
}

impl CaptureClock {
    /// The engine's time of a record.
    pub(crate) fn advance(&mut self, time_ns: u64) -> Timestamp {
        let mut now_ns = time_ns.saturating_add(self.shift_ns).min(LATEST_NS);
        if now_ns < self.now_ns {
            let behind_ns = self.now_ns - now_ns;
            if behind_ns > SET_BACK_NS {
                self.set_back += 1;
                self.shift_ns = self.shift_ns.saturating_add(behind_ns);
            } else {
                self.late += 1;
            }
            now_ns = self.now_ns;
        }
        // Zero stands for "never" in flow records.
        self.now_ns = now_ns.max(1);
        Timestamp::from_nanos(self.now_ns)
    }

    /// For the time of day.
    pub(crate) fn wall(&self) -> WallClock {
        WallClock::with_zero_at(-i128::from(self.shift_ns))
    }
}

/// A damaged time stamp may be the last one there is; what follows some time later must still be later.
const LATEST_NS: u64 = u64::MAX - 86_400_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn late_records_wait_and_a_clock_that_was_set_back_goes_on() {
        let mut clock = CaptureClock::default();
        let mut at = |seconds: f64| clock.advance((seconds * 1e9) as u64).as_nanos();
        assert_eq!(at(10.0), 10 * SECOND);
        assert_eq!(at(9.5), 10 * SECOND);
        assert_eq!(at(11.0), 11 * SECOND);
        assert_eq!(at(1.0), 11 * SECOND, "set back");
        assert_eq!(at(2.0), 12 * SECOND);
        assert_eq!((clock.late, clock.set_back), (1, 1));
        let wall = clock.wall().date(Timestamp::from_nanos(12 * SECOND));
        assert_eq!(wall.as_nanos(), 2 * SECOND, "in the capture's own time");
    }
}
