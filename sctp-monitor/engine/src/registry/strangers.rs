//! Flows that were taken for an association's, and are not.
//!
//! Who forges packets with one tag between several addresses makes them look like one association, and a genuine flow between two of
//! these addresses like one of its flows. Once that one's own tag is proved, the others are somebody else's.

use crate::{
    model::{AssociationId, Direction, Side},
    path::{flows::Flows, state::Path},
    registry::{association::Association, associations::Associations},
};

impl Associations {
    /// The tag of one direction of an association of which nothing was reported yet is another one than was believed: parts from the
    /// flows that were joined by the wrong one, and forgets what was learned of them.
    pub(super) fn part_from_strangers(&mut self, flows: &mut Flows, id: AssociationId, direction: Direction) {
        let Some(association) = self.get(id).filter(|known| known.is_opening()) else {
            return;
        };
        let strangers = strangers(association, flows, direction);
        if strangers.is_empty() {
            return;
        }
        for slot in strangers {
            self.leave(flows, slot);
        }
        let Some(association) = self.get_mut(id) else {
            return;
        };
        let used: Vec<_> = association
            .slots()
            .filter_map(|slot| Some(flows.get(slot)?.member?.path))
            .collect();
        for side in [Side::Local, Side::Remote] {
            let known: Vec<_> = association.addresses(side).iter().copied().collect();
            let left = known
                .iter()
                .filter(|address| used.iter().all(|path| side.of(path) != **address));
            for address in left {
                association.addresses_mut(side).forget_learned(address);
            }
        }
        association.paths.retain(|path, _| {
            association.local.contains(&path.local) && association.remote.contains(&path.remote)
        });
    }
}

/// The flows of an association whose tag in this direction is not its own, and those that answer only them.
fn strangers(association: &Association, flows: &Flows, direction: Direction) -> Vec<u32> {
    let has_own_tag = |slot: u32, direction| {
        let flow = flows.get(slot);
        flow.is_some_and(|flow| association.tag(direction) == Some(flow.view.tag) || flow.proofs() > 0)
    };
    let proved = |slot: u32| flows.get(slot).is_some_and(|flow| flow.proofs() > 0);
    let strange = |(_, path): &(_, &Path)| {
        let Some(slot) = path.flow(direction) else {
            // Nothing ties it to the association but a flow that may be a stranger's.
            return path.flow(direction.reversed()).is_some_and(|slot| !proved(slot));
        };
        let answer = path.flow(direction.reversed());
        !has_own_tag(slot, direction) && !answer.is_some_and(proved)
    };
    let paths = association.paths().filter(strange);
    paths
        .flat_map(|(_, path)| {
            Direction::BOTH
                .into_iter()
                .filter_map(|direction| path.flow(direction))
        })
        .collect()
}
