//! How flows of one association are found from each other.

use super::table::FlowTable;
use crate::abi::{NO_SLOT, SlotRef};

/// A flow's tag; 0 while it is unknown, or if there is no flow.
#[inline(always)]
pub(super) fn tag_of<T: FlowTable>(slot: u32, table: &mut T) -> u32 {
    match table.flow(slot) {
        Some((_, links)) if links.tag != 0 => links.tag,
        Some((record, _)) => record.tag,
        None => 0,
    }
}

/// A flow of the opposite direction of this one's association, or [`NO_SLOT`].
#[inline(always)]
pub(super) fn reverse_of<T: FlowTable>(slot: u32, table: &mut T) -> u32 {
    match table.flow(slot) {
        Some((record, links)) => choose_reverse(slot, record.pair, links.reverse, table),
        None => NO_SLOT,
    }
}

/// The same for who has looked the flow up: its `pair`, and the `reverse` that its links name.
///
/// The one that user space names, unless the opposite flow of the same address pair began since and has no links yet.
/// What that one is, its slot says: it may have passed to another flow, and then refers to another pair.
#[inline(always)]
pub(super) fn choose_reverse<T: FlowTable>(slot: u32, pair: SlotRef, reverse: SlotRef, table: &mut T) -> u32 {
    if pair == reverse {
        return reverse.slot();
    }
    let Some((other, others_links)) = table.flow(pair.slot()) else {
        return reverse.slot();
    };
    let is_pair = other.pair == SlotRef::to(slot);
    let is_newer = !reverse.is_some() || !others_links.is_set();
    if is_pair && is_newer {
        pair.slot()
    } else {
        reverse.slot()
    }
}
