//! Whether a path is slower than it used to be.
//!
//! Compared are minima: the fastest round trip of one second says what the network needs, whatever queues and schedulers add
//! to single packets (BBR and BFD implementations measure so too). The baseline is the average of these minima; it stands
//! still while the path is slow, or it would get used to it.
//!
//! The answer to a single packet may have waited for the peer's timer (RFC 9260 section 6.2): of how slow the path is it tells no more
//! than what is left without that.

use crate::model::Slow;

use std::time::Duration;

use crate::{config::Config, model::Timestamp};

/// Round-trip times of one flow.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Latency {
    began: Timestamp,
    fastest: Option<Duration>,
    /// What the network needs at least, by the same answers.
    least: Option<Duration>,
    baseline: Duration,
    /// Windows that the baseline is made of.
    windows: u32,
    /// Windows in a row that were slow, or fast again while the path counts as slow.
    against: u32,
    slow: Option<Slow>,
}

impl Latency {
    /// Takes a round-trip time, of an answer that may have waited for so long. Those of heartbeats come every half minute, those of
    /// DATA many times a second.
    pub(crate) fn sample(
        &mut self,
        rtt: Duration,
        may_have_waited: Duration,
        config: &Config,
        now: Timestamp,
    ) {
        let is_first = self.least.is_none();
        if is_first {
            self.began = now;
        }
        let least = rtt.saturating_sub(may_have_waited);
        let least = self.least.map_or(least, |known| known.min(least));
        // One that came soon has not waited, as far as one can tell.
        if may_have_waited.is_zero() || rtt < may_have_waited / 2 {
            self.fastest = Some(self.fastest.map_or(rtt, |known| known.min(rtt)));
        }
        self.least = Some(least);
        if !is_first && now.since(self.began) >= WINDOW {
            let fastest = self.fastest.take();
            self.least = None;
            self.conclude(fastest, least, config);
        }
    }

    /// How slow the path is, if it is.
    pub(crate) fn slow(&self) -> Option<Slow> {
        self.slow
    }

    fn conclude(&mut self, fastest: Option<Duration>, least: Duration, config: &Config) {
        let limit = self
            .baseline
            .mul_f32(config.latency_factor)
            .max(self.baseline + config.latency_margin);
        let is_slow = self.windows >= BASELINE_WINDOWS && least > limit;
        let rtt = fastest.unwrap_or(least);
        if is_slow == self.slow.is_some() {
            self.against = 0;
        } else {
            self.against += 1;
        }
        if self.against >= config.latency_in_a_row {
            self.against = 0;
            self.slow = match self.slow {
                None => Some(Slow {
                    rtt,
                    baseline: self.baseline,
                }),
                Some(_) => None,
            };
        }
        if let Some(slow) = &mut self.slow {
            // A fast window may be the end of it; how slow the path is it does not tell.
            if is_slow {
                slow.rtt = rtt;
            }
        } else if !is_slow && fastest.is_some() {
            self.windows += 1;
            let weight = self.windows.min(BASELINE_MEMORY);
            self.baseline = (self.baseline * (weight - 1) + rtt) / weight;
        }
    }
}

/// The window over which a minimum is taken.
const WINDOW: Duration = Duration::from_secs(1);

/// Windows that make a baseline, at least.
const BASELINE_WINDOWS: u32 = 3;

/// Windows that the baseline remembers.
const BASELINE_MEMORY: u32 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn run(latency: &mut Latency, from: u64, seconds: u64, rtt: u64) {
        for tick in 0..seconds * 10 {
            let now = Timestamp::from_nanos(from * 1_000_000_000 + tick * 100_000_000);
            // Now and then a packet waits in a queue.
            let queue = if tick % 3 == 0 { 30 } else { 0 };
            let rtt = Duration::from_millis(rtt + queue);
            latency.sample(rtt, Duration::ZERO, &Config::default(), now);
        }
    }

    #[test]
    fn an_answer_that_may_have_waited_shows_no_more_than_what_is_left() {
        let config = Config::default();
        let ms = Duration::from_millis;
        let mut latency = Latency::default();
        let mut answered = |ticks: std::ops::Range<u64>, rtt| {
            for tick in ticks {
                let now = Timestamp::from_nanos(tick * 100_000_000);
                latency.sample(rtt, config.delayed_ack, &config, now);
            }
            latency.slow().map(|slow| slow.rtt)
        };
        assert_eq!(answered(0..100, ms(2)), None);
        // The peer delays its SACKs from now on.
        assert_eq!(answered(100..300, ms(42)), None);
        assert_eq!(answered(300..400, ms(400)), Some(ms(400) - config.delayed_ack));
    }

    #[test]
    fn a_step_is_noticed_and_so_is_its_end() {
        let mut latency = Latency::default();
        run(&mut latency, 10, 20, 5);
        assert_eq!(latency.slow(), None);
        run(&mut latency, 30, 6, 60);
        let slow = latency.slow().unwrap();
        assert_eq!(
            (slow.rtt, slow.baseline),
            (Duration::from_millis(60), Duration::from_millis(5))
        );
        run(&mut latency, 36, 120, 60);
        assert!(latency.slow().is_some(), "nobody gets used to it");
        run(&mut latency, 156, 6, 5);
        assert_eq!(latency.slow(), None);
    }

    #[test]
    fn a_slow_path_is_never_told_to_be_fast() {
        let mut latency = Latency::default();
        run(&mut latency, 10, 20, 5);
        for second in 30..60 {
            run(&mut latency, second, 1, if second % 4 == 0 { 1 } else { 60 });
            assert!(
                latency.slow().is_none_or(|slow| slow.rtt > slow.baseline),
                "{latency:?}"
            );
        }
    }

    #[test]
    fn a_burst_is_no_step() {
        let mut latency = Latency::default();
        run(&mut latency, 10, 20, 5);
        run(&mut latency, 30, 2, 60);
        run(&mut latency, 32, 5, 5);
        assert_eq!(latency.slow(), None);
    }
}
