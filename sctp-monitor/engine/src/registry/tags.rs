//! Which associations' packets carry a tag between two ports.
//!
//! Tags are random and of 32 bits, and the same ports serve many hosts: two associations may share all of it. Whoever
//! asks decides between them by the addresses.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use sctp_monitor_common::abi::FlowKey;
use serde::{Deserialize, Serialize};

use crate::model::{AssociationId, Direction};

/// Associations by source port, destination port and tag of their packets.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct TagIndex {
    candidates: HashMap<(u16, u16, u32), Claims, RandomState>,
}

/// Who has a tag: by chance more than one.
type Claims = Vec<(AssociationId, Direction)>;

impl TagIndex {
    pub(crate) fn insert(&mut self, ports: (u16, u16), tag: u32, id: AssociationId, direction: Direction) {
        let candidates = self.candidates.entry((ports.0, ports.1, tag)).or_default();
        if !candidates.contains(&(id, direction)) {
            candidates.push((id, direction));
        }
    }

    pub(crate) fn remove(&mut self, ports: (u16, u16), tag: u32, id: AssociationId, direction: Direction) {
        let key = (ports.0, ports.1, tag);
        if let Some(candidates) = self.candidates.get_mut(&key) {
            candidates.retain(|known| *known != (id, direction));
            if candidates.is_empty() {
                self.candidates.remove(&key);
            }
        }
    }

    /// Associations whose packets between these ports carry this tag, and the direction in which they do.
    pub(crate) fn candidates(&self, key: &FlowKey, tag: u32) -> &[(AssociationId, Direction)] {
        self.candidates
            .get(&(key.src_port, key.dst_port, tag))
            .map_or(&[], Vec::as_slice)
    }
}
