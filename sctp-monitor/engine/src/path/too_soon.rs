//! A sender that retransmits before its peer acknowledges.
//!
//! A receiver may delay its SACK for a single packet (RFC 9260 section 6.2); a sender whose time-out is shorter retransmits
//! what has arrived, and the peer reports the duplicates. Nothing is lost: as many chunks arrive twice as are
//! retransmitted.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How often chunks of one flow are retransmitted too soon.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct TooSoon {
    /// Chunks that were sent the first time, those that were retransmitted, and those that the peer had twice.
    sent: u32,
    retransmitted: u32,
    twice: u32,
    /// The sender's time-out, by the last lone packet that was retransmitted.
    timeout: Option<Duration>,
    /// The longest that the peer took to acknowledge a single packet that was not retransmitted.
    delay: Option<Duration>,
    open: bool,
}

/// What a look at the record tells of it.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct News {
    pub(crate) sent: u32,
    pub(crate) retransmitted: u32,
    pub(crate) twice: u32,
    pub(crate) timeout: Option<Duration>,
    pub(crate) delay: Option<Duration>,
}

/// The figures of a time-out that is too short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Timeouts {
    pub(crate) rto: Duration,
    pub(crate) sack_delay: Option<Duration>,
    pub(crate) chunks: u32,
    pub(crate) retransmitted: u32,
}

impl TooSoon {
    /// Takes what is new.
    pub(crate) fn observe(&mut self, news: News) {
        self.sent = self.sent.saturating_add(news.sent);
        self.retransmitted = self.retransmitted.saturating_add(news.retransmitted);
        self.twice = self.twice.saturating_add(news.twice);
        self.timeout = news.timeout.or(self.timeout);
        self.delay = self.delay.max(news.delay);
        let often = self.twice.saturating_mul(2) >= self.sent;
        // As often lost as not: then it is loss, and the SACKs may be what is lost.
        let lost = self.retransmitted.saturating_sub(self.twice);
        let all_arrived = lost.saturating_mul(4) <= self.retransmitted;
        self.open = self.is_too_short()
            && all_arrived
            && if self.open {
                self.twice.saturating_mul(4) >= self.sent
            } else {
                often && self.twice >= FEWEST
            };
        if self.sent >= MEMORY {
            self.sent /= 2;
            self.retransmitted /= 2;
            self.twice /= 2;
        }
    }

    /// The times, while it happens with most chunks.
    pub(crate) fn timeouts(&self) -> Option<Timeouts> {
        let rto = self.timeout.filter(|_| self.open)?;
        Some(Timeouts {
            rto,
            sack_delay: self.delay,
            chunks: self.sent,
            retransmitted: self.retransmitted,
        })
    }

    /// Whether the time-out is shorter than a receiver may take, and than this one does, if that was seen.
    fn is_too_short(&self) -> bool {
        self.timeout
            .is_some_and(|timeout| timeout < LONGEST_DELAY && self.delay.is_none_or(|delay| delay > timeout))
    }
}

/// The longest that a receiver may delay its SACK (RFC 9260 section 6.2).
const LONGEST_DELAY: Duration = Duration::from_millis(500);
/// Chunks that arrive twice before anything is said: a stall of the peer makes a window of them at once, but few lone ones.
const FEWEST: u32 = 10;
/// Chunks of which it is remembered how many were retransmitted; what lies further back counts half.
const MEMORY: u32 = 128;

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(milliseconds: u64) -> Option<Duration> {
        Some(Duration::from_millis(milliseconds))
    }

    /// Chunks of which so many in a hundred are retransmitted, and so many arrive twice.
    fn run(retransmitted: u32, twice: u32, timeout: Option<Duration>, delay: Option<Duration>) -> TooSoon {
        let mut soon = TooSoon::default();
        for chunk in 0..400 {
            let nth = chunk * 37 % 100;
            let news = News {
                sent: 1,
                retransmitted: u32::from(nth < retransmitted),
                twice: u32::from(nth < twice),
                timeout: timeout.filter(|_| nth < retransmitted),
                delay: delay.filter(|_| nth >= retransmitted),
            };
            soon.observe(news);
        }
        soon
    }

    #[test]
    fn a_time_out_below_the_delay_is_told_with_both_times() {
        let told = run(95, 95, ms(100), ms(200)).timeouts().unwrap();
        assert_eq!((Some(told.rto), told.sack_delay), (ms(100), ms(200)));
        assert!(told.retransmitted * 10 > told.chunks * 9, "{told:?}");
        assert!(
            run(100, 100, ms(100), ms(200))
                .timeouts()
                .unwrap()
                .sack_delay
                .is_none()
        );
    }

    #[test]
    fn loss_and_lost_answers_are_none() {
        for (retransmitted, twice, timeout, delay) in [
            (95, 0, ms(100), ms(200)),
            (60, 30, ms(100), ms(200)),
            (20, 20, ms(100), ms(200)),
            (95, 95, ms(1_000), ms(200)),
            (95, 95, ms(300), ms(200)),
            (95, 95, None, ms(200)),
        ] {
            let told = run(retransmitted, twice, timeout, delay).timeouts();
            assert_eq!(told, None, "{retransmitted} {twice} {timeout:?} {delay:?}");
        }
    }

    #[test]
    fn it_ends_with_the_retransmissions() {
        let mut soon = run(95, 95, ms(100), ms(200));
        for _ in 0..400 {
            soon.observe(News {
                sent: 1,
                ..News::default()
            });
        }
        assert_eq!(soon.timeouts(), None);
    }
}
