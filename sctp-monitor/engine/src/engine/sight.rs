//! What becomes of the judgement while packets of a NIC are not seen: somebody has taken the programs off, or put others there.
//!
//! What was sent until they are seen again may have been answered unseen, and is held against nobody.

use std::collections::BTreeSet;

use super::{Engine, Hidden};
use crate::{
    model::{AssociationId, Direction, Timestamp},
    path::flow::Flow,
    registry::association::Association,
};

impl Engine {
    /// Whether packets of which a flow is judged are not seen now.
    pub(super) fn hidden(&self, association: Option<&Association>, flow: &Flow) -> Option<Hidden> {
        let unwatched = self.nics.unwatched();
        let association = association.filter(|known| known.crosses(unwatched, &self.flows))?;
        let is_hidden = |flow: &Flow| unwatched.contains(&flow.view.interface.if_index());
        let opposite = flow.member.and_then(|member| {
            let path = association.path(&member.path)?;
            self.flows.get(path.flow(member.direction.reversed())?)
        });
        let of_path = is_hidden(flow) || opposite.is_some_and(is_hidden);
        Some(if of_path { Hidden::Path } else { Hidden::Other })
    }

    /// Takes whether the packets of a NIC are seen, whenever that changes.
    pub(crate) fn handle_watch(&mut self, if_index: u32, is_watched: bool, now: Timestamp) {
        self.nics.set_watched(if_index, is_watched);
        let nic = BTreeSet::from([if_index]);
        let concerned: Vec<_> = self
            .associations()
            .filter(|association| association.crosses(&nic, &self.flows))
            .map(Association::id)
            .collect();
        for id in concerned {
            if is_watched {
                self.forgive(id, now);
            }
            self.review_probed(id, now);
            self.review_steering(id, now);
        }
    }

    /// A NIC is left out of what is watched: of what crosses it nothing is known any more.
    pub(crate) fn handle_left_out(&mut self, if_index: u32, now: Timestamp) {
        let interface = self
            .nics
            .name(if_index)
            .unwrap_or_else(|| format!("interface {if_index}"));
        self.nics.set_watched(if_index, true);
        self.registry
            .leave_out(&mut self.flows, if_index, &interface, now);
        self.route(now);
    }

    /// Nothing that was sent until now counts as unanswered any more.
    fn forgive(&mut self, id: AssociationId, now: Timestamp) {
        let Some(association) = self.registry.get(id) else {
            return;
        };
        for direction in [Direction::Forward, Direction::Return] {
            for slot in association.flows(direction) {
                if let Some(flow) = self.flows.get_mut(*slot) {
                    flow.detector.on_seen_again(now);
                }
            }
        }
    }
}
