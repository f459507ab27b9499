//! What a sender keeps for each of its paths: retransmission timer, congestion window, errors, heartbeat.

use std::time::Duration;

use sctp_monitor_engine::model::Timestamp;

use super::{dice::Dice, packet::Tsn};

/// User data and chunk headers that fit into one packet.
pub(crate) const MTU: u32 = 1_400;

/// What the peers advertise.
const RECEIVER_WINDOW: u32 = 65_536;
/// RFC 9260 section 16, with Linux's initial RTO.
const RTO_INITIAL: Duration = Duration::from_secs(3);
const RTO_MIN: Duration = Duration::from_secs(1);
const RTO_MAX: Duration = Duration::from_secs(60);
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct Transport {
    rto: Rto,
    cwnd: u32,
    ssthresh: u32,
    partial_bytes_acked: u32,
    pub(crate) flight: u32,
    pub(crate) errors: u32,
    pub(crate) t3_at: Option<Timestamp>,
    /// The chunk that measures the round-trip time, one at a time.
    pub(crate) timed: Option<(Tsn, Timestamp)>,
    pub(crate) heartbeat_at: Timestamp,
    heartbeat: Option<(u64, Timestamp)>,
    dice: Dice,
}

impl Transport {
    /// A path of an association that begins now.
    pub(crate) fn new(now: Timestamp, mut dice: Dice) -> Self {
        // A stack confirms every address as soon as the association is up.
        let heartbeat_at = now + dice.between(Duration::ZERO, Duration::from_millis(50));
        Self {
            rto: Rto::new(),
            // RFC 9260 section 7.2.1.
            cwnd: 4_380,
            ssthresh: u32::MAX,
            partial_bytes_acked: 0,
            flight: 0,
            errors: 0,
            t3_at: None,
            timed: None,
            heartbeat_at,
            heartbeat: None,
            dice,
        }
    }

    pub(crate) fn has_room(&self) -> bool {
        self.flight < self.cwnd.min(RECEIVER_WINDOW)
    }

    /// New DATA went out: the path is not idle, and its T3 timer runs.
    pub(crate) fn on_data_sent(&mut self, bytes: u32, now: Timestamp) {
        self.flight += bytes;
        self.start_t3(now);
        self.heartbeat_at = now + HEARTBEAT_INTERVAL + self.rto.value();
    }

    pub(crate) fn on_data_resent(&mut self, bytes: u32, now: Timestamp) {
        self.flight += bytes;
        self.start_t3(now);
    }

    fn start_t3(&mut self, now: Timestamp) {
        let timeout = self.rto.value();
        self.t3_at.get_or_insert(now + timeout);
    }

    /// T3-rtx expired (RFC 9260 section 6.3.3).
    pub(crate) fn on_t3(&mut self) {
        self.t3_at = None;
        self.timed = None;
        self.ssthresh = (self.cwnd / 2).max(4 * MTU);
        self.cwnd = MTU;
        self.partial_bytes_acked = 0;
        self.errors += 1;
        self.rto.back_off();
    }

    /// Fast retransmission takes half of the window (RFC 9260 section 7.2.4).
    pub(crate) fn on_fast_retransmission(&mut self) {
        self.ssthresh = (self.cwnd / 2).max(4 * MTU);
        self.cwnd = self.ssthresh;
        self.partial_bytes_acked = 0;
    }

    /// A SACK acknowledged so many bytes of this path. `earliest`: the chunk that T3 was waiting for is among them.
    pub(crate) fn on_acked(&mut self, bytes: u32, earliest: bool, cum_moved: bool, now: Timestamp) {
        let was_full = self.flight >= self.cwnd;
        self.flight = self.flight.saturating_sub(bytes);
        self.errors = 0;
        if cum_moved && was_full {
            self.grow(bytes);
        }
        if self.flight == 0 {
            self.t3_at = None;
        } else if earliest {
            self.t3_at = Some(now + self.rto.value());
        }
    }

    /// RFC 9260 sections 7.2.1 and 7.2.2.
    fn grow(&mut self, bytes: u32) {
        if self.cwnd <= self.ssthresh {
            self.cwnd += bytes.min(MTU);
            return;
        }
        self.partial_bytes_acked += bytes;
        if self.partial_bytes_acked >= self.cwnd {
            self.partial_bytes_acked -= self.cwnd;
            self.cwnd += MTU;
        }
    }

    pub(crate) fn on_rtt(&mut self, rtt: Duration) {
        self.rto.sample(rtt);
    }

    /// The heartbeat timer expired: an unanswered heartbeat is an error, and the next one goes out under `nonce`.
    pub(crate) fn on_heartbeat_timer(&mut self, nonce: u64, potentially_failed: bool, now: Timestamp) {
        if self.heartbeat.replace((nonce, now)).is_some() {
            self.errors += 1;
            self.rto.back_off();
        }
        self.ask_soon(now);
        if !potentially_failed {
            self.heartbeat_at = self.heartbeat_at + HEARTBEAT_INTERVAL;
        }
    }

    /// The next heartbeat goes out after the RTO, by half more or less (RFC 9260 section 8.3).
    pub(crate) fn ask_soon(&mut self, now: Timestamp) {
        let rto = self.rto.value();
        self.heartbeat_at = now + self.dice.between(rto / 2, rto * 3 / 2);
    }

    pub(crate) fn on_heartbeat_ack(&mut self, nonce: u64, now: Timestamp) {
        if let Some((known, sent_at)) = self.heartbeat
            && known == nonce
        {
            self.heartbeat = None;
            self.errors = 0;
            self.rto.sample(now.since(sent_at));
        }
    }
}

/// RFC 9260 section 6.3.1.
#[derive(Debug)]
struct Rto {
    measured: Option<(Duration, Duration)>,
    value: Duration,
}

impl Rto {
    fn new() -> Self {
        Self {
            measured: None,
            value: RTO_INITIAL,
        }
    }

    fn value(&self) -> Duration {
        self.value
    }

    fn sample(&mut self, rtt: Duration) {
        let (srtt, rttvar) = match self.measured {
            None => (rtt, rtt / 2),
            Some((srtt, rttvar)) => ((srtt * 7 + rtt) / 8, (rttvar * 3 + srtt.abs_diff(rtt)) / 4),
        };
        self.measured = Some((srtt, rttvar));
        self.value = (srtt + 4 * rttvar).clamp(RTO_MIN, RTO_MAX);
    }

    fn back_off(&mut self) {
        self.value = (self.value * 2).min(RTO_MAX);
    }
}
