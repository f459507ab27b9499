//! The wait for the acknowledgement of DATA: which of its packets should have been answered by now.

use std::time::Duration;

use sctp_monitor_common::abi::{FlowRecord, tsn_after};
use serde::{Deserialize, Serialize};

use crate::{config::Config, model::Timestamp};

/// The wait for one timed chunk.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Wait {
    pub(super) sent_at: Timestamp,
    pub(super) tsn: u32,
    /// The first chunk of its packet, as far as is known.
    pub(super) first_tsn: u32,
    /// Chunks of the flow that had been retransmitted before it began; see the record.
    lost: u32,
    /// It stands for what a SACK left; new DATA takes its place.
    pub(super) left_over: bool,
    /// When the peer had to acknowledge at once; it may delay until then.
    pub(super) obliged_at: Option<Timestamp>,
    /// When the last of those packets was sent that are older than the time-out.
    pub(super) last_awaiting_at: Option<Timestamp>,
    /// When the newest of them became so old.
    pub(super) awaiting_since: Option<Timestamp>,
    /// Packets from it on that are older than the time-out: they await a SACK.
    pub(super) awaiting_sack: u32,
    /// Packets that will await a SACK next, the oldest first.
    younger: [Noticed; NOTICES],
}

/// So many packets had been sent at that time.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Noticed {
    packets: u32,
    /// Milliseconds since the wait began.
    after_ms: u32,
}

impl Wait {
    /// The wait that a record tells of. `seen` is the highest TSN that the flow had sent at the look before, `lost` how many of
    /// its chunks had been retransmitted by then.
    pub(super) fn new(record: &FlowRecord, seen: u32, lost: u32) -> Self {
        let timed = &record.timed;
        let first_tsn = if timed.is_left_over() {
            timed.tsn
        } else {
            // What the flow sent between the looks counts as well: it may have been all in one packet.
            let first = later_tsn(record.run_start, seen.wrapping_add(1));
            earlier_tsn(first, timed.tsn)
        };
        Self {
            sent_at: Timestamp::from_nanos(timed.sent_at_ns),
            tsn: timed.tsn,
            first_tsn,
            lost,
            left_over: timed.is_left_over(),
            obliged_at: None,
            last_awaiting_at: None,
            awaiting_since: None,
            awaiting_sack: 0,
            younger: Default::default(),
        }
    }

    /// Takes the packets that were sent until now, and sees which await a SACK by now.
    pub(super) fn notice(&mut self, packets: u32, now: Timestamp, rto: Duration, config: &Config) {
        let age = now.since(self.sent_at);
        for noticed in &mut self.younger {
            if noticed.packets > 0 && noticed.awaits_after(rto, config) <= age {
                self.awaiting_sack = self.awaiting_sack.max(noticed.packets);
                let sent_at = self.sent_at + Duration::from_millis(noticed.after_ms.into());
                self.last_awaiting_at = self.last_awaiting_at.max(Some(sent_at));
                let since = self.sent_at + noticed.awaits_after(rto, config);
                self.awaiting_since = self.awaiting_since.max(Some(since));
                *noticed = Noticed::default();
            }
        }
        let newest = self
            .younger
            .iter()
            .map(|noticed| noticed.packets)
            .max()
            .unwrap_or(0);
        if packets <= newest.max(self.awaiting_sack) {
            return;
        }
        if newest == 0 && self.awaiting_sack == 0 && packets > 2 {
            return self.notice_many(packets, age);
        }
        // The first one was sent when the wait began, whenever it is noticed.
        let after = if packets == 1 { Duration::ZERO } else { age };
        if let Some(free) = self.younger.iter_mut().find(|noticed| noticed.packets == 0) {
            *free = Noticed::new(packets, after);
        }
    }

    /// A wait that is noticed late, taken as if its packets had come evenly.
    fn notice_many(&mut self, packets: u32, age: Duration) {
        let slots = u32::try_from(NOTICES).unwrap_or(1).min(packets);
        for (noticed, step) in self.younger.iter_mut().zip(1..=slots) {
            let number = (packets / slots).saturating_mul(step) + packets % slots * step / slots;
            *noticed = Noticed::new(number, age * (number - 1) / (packets - 1));
        }
    }

    /// How many of its chunks arrived over this flow for certain: the peer has all up to `cum_tsn_ack`, and so many were never
    /// retransmitted.
    pub(super) fn arrived(&self, record: &FlowRecord, cum_tsn_ack: u32) -> u32 {
        // What is below the newest run may have been sent elsewhere.
        let before = later_tsn(self.first_tsn, record.run_start).wrapping_sub(1);
        let to = earlier_tsn(cum_tsn_ack, record.highest_sent);
        if !tsn_after(to, before) {
            return 0;
        }
        to.wrapping_sub(before)
            .saturating_sub(record.lost.wrapping_sub(self.lost))
    }

    /// When more packets await a SACK.
    pub(super) fn next_awaiting_at(&self, rto: Duration, config: &Config) -> Option<Timestamp> {
        let next = self.younger.iter().filter(|noticed| noticed.packets > 0);
        let after = next.map(|noticed| noticed.awaits_after(rto, config)).min()?;
        Some(self.sent_at + after)
    }

    /// When the answer should have come, if the peer stood still for as long as it may.
    pub(super) fn overdue_at(&self, rto: Duration, config: &Config) -> Timestamp {
        self.obliged_at(config) + rto + config.stall_allowance
    }

    /// When the peer had to acknowledge at the latest.
    pub(super) fn obliged_at(&self, config: &Config) -> Timestamp {
        self.obliged_at.unwrap_or(self.sent_at + config.delayed_ack)
    }

    /// Answers that should have come by now: one to every second packet (RFC 9260 section 6.2), or to as many as usual
    /// before the peer's timer sends it, and one to a single packet.
    pub(super) fn sacks_due(&self, usually_awaiting: f32) -> u32 {
        let packets_per_answer = 2 + usually_awaiting.round() as u32;
        match self.awaiting_sack {
            0 => 0,
            packets => (packets / packets_per_answer).max(1),
        }
    }
}

impl Noticed {
    fn new(packets: u32, after: Duration) -> Self {
        Self {
            packets,
            after_ms: u32::try_from(after.as_millis()).unwrap_or(u32::MAX),
        }
    }

    fn awaits_after(&self, rto: Duration, config: &Config) -> Duration {
        Duration::from_millis(u64::from(self.after_ms)) + rto + delay(self.packets, config)
    }
}

/// The later of two TSNs, by serial number arithmetic (RFC 9260 section 1.6).
pub(super) fn later_tsn(a: u32, b: u32) -> u32 {
    if tsn_after(a, b) { a } else { b }
}

/// The earlier of two TSNs.
pub(super) fn earlier_tsn(a: u32, b: u32) -> u32 {
    if tsn_after(a, b) { b } else { a }
}

/// What the receiver may wait on top of the round trip.
fn delay(packets: u32, config: &Config) -> Duration {
    if packets < 2 {
        config.delayed_ack
    } else {
        Duration::ZERO
    }
}

/// How many numbers of packets are remembered until they await a SACK. What comes while all are taken is noticed later.
const NOTICES: usize = 6;
