//! What only time brings about: flows that are silent, and associations that are over.
//!
//! The flow table has an end, and anyone can send packets that look like new flows. So flows that nothing proves have a share of
//! it, and when they fill most of that, the oldest go. One whose association was seen to work never does.

use std::{collections::BTreeSet, time::Duration};

use sctp_monitor_common::abi::limits::unproved_share;

use crate::{
    housekeeping::Slice,
    model::{AssociationRef, EndReason, Timestamp},
    path::{flow::Flow, flows::Flows, state::Path},
    registry::{
        Registry,
        association::{Association, Phase},
    },
};

impl Registry {
    /// Gives up the handshakes that nobody goes on with.
    pub(crate) fn expire_handshakes(&mut self, flows: &Flows, now: Timestamp) {
        self.handshakes.expire(now);
        self.report_failed(flows, now);
        self.report_due(now);
    }

    /// Drops addresses that were given up long ago.
    pub(crate) fn expire_addresses(&mut self, now: Timestamp) {
        for association in self.associations.iter_mut() {
            association.local.expire_given_up(now);
            association.remote.expire_given_up(now);
        }
    }

    /// Forgets the flow in a slot, and ends the association that has no other.
    pub(crate) fn forget_flow(&mut self, flows: &mut Flows, slot: u32, now: Timestamp) {
        let Some(last_seen) = flows.get(slot).map(|flow| flow.view.last_seen) else {
            return;
        };
        if let Some(id) = self.associations.forget_flow(flows, slot) {
            let silent = now.since(last_seen);
            let reason = if silent <= self.config.idle_after {
                EndReason::CrowdedOut { silent_for: silent }
            } else {
                EndReason::Silent {
                    silent_for: self.config.idle_after,
                }
            };
            self.associations.end(id, reason, now);
        }
    }

    /// Forgets the flows that cross a NIC which is left out of what is watched. Paths of which nothing else is seen begin anew: what was
    /// known of them is nothing that is known now.
    pub(crate) fn leave_out(&mut self, flows: &mut Flows, if_index: u32, interface: &str, now: Timestamp) {
        let crossing = flows
            .iter()
            .filter(|(_, flow)| flow.view.interface.if_index() == if_index);
        let mut crossing: Vec<_> = crossing.map(|(slot, flow)| (slot, flow.member)).collect();
        crossing.sort_unstable_by_key(|(slot, _)| *slot);
        for (slot, member) in crossing {
            if let Some(id) = self.associations.forget_flow(flows, slot) {
                let interface = interface.to_owned();
                self.associations
                    .end(id, EndReason::NotWatched { interface }, now);
            } else if let Some(member) = member {
                self.associations
                    .begin_path_anew(member.association, member.path, now);
            }
        }
    }

    /// Forgets the flows of a slice that have nothing more to tell.
    /// What crosses a NIC whose packets are not seen is silent for that reason.
    pub(crate) fn forget_silent(
        &mut self,
        flows: &mut Flows,
        unwatched: &BTreeSet<u32>,
        slice: Slice,
        now: Timestamp,
    ) {
        let is_hidden = |flow: &Flow| {
            let association = self.association_of(flow);
            association.is_some_and(|known| known.crosses(unwatched, flows))
        };
        let mut over: Vec<_> = flows
            .iter()
            .filter(|(slot, flow)| {
                slice.has(u64::from(*slot)) && self.is_over(flows, flow, now) && !is_hidden(flow)
            })
            .map(|(slot, _)| slot)
            .collect();
        over.sort_unstable();
        for slot in over {
            self.forget_flow(flows, slot, now);
        }
    }

    /// Lets go what nothing proves when it fills three quarters of its share of the flow table, the oldest first: a genuine
    /// association is proved by its first acknowledgement or heartbeat. That packets go on coming proves nothing.
    pub(crate) fn make_room(&mut self, flows: &mut Flows, now: Timestamp) {
        let share = unproved_share(self.config.max_flows) as usize;
        let allowed = share - share / 4;
        if flows.len() <= allowed {
            return;
        }
        let mut unproved: Vec<_> = flows
            .iter()
            .filter(|(_, flow)| !self.is_proved(flow))
            .map(|(slot, flow)| (flow.view.first_seen, slot))
            .collect();
        let too_many = unproved.len().saturating_sub(allowed);
        unproved.sort_unstable();
        for (first_seen, slot) in unproved.into_iter().take(too_many) {
            if now.since(first_seen) >= NEWCOMER {
                self.forget_flow(flows, slot, now);
            }
        }
    }

    /// Forgets the associations that are over and have no flows any more; gives them, by id.
    pub(crate) fn forget_ended(&mut self, now: Timestamp) -> Vec<AssociationRef> {
        let may_be_late = |association: &Association| match association.phase() {
            // Records of its flows may be looked at later than the chunk that ended it.
            Phase::Ended {
                at,
                end: EndReason::Abort(_) | EndReason::Shutdown { .. },
                was_reported: true,
            } => now.since(*at) < self.config.ended_after,
            _ => false,
        };
        let ended: Vec<_> = self
            .associations
            .iter()
            .filter(|association| association.is_ended() && !association.has_flows())
            .filter(|association| !may_be_late(association))
            .map(Association::reference)
            .collect();
        for association in &ended {
            self.associations.remove(association.id);
        }
        ended
    }

    fn association_of(&self, flow: &Flow) -> Option<&Association> {
        self.associations.get(flow.member?.association)
    }

    /// Whether the flow's association was ever seen to work.
    fn is_proved(&self, flow: &Flow) -> bool {
        self.association_of(flow).is_some_and(|association| {
            let mut paths = association.paths();
            paths.any(|(_, path)| Path::is_confirmed(path))
        })
    }

    /// Whether packets of an association that is over still pass.
    fn goes_on(&self, flows: &Flows, association: &Association, now: Timestamp) -> bool {
        association
            .slots()
            .filter_map(|slot| flows.get(slot))
            .any(|flow| flow.mismatching.is_none() && now.since(flow.heard_at) <= self.config.ended_after)
    }

    /// Whether a flow has nothing more to tell.
    fn is_over(&self, flows: &Flows, flow: &Flow, now: Timestamp) -> bool {
        let silent = now.since(flow.view.last_seen);
        // One that answers probes lives, though neither host sends anything; and one that was not seen was not silent.
        let silent = silent.min(flow.detector.alive_at().map_or(silent, |at| now.since(at)));
        let silent = silent.min(now.since(flow.detector.seen_since()));
        if silent > self.config.idle_after {
            return true;
        }
        let association = self.association_of(flow);
        match association.map(|association| (association, association.phase())) {
            Some((association, Phase::Ended { at, .. })) => {
                // What goes on for ever lives after all: it is found anew.
                let kept_for = if self.goes_on(flows, association, now) {
                    2 * self.config.zombie_after
                } else {
                    self.config.ended_after
                };
                now.since(*at) > kept_for
            }
            Some((_, Phase::Established | Phase::ShuttingDown { .. })) => false,
            Some((_, Phase::Opening)) | None => silent > self.config.unanswered_after,
        }
    }
}

/// How long a new flow is left alone: the four packets of a handshake take two round trips, and the longest terrestrial ones
/// are some hundred milliseconds.
const NEWCOMER: Duration = Duration::from_secs(1);
