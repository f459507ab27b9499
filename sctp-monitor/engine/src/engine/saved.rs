//! What an engine knows, as it is saved, for the agent that follows on the same flow table.
//!
//! Not saved: the configuration and the NICs, which the next agent has of its own; probes, which it sends under a key of its own;
//! and steering, for without an agent nothing is steered.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Engine, held::Held};
use crate::{
    config::Config,
    findings::Findings,
    grace::Grace,
    housekeeping::Housekeeping,
    model::{PathId, Timestamp},
    path::flows::Flows,
    registry::Registry,
};

/// What an engine knows, by reference.
#[derive(Debug, Serialize)]
pub(crate) struct Knowledge<'a> {
    flows: &'a Flows,
    registry: &'a Registry,
    findings: &'a Findings,
    grace: &'a Grace,
    housekeeping: &'a Housekeeping,
    held: &'a Held,
    in_question: &'a BTreeSet<PathId>,
}

/// The same, as it was saved.
#[derive(Debug, Deserialize)]
pub(crate) struct Remembered {
    flows: Flows,
    registry: Registry,
    findings: Findings,
    grace: Grace,
    housekeeping: Housekeeping,
    held: Held,
    in_question: BTreeSet<PathId>,
}

impl Engine {
    /// What it knows.
    pub(crate) fn knowledge(&self) -> Knowledge<'_> {
        Knowledge {
            flows: &self.flows,
            registry: &self.registry,
            findings: &self.findings,
            grace: &self.grace,
            housekeeping: &self.housekeeping,
            held: &self.held,
            in_question: &self.in_question,
        }
    }

    /// An engine that goes on from what another one knew.
    #[must_use]
    pub(crate) fn remembering(config: Config, tick: Duration, known: Remembered) -> Self {
        let fresh = Self::new(config, tick);
        Self {
            flows: known.flows,
            registry: known.registry.under(Arc::clone(&fresh.config)),
            findings: known.findings.under(Arc::clone(&fresh.config)),
            grace: known.grace,
            housekeeping: known.housekeeping,
            held: known.held,
            in_question: known.in_question,
            ..fresh
        }
    }

    /// The slots of the flows that it knows.
    pub(crate) fn slots(&self) -> Vec<u32> {
        self.flows.slots().collect()
    }

    /// Forgets the flows whose slots hold them no longer.
    pub(crate) fn forget_missing(&mut self, holds: impl Fn(u32) -> bool, now: Timestamp) {
        for slot in self.slots().into_iter().filter(|slot| !holds(*slot)) {
            self.registry.forget_flow(&mut self.flows, slot, now);
        }
        self.route(now);
    }
}
