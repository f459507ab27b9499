//! Paths whose next hop should be looked up, and what was found. Only a host that terminates the associations has such a table.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem::take,
};

use crate::{
    config::Vantage,
    engine::Engine,
    housekeeping::Slice,
    model::{AssociationId, Direction, NextHop, PathId, Timestamp},
    path::{flow::Flow, flows::Flows, state::Path},
    registry::association::Association,
};

impl Engine {
    /// The paths of whose next hop something should be said by [`Engine::handle_next_hops`].
    pub(crate) fn take_paths_in_question(&mut self) -> BTreeSet<PathId> {
        take(&mut self.in_question)
    }

    /// Notes the paths of a slice that are silent without a reason.
    pub(super) fn question_paths(&mut self, slice: Slice, now: Timestamp) {
        if self.config.vantage != Vantage::Endpoint {
            return;
        }
        let Self { registry, flows, .. } = self;
        let associations = registry.associations().filter(|known| slice.has(known.id().0));
        self.in_question = associations
            .flat_map(|association| in_question(association, flows, now))
            .map(|(path, _)| path)
            .collect();
    }

    /// Takes what the neighbour table held at `read_at` of the next hops of these paths.
    pub(crate) fn handle_next_hops(
        &mut self,
        next_hops: &BTreeMap<PathId, NextHop>,
        read_at: Timestamp,
        now: Timestamp,
    ) {
        let mut concerned = Vec::new();
        for association in self.registry.associations() {
            let paths = in_question(association, &self.flows, now);
            let found = paths.filter_map(|(path, slot)| Some((path, slot, *next_hops.get(&path)?)));
            concerned.extend(found.map(|(path, slot, hop)| (association.id(), path, slot, hop)));
        }
        for (id, path, slot, hop) in concerned {
            self.take_next_hop(id, path, slot, hop, read_at);
            self.conclude(id, path, now);
        }
    }

    /// A route to another NIC than the packets took is not theirs.
    fn take_next_hop(
        &mut self,
        id: AssociationId,
        path: PathId,
        slot: u32,
        hop: NextHop,
        read_at: Timestamp,
    ) {
        let back = self
            .registry
            .get(id)
            .and_then(|association| self.flows.get(association.path(&path)?.flow(Direction::Return)?));
        let Some(silent_for) = self.flows.get(slot).map(|flow| flow.silent_for(back, read_at)) else {
            return;
        };
        let Some(interface) = self.nics.name(hop.if_index) else {
            return;
        };
        if let Some(flow) = self.flows.get_mut(slot)
            && flow.view.interface.if_index() == hop.if_index
        {
            flow.on_next_hop(hop, interface, silent_for, read_at);
        }
    }
}

/// The paths of an established association of whose next hop is to be asked, with the slot of what this host sends there.
fn in_question<'a>(
    association: &'a Association,
    flows: &'a Flows,
    now: Timestamp,
) -> impl Iterator<Item = (PathId, u32)> + 'a {
    let paths = association.paths().filter(|_| association.is_established());
    paths.filter_map(move |(id, path)| {
        let flow = |direction| -> Option<&Flow> { flows.get(Path::flow(path, direction)?) };
        let asks = flow(Direction::Forward)?.asks_for_next_hop(flow(Direction::Return), now);
        Some((*id, path.flow(Direction::Forward)?)).filter(|_| asks)
    })
}
