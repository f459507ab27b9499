//! Tags that change without a handshake being seen: an association that was restarted.
//!
//! Packets with other tags prove nothing by themselves. Only where the known tag is gone for a while, and others are there,
//! the known one is not certain any more, and another one that is proved takes its place.

use std::time::Duration;

use crate::{
    housekeeping::Slice,
    model::{AssociationId, Direction, EndReason, Timestamp},
    path::{flows::Flows, under_way},
    registry::{Registry, association::Association},
};

impl Registry {
    /// An association whose packets have all had other tags for a while, in both directions, may have been restarted without being
    /// seen. Forged packets look like that too while it is idle: so its tags are no more certain than others, and the first ones that
    /// are proved are believed. In a capture, which may lack the proofs, the time decides.
    pub(crate) fn replace_restarted(&mut self, flows: &mut Flows, slice: Slice, now: Timestamp) {
        let restarted: Vec<(_, Vec<_>)> = self
            .associations
            .iter()
            .filter(|association| slice.has(association.id.0))
            .filter(|association| association.is_established() && is_restarted(flows, association))
            .map(|association| (association.id, association.slots().collect()))
            .collect();
        for (id, slots) in restarted {
            if !self.config.unanswered {
                self.associations.doubt_tags(flows, id);
                continue;
            }
            self.associations.end(id, EndReason::Replaced, now);
            for slot in &slots {
                self.associations.leave(flows, *slot);
            }
            for slot in slots {
                let Some(flow) = flows.get_mut(slot) else {
                    continue;
                };
                // A flow that was silent meanwhile is nobody's yet: it begins anew with its next packet.
                if flow.mismatching.is_none() {
                    self.forget_flow(flows, slot, now);
                    continue;
                }
                let tag = flow.mismatched_tag;
                flow.begin_association(now);
                flow.view.tag = tag;
                self.associations.tell_tag(slot, flow, tag);
                self.assign(flows, slot, now);
                if let Some(member) = flows.get(slot).and_then(|flow| flow.member) {
                    self.associations
                        .vouch(flows, member.association, member.direction);
                }
            }
        }
    }

    /// A tag was proved that is not that of an association whose tags are in doubt: it has ended unseen, and the flow is the next
    /// one's. What its other flows carry is known by their next packets.
    pub(super) fn replace_proved(
        &mut self,
        flows: &mut Flows,
        slot: u32,
        id: AssociationId,
        tag: u32,
        now: Timestamp,
    ) {
        let slots: Vec<_> = self
            .associations
            .get(id)
            .into_iter()
            .flat_map(Association::slots)
            .collect();
        self.associations.end(id, EndReason::Replaced, now);
        for left in &slots {
            self.associations.leave(flows, *left);
        }
        for other in slots.into_iter().filter(|other| *other != slot) {
            self.forget_flow(flows, other, now);
        }
        if let Some(flow) = flows.get_mut(slot) {
            flow.begin_association(now);
            flow.view.tag = tag;
            self.assign(flows, slot, now);
        }
    }
}

fn is_restarted(flows: &Flows, association: &Association) -> bool {
    // Where one flow has the old tag still, another one with strange packets on it proves nothing.
    let mismatching = |direction| {
        let slots = association.flows(direction);
        let heard_at = flows.all_of(slots).map(|flow| flow.heard_at).max();
        let heard_at = heard_at.unwrap_or_default();
        slots.is_empty()
            || flows
                .all_of(slots)
                .any(|flow| flow.mismatches_since(heard_at, RESTART_AFTER))
    };
    association.has_flows() && Direction::BOTH.into_iter().all(mismatching)
}

/// How long both directions must carry nothing but other tags until the association counts as restarted: longer than
/// packets of the old one may be under way.
const RESTART_AFTER: Duration = under_way::LONGEST;
