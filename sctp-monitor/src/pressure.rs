//! When an operator is told that the flow table fills up, or that packets of new flows are not tracked.

use std::time::Duration;

use sctp_monitor_common::abi::{Counter, Counters};
use sctp_monitor_engine::model::Timestamp;

use crate::report::Pressure;

/// Watches the table.
#[derive(Debug, Default)]
pub struct PressureGauge {
    /// Packets for want of a slot and beyond the rate that were reported.
    reported: (u64, u64),
    reported_at: Option<Timestamp>,
}

impl PressureGauge {
    /// Of what is counted from here on.
    pub fn since(before: &Counters) -> Self {
        Self {
            reported: refused(before),
            reported_at: None,
        }
    }

    /// What is to be reported now, if anything: at once when it begins, then every ten seconds while it lasts.
    pub fn read(
        &mut self,
        counters: &Counters,
        (in_use, max_flows): (u32, u32),
        now: Timestamp,
    ) -> Option<Pressure> {
        let (table_full, limited) = refused(counters);
        let since_last = self.reported_at.map(|at| now.since(at));
        let pressed = (table_full, limited) != self.reported
            || u64::from(in_use) * 100 >= u64::from(max_flows) * u64::from(CROWDED_PERCENT);
        if !pressed || since_last.is_some_and(|time| time < INTERVAL) {
            return None;
        }
        let pressure = Pressure {
            table_full: table_full - self.reported.0,
            limited: limited - self.reported.1,
            within: since_last,
            in_use,
            max_flows,
        };
        self.reported = (table_full, limited);
        self.reported_at = Some(now);
        Some(pressure)
    }
}

/// Packets for want of a slot, and beyond the rate.
fn refused(counters: &Counters) -> (u64, u64) {
    (
        counters.value(Counter::FlowTableFull),
        counters.value(Counter::NewFlowsLimited),
    )
}

/// A line now and then is enough.
const INTERVAL: Duration = Duration::from_secs(10);

/// A table is crowded from here on. Flows that nothing proves make room from half on, so that these are genuine as a rule.
const CROWDED_PERCENT: u32 = 90;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn pressure_is_reported_at_once_and_then_now_and_then() {
        let mut gauge = PressureGauge::default();
        let mut counters = Counters::default();
        assert_eq!(gauge.read(&counters, (10, 100), at(1)), None);
        counters.count(Counter::FlowTableFull);
        counters.count(Counter::NewFlowsLimited);
        let first = gauge.read(&counters, (80, 100), at(2)).unwrap();
        assert_eq!((first.table_full, first.limited, first.within), (1, 1, None));
        counters.count(Counter::NewFlowsLimited);
        assert_eq!(gauge.read(&counters, (80, 100), at(3)), None);
        let second = gauge.read(&counters, (80, 100), at(12)).unwrap();
        assert_eq!((second.table_full, second.limited), (0, 1), "what is new");
        assert_eq!(gauge.read(&counters, (80, 100), at(60)), None, "it is over");
    }

    #[test]
    fn a_crowded_table_is_reported_before_anything_is_lost() {
        let mut gauge = PressureGauge::default();
        let pressure = gauge.read(&Counters::default(), (95, 100), at(1)).unwrap();
        assert!(pressure.to_string().starts_with("95 of 100 slots"));
    }
}
