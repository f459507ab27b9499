//! How far a packet is believed; see [`Trust`].

use super::{
    proof::host_vouches,
    scratch::{Found, bit},
    table::FlowTable,
    tag_check::TagCheck,
};
use crate::{
    abi::{FlowKey, FlowLinks, FlowRecord, Interface, Rare, SlotRef, Trust},
    wire::{Address, ChunkKind},
};

/// Whether this host opens an association with such a packet. What is thrown at it makes it answer, but never that.
#[inline(always)]
pub(super) fn opens(found: Found, interface: Interface) -> bool {
    interface.is_egress() && found.any(bit(ChunkKind::Init))
}

/// How far a packet is believed whose flow is not known yet, by the kind of its first chunk, if it has one, and the opposite
/// flow of its address pair.
#[inline(always)]
pub(super) fn trust_of_new<T: FlowTable>(
    first: Found,
    reverse_slot: u32,
    interface: Interface,
    table: &mut T,
) -> Trust {
    let means_it = interface.is_egress() && host_vouches(first) || opens(first, interface);
    if means_it {
        return Trust::Proved;
    }
    match table.flow(reverse_slot) {
        Some((record, links)) if is_trusted(record, links) => Trust::Answer,
        _ => Trust::Unproved,
    }
}

/// How far the packet at hand is believed, which belongs to the flow in `slot`.
#[inline(always)]
fn trust_of<T: FlowTable>(slot: u32, interface: Interface, table: &mut T) -> Trust {
    let Some((record, links, scratch)) = table.flow_and_scratch(slot) else {
        return Trust::Unproved;
    };
    let tag_check = scratch.tag_check;
    let is_own = tag_check == TagCheck::Own as u32;
    if is_own && record.is_proved(links) || opens(Found::of(scratch), interface) {
        return Trust::Proved;
    }
    let pair = record.pair.slot();
    if !is_own && tag_check != TagCheck::Reflected as u32 {
        return Trust::Unproved;
    }
    match table.flow(pair) {
        Some((record, links)) if record.pair == SlotRef::to(slot) && is_trusted(record, links) => {
            Trust::Answer
        }
        _ => Trust::Unproved,
    }
}

/// Whether what answers a flow is likely to be genuine.
#[inline(always)]
fn is_trusted(record: &FlowRecord, links: &FlowLinks) -> bool {
    record.host_opens != 0 || record.is_proved(links)
}

/// The packet at hand as a rare event.
#[inline(always)]
pub(super) fn rare<T: FlowTable>(
    kind: u32,
    slot: u32,
    key: &FlowKey,
    interface: Interface,
    table: &mut T,
) -> Rare {
    Rare {
        kind,
        slot,
        trust: trust_of(slot, interface, table),
        remote: remote(key, interface),
        now_ns: table.now_ns(),
    }
}

/// The host at the other end of a packet.
#[inline(always)]
pub(super) fn remote(key: &FlowKey, interface: Interface) -> Address {
    if interface.is_egress() { key.dst } else { key.src }
}
