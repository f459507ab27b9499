//! What an agent must know of a flow table that another one made.

use bytemuck::{Pod, Zeroable};

/// What a flow table was made with. It lies in a map beside the table, so that whoever adopts the maps finds the flows.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
pub struct TableFacts {
    /// The seed of the index keys (see [`FlowKey::index`](super::FlowKey::index)). Secret: who knows it can make two flows
    /// meet.
    pub index_seed: [u64; 2],
    /// Slots.
    pub flows: u32,
    /// [`TABLE_LAYOUT`] of the agent that made it; 0 in a map that nobody filled.
    pub layout: u32,
}

/// The layout of records, links and keys. Raise it with every change to them: a table of another layout is not adopted.
pub const TABLE_LAYOUT: u32 = 5;

const _: () = assert!(size_of::<TableFacts>() == 24);
