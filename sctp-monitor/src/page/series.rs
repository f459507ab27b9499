//! How a flow went over time, for plots: in a fixed number of intervals, which grow with the capture.

/// The intervals of one flow. All series of a capture begin at whole multiples of their interval, so they can be laid over
/// each other.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    /// Length of one interval, nanoseconds.
    interval_ns: u64,
    /// Number of the first interval since 1970.
    first: u64,
    intervals: Vec<Interval>,
}

/// What happened in one interval.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Interval {
    /// Packets.
    pub(crate) packets: u64,
    /// Bytes by the IP header.
    pub(crate) bytes: u64,
    /// DATA chunks that had been seen before.
    pub(crate) retransmissions: u64,
    /// Heartbeats that were answered.
    pub(crate) rtts: u64,
    /// Their shortest, longest and total round-trip time, nanoseconds.
    pub(crate) rtt_min_ns: u64,
    pub(crate) rtt_max_ns: u64,
    pub(crate) rtt_sum_ns: u64,
}

impl Default for Series {
    fn default() -> Self {
        Self {
            interval_ns: SHORTEST_NS,
            first: 0,
            intervals: Vec::new(),
        }
    }
}

impl Series {
    /// Length of one interval, nanoseconds.
    pub(crate) fn interval_ns(&self) -> u64 {
        self.interval_ns
    }

    /// When each interval began, nanoseconds since 1970, and what happened in it.
    pub(crate) fn intervals(&self) -> impl Iterator<Item = (u64, &Interval)> {
        (self.first..)
            .zip(&self.intervals)
            .map(|(number, interval)| (number * self.interval_ns, interval))
    }

    pub(crate) fn on_packet(&mut self, time_ns: u64, bytes: u64) {
        if let Some(interval) = self.at(time_ns) {
            interval.packets += 1;
            interval.bytes += bytes;
        }
    }

    /// Takes in bytes of which is known that they came within this time: they count as spread over it.
    pub(crate) fn on_bytes(&mut self, from_ns: u64, to_ns: u64, bytes: u64) {
        let pieces = (to_ns.saturating_sub(from_ns) / SECOND_NS).clamp(1, MOST_PIECES);
        let step = to_ns.saturating_sub(from_ns) / pieces;
        for piece in 0..pieces {
            let share = bytes * (piece + 1) / pieces - bytes * piece / pieces;
            if let Some(interval) = self.at(from_ns + piece * step + step / 2) {
                interval.bytes += share;
            }
        }
    }

    pub(crate) fn on_retransmission(&mut self, time_ns: u64) {
        if let Some(interval) = self.at(time_ns) {
            interval.retransmissions += 1;
        }
    }

    pub(crate) fn on_rtt(&mut self, time_ns: u64, rtt_ns: i64) {
        let rtt_ns = u64::try_from(rtt_ns).unwrap_or(0);
        if let Some(interval) = self.at(time_ns) {
            let first = interval.rtts == 0;
            interval.rtts += 1;
            interval.rtt_sum_ns += rtt_ns;
            interval.rtt_max_ns = interval.rtt_max_ns.max(rtt_ns);
            interval.rtt_min_ns = if first {
                rtt_ns
            } else {
                interval.rtt_min_ns.min(rtt_ns)
            };
        }
    }

    /// Doubles the interval's length until it is at least this.
    pub(crate) fn coarsen_to(&mut self, interval_ns: u64) {
        while self.interval_ns < interval_ns {
            self.double();
        }
    }

    /// Adds what another flow had at the same time.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.coarsen_to(other.interval_ns);
        for (start, interval) in other.intervals() {
            if let Some(sum) = self.at(start) {
                sum.merge(interval);
            }
        }
    }

    fn at(&mut self, time_ns: u64) -> Option<&mut Interval> {
        if self.intervals.is_empty() {
            self.first = time_ns / self.interval_ns;
        }
        loop {
            let number = time_ns / self.interval_ns;
            if number < self.first {
                // The clock went back: the series begins earlier.
                let missing = usize::try_from(self.first - number).unwrap_or(usize::MAX);
                if self.intervals.len().saturating_add(missing) > MOST {
                    self.double();
                    continue;
                }
                self.intervals
                    .splice(0..0, std::iter::repeat_n(Interval::default(), missing));
                self.first = number;
            }
            let place = usize::try_from(number - self.first).unwrap_or(usize::MAX);
            if place >= MOST {
                self.double();
                continue;
            }
            if place >= self.intervals.len() {
                self.intervals.resize(place + 1, Interval::default());
            }
            return self.intervals.get_mut(place);
        }
    }

    fn double(&mut self) {
        let odd = usize::try_from(self.first % 2).unwrap_or(0);
        let mut merged = Vec::with_capacity(self.intervals.len() / 2 + 1);
        for (at, interval) in self.intervals.iter().enumerate() {
            match merged.last_mut() {
                Some(last) if (at + odd) % 2 == 1 => Interval::merge(last, interval),
                _ => merged.push(*interval),
            }
        }
        self.intervals = merged;
        self.first /= 2;
        self.interval_ns *= 2;
    }
}

impl Interval {
    fn merge(&mut self, other: &Self) {
        self.rtt_min_ns = match (self.rtts, other.rtts) {
            (0, _) => other.rtt_min_ns,
            (_, 0) => self.rtt_min_ns,
            _ => self.rtt_min_ns.min(other.rtt_min_ns),
        };
        self.rtt_max_ns = self.rtt_max_ns.max(other.rtt_max_ns);
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.retransmissions += other.retransmissions;
        self.rtts += other.rtts;
        self.rtt_sum_ns += other.rtt_sum_ns;
    }
}

const SECOND_NS: u64 = 1_000_000_000;
const MOST_PIECES: u64 = 120;
/// A plot is some 800 pixels wide.
const MOST: usize = 400;
/// 2^20 ns, a millisecond.
const SHORTEST_NS: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_grow_with_the_capture() {
        let mut series = Series::default();
        let second = 1_000_000_000;
        for number in 0..10_000 {
            series.on_packet(5_000 * second + number * second / 10, 100);
        }
        series.on_packet(4_000 * second, 7);
        assert!(series.intervals.len() <= MOST);
        let sum: u64 = series.intervals().map(|(_, interval)| interval.bytes).sum();
        assert_eq!(sum, 1_000_007, "nothing is lost");
        let (first, _) = series.intervals().next().unwrap();
        assert!(first <= 4_000 * second);
        assert!(series.interval_ns() < 16 * second);
    }

    #[test]
    fn bytes_of_a_time_are_spread_over_it() {
        let mut series = Series::default();
        series.on_bytes(0, 10 * SECOND_NS, 1_003);
        series.coarsen_to(4 * SECOND_NS);
        let bytes: Vec<_> = series.intervals().map(|(_, interval)| interval.bytes).collect();
        assert_eq!(bytes.iter().sum::<u64>(), 1_003, "none is lost");
        assert!(
            bytes.len() > 1 && bytes.iter().all(|bytes| *bytes >= 100),
            "{bytes:?}"
        );
    }

    #[test]
    fn flows_add_up() {
        let (mut one, mut other) = (Series::default(), Series::default());
        one.on_packet(5 * SHORTEST_NS, 10);
        other.coarsen_to(4 * SHORTEST_NS);
        other.on_packet(SHORTEST_NS, 1);
        other.on_packet(6 * SHORTEST_NS, 2);
        one.merge(&other);
        let bytes: Vec<_> = one
            .intervals()
            .map(|(start, interval)| (start / SHORTEST_NS, interval.bytes))
            .collect();
        assert_eq!(bytes, [(0, 1), (4, 12)]);
    }

    #[test]
    fn round_trip_times_keep_their_extremes() {
        let mut series = Series::default();
        series.on_rtt(10, 5);
        series.on_rtt(SHORTEST_NS + 10, 9);
        series.on_rtt(SHORTEST_NS + 11, -3);
        series.coarsen_to(4 * SHORTEST_NS);
        let (_, interval) = series.intervals().next().unwrap();
        assert_eq!(
            (
                interval.rtts,
                interval.rtt_min_ns,
                interval.rtt_max_ns,
                interval.rtt_sum_ns
            ),
            (3, 0, 9, 14)
        );
    }
}
