//! Whether a path is slower than it used to be.
//!
//! Compared are minima: the fastest round trip of one second says what the network needs, whatever queues and schedulers add
//! to single packets (BBR and BFD implementations measure so too). The baseline is the average of these minima; it stands
//! still while the path is slow, or it would get used to it.
//!
//! The answer to a single packet may have waited for the peer's timer (RFC 9260 section 6.2): of how slow the path is it tells no more
//! than what is left without that.
//!
//! A sender that always has something to send fills the queue on its way, and then waits in it: that is its own doing, and no fault
//! of the path. It is known by what it has under way, and by either of two signs: the queue drops some of it, or it carries more
//! than it did while the path was fast. A longer way gives neither: the same window carries less.

use serde::{Deserialize, Serialize};

use crate::model::Slow;

use std::time::Duration;

use crate::{config::Config, model::Timestamp};

/// Round-trip times of one flow.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Latency {
    began: Timestamp,
    fastest: Option<Duration>,
    /// What the network needs at least, by the same answers.
    least: Option<Duration>,
    baseline: Duration,
    /// Windows that the baseline is made of.
    windows: u32,
    /// Bytes that the flow had carried when this window began.
    carried_before: u64,
    /// Bytes that it carries in a window that the baseline is made of.
    usual_bytes: u64,
    /// Round trips of this window, and those of them at which the sender filled its queue.
    samples: u32,
    filling: u32,
    /// The queue dropped some of it.
    overflows: bool,
    /// Windows in a row that were slow, or fast again while the path counts as slow.
    against: u32,
    slow: Option<Slow>,
}

/// What a flow's sender did when a round-trip time was taken.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Sender {
    /// Bytes that the flow has carried.
    pub(crate) carried: u64,
    /// It had more under way than waits for its application; see [`Losses::fills_queues`](super::loss::Losses::fills_queues).
    pub(crate) fills_queue: bool,
    /// Some of what it sent lately was lost.
    pub(crate) loses: bool,
}

impl Latency {
    /// Takes a round-trip time, of an answer that may have waited for so long. Those of heartbeats come every half minute, those of
    /// DATA many times a second.
    pub(crate) fn sample(
        &mut self,
        rtt: Duration,
        may_have_waited: Duration,
        sender: Sender,
        config: &Config,
        now: Timestamp,
    ) {
        let is_first = self.least.is_none();
        if is_first {
            self.began = now;
            self.carried_before = sender.carried;
            self.samples = 0;
            self.filling = 0;
            self.overflows = false;
        }
        self.samples += 1;
        self.filling += u32::from(sender.fills_queue);
        self.overflows |= sender.loses;
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
            let bytes = sender.carried.saturating_sub(self.carried_before);
            self.conclude(fastest, least, bytes, config);
        }
    }

    /// How slow the path is, if it is.
    pub(crate) fn slow(&self) -> Option<Slow> {
        self.slow
    }

    fn conclude(&mut self, fastest: Option<Duration>, least: Duration, bytes: u64, config: &Config) {
        let limit = self
            .baseline
            .mul_f32(config.latency_factor)
            .max(self.baseline + config.latency_margin);
        let is_slow = self.windows >= BASELINE_WINDOWS && least > limit;
        let carries_more = bytes > self.usual_bytes.saturating_add(self.usual_bytes / 4);
        let fills_queue = self.filling > self.samples / 2;
        if is_slow && fills_queue && (self.overflows || carries_more) {
            return;
        }
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
            self.usual_bytes =
                (self.usual_bytes * u64::from(weight - 1)).saturating_add(bytes) / u64::from(weight);
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
            latency.sample(rtt, Duration::ZERO, Sender::default(), &Config::default(), now);
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
                latency.sample(rtt, config.delayed_ack, Sender::default(), &config, now);
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

    /// Ten seconds at 7 ms, ten at 22 ms, of a sender that has so much under way: whether that is a slow path.
    fn slows_down(fills_queue: bool, loses: bool, megabytes: [u64; 2]) -> bool {
        let mut latency = Latency::default();
        let mut carried = 0;
        for tick in 0..200 {
            let late = usize::from(tick >= 100);
            carried += megabytes[late] * 100_000;
            let sender = Sender {
                carried,
                fills_queue,
                loses,
            };
            let rtt = Duration::from_millis([7, 22][late]);
            let now = Timestamp::from_nanos(tick * 100_000_000);
            latency.sample(rtt, Duration::ZERO, sender, &Config::default(), now);
        }
        latency.slow().is_some()
    }

    #[test]
    fn a_queue_that_the_sender_fills_itself_is_no_slow_path() {
        // The queue overflows now and then, or a sender with a bounded window came to use the line's full rate.
        assert!(!slows_down(true, true, [2, 2]));
        assert!(!slows_down(true, false, [1, 2]));
        // The same window over a longer way carries less.
        assert!(slows_down(true, false, [3, 1]));
        assert!(slows_down(true, false, [2, 2]));
        // It waits for its application.
        assert!(slows_down(false, true, [2, 2]));
        assert!(slows_down(false, false, [1, 2]));
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
