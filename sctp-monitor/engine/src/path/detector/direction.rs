//! Which direction of a path is broken: what shows that the other one works.
//!
//! When a path breaks, packets are under way on both sides of the break. Those that have passed it arrive, the peer's here
//! and ours there, and a SACK over another path acknowledges ours later on. That shows nothing. A direction works if it
//! carried what was sent after the break; and the break was, at the latest, when the first missing answer should have come.

use std::time::Duration;

use sctp_monitor_common::abi::{FlowRecord, tsn_after};

use super::{
    Context, Detector,
    directions::{Directions, UnderWay},
    heartbeat_rtt,
    wait::{Wait, earlier_tsn, later_tsn},
};
use crate::{config::Config, model::Timestamp, path::under_way::LATE_BY};

impl Detector {
    /// The first and the last proof that what is sent arrives, if the path does not work otherwise.
    pub(crate) fn arrives_at(&self) -> Option<(Timestamp, Timestamp)> {
        self.directions.arrives_at
    }

    /// Whether what was sent after the break is known not to have arrived.
    pub(crate) fn is_lost(&self) -> bool {
        self.directions.lost_at.is_some()
    }

    /// Whether the opposite direction works while this one does not: something came back, and what was sent later is missing.
    /// Without that, the path may have been healed just now.
    pub(crate) fn comes_back(&self) -> bool {
        let last_missed = self.directions.last_missed.max(self.heartbeats.last_missed);
        let came_back_at = self.directions.came_back_at;
        came_back_at.is_some_and(|at| last_missed.is_some_and(|missed| missed >= at))
    }

    /// The path works: whatever breaks later breaks anew.
    pub(super) fn forget_directions(&mut self) {
        self.directions = Directions::default();
    }

    pub(super) fn on_arrived(&mut self, at: Timestamp) {
        let first_at = self.directions.arrives_at.map_or(at, |(first_at, _)| first_at);
        self.directions.arrives_at = Some((first_at, at));
    }

    /// Whether so many chunks that arrived twice were not all under way when the path broke.
    pub(super) fn more_than_under_way(&self, twice: u32) -> bool {
        let under_way = self.directions.under_way.map_or(0, |under_way| under_way.chunks);
        twice > under_way
    }

    /// Whether a SACK that came late acknowledges what was sent after the break, and only over this path.
    ///
    /// The cumulative TSN ack tells: above it a chunk may be missing that the sender is yet to retransmit. What was retransmitted
    /// since may have arrived the other way, whichever chunks these were. And what was sent just now may have passed a path that
    /// is healed.
    pub(super) fn acknowledged_after_break(
        &self,
        record: &FlowRecord,
        context: Context,
        config: &Config,
        at: Timestamp,
    ) -> bool {
        let (Some(under_way), Some(cum_tsn_ack)) = (self.directions.under_way, context.cum_tsn_ack) else {
            return false;
        };
        let Some(wait) = self.data.wait else {
            return false;
        };
        let overdue_since = at - self.try_timeout(record, config);
        let overdue = sent_until(overdue_since, record.highest_sent, &wait, at);
        // What is below the run was sent elsewhere, if it is not below the break as well.
        let from = later_tsn(under_way.tsn, record.run_start.wrapping_sub(1));
        let to = earlier_tsn(cum_tsn_ack, overdue);
        let resent = record.lost.wrapping_sub(under_way.lost);
        tsn_after(to, from) && to.wrapping_sub(from) > resent
    }

    /// Notices what is under way, once the answer that waits should have come.
    pub(super) fn watch_what_is_under_way(&mut self, record: &FlowRecord, config: &Config, now: Timestamp) {
        let round_trip = self.round_trip(record, config);
        let Some(wait) = self.data.wait else {
            return;
        };
        self.directions.last_missed = self.directions.last_missed.max(wait.last_awaiting_at);
        let due_at = wait.obliged_at(config) + round_trip;
        if self.directions.under_way.is_some() || now < due_at {
            return;
        }
        let tsn = sent_until(due_at, record.highest_sent, &wait, now);
        self.directions.under_way = Some(UnderWay {
            tsn,
            chunks: tsn.wrapping_sub(wait.first_tsn).saturating_add(1),
            lost: record.lost,
            spurious: record.spurious,
            due_at,
        });
    }

    /// Notices that more had to be sent again than was under way, none of it for nothing.
    pub(super) fn watch_what_is_lost(&mut self, record: &FlowRecord, context: Context, now: Timestamp) {
        let Some(under_way) = self.directions.under_way else {
            return;
        };
        let is_acknowledged = |acked: u32| !tsn_after(record.highest_sent, acked);
        if context.cum_tsn_ack.is_some_and(is_acknowledged)
            && record.lost.wrapping_sub(under_way.lost) > under_way.chunks
            && record.spurious == under_way.spurious
        {
            self.directions.lost_at.get_or_insert(now);
        }
    }

    /// Notices what comes the opposite way and was sent after the break.
    pub(super) fn watch_the_opposite_way(&mut self, record: &FlowRecord, context: Context, config: &Config) {
        let by_heartbeat = self
            .heartbeats
            .first_missed
            .map(|sent_at| sent_at + self.round_trip(record, config));
        let by_data = self.directions.under_way.map(|under_way| under_way.due_at);
        let Some(broken_at) = by_heartbeat.into_iter().chain(by_data).min() else {
            return;
        };
        if let Some(at) = context.came_back_at.filter(|at| *at > broken_at + LATE_BY) {
            self.directions.came_back_at.get_or_insert(at);
        }
    }

    /// What an answer needs, if it does not wait.
    fn round_trip(&self, record: &FlowRecord, config: &Config) -> Duration {
        self.rtt
            .round_trip()
            .into_iter()
            .chain(heartbeat_rtt(record))
            .max()
            .unwrap_or(config.rto_initial)
    }
}

/// What had been sent by then of all that was sent from the wait's chunk until now, taken as if it had been sent evenly: the
/// look may be late.
fn sent_until(then: Timestamp, highest_sent: u32, wait: &Wait, now: Timestamp) -> u32 {
    let more = later_tsn(highest_sent, wait.tsn).wrapping_sub(wait.tsn);
    let share =
        then.since(wait.sent_at).as_secs_f64() / now.since(wait.sent_at).as_secs_f64().max(f64::MIN_POSITIVE);
    wait.tsn.wrapping_add((f64::from(more) * share).ceil() as u32)
}
