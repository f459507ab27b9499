//! Packets with control chunks: user space gets them as bytes, because they carry lists, or change the association.

use super::{
    open::first_kind,
    scratch::{Found, bit},
    table::FlowTable,
    tag_check::TagCheck,
    trust::{opens, rare, remote, trust_of_new},
};
use crate::{
    abi::{ControlHeader, Counter, FlowKey, Interface, NO_SLOT, Rare, RareKind, RingHeader, RingKind},
    wire::{ChunkKind, Readable},
};

/// A packet of a flow that got no slot. What it does to its association still reaches user space, if it begins with
/// a control chunk; that costs no walk.
#[inline(always)]
pub(super) fn untracked<P: Readable, T: FlowTable>(
    frame: &P,
    key: &FlowKey,
    interface: Interface,
    table: &mut T,
) {
    table.scratch().tag_check = TagCheck::Untagged as u32;
    let first = first_kind(frame, table);
    if !first.any(CONTROL) {
        return;
    }
    let reverse_slot = table.find(&key.reversed());
    let rare = Rare {
        kind: RareKind::Control as u32 + TagCheck::Untagged as u32,
        slot: NO_SLOT,
        trust: trust_of_new(first, reverse_slot, interface, table),
        remote: remote(key, interface),
        now_ns: table.now_ns(),
    };
    emit(frame, key, interface, &rare, table);
}

/// Hands the packet at hand to user space, which has control chunks and belongs to the flow in `slot`.
#[inline(always)]
pub(super) fn on_control<P: Readable, T: FlowTable>(
    frame: &P,
    interface: Interface,
    slot: u32,
    table: &mut T,
) {
    let Some((record, _, scratch)) = table.flow_and_scratch(slot) else {
        return;
    };
    // Not the packet's own: the verifier would tell address families apart from the headers to here.
    let key = record.key;
    if opens(Found::of(scratch), interface) {
        record.host_opens = 1;
    }
    let kind = RareKind::Control as u32 + scratch.tag_check() as u32;
    let rare = rare(kind, slot, &key, interface, table);
    emit(frame, &key, interface, &rare, table);
}

#[inline(always)]
fn emit<P: Readable, T: FlowTable>(
    frame: &P,
    key: &FlowKey,
    interface: Interface,
    rare: &Rare,
    table: &mut T,
) {
    if !table.admits(rare, Counter::ControlLimited) {
        return;
    }
    let scratch = table.scratch();
    let (at, end) = (scratch.at, scratch.end);
    let tag_mismatch = scratch.tag_check == TagCheck::Foreign as u32;
    let packet_length = end.saturating_sub(at);
    let header = ControlHeader {
        header: RingHeader {
            kind: RingKind::Control as u32,
            slot: rare.slot,
            time_ns: rare.now_ns,
        },
        key: *key,
        interface,
        packet_length,
        captured_length: packet_length,
        tag_mismatch: u32::from(tag_mismatch),
        reserved: 0,
    };
    table.emit_control(frame, at as usize, &header);
}

/// Chunks that reach user space as bytes: they carry lists, or change the association.
pub(super) const CONTROL: u32 = bit(ChunkKind::Init)
    | bit(ChunkKind::InitAck)
    | bit(ChunkKind::Abort)
    | bit(ChunkKind::Shutdown)
    | bit(ChunkKind::ShutdownAck)
    | bit(ChunkKind::Error)
    | bit(ChunkKind::CookieEcho)
    | bit(ChunkKind::CookieAck)
    | bit(ChunkKind::ShutdownComplete)
    | bit(ChunkKind::AsconfAck)
    | bit(ChunkKind::Asconf);
