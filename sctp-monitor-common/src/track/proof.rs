//! Proof of a tag: what a sender that only knows addresses and ports cannot do.
//!
//! Of a flow whose handshake was not seen the first tag that comes is believed, and anyone can send one. So until user space
//! vouches for the tag (see [`FlowLinks::wants_proof`]), what comes with it earns nothing before it was proved once, and a
//! packet with another tag that proves it takes its place. Proof is
//!
//! - a SACK that acknowledges DATA of the opposite direction which was not acknowledged before,
//! - a HEARTBEAT ACK that answers one of the opposite direction's HEARTBEATs; both prove the tag of what they answer as well,
//! - that this host sends it: it does not answer packets with a wrong tag but by what reflects theirs.
//!
//! What would be answered of a packet with another tag is remembered as its mark, of the last one: where the first packets
//! of both directions were forged, the answer proves both.
//!
//! [`FlowLinks::wants_proof`]: crate::abi::FlowLinks::wants_proof

use super::{
    scratch::{Found, bit},
    table::FlowTable,
    tag_check::TagCheck,
};
use crate::wire::ChunkKind;

/// Chunks that a host sends with a tag that it was given by whoever sent a packet out of the blue, or a forged INIT.
pub(super) const SAYS_NOTHING: u32 = bit(ChunkKind::Init)
    | bit(ChunkKind::InitAck)
    | bit(ChunkKind::Abort)
    | bit(ChunkKind::Error)
    | bit(ChunkKind::ShutdownComplete);

/// Whether this host would not send such a packet to anybody but the peer.
#[inline(always)]
pub(super) fn host_vouches(found: Found) -> bool {
    found.0 != 0 && !found.any(SAYS_NOTHING)
}

/// The packet at hand, over the flow in `slot`, answers what only an endpoint can. `answered` is the flow that it answers, and
/// `mark` the packet of it, if that may have come with another tag.
#[inline(always)]
pub(super) fn prove<T: FlowTable>(slot: u32, answered: u32, mark: u32, table: &mut T) {
    if let Some((record, links, scratch)) = table.flow_and_scratch(slot)
        && links.wants_proof()
    {
        record.prove(scratch.tag);
        scratch.tag_check = TagCheck::Own as u32;
    }
    if let Some((record, links)) = table.flow(answered)
        && links.wants_proof()
    {
        let tag = if record.mismatched_mark == mark && mark != 0 {
            record.marked_tag
        } else {
            record.tag
        };
        record.prove(tag);
    }
}

/// Whether the packet at hand, over the flow in `slot`, answers the marked packet of the flow `answered`, whose tag is not believed.
#[inline(always)]
pub(super) fn answers_mark<T: FlowTable>(answered: u32, mark: u32, table: &mut T) -> bool {
    table
        .flow(answered)
        .is_some_and(|(record, links)| links.wants_proof() && mark != 0 && record.mismatched_mark == mark)
}
