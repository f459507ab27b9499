//! Budgets over all CPUs for what nothing proves; see `abi::rate` of the common crate.
//!
//! CPUs share the cells: one of them may count an event into a second that another one has just begun anew. Then
//! a few events more are let in, at most one a CPU.

use core::arch::asm;

use aya_ebpf::{Global, bindings::BPF_RB_AVAIL_DATA, macros::map, maps::Array};
use sctp_monitor_common::abi::{
    IndexKey, Rare, RareKind, Rate, Trust,
    limits::{
        DEFAULT_CONTROL_PER_SECOND, DEFAULT_NEW_FLOWS_PER_SECOND, DEFAULT_RING_BYTES, FLOW_PART, NETWORK_PART,
    },
};

use crate::{
    reader::forget,
    table::{RING, flow, index_seed},
};

/// By [`RareKind`].
#[map]
static RATES: Array<Rate> = Array::with_max_entries(RareKind::COUNT as u32, 0);

/// By a hash of the network and the [`RareKind`]. Two networks that meet there share their part.
#[map]
static NETWORK_RATES: Array<Rate> = Array::with_max_entries(NETWORK_PLACES, 0);

/// New flows that nothing proves, in a second.
#[unsafe(no_mangle)]
static NEW_FLOWS_PER_SECOND: Global<u64> = Global::new(DEFAULT_NEW_FLOWS_PER_SECOND);

/// Control packets that nothing proves of each outcome of the tag check, in a second; as many HEARTBEATs and ICMP errors.
#[unsafe(no_mangle)]
static CONTROL_PER_SECOND: Global<u64> = Global::new(DEFAULT_CONTROL_PER_SECOND);

/// Bytes of the ring buffer that what nothing proves may fill: the rest is kept for what is proved.
#[unsafe(no_mangle)]
static RING_SHARE: Global<u64> = Global::new(DEFAULT_RING_BYTES as u64 / 2);

/// A power of two.
const NETWORK_PLACES: u32 = 1 << 14;

/// Of the new flows in a second, one in so many is kept for those that come again.
const KEPT_PART: u64 = 4;

/// Whether user space is told of one more event.
#[inline(always)]
pub(crate) fn admits(rare: &Rare) -> bool {
    let per_second = CONTROL_PER_SECOND.load();
    let trust = number_of(rare.trust);
    if let Some((record, _)) = flow(rare.slot)
        && !record.rare[trust].admits(rare.now_ns, per_second / FLOW_PART)
    {
        return false;
    }
    if trust != Trust::Unproved as usize {
        return true;
    }
    network_admits(rare, per_second) && all_admit(rare.kind, rare.now_ns, per_second)
}

/// Whether the ring buffer has room for a record.
#[inline(always)]
pub(crate) fn has_room(trust: Trust) -> bool {
    number_of(trust) != Trust::Unproved as usize
        || RING.query(u64::from(BPF_RB_AVAIL_DATA)) < RING_SHARE.load()
}

/// The same as a number, of which the verifier knows nothing: it would go on with each one on its own.
#[inline(always)]
pub(crate) fn number_of(trust: Trust) -> usize {
    forget(trust as usize) % Trust::SLOTS
}

/// Whether one more flow may be opened that nothing proves. `comes_again` tells whether it was refused not long ago; it is asked
/// only if the rest is used up.
#[inline(always)]
pub(crate) fn admits_flow(rare: &Rare, comes_again: impl FnOnce() -> bool) -> bool {
    let per_second = NEW_FLOWS_PER_SECOND.load();
    let kept = per_second / KEPT_PART;
    // A flood of forged flows uses the second up in its first moments, but seldom comes again with the same flow.
    network_admits(rare, per_second)
        && (all_admit(RareKind::NewFlow as u32, rare.now_ns, per_second - kept)
            || comes_again() && all_admit(RareKind::NewFlowAgain as u32, rare.now_ns, kept))
}

#[inline(always)]
fn network_admits(rare: &Rare, per_second: u64) -> bool {
    let place = IndexKey::of([rare.remote.network(), u64::from(rare.kind)]).hash(index_seed());
    match NETWORK_RATES.get_ptr_mut(place as u32 & (NETWORK_PLACES - 1)) {
        Some(rate) => count(rate, rare.now_ns, per_second / NETWORK_PART),
        None => false,
    }
}

#[inline(always)]
fn all_admit(kind: u32, now_ns: u64, per_second: u64) -> bool {
    match RATES.get_ptr_mut(kind) {
        Some(rate) => count(rate, now_ns, per_second),
        None => false,
    }
}

/// Whether one more event is within `per_second`; it is counted then.
#[inline(always)]
fn count(rate: *mut Rate, now_ns: u64, per_second: u64) -> bool {
    // SAFETY: the pointer is the map's own and lives as long as the program; see the module's comment on other CPUs.
    let rate = unsafe { &mut *rate };
    if !rate.has_room(now_ns, per_second) {
        return false;
    }
    let counted = &raw mut rate.count;
    // SAFETY: an atomic addition to the map's own word, which is aligned.
    unsafe { asm!("lock *(u32 *)({0} + 0) += {1}", in(reg) counted, in(reg) 1_u64, options(nostack)) };
    true
}
