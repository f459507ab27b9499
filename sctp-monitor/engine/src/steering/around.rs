//! What the policy looks at.

use crate::{
    model::{Direction, PathId, Timestamp, Way},
    nics::Nics,
    path::{flow::Flow, flows::Flows},
    registry::association::Association,
};

/// What is known beside the association, and the time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    pub(crate) flows: &'a Flows,
    pub(crate) nics: &'a Nics,
    pub(crate) now: Timestamp,
}

impl<'a> Surroundings<'a> {
    /// The flow that this host itself sends on a path, if it ever sent anything there.
    pub(super) fn sent_flow(&self, association: &Association, path: &PathId) -> Option<&'a Flow> {
        let slot = association.path(path)?.flow(Direction::Forward)?;
        self.flows
            .get(slot)
            .filter(|flow| flow.view.interface.is_egress() && flow.view.interface.if_index() != 0)
    }

    /// Whether what this host sends on a path leaves by a NIC whose packets are seen.
    pub(super) fn is_watched(&self, association: &Association, path: &PathId) -> bool {
        let flow = self.sent_flow(association, path);
        flow.is_none_or(|flow| !self.nics.unwatched().contains(&flow.view.interface.if_index()))
    }

    /// The largest packet that passes, as far as is known: by the NIC, by the route, and by what routers said.
    pub(super) fn mtu(&self, flow: &Flow, way: Option<Way>) -> Option<u32> {
        let of_nic = self.nics.mtu(flow.view.interface.if_index());
        let of_route = way.and_then(|way| way.mtu);
        of_nic.into_iter().chain(of_route).chain(flow.path_mtu).min()
    }
}
