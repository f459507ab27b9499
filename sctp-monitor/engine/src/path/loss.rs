//! How much of a path's DATA is lost: grey loss, which no stack ever reports.
//!
//! A chunk that is retransmitted was lost, unless the peer says that it had it already. The rate is taken since the first
//! loss, over seconds, and at most over the last sixteen: a rate that is mixed with the time before is too low. It is
//! believed when chance would give it once in a thousand times only (three standard deviations, Wilson's interval, which
//! holds for few samples and small rates as well).
//!
//! A sender that always has something to send fills the queues on its way until they drop: what it loses so is no fault of the
//! path. With W packets under way that is 1.5 / W^2 of them (Mathis et al., "The macroscopic behavior of the TCP congestion
//! avoidance algorithm", 1997; SCTP does as TCP does), and W is four at least: fast retransmission needs three packets behind
//! the lost one (RFC 9260 section 7.2.4). So such a sender, known by full packets and several of them under way, may
//! lose a tenth. Random loss keeps its window as small as that, so the queue must show as well: packets wait in it, and several are
//! dropped in a row.

use serde::{Deserialize, Serialize};

use crate::model::Rate;

use std::{collections::VecDeque, time::Duration};

use crate::{config::Config, model::Timestamp};

/// Losses of one flow, by the second.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Losses {
    /// Empty as long as nothing is lost.
    seconds: VecDeque<Second>,
    rate: Option<Rate>,
    open: bool,
    /// Since the last count.
    load: Load,
    /// In the second of the last count.
    lately: (u64, Load),
    /// The fastest round trip ever.
    fastest: Duration,
}

/// How much a sender has under way.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Load {
    acknowledgements: u32,
    /// Packets under way at each of them, all together.
    under_way: u32,
    packets: u32,
    /// Of those packets.
    bytes: u64,
    /// Round trips that were timed.
    round_trips: u32,
    /// How long they took, all together.
    round_trips_us: u64,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Second {
    number: u64,
    sent: u32,
    lost: u32,
    load: Load,
    /// Looks at which something was found lost.
    episodes: u32,
}

impl Losses {
    /// So many packets were under way when one was acknowledged.
    pub(crate) fn on_acknowledged(&mut self, under_way: u32) {
        self.load.acknowledgements += 1;
        self.load.under_way = self.load.under_way.saturating_add(under_way);
    }

    /// A round trip of DATA that did not wait for the peer's timer, and the fastest one ever.
    pub(crate) fn on_round_trip(&mut self, rtt: Duration, fastest: Duration) {
        let us = u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX);
        self.load.round_trips += 1;
        self.load.round_trips_us = self.load.round_trips_us.saturating_add(us);
        self.fastest = fastest;
    }

    /// So many packets passed by, of so many bytes.
    pub(crate) fn on_packets(&mut self, packets: u32, bytes: u64) {
        self.load.packets = self.load.packets.saturating_add(packets);
        self.load.bytes = self.load.bytes.saturating_add(bytes);
    }

    /// So many more chunks were sent and lost.
    pub(crate) fn count(&mut self, sent: u32, lost: u32, config: &Config, now: Timestamp) {
        let load = std::mem::take(&mut self.load);
        let number = now.as_nanos() / 1_000_000_000;
        let lately = if self.lately.0 == number {
            self.lately.1
        } else {
            Load::default()
        };
        self.lately = (number, lately.and(load));
        if self.seconds.is_empty() && lost == 0 {
            return;
        }
        match self.seconds.back_mut() {
            Some(second) if second.number == number => {
                second.sent = second.sent.saturating_add(sent);
                second.lost = second.lost.saturating_add(lost);
                second.episodes += u32::from(lost > 0);
                second.load = second.load.and(load);
            }
            _ => self.seconds.push_back(Second {
                number,
                sent,
                lost,
                load,
                episodes: u32::from(lost > 0),
            }),
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

    /// So many chunks that were counted as lost had arrived: the peer reports them as duplicates.
    pub(crate) fn on_arrived_twice(&mut self, mut chunks: u32) {
        for second in self.seconds.iter_mut().rev() {
            let taken_back = chunks.min(second.lost);
            second.lost -= taken_back;
            chunks -= taken_back;
        }
    }

    /// Whether the sender has more under way than waits for its application, in full packets: it fills the network's queues, and
    /// what they drop is lost in a row. Once nothing was acknowledged for some time the queues are empty.
    pub(crate) fn fills_queues(&self, now: Timestamp) -> bool {
        let number = now.as_nanos() / 1_000_000_000;
        let is_lately = |second: u64| number.saturating_sub(second) <= QUEUES_EMPTY;
        if self.seconds.is_empty() {
            let lately = if is_lately(self.lately.0) {
                self.lately.1
            } else {
                Load::default()
            };
            return self.load.and(lately).is_full();
        }
        if self.seconds.back().is_some_and(|last| !is_lately(last.number)) {
            return self.load.is_full();
        }
        let loads = self.seconds.iter().map(|second| second.load);
        loads.fold(self.load, Load::and).is_full()
    }

    /// Whether anything was lost lately, within the time that a rate is taken over.
    pub(crate) fn any(&self) -> bool {
        self.seconds.iter().any(|second| second.lost > 0)
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
        let loads = self.seconds.iter().map(|second| second.load);
        let load = loads.fold(Load::default(), Load::and);
        let episodes = sum(|second| second.episodes);
        let is_scattered = lost as f32 <= episodes as f32 * SCATTERED;
        // By then a round trip through an empty queue was timed, if any ever is.
        let is_whole = self.seconds.len() as u64 >= SECONDS - 1;
        let shows_none = is_whole && is_scattered && load.is_without_queue(self.fastest);
        let is_own = load.is_full() && !shows_none;
        let limit = if is_own {
            config.grey_loss_percent.max(MOST_OWN_PERCENT)
        } else {
            config.grey_loss_percent
        };
        let percent = 100.0 * lost as f32 / sent as f32;
        if self.open {
            // It must fall well below what opened it, or a rate at the limit opens and closes it again and again.
            self.open = high * 100.0 > limit || percent > limit / 2.0;
        } else {
            let long = self.seconds.len() as u64 >= LEAST_SECONDS;
            let bursts = self.seconds.iter().filter(|second| second.lost > 0).count();
            let lasts = long && bursts >= LEAST_BURSTS;
            self.open = lasts && sent >= config.grey_loss_chunks && low * 100.0 > limit;
        }
        self.rate = Some(Rate {
            percent: percent.min(100.0),
            chunks: sent,
        });
    }
}

impl Load {
    fn and(self, other: Self) -> Self {
        Self {
            acknowledgements: self.acknowledgements.saturating_add(other.acknowledgements),
            under_way: self.under_way.saturating_add(other.under_way),
            packets: self.packets.saturating_add(other.packets),
            bytes: self.bytes.saturating_add(other.bytes),
            round_trips: self.round_trips.saturating_add(other.round_trips),
            round_trips_us: self.round_trips_us.saturating_add(other.round_trips_us),
        }
    }

    /// Whether its packets hardly waited on their way: what is lost all the same no full queue has dropped.
    fn is_without_queue(self, fastest: Duration) -> bool {
        let average_us = self.round_trips_us as f32 / self.round_trips as f32;
        let under_way = self.under_way as f32 / self.acknowledgements as f32;
        let waiting = under_way * (1.0 - fastest.as_micros() as f32 / average_us);
        self.round_trips >= FEWEST_ROUND_TRIPS && waiting <= MOST_WAITING
    }

    /// Whether the sender waits for acknowledgements, and not for its application.
    fn is_full(self) -> bool {
        let many = self.under_way as f32 >= self.acknowledgements as f32 * FEWEST_UNDER_WAY;
        let full = self.bytes >= u64::from(self.packets) * FULL_PACKET;
        self.acknowledgements > 0 && many && full
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

/// Seconds in which something is lost, at least: a queue that overflows once loses much, and all at once.
const LEAST_BURSTS: usize = 3;

/// Every second packet is acknowledged at once (RFC 9260 section 6.2): a sender that waits for its application has two under way
/// then.
const FEWEST_UNDER_WAY: f32 = 2.5;

/// Bytes on average: half of an Ethernet packet. Messages that wait are bundled until a packet is full; SACKs in between
/// are small.
const FULL_PACKET: u64 = 750;

/// Packets that wait in queues on average, by how much longer than the fastest ever a round trip takes. A queue that drops is full then,
/// and who loses so much in it has more of his own in it.
const MOST_WAITING: f32 = 0.8;

/// Chunks that are lost at a time, at most: a queue that overflows drops several in a row.
const SCATTERED: f32 = 1.4;

/// Round trips that are timed in the time of a rate, at least.
const FEWEST_ROUND_TRIPS: u32 = 10;

/// Seconds without an acknowledgement, after which what was in queues has left them: three time-outs have passed, of 1, 2 and 4 s (RFC
/// 9260 sections 6.3.3 and 16), and each left one packet under way.
const QUEUES_EMPTY: u64 = 8;

/// 1.5 / W^2 of such a window.
const MOST_OWN_PERCENT: f32 = 10.0;

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
    fn one_burst_is_no_rate() {
        let mut losses = Losses::default();
        run(&mut losses, 100, 10, 0);
        losses.count(
            200,
            100,
            &Config::default(),
            Timestamp::from_nanos(110_500_000_000),
        );
        run(&mut losses, 111, 12, 0);
        assert_eq!(losses.rate(), None);
    }

    #[test]
    fn a_rate_about_the_limit_opens_once() {
        let mut losses = Losses::default();
        let (mut opened, mut open) = (0, false);
        for round in 0..40 {
            // 5 % and 2 % in turn.
            run(
                &mut losses,
                100 + round * 10,
                10,
                if round % 2 == 0 { 20 } else { 50 },
            );
            opened += u32::from(losses.rate().is_some() && !open);
            open = losses.rate().is_some();
        }
        assert!(opened <= 2, "{opened}");
    }

    #[test]
    fn what_a_full_window_loses_by_itself_is_no_rate() {
        for (under_way, bytes, one_in, is_grey) in [
            (5, 1_400, 8, false),
            (40, 1_400, 8, false),
            (2, 1_400, 8, true),
            (40, 300, 8, true),
            (5, 1_400, 3, true),
        ] {
            let mut losses = Losses::default();
            for second in 0..60 {
                for _ in 0..20 {
                    losses.on_acknowledged(under_way);
                    losses.on_packets(2, 2 * bytes);
                }
                run(&mut losses, 100 + second, 1, one_in);
            }
            let what = format!("{under_way} of {bytes} bytes under way, one in {one_in}");
            assert_eq!(losses.rate().is_some(), is_grey, "{what}");
        }
    }

    #[test]
    fn who_has_heard_nothing_for_long_fills_no_queue() {
        for one_in in [0, 50] {
            let mut losses = Losses::default();
            for second in 100..130 {
                for _ in 0..20 {
                    losses.on_acknowledged(20);
                    losses.on_packets(2, 2_800);
                }
                run(&mut losses, second, 1, one_in);
            }
            let fills = |second: u64| losses.fills_queues(Timestamp::from_nanos(second * 1_000_000_000));
            assert_eq!([129, 133, 140].map(fills), [true, true, false], "one in {one_in}");
        }
    }

    #[test]
    fn scattered_losses_without_a_queue_are_told() {
        for (rtt_us, lost_at_a_time, is_grey) in [
            (20_500, 1, true),
            // The queue holds some of what is under way.
            (30_000, 1, false),
            // It overflows.
            (20_500, 3, false),
        ] {
            let mut losses = Losses::default();
            for tick in 0..600_u64 {
                for _ in 0..2 {
                    losses.on_acknowledged(5);
                    losses.on_packets(2, 2_800);
                }
                losses.on_round_trip(Duration::from_micros(rtt_us), Duration::from_millis(20));
                let is_lost = tick % (7 * u64::from(lost_at_a_time)) == 0;
                let lost = if is_lost { lost_at_a_time } else { 0 };
                let now = Timestamp::from_nanos(100_000_000_000 + tick * 50_000_000);
                losses.count(2, lost, &Config::default(), now);
            }
            let what = format!("{rtt_us} us, {lost_at_a_time} at a time");
            assert_eq!(losses.rate().is_some(), is_grey, "{what}");
        }
    }

    #[test]
    fn one_percent_is_life() {
        let mut losses = Losses::default();
        run(&mut losses, 100, 600, 100);
        assert_eq!(losses.rate(), None);
    }
}
