//! How much a flow carries.
//!
//! The mean over the last round of housekeeping, a second or a little more: a record that does not change is not
//! handed in, so the time since the last change would make silence look like traffic.

use serde::{Deserialize, Serialize};

use crate::model::{Throughput, Timestamp};

/// Turns the counters of one flow into their [`Throughput`].
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Meter {
    last: Option<Reading>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Reading {
    at: Timestamp,
    packets: u64,
    bytes: u64,
}

impl Meter {
    /// The rate since the last reading; unknown at the first one, which may hold the packets of a long time.
    pub(crate) fn read(&mut self, packets: u64, bytes: u64, now: Timestamp) -> Throughput {
        let reading = Reading {
            at: now,
            packets,
            bytes,
        };
        let Some(last) = self.last.replace(reading) else {
            return Throughput::default();
        };
        let elapsed = now.since(last.at).as_nanos();
        let per_second = |from: u64, to: u64| {
            let rate = u128::from(to.saturating_sub(from)) * NANOS_PER_SECOND + elapsed / 2;
            u64::try_from(rate.checked_div(elapsed).unwrap_or(0)).unwrap_or(u64::MAX)
        };
        Throughput {
            packets_per_second: Some(per_second(last.packets, reading.packets)),
            bytes_per_second: Some(per_second(last.bytes, reading.bytes)),
        }
    }
}

const NANOS_PER_SECOND: u128 = 1_000_000_000;
