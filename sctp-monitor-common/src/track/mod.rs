//! What one packet does to the records.
//!
//! Pure over a [`FlowTable`]: the same function runs in the XDP and TC programs over BPF maps, and in user space over
//! memory. [`dispatch`] leads from a frame to it. Every packet passes, but for an answer to a probe of the agent's own that
//! stands alone in its packet: see [`Verdict`].
//!
//! The order is forced by the verifier and by aliasing: one record is borrowed at a time, and the walk over the chunks
//! only collects what is needed, so that its states stay few. What a chunk means is decided after the walk.

mod chunks;
mod control;
mod data;
mod dispatch;
mod heartbeat;
mod icmp;
mod links;
mod open;
mod packet;
mod probe;
mod proof;
mod sack;
mod scratch;
mod table;
mod tag_check;
mod trust;

pub use self::{
    dispatch::{Options, Tables, dispatch, observe},
    probe::Verdict,
    scratch::Scratch,
    table::{FlowTable, MAX_CHUNKS, MAX_SIBLINGS},
    tag_check::{TAG_CHECKS, TagCheck},
};
