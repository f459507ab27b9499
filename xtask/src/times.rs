//! How long each part of a long command took: a run that has become too slow shows where.

use std::{fmt::Write as _, time::Duration};

/// Parts that have ended, in their order.
#[derive(Debug, Default)]
pub(crate) struct Times {
    parts: Vec<(String, Duration)>,
    /// What ran side by side within parts.
    guests: Vec<(String, Duration)>,
}

impl Times {
    /// Runs a part, and says how long it took, however it ended.
    pub(crate) fn of<T>(&mut self, part: &str, run: impl FnOnce() -> T) -> T {
        let started = now();
        let value = run();
        let took = started.elapsed();
        println!("time: {part} took {}", words(took));
        self.parts.push((part.to_owned(), took));
        value
    }

    /// Takes in a guest, whose time is within that of a part.
    pub(crate) fn guest(&mut self, name: &str, took: Duration) {
        self.guests.push((name.to_owned(), took));
    }

    /// One line: each part, their sum, and what was planned for it.
    pub(crate) fn summary(&self, planned: Duration) -> String {
        let mut line = String::from("time: ");
        let parts = self.parts.iter().map(|(part, took)| (part.clone(), took));
        let guests = self
            .guests
            .iter()
            .map(|(name, took)| (format!("of which Linux {name}"), took));
        for (part, took) in parts.chain(guests) {
            // Writing to a string does not fail.
            let _ = write!(line, "{part} {}, ", words(*took));
        }
        let sum = self.parts.iter().map(|(_, took)| *took).sum();
        let _ = write!(line, "together {} of {} planned", words(sum), words(planned));
        if sum > planned {
            line += ": TOO SLOW";
        }
        line
    }
}

/// `12 min 5 s`, or `0.4 s`.
fn words(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        _ => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the clock of this crate: it only tells how long commands took"
)]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(parts: &[(&str, u64)]) -> Times {
        Times {
            parts: parts
                .iter()
                .map(|(part, seconds)| ((*part).to_owned(), Duration::from_secs(*seconds)))
                .collect(),
            ..Times::default()
        }
    }

    #[test]
    fn parts_are_shown_and_added_up() {
        let times = times(&[("lint", 92), ("cargo test", 723)]);
        assert_eq!(
            times.summary(Duration::from_secs(2_100)),
            "time: lint 1 min 32 s, cargo test 12 min 3 s, together 13 min 35 s of 35 min 0 s planned"
        );
        assert!(times.summary(Duration::from_secs(800)).ends_with(": TOO SLOW"));
    }

    #[test]
    fn guests_are_shown_and_not_added() {
        let mut times = times(&[("other kernels", 60)]);
        times.guest("6.1", Duration::from_secs(59));
        assert_eq!(
            times.summary(Duration::from_secs(60)),
            "time: other kernels 1 min 0 s, of which Linux 6.1 59 s, together 1 min 0 s of 1 min 0 s planned"
        );
    }

    #[test]
    fn short_times_have_a_decimal() {
        assert_eq!(words(Duration::from_millis(1_240)), "1.2 s");
        assert_eq!(words(Duration::from_secs(59)), "59 s");
    }

    #[test]
    fn a_part_that_fails_is_timed_too() {
        let mut times = Times::default();
        assert!(times.of("lint", || Err::<(), _>("no")).is_err());
        assert_eq!(times.parts.len(), 1);
    }
}
