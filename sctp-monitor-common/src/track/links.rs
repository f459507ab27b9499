//! What user space says of a flow, and how flows of one association are found from each other.

use super::FlowTable;
use crate::abi::{FlowLinks, NO_SLOT, SlotRef};

/// The tag that user space tells of a flow; 0 for none.
#[inline(always)]
pub(super) fn told_tag<T: FlowTable>(slot: u32, table: &mut T) -> u32 {
    table.links(slot).map_or(0, |links| links.tag)
}

/// A flow's tag; 0 while it is unknown, or if there is no flow.
#[inline(always)]
pub(super) fn tag_of<T: FlowTable>(slot: u32, table: &mut T) -> u32 {
    let told = told_tag(slot, table);
    if told != 0 {
        return told;
    }
    table.record(slot).map_or(0, |record| record.tag)
}

/// A flow of the opposite direction of this one's association, or [`NO_SLOT`].
///
/// The one that user space names, unless the opposite flow of the same address pair began since and has no links yet.
/// What that one is, its slot says: it may have passed to another flow, and then refers to another pair.
#[inline(always)]
pub(super) fn reverse_of<T: FlowTable>(slot: u32, table: &mut T) -> u32 {
    let reverse = table.links(slot).map_or(SlotRef::NONE, |links| links.reverse);
    let pair = table.record(slot).map_or(SlotRef::NONE, |record| record.pair);
    if pair == reverse {
        return reverse.slot();
    }
    if reverse.is_some() && table.links(pair.slot()).is_none_or(FlowLinks::is_set) {
        return reverse.slot();
    }
    let is_pair = table
        .record(pair.slot())
        .is_some_and(|other| other.pair == SlotRef::to(slot));
    if is_pair { pair.slot() } else { reverse.slot() }
}

/// The next flow of the same direction, or [`NO_SLOT`].
#[inline(always)]
pub(super) fn next_of<T: FlowTable>(slot: u32, table: &mut T) -> u32 {
    table.links(slot).map_or(NO_SLOT, |links| links.next.slot())
}
