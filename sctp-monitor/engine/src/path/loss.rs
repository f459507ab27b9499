//! How much of a path's DATA is lost: grey loss, which no stack ever reports.
//!
//! A chunk that is retransmitted was lost, unless the peer says that it had it already. The rate is taken since the first
//! loss, over seconds, and at most over the last sixteen: a rate that is mixed with the time before is too low. It is
//! believed when chance would give it once in a thousand times only (three standard deviations, Wilson's interval, which
//! holds for few samples and small rates as well).

use crate::model::Rate;

use std::collections::VecDeque;

use crate::{config::Config, model::Timestamp};

/// Losses of one flow, by the second.
#[derive(Debug, Clone, Default)]
pub(crate) struct Losses {
    /// Empty as long as nothing is lost.
    seconds: VecDeque<Second>,
    rate: Option<Rate>,
    open: bool,
}

#[derive(Debug, Clone, Copy)]
struct Second {
    number: u64,
    sent: u32,
    lost: u32,
}

impl Losses {
    /// So many more chunks were sent and lost.
    pub(crate) fn count(&mut self, sent: u32, lost: u32, config: &Config, now: Timestamp) {
        if self.seconds.is_empty() && lost == 0 {
            return;
        }
        let number = now.as_nanos() / 1_000_000_000;
        match self.seconds.back_mut() {
            Some(second) if second.number == number => {
                second.sent = second.sent.saturating_add(sent);
                second.lost = second.lost.saturating_add(lost);
            }
            _ => self.seconds.push_back(Second { number, sent, lost }),
        }
        let too_old = |second: &Second| number - second.number.min(number) >= SECONDS;
        while self
            .seconds
            .front()
            .is_some_and(|first| too_old(first) || first.lost == 0)
        {
            self.seconds.pop_front();
        }
        self.conclude(config);
    }

    /// The rate, while it is too high.
    pub(crate) fn rate(&self) -> Option<Rate> {
        self.rate.filter(|_| self.open)
    }

    fn conclude(&mut self, config: &Config) {
        let sum = |of: fn(&Second) -> u32| self.seconds.iter().map(of).fold(0, u32::saturating_add);
        let (sent, lost) = (sum(|second| second.sent), sum(|second| second.lost));
        if sent == 0 {
            self.open = false;
            return;
        }
        let (low, high) = wilson(lost.min(sent), sent);
        let limit = config.grey_loss_percent;
        if self.open {
            self.open = high * 100.0 > limit && !self.seconds.is_empty();
        } else {
            let long = self.seconds.len() as u64 >= LEAST_SECONDS;
            self.open = long && sent >= config.grey_loss_chunks && low * 100.0 > limit;
        }
        let percent = 100.0 * lost as f32 / sent as f32;
        self.rate = Some(Rate {
            percent: percent.min(100.0),
            chunks: sent,
        });
    }
}

/// The bounds of a rate, at three standard deviations.
fn wilson(lost: u32, sent: u32) -> (f32, f32) {
    const Z2: f32 = 9.0;
    let n = sent as f32;
    let p = lost as f32 / n;
    let centre = p + Z2 / (2.0 * n);
    let half = (Z2 * (p * (1.0 - p) / n + Z2 / (4.0 * n * n))).sqrt();
    let scale = 1.0 + Z2 / n;
    ((centre - half) / scale, (centre + half) / scale)
}

/// Seconds with DATA that a rate is taken over, at least: a burst of losses is over sooner.
const LEAST_SECONDS: u64 = 5;

/// Seconds over which a rate is taken.
const SECONDS: u64 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    /// Twenty chunks a second for `seconds`, of which every `one_in`th is lost.
    fn run(losses: &mut Losses, from: u64, seconds: u64, one_in: u32) {
        let mut count = 0_u32;
        for tick in 0..seconds * 20 {
            count += 1;
            let lost = u32::from(one_in > 0 && count.is_multiple_of(one_in));
            let now = Timestamp::from_nanos(from * 1_000_000_000 + tick * 50_000_000);
            losses.count(1, lost, &Config::default(), now);
        }
    }

    #[test]
    fn a_fifth_is_reported_within_ten_seconds_and_ends() {
        let mut losses = Losses::default();
        run(&mut losses, 100, 60, 0);
        run(&mut losses, 160, 10, 5);
        let rate = losses.rate().unwrap();
        assert!((15.0..25.0).contains(&rate.percent), "{rate:?}");
        run(&mut losses, 170, 60, 0);
        assert_eq!(losses.rate(), None);
    }

    #[test]
    fn one_percent_is_life() {
        let mut losses = Losses::default();
        run(&mut losses, 100, 600, 100);
        assert_eq!(losses.rate(), None);
    }
}
