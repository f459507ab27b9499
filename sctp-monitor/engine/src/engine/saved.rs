//! What an engine knows, as it is saved, for the agent that follows on the same flow table.
//!
//! Not saved: the configuration and the NICs, which the next agent has of its own; probes, which it sends under a key of its own;
//! and steering, for without an agent nothing is steered.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use sctp_monitor_common::abi::FlowKey;
use serde::{Deserialize, Serialize};

use super::{Engine, Output, held::Held};
use crate::{
    config::Config,
    findings::Findings,
    grace::Grace,
    housekeeping::Housekeeping,
    model::{PathId, Timestamp},
    path::flows::Flows,
    registry::{Registry, association::Association},
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

    /// The NICs that its flows cross.
    pub(crate) fn interfaces(&self) -> BTreeSet<u32> {
        let slots = self.flows.slots();
        let flows = slots.filter_map(|slot| self.flows.get(slot));
        flows
            .map(|flow| flow.view.interface.if_index())
            .filter(|index| *index != 0)
            .collect()
    }

    /// Forgets the flows whose slots hold them no longer. The slots are others' already: nothing is to be released.
    pub(crate) fn forget_missing(&mut self, holds: impl Fn(u32, &FlowKey, u64) -> bool, now: Timestamp) {
        let is_held = |slot: &u32| {
            let flow = self.flows.get(*slot);
            flow.is_some_and(|flow| holds(*slot, &flow.view.key, flow.view.packets))
        };
        let missing: Vec<_> = self.slots().into_iter().filter(|slot| !is_held(slot)).collect();
        for slot in missing {
            self.registry.forget_flow(&mut self.flows, slot, now);
        }
        // Whether packets pass on two paths was decided by an agent that may have had other orders, and its own have lapsed.
        for id in self.associations().map(Association::id).collect::<Vec<_>>() {
            self.registry.set_copies(&mut self.flows, id, [false; 2]);
        }
        self.route(now);
        self.outputs
            .retain(|output| !matches!(output, Output::Release { .. }));
    }
}
