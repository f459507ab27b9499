//! Tags that change without a handshake being seen: an association that was restarted, and a first tag that was forged.
//!
//! Packets with other tags prove neither by themselves. Only where the known tag is gone for a while, and others are there,
//! the known one is not right any more.

use std::time::Duration;

use crate::{
    housekeeping::Slice,
    model::{Direction, EndReason, Origin, Timestamp},
    path::{flows::Flows, under_way},
    registry::{Registry, association::Association},
};

impl Registry {
    /// An association whose packets have all had other tags for a while, in both directions, was restarted without
    /// being seen. Forged packets cannot do that: the true ones would match in between.
    pub(crate) fn replace_restarted(&mut self, flows: &mut Flows, slice: Slice, now: Timestamp) {
        let restarted: Vec<(_, Vec<_>)> = self
            .associations
            .iter()
            .filter(|association| slice.has(association.id.0))
            .filter(|association| association.is_established() && is_restarted(flows, association))
            .map(|association| (association.id, association.slots().collect()))
            .collect();
        for (id, slots) in restarted {
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
            }
        }
    }

    /// The first tag that is seen of an association joined in mid-life is believed, and may have been forged. Where all
    /// packets of one direction have had another one for a while, that one is right.
    pub(crate) fn relearn_tags(&mut self, flows: &mut Flows, slice: Slice, now: Timestamp) {
        let mut wrong = Vec::new();
        for association in self.associations.iter() {
            let joined = association.is_established() && association.origin == Origin::MidLife;
            if !joined || !slice.has(association.id.0) {
                continue;
            }
            let other_tags = Direction::BOTH.map(|direction| {
                let proved = are_answered(flows, association.flows(direction.reversed()));
                let tag = other_tag(flows, association.flows(direction));
                (direction, tag.filter(|_| !proved))
            });
            match other_tags {
                [(direction, Some(tag)), (_, None)] | [(_, None), (direction, Some(tag))] => {
                    wrong.push((association.id, direction, tag));
                }
                _ => {}
            }
        }
        for (id, direction, tag) in wrong {
            let slots = self.associations.get(id).map(|known| known.flows(direction));
            for slot in slots.unwrap_or_default() {
                if let Some(flow) = flows.get_mut(*slot) {
                    flow.begin_association(now);
                    flow.view.tag = tag;
                }
            }
            self.associations.replace_tag(flows, id, direction, tag);
        }
    }
}

/// Whether heartbeats on these flows were answered, and so the tag of the opposite direction is right: nobody who does
/// not see them knows what they carry.
fn are_answered(flows: &Flows, slots: &[u32]) -> bool {
    flows.all_of(slots).any(|flow| flow.view.heartbeats_answered > 0)
}

/// The tag that all flows of one direction have had for a while instead of theirs.
fn other_tag(flows: &Flows, slots: &[u32]) -> Option<u32> {
    let all = flows.all_of(slots).all(|flow| flow.mismatching.is_some());
    flows
        .all_of(slots)
        .find(|flow| all && flow.mismatches_for_long(RESTART_AFTER))
        .map(|flow| flow.mismatched_tag)
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
