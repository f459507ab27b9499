//! Axes: which values get a line and a label.

use sctp_monitor_engine::model::{Timestamp, words::strftime};

/// From a moment to a place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TimeAxis {
    pub(crate) from_ns: u64,
    pub(crate) to_ns: u64,
    left: f64,
    width: f64,
}

impl TimeAxis {
    /// An axis of at least ten milliseconds.
    pub(crate) fn new((from_ns, to_ns): (u64, u64), left: f64, width: f64) -> Self {
        let missing = SHORTEST_NS.saturating_sub(to_ns.saturating_sub(from_ns));
        Self {
            from_ns: from_ns.saturating_sub(missing / 2),
            to_ns: to_ns.saturating_add(missing / 2),
            left,
            width,
        }
    }

    /// The place of a moment; the nearer end, if it is outside.
    pub(crate) fn x(&self, at_ns: u64) -> f64 {
        let at_ns = at_ns.clamp(self.from_ns, self.to_ns);
        let share = (at_ns - self.from_ns) as f64 / (self.to_ns - self.from_ns) as f64;
        self.left + share * self.width
    }

    /// Places and labels, at round times of day in UTC.
    pub(crate) fn ticks(&self) -> Vec<(f64, String)> {
        let step = self.step_ns();
        let format = match step {
            0..MILLISECOND => "%H:%M:%S%.6f",
            MILLISECOND..SECOND => "%H:%M:%S%.3f",
            SECOND..MINUTE => "%H:%M:%S",
            MINUTE..DAY => "%H:%M",
            _ => "%m-%d",
        };
        let first = self.from_ns.div_ceil(step);
        (first..=self.to_ns / step)
            .map(|number| {
                let at_ns = number * step;
                // What a day begins with is its date.
                let format = if step >= MINUTE && at_ns.is_multiple_of(DAY) {
                    "%m-%d"
                } else {
                    format
                };
                (self.x(at_ns), strftime(Timestamp::from_nanos(at_ns), format))
            })
            .collect()
    }

    fn step_ns(&self) -> u64 {
        let span = self.to_ns - self.from_ns;
        let fits = |step: &u64| span / step < MOST_TICKS;
        let below_a_second = [
            1,
            10,
            100,
            1_000,
            10_000,
            100_000,
            1_000_000,
            10_000_000,
            100_000_000,
        ]
        .into_iter()
        .flat_map(|power: u64| [power, 2 * power, 5 * power]);
        let above = STEPS_SECONDS.iter().map(|seconds| seconds * SECOND);
        below_a_second
            .chain(above)
            .find(fits)
            .unwrap_or_else(|| (span / MOST_TICKS / DAY + 1) * DAY)
    }
}

/// The next round number from here on, for the end of an axis: 1, 2, 2.5, 5 or 10 times a power of ten.
pub(crate) fn round_up(value: f64) -> f64 {
    if !(value.is_finite() && value > 0.0) {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    let digit = value / power;
    let round = [1.0, 2.0, 2.5, 5.0, 10.0]
        .into_iter()
        .find(|round| digit <= round * (1.0 + 1e-9));
    round.unwrap_or(10.0) * power
}

const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MILLISECOND;
const MINUTE: u64 = 60 * SECOND;
const DAY: u64 = 24 * 60 * MINUTE;
const SHORTEST_NS: u64 = 10 * MILLISECOND;
/// Labels of twelve signs stand side by side.
const MOST_TICKS: u64 = 6;
/// A second to a month.
const STEPS_SECONDS: [u64; 21] = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400,
    172_800, 604_800, 2_592_000,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(from_ns: u64, to_ns: u64) -> Vec<String> {
        let axis = TimeAxis::new((from_ns, to_ns), 0.0, 100.0);
        axis.ticks().into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_stand_at_round_times_of_day() {
        let noon = 20_783 * DAY + DAY / 2;
        assert_eq!(
            labels(noon, noon + 3 * SECOND),
            ["12:00:00", "12:00:01", "12:00:02", "12:00:03"]
        );
        assert_eq!(
            labels(noon + 1, noon + 50 * MINUTE),
            ["12:10", "12:20", "12:30", "12:40", "12:50"]
        );
        assert_eq!(
            labels(noon, noon + DAY),
            ["12:00", "18:00", "11-27", "06:00", "12:00"]
        );
        let short = labels(noon, noon);
        assert!(short.contains(&"12:00:00.000".to_owned()), "{short:?}");
        assert!(labels(0, u64::MAX).len() <= 7);
    }

    #[test]
    fn ends_of_axes_are_round() {
        let ends = [0.0, 0.03, 1.0, 1.2, 2.1, 4.0, 7.0, 99.0].map(round_up);
        assert_eq!(ends, [1.0, 0.05, 1.0, 2.0, 2.5, 5.0, 10.0, 100.0]);
    }
}
