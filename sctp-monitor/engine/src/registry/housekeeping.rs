//! What only time brings about: flows that are silent, associations that are over, findings that are due.
//!
//! The flow table has an end, and anyone can send packets that look like new flows. So flows that nothing proves may fill
//! half of it only: what is beyond that goes, the longest silent first. One whose association was seen to work never does.

use std::time::Duration;

use crate::{
    engine::Engine,
    model::Timestamp,
    path::{flow::Flow, state::Path},
    registry::association::{Association, Phase},
};

impl Engine {
    pub(crate) fn keep_house(&mut self, now: Timestamp) {
        self.slice = Slice {
            round: self.slice.round.wrapping_add(1),
            of: (1 + self.flows.len() as u64 / FLOWS_PER_SLICE).min(MOST_SLICES),
        };
        let slice = self.slice;
        let opening: Vec<_> = self
            .associations
            .values()
            .filter(|association| association.phase == Phase::Opening)
            .map(|association| association.id)
            .collect();
        for id in opening {
            self.report_up(id, now);
        }
        self.relearn_tags();
        self.replace_restarted(now);
        self.review(now);
        for association in self.associations.values_mut() {
            association.local.expire_given_up(now);
            association.remote.expire_given_up(now);
        }
        for (slot, flow) in &mut self.flows {
            if slice.has(u64::from(*slot)) {
                flow.read_meter(now);
            }
        }
        let mut over: Vec<_> = self
            .flows
            .iter()
            .filter(|(slot, flow)| slice.has(u64::from(**slot)) && self.is_over(flow, now))
            .map(|(slot, _)| *slot)
            .collect();
        over.sort_unstable();
        for slot in over {
            self.remove_flow(slot, now);
        }
        self.make_room(now);
        let forgotten: Vec<_> = self
            .associations
            .values()
            .filter(|association| association.is_ended() && !association.has_flows())
            .map(|association| association.id)
            .collect();
        for id in forgotten {
            self.close_findings(id, now);
            self.associations.remove(&id);
        }
    }

    /// Lets go what nothing proves when it fills the flow table. A genuine association is proved by its first
    /// acknowledgement or heartbeat, long before it is the longest silent one.
    fn make_room(&mut self, now: Timestamp) {
        let allowed = self.config.max_flows as usize / 2;
        let too_many = self.flows.len().saturating_sub(allowed);
        if too_many == 0 {
            return;
        }
        let mut unproved: Vec<_> = self
            .flows
            .iter()
            .filter(|(_, flow)| now.since(flow.view.last_seen) >= NEWCOMER && !self.is_proved(flow))
            .map(|(slot, flow)| (flow.view.last_seen, *slot))
            .collect();
        unproved.sort_unstable();
        for (_, slot) in unproved.into_iter().take(too_many) {
            self.remove_flow(slot, now);
        }
    }

    /// Whether the flow's association was ever seen to work.
    fn is_proved(&self, flow: &Flow) -> bool {
        flow.member
            .and_then(|member| self.associations.get(&member.association))
            .is_some_and(|association| association.paths.values().any(Path::is_confirmed))
    }

    /// Whether packets of an association that is over still pass.
    fn goes_on(&self, association: &Association, now: Timestamp) -> bool {
        let slots = association.sent.iter().chain(&association.received);
        slots
            .filter_map(|slot| self.flows.get(slot))
            .any(|flow| flow.mismatching.is_none() && now.since(flow.heard_at) <= self.config.ended_after)
    }

    /// Whether a flow has nothing more to tell.
    fn is_over(&self, flow: &Flow, now: Timestamp) -> bool {
        let silent = now.since(flow.view.last_seen);
        if silent > self.config.idle_after {
            return true;
        }
        let association = flow
            .member
            .and_then(|member| self.associations.get(&member.association));
        match association.map(|association| &association.phase) {
            Some(Phase::Ended { at, .. }) => {
                let goes_on = association.is_some_and(|association| self.goes_on(association, now));
                // What goes on for ever lives after all: it is found anew.
                let kept_for = if goes_on {
                    2 * self.config.zombie_after
                } else {
                    self.config.ended_after
                };
                now.since(*at) > kept_for
            }
            Some(Phase::Up | Phase::ShuttingDown { .. }) => false,
            Some(Phase::Opening) | None => silent > self.config.unanswered_after,
        }
    }
}

/// What housekeeping looks at in one round. With many flows it takes several rounds to see all: the driver must not be kept
/// from its sweeps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slice {
    round: u64,
    of: u64,
}

impl Default for Slice {
    fn default() -> Self {
        Self { round: 0, of: 1 }
    }
}

impl Slice {
    /// Whether whatever has this number is looked at in this round.
    pub(crate) fn has(self, number: u64) -> bool {
        number % self.of == self.round % self.of
    }
}

/// How long a new flow is left alone: the four packets of a handshake take two round trips, and the longest terrestrial ones
/// are some hundred milliseconds.
const NEWCOMER: Duration = Duration::from_secs(1);
/// Flows that are looked at in one round of housekeeping: some milliseconds.
const FLOWS_PER_SLICE: u64 = 4_096;
/// Rounds in which everything is seen, at most.
const MOST_SLICES: u64 = 16;
