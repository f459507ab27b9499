//! Which associations there are: who their endpoints are, by which tags and addresses their packets are known, how they
//! begin, change and end.
//!
//! The registry takes the flows as a parameter and ties them to their associations. What others must know of its decisions
//! it queues as [`Change`]s, in their order. It judges no path: whether one works is for the flows' detectors to say.

mod address_changes;
pub(crate) mod address_list;
pub(crate) mod addresses;
mod answers;
mod asconf;
mod assign;
pub(crate) mod association;
mod associations;
mod causes;
pub(crate) mod change;
pub(crate) mod context;
mod control;
mod early_acks;
mod ends;
mod errors;
mod expiry;
mod foreign;
pub(crate) mod forgery;
mod halves;
mod handshake;
mod handshakes;
mod identity;
mod links;
mod list_comparison;
mod moves;
mod nat;
pub(crate) mod packet;
mod proof;
mod recent;
mod restart;
mod sides;
mod strangers;
mod tags;
mod unfinished;

use std::{collections::VecDeque, sync::Arc};

use sctp_monitor_common::{abi::HeartbeatAcked, wire::Address};
use serde::{Deserialize, Serialize};

use crate::{
    config::Config,
    model::{AssociationId, PathId},
    path::flows::Flows,
    registry::{
        association::Association, associations::Associations, change::Change, errors::Repeats,
        handshakes::Handshakes, recent::Recent, unfinished::Unfinished,
    },
};

/// All that is known of associations.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Registry {
    #[serde(skip)]
    config: Arc<Config>,
    associations: Associations,
    handshakes: Handshakes,
    unfinished: Unfinished,
    recent: Recent,
    /// ABORTs of which nothing else is known, by their addresses.
    lone_aborts: Repeats<(Address, Address)>,
    /// Packets with another tag than their flow's that a handshake explains.
    explained: u64,
    /// Acknowledgements whose HEARTBEAT is not known yet.
    early_acks: VecDeque<HeartbeatAcked>,
}

impl Registry {
    pub(crate) fn new(config: Arc<Config>) -> Self {
        Self {
            config,
            associations: Associations::default(),
            handshakes: Handshakes::default(),
            unfinished: Unfinished::default(),
            recent: Recent::default(),
            lone_aborts: Repeats::default(),
            explained: 0,
            early_acks: VecDeque::new(),
        }
    }

    /// The same, under another configuration.
    pub(crate) fn under(self, config: Arc<Config>) -> Self {
        Self { config, ..self }
    }

    /// Goes by another configuration from now on.
    pub(crate) fn follow_config(&mut self, config: Arc<Config>) {
        self.config = config;
    }

    /// The oldest decision that nobody has taken yet.
    pub(crate) fn poll_change(&mut self) -> Option<Change> {
        self.associations.poll_change()
    }

    /// Packets with another tag than their flow's that a handshake explains.
    pub(crate) fn explained_mismatches(&self) -> u64 {
        self.explained
    }

    /// The associations that are known, by id.
    pub(crate) fn associations(&self) -> impl Iterator<Item = &Association> {
        self.associations.iter()
    }

    pub(crate) fn get(&self, id: AssociationId) -> Option<&Association> {
        self.associations.get(id)
    }

    pub(crate) fn get_mut(&mut self, id: AssociationId) -> Option<&mut Association> {
        self.associations.get_mut(id)
    }

    /// Takes whether each packet of an association passes on two paths, by direction.
    pub(crate) fn set_copies(&mut self, flows: &mut Flows, id: AssociationId, copies: [bool; 2]) {
        self.associations.set_copies(flows, id, copies);
    }

    /// The paths that only time keeps from being active.
    pub(crate) fn held_paths(&self) -> Vec<(AssociationId, PathId)> {
        let paths_of = |association: &Association| {
            let id = association.id();
            let held = association.paths().filter(|(_, path)| path.is_held());
            held.map(|(path, _)| (id, *path)).collect::<Vec<_>>()
        };
        self.associations.iter().flat_map(paths_of).collect()
    }
}
