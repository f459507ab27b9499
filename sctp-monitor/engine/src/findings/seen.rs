//! What the rules look at: an association or one of its paths, with all that is known of it now.

use crate::{
    config::{Config, Vantage},
    model::{AssociationRef, Direction, PathId, Sides, Timestamp},
    nics::Nics,
    path::{flow::Flow, flows::Flows, state::Path},
    registry::association::Association,
};

/// What is of no single association names addresses alone, and no endpoint.
pub(super) const NO_NAMES: Sides = Sides::ThisHost;

/// What is known beside the association: flows and NICs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    pub(crate) flows: &'a Flows,
    pub(crate) nics: &'a Nics,
    pub(crate) now: Timestamp,
}

/// One path of an established association.
#[derive(Debug, Clone, Copy)]
pub(super) struct PathSeen<'a> {
    pub(super) association: &'a Association,
    pub(super) id: PathId,
    pub(super) path: &'a Path,
    pub(super) forward: Option<&'a Flow>,
    pub(super) back: Option<&'a Flow>,
    pub(super) nics: &'a Nics,
    pub(super) config: &'a Config,
    pub(super) now: Timestamp,
}

impl<'a> PathSeen<'a> {
    pub(super) fn new(
        association: &'a Association,
        id: PathId,
        around: Surroundings<'a>,
        config: &'a Config,
    ) -> Option<Self> {
        let path = association.path(&id)?;
        let flow = |direction| around.flows.get(path.flow(direction)?);
        Some(Self {
            association,
            id,
            path,
            forward: flow(Direction::Forward),
            back: flow(Direction::Return),
            nics: around.nics,
            config,
            now: around.now,
        })
    }

    /// Its flow in a direction.
    pub(super) fn flow(&self, direction: Direction) -> Option<&'a Flow> {
        match direction {
            Direction::Forward => self.forward,
            Direction::Return => self.back,
        }
    }

    /// Its flows, the forward one first.
    pub(super) fn flows(&self) -> impl Iterator<Item = &'a Flow> + use<'a> {
        [self.forward, self.back].into_iter().flatten()
    }

    /// Those that tell over which NIC it goes, and when it last worked. On an endpoint one flow does; between the hosts neither
    /// comes before the other.
    pub(super) fn at_hand(&self) -> impl Iterator<Item = &'a Flow> + use<'a> {
        let most = match self.config.vantage {
            Vantage::Endpoint => 1,
            Vantage::Gateway => 2,
        };
        self.flows().take(most)
    }

    /// Those whose answers are judged. On an endpoint that is what the host itself sends.
    pub(super) fn judged(&self) -> impl Iterator<Item = &'a Flow> + use<'a> {
        let back = self.back.filter(|_| self.config.vantage == Vantage::Gateway);
        [self.forward, back].into_iter().flatten()
    }

    pub(super) fn reference(&self) -> AssociationRef {
        self.association.reference()
    }
}
