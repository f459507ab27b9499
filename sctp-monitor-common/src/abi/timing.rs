//! What a flow waits for, and how long it took: the timed TSN, heartbeats, round-trip times.

use bytemuck::{Pod, Zeroable};

/// One DATA chunk of a flow that waits for a SACK, to time it.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
pub struct TimedTsn {
    /// When it was sent, CLOCK_MONOTONIC; 0 if none is timed.
    pub sent_at_ns: u64,
    /// Its TSN.
    pub tsn: u32,
    /// Packets with new DATA on this flow from it on, itself included, and the flags below.
    state: u32,
}

impl TimedTsn {
    /// It was retransmitted, so nothing can be learned from its ack (Karn's algorithm, RFC 9260 section 6.3.1 rule C5).
    const RESENT: u32 = 1 << 31;
    /// Its ack is no round-trip time.
    const UNTIMED: u32 = 1 << 30;
    /// It stands for chunks that the last SACK left unacknowledged, until new DATA can be timed.
    const LEFT_OVER: u32 = 1 << 29;
    /// It was retransmitted over another flow, so its ack says nothing of this one.
    const RESENT_ELSEWHERE: u32 = 1 << 28;
    /// A later chunk was retransmitted over another flow.
    const REST_ELSEWHERE: u32 = 1 << 27;
    const PACKETS: u32 = (1 << 27) - 1;

    /// Whether no other packet followed the one that is waited for, and its time is known: it was not retransmitted yet.
    #[inline(always)]
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.packets() == 1 && self.is_timed() && !self.is_resent()
    }

    /// Starts to wait.
    #[inline(always)]
    pub fn start(&mut self, tsn: u32, now_ns: u64) {
        self.tsn = tsn;
        self.state = 1;
        self.sent_at_ns = now_ns;
    }

    /// Goes on waiting for the second packet, the first being acknowledged.
    #[inline(always)]
    pub fn wait_for_second(&mut self, tsn: u32, sent_at_ns: u64) {
        self.tsn = tsn;
        let packets = (self.state & Self::PACKETS).saturating_sub(1);
        self.state = packets | Self::UNTIMED | self.elsewhere();
        self.sent_at_ns = sent_at_ns;
    }

    /// Waits for what a SACK left, from `tsn` on and in so many packets, from now on.
    #[inline(always)]
    pub fn wait_for_rest(&mut self, tsn: u32, packets: u32, now_ns: u64) {
        self.tsn = tsn;
        self.state = (packets & Self::PACKETS) | Self::UNTIMED | Self::LEFT_OVER | self.elsewhere();
        self.sent_at_ns = now_ns;
    }

    /// Whether new DATA takes its place.
    #[inline(always)]
    #[must_use]
    pub fn is_left_over(&self) -> bool {
        self.state & Self::LEFT_OVER != 0
    }

    /// Whether its ack is a round-trip time, if it was not retransmitted.
    #[inline(always)]
    #[must_use]
    pub fn is_timed(&self) -> bool {
        self.state & Self::UNTIMED == 0
    }

    /// Waits no longer.
    #[inline(always)]
    pub fn stop(&mut self) {
        self.sent_at_ns = 0;
    }

    /// Whether a chunk is waited for.
    #[inline(always)]
    #[must_use]
    pub fn is_armed(&self) -> bool {
        self.sent_at_ns != 0
    }

    /// One more packet with new DATA; `true` if it is the second.
    #[inline(always)]
    pub fn another_packet(&mut self) -> bool {
        if self.packets() < Self::PACKETS {
            self.state += 1;
        }
        self.packets() == 2
    }

    /// Packets with new DATA on this flow from the timed one on. From the second on the receiver may not delay its
    /// SACK (RFC 9260 section 6.2).
    #[inline(always)]
    #[must_use]
    pub fn packets(&self) -> u32 {
        self.state & Self::PACKETS
    }

    /// The chunk was retransmitted, over this flow or another one.
    #[inline(always)]
    pub fn mark_resent(&mut self, elsewhere: bool) {
        self.state |= Self::RESENT;
        if elsewhere {
            self.state |= Self::RESENT_ELSEWHERE;
        }
    }

    /// A later chunk of the flow was retransmitted over another one.
    #[inline(always)]
    pub fn mark_rest_elsewhere(&mut self) {
        self.state |= Self::REST_ELSEWHERE;
    }

    /// What was retransmitted elsewhere of all that is waited for, for a chunk that is waited for next.
    #[inline(always)]
    fn elsewhere(&self) -> u32 {
        let flags = self.state & (Self::REST_ELSEWHERE | Self::RESENT_ELSEWHERE);
        if flags & Self::REST_ELSEWHERE != 0 {
            flags | Self::RESENT_ELSEWHERE
        } else {
            0
        }
    }

    /// Whether it was retransmitted over another flow: either one may have brought it to the peer.
    #[inline(always)]
    #[must_use]
    pub fn is_resent_elsewhere(&self) -> bool {
        self.state & Self::RESENT_ELSEWHERE != 0
    }

    /// Whether the chunk was retransmitted.
    #[inline(always)]
    #[must_use]
    pub fn is_resent(&self) -> bool {
        self.state & Self::RESENT != 0
    }
}

/// A heartbeat that waits for its ack.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
pub struct OutstandingHeartbeat {
    /// When it was sent, CLOCK_MONOTONIC; 0 if the entry is free.
    pub sent_at_ns: u64,
    /// See [`HeartbeatInfo`](crate::wire::heartbeat::HeartbeatInfo).
    pub fingerprint: u32,
    /// The chunk's length field.
    pub chunk_length: u16,
    /// 1 if the packet also held a PAD chunk: a path MTU probe (RFC 8899), whose loss is no evidence.
    pub padded: u16,
}

/// Heartbeats that are waited for on one flow. A stack has one at a time; the second is room for a third party's.
pub const HEARTBEAT_SLOTS: usize = 2;

/// Round-trip times of one flow, as RFC 9260 section 6.3.1 smooths them. Nanoseconds; all zero without a sample.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Pod, Zeroable)]
pub struct Rtt {
    /// The last sample.
    pub last_ns: u64,
    /// The smallest sample.
    pub min_ns: u64,
    /// Smoothed round-trip time.
    pub srtt_ns: u64,
    /// Round-trip time variation.
    pub rttvar_ns: u64,
}

impl Rtt {
    /// Takes a sample: alpha 1/8, beta 1/4 (RFC 9260 section 16).
    #[inline(always)]
    pub fn sample(&mut self, rtt_ns: u64) {
        self.last_ns = rtt_ns;
        if self.srtt_ns == 0 {
            self.min_ns = rtt_ns;
            // Zero stands for "no sample", and a sample of zero is possible in captures.
            self.srtt_ns = rtt_ns.max(1);
            self.rttvar_ns = rtt_ns / 2;
            return;
        }
        if rtt_ns < self.min_ns {
            self.min_ns = rtt_ns;
        }
        let deviation = self.srtt_ns.abs_diff(rtt_ns);
        self.rttvar_ns = self.rttvar_ns - self.rttvar_ns / 4 + deviation / 4;
        self.srtt_ns = (self.srtt_ns - self.srtt_ns / 8 + rtt_ns / 8).max(1);
    }

    /// Knows of no sample any more.
    #[inline(always)]
    pub fn forget(&mut self) {
        self.srtt_ns = 0;
    }

    /// Whether there was a sample.
    #[inline(always)]
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.srtt_ns != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rtt_is_smoothed_as_the_rfc_says() {
        let mut rtt = Rtt::default();
        assert!(!rtt.is_known());
        rtt.sample(80_000);
        assert_eq!((rtt.srtt_ns, rtt.rttvar_ns, rtt.min_ns), (80_000, 40_000, 80_000));
        rtt.sample(160_000);
        assert_eq!(rtt.rttvar_ns, 30_000 + 20_000);
        assert_eq!(rtt.srtt_ns, 70_000 + 20_000);
        assert_eq!((rtt.last_ns, rtt.min_ns), (160_000, 80_000));
    }

    #[test]
    fn a_timed_tsn_counts_packets_and_remembers_a_retransmission() {
        let mut timed = TimedTsn::zeroed();
        assert!(!timed.is_armed());
        timed.start(7, 1_000);
        timed.another_packet();
        timed.mark_resent(false);
        timed.another_packet();
        assert!(timed.is_armed() && timed.is_resent() && !timed.is_resent_elsewhere());
        assert_eq!(timed.packets(), 3);
        timed.mark_resent(true);
        timed.mark_resent(false);
        assert!(timed.is_resent_elsewhere(), "it stays at that");
        timed.stop();
        assert!(!timed.is_armed());
        timed.start(9, 2_000);
        assert!(!timed.is_resent() && !timed.is_resent_elsewhere());
    }
}
