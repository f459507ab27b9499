//! Tags that change without a handshake being seen: an association that was restarted, and a first tag that was forged.
//!
//! Packets with other tags prove neither by themselves. Only where the known tag is gone for a while, and others are there,
//! the known one is not right any more.

use std::time::Duration;

use sctp_monitor_common::abi::FlowLinks;

use crate::{
    engine::Engine,
    model::{Direction, EndReason, Origin, Timestamp},
    registry::association::Association,
};

impl Engine {
    /// An association whose packets have all had other tags for a while, in both directions, was restarted without
    /// being seen. Forged packets cannot do that: the true ones would match in between.
    pub(crate) fn replace_restarted(&mut self, now: Timestamp) {
        let restarted: Vec<_> = self
            .associations
            .values()
            .filter(|association| self.slice.has(association.id.0))
            .filter(|association| association.is_up() && self.is_restarted(association))
            .map(|association| association.id)
            .collect();
        for id in restarted {
            let Some(association) = self.associations.get(&id) else {
                continue;
            };
            let slots: Vec<_> = association
                .sent
                .iter()
                .chain(&association.received)
                .copied()
                .collect();
            self.end(id, EndReason::Replaced, now);
            for slot in &slots {
                self.leave(*slot);
            }
            for slot in slots {
                if let Some(flow) = self.flows.get_mut(&slot) {
                    flow.detector.on_new_association();
                    // A flow that was silent meanwhile is nobody's yet: it begins anew with its next packet.
                    if flow.mismatching.take().is_none() {
                        self.remove_flow(slot, now);
                        continue;
                    }
                    let tag = flow.mismatched_tag;
                    flow.view.tag = tag;
                    self.tell(
                        slot,
                        FlowLinks {
                            tag,
                            ..FlowLinks::default()
                        },
                    );
                }
                self.assign(slot, now);
            }
        }
    }

    /// The first tag that is seen of an association joined in mid-life is believed, and may have been forged. Where all
    /// packets of one direction have had another one for a while, that one is right.
    pub(crate) fn relearn_tags(&mut self) {
        let mut wrong = Vec::new();
        for association in self.associations.values() {
            let joined = association.is_up() && association.origin == Origin::MidLife;
            if !joined || !self.slice.has(association.id.0) {
                continue;
            }
            let [sent, received] = [Direction::Forward, Direction::Return].map(|direction| {
                let proved = self.are_answered(association.flows(direction.reversed()));
                let tag = self.other_tag(association.flows(direction));
                (direction, tag.filter(|_| !proved))
            });
            match (sent, received) {
                ((direction, Some(tag)), (_, None)) | ((_, None), (direction, Some(tag))) => {
                    wrong.push((association.id, direction, tag));
                }
                _ => {}
            }
        }
        for (id, direction, tag) in wrong {
            self.learn_tag(id, direction, tag);
            let slots = self
                .associations
                .get(&id)
                .map(|association| association.flows(direction).to_vec())
                .unwrap_or_default();
            for slot in slots {
                if let Some(flow) = self.flows.get_mut(&slot) {
                    flow.detector.on_new_association();
                    flow.mismatching = None;
                    flow.strangers = 0;
                    flow.view.tag = tag;
                }
            }
            self.relink(id);
        }
    }

    /// Whether heartbeats on these flows were answered, and so the tag of the opposite direction is right: nobody who does
    /// not see them knows what they carry.
    fn are_answered(&self, slots: &[u32]) -> bool {
        let mut flows = slots.iter().filter_map(|slot| self.flows.get(slot));
        flows.any(|flow| flow.view.heartbeats_answered > 0)
    }

    /// The tag that all flows of one direction have had for a while instead of theirs.
    fn other_tag(&self, slots: &[u32]) -> Option<u32> {
        let mut flows = slots.iter().filter_map(|slot| self.flows.get(slot));
        let all = flows.clone().all(|flow| flow.mismatching.is_some());
        flows
            .find(|flow| all && flow.mismatches_for_long(RESTART_AFTER))
            .map(|flow| flow.mismatched_tag)
    }

    fn is_restarted(&self, association: &Association) -> bool {
        // Where one flow has the old tag still, another one with strangers on it proves nothing.
        let mismatching = |slots: &[u32]| {
            let flows = || slots.iter().filter_map(|slot| self.flows.get(slot));
            let heard_at = flows().map(|flow| flow.heard_at).max().unwrap_or_default();
            slots.is_empty() || flows().any(|flow| flow.mismatches_since(heard_at, RESTART_AFTER))
        };
        let any = !(association.sent.is_empty() && association.received.is_empty());
        any && mismatching(&association.sent) && mismatching(&association.received)
    }
}

/// How long both directions must carry nothing but other tags until the association counts as restarted: longer than
/// packets of the old one may be under way.
const RESTART_AFTER: Duration = Duration::from_secs(1);
