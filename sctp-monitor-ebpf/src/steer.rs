//! Moves packets of a failed path to another path of their association, or sends them on both, as user space has ordered.
//!
//! The program stands before `tc_egress`: what it moves is seen there only on the NIC by which it leaves, under the path that
//! carries it. It is attached only if the operator wants steering. While no order is in force a packet costs one look-up in an
//! array.
//!
//! What it has made of a packet stands in the packet's `tc_index` (see [`SteerMark`]): so this program leaves alone what it
//! meets again on another NIC, and `tc_egress` knows what is said twice.

use core::{arch::asm, mem::offset_of};

use aya_ebpf::{
    EbpfContext as _,
    bindings::{BPF_F_MMAPABLE, TC_ACT_SHOT, TC_ACT_UNSPEC},
    helpers::{
        bpf_clone_redirect, bpf_ktime_get_coarse_ns, bpf_redirect_neigh, bpf_skb_store_bytes,
        bpf_skb_vlan_pop,
    },
    macros::map,
    maps::{Array, HashMap},
    programs::TcContext,
};
use sctp_monitor_common::{
    abi::{FlowKey, IndexKey, MOST_STEERED, SteerCounts, SteerMark, SteerMode, SteerOrder, SteerPlace},
    steer::{IsMovable, changed_check},
    wire::{
        LinkType, ParseOptions, Pass, ReadPacket, Readable, Reading, SctpPacket,
        link::{MAX_VLAN_TAGS, is_vlan},
        parse,
    },
};

use crate::{
    reader::{Skb, forget, skb_load},
    table::index_seed,
};

/// How many orders there are.
#[map]
static STEER_ORDERS: Array<u32> = Array::with_max_entries(1, 0);

/// The place of a flow's order.
#[map]
static STEER_INDEX: HashMap<IndexKey, u32> = HashMap::with_max_entries(MOST_STEERED, 0);

#[map]
static STEER_PLACES: Array<SteerPlace> = Array::with_max_entries(MOST_STEERED, BPF_F_MMAPABLE);

/// Looks at a packet that is about to leave, and says what becomes of it.
#[inline(always)]
pub(crate) fn steer(ctx: &TcContext) -> i32 {
    if !has_orders() || SteerMark::is_one(mark_of(ctx)) {
        return TC_ACT_UNSPEC;
    }
    let frame = Skb(ctx);
    let Ok(packet) = frame.read_by(Headers) else {
        return TC_ACT_UNSPEC;
    };
    // SAFETY: a number is written once, when its key is inserted.
    let Some(number) = (unsafe { STEER_INDEX.get(FlowKey::from(&packet).index(index_seed())) }) else {
        return TC_ACT_UNSPEC;
    };
    let Some(place) = STEER_PLACES.get_ptr_mut(*number) else {
        return TC_ACT_UNSPEC;
    };
    // SAFETY: the pointer is the map's own and lives as long as the program. User space changes nothing in an order that is in
    // the index but its lease, a word.
    let order = unsafe { &(*place).order };
    // SAFETY: as above; the counts are only added to, atomically.
    let counts = unsafe { &raw mut (*place).counts };
    // SAFETY: the helper has no preconditions.
    if !order.is_in_force(unsafe { bpf_ktime_get_coarse_ns() }) {
        add(counts, offset_of!(SteerCounts, lapsed), 1);
        return TC_ACT_UNSPEC;
    }
    let chunks = IsMovable {
        at: forget(packet.chunks_at()),
        end: forget(packet.end),
    };
    if packet.tag != order.tag
        || packet.first_fragment
        || packet.src.is_v4() != order.src.is_v4()
        || !frame.read_by(chunks)
    {
        add(counts, offset_of!(SteerCounts, kept), 1);
        return TC_ACT_UNSPEC;
    }
    // SAFETY: the context is the program's own.
    let segments = unsafe { (*ctx.skb.skb).gso_segs }.max(1);
    let bytes = u64::from(ctx.len().saturating_sub(IP_AT as u32));
    let is_copied = order.mode == SteerMode::Both as u32;
    if order.mode != SteerMode::Move as u32 && !is_copied {
        add(
            counts,
            offset_of!(SteerCounts, would_have_packets),
            u64::from(segments),
        );
        add(counts, offset_of!(SteerCounts, would_have_bytes), bytes);
        return TC_ACT_UNSPEC;
    }
    let mut is_sent = false;
    if is_copied {
        if order.from_if_index != if_index(ctx) {
            return TC_ACT_UNSPEC;
        }
        // SAFETY: the context is the program's own.
        if unsafe { (*ctx.skb.skb).gso_size } == 0 {
            is_sent = send_copy(ctx);
        }
        let moves = is_sent || order.moves_segmented != 0;
        if !is_sent {
            set_mark(ctx, 0);
            add(counts, offset_of!(SteerCounts, uncopied), u64::from(segments));
        }
        if !moves {
            return TC_ACT_UNSPEC;
        }
    }
    if is_sent {
        set_mark(ctx, SteerMark::Second as u32);
    }
    match readdress(ctx, order) {
        Readdressed::Yes => {}
        Readdressed::Untouched if !is_sent => {
            add(counts, offset_of!(SteerCounts, kept), 1);
            return TC_ACT_UNSPEC;
        }
        Readdressed::Untouched => {
            // One of the two has left.
            add(counts, offset_of!(SteerCounts, uncopied), u64::from(segments));
            return TC_ACT_SHOT;
        }
        Readdressed::Spoiled => {
            // It has lost its tag, and must not leave like that. The sender retransmits.
            add(counts, offset_of!(SteerCounts, failed), u64::from(segments));
            return TC_ACT_SHOT;
        }
    }
    add(counts, offset_of!(SteerCounts, packets), u64::from(segments));
    add(counts, offset_of!(SteerCounts, bytes), bytes);
    // SAFETY: the helper has no preconditions; without parameters it looks the next hop up by the new addresses.
    unsafe { bpf_redirect_neigh(order.if_index, core::ptr::null_mut(), 0, 0) as i32 }
}

/// Sends the packet where the host sends it, and leaves one that is as it was to go elsewhere. So its next hop there is looked up by
/// [`bpf_redirect_neigh`]; that of the first one the host has found. `false` if there was no memory.
#[inline(always)]
fn send_copy(ctx: &TcContext) -> bool {
    set_mark(ctx, SteerMark::First as u32);
    // It passes the programs of this NIC again, which know it by its mark. What the NIC's queue makes of it (1, 2) is not known to
    // anybody who would send it again.
    // SAFETY: the context is the program's own.
    unsafe { bpf_clone_redirect(ctx.skb.skb, if_index(ctx), 0) >= 0 }
}

/// What was made of a packet, if it is a [`SteerMark`].
#[inline(always)]
pub(crate) fn mark_of(ctx: &TcContext) -> u32 {
    // SAFETY: the context is the program's own.
    unsafe { (*ctx.skb.skb).tc_index }
}

/// What was made of a packet matters to nobody any more.
#[inline(always)]
pub(crate) fn take_mark_off(ctx: &TcContext) {
    if SteerMark::is_one(mark_of(ctx)) {
        set_mark(ctx, 0);
    }
}

#[inline(always)]
fn set_mark(ctx: &TcContext, mark: u32) {
    // SAFETY: the context is the program's own.
    unsafe { (*ctx.skb.skb).tc_index = mark };
}

#[inline(always)]
fn if_index(ctx: &TcContext) -> u32 {
    // SAFETY: the context is the program's own.
    unsafe { (*ctx.skb.skb).ifindex }
}

#[inline(always)]
fn has_orders() -> bool {
    match STEER_ORDERS.get_ptr(0) {
        // SAFETY: the pointer is the map's own and lives as long as the program. Volatile: user space writes it.
        Some(orders) => unsafe { orders.read_volatile() != 0 },
        None => false,
    }
}

/// What became of a packet whose addresses were to be replaced.
enum Readdressed {
    Yes,
    /// It is as it was.
    Untouched,
    /// Something of it was changed already.
    Spoiled,
}

/// Replaces the addresses.
#[inline(always)]
fn readdress(ctx: &TcContext, order: &SteerOrder) -> Readdressed {
    let mut failed = Readdressed::Untouched;
    for _ in 0..MAX_VLAN_TAGS {
        let Some(kind) = skb_load::<u16>(ctx, ETHER_TYPE_AT) else {
            return failed;
        };
        // SAFETY: the context is the program's own.
        if !is_vlan(kind) && unsafe { (*ctx.skb.skb).vlan_present } == 0 {
            break;
        }
        // The tag is of the NIC that it was meant for.
        // SAFETY: the context is the program's own.
        let is_popped = unsafe { bpf_skb_vlan_pop(ctx.skb.skb) } == 0;
        // It may have lost the outer one of two tags, and failed after that.
        failed = Readdressed::Spoiled;
        if !is_popped {
            return failed;
        }
    }
    let is_stored = if let (Some(src), Some(dst)) = (order.src.v4_word(), order.dst.v4_word()) {
        let Some(check) = skb_load::<u16>(ctx, IP_AT + V4_CHECK_AT) else {
            return failed;
        };
        let [first, second] = changed_check(check, order.check_delta).to_ne_bytes();
        // The checksum stands right before the addresses: all is one piece, behind two bytes that are not written.
        let words = [u32::from_ne_bytes([0, 0, first, second]), src, dst];
        let from = (&raw const words).cast::<u8>().wrapping_add(2);
        // SAFETY: ten bytes follow the first two.
        unsafe { store(ctx, IP_AT + V4_CHECK_AT, from, 10) }
    } else {
        let from = (&raw const order.src).cast();
        // SAFETY: both addresses stand one behind the other, and an order is as long.
        unsafe { store(ctx, IP_AT + V6_ADDRESSES_AT, from, 32) }
    };
    // What cannot be written is not written in part.
    if is_stored { Readdressed::Yes } else { failed }
}

/// Writes into the packet.
///
/// # Safety
/// `length` bytes from `from` are readable.
#[inline(always)]
unsafe fn store(ctx: &TcContext, at: usize, from: *const u8, length: u32) -> bool {
    // SAFETY: the caller vouches for the bytes, and the context is the program's own.
    unsafe { bpf_skb_store_bytes(ctx.as_ptr().cast(), at as u32, from.cast(), length, 0) == 0 }
}

/// Adds to a count, which other CPUs may do at the same time.
#[inline(always)]
fn add(counts: *mut SteerCounts, offset: usize, number: u64) {
    let count = counts.cast::<u8>().wrapping_add(offset);
    // SAFETY: an atomic addition to a word of the map's own value, which is aligned.
    unsafe { asm!("lock *(u64 *)({0} + 0) += {1}", in(reg) count, in(reg) number, options(nostack)) };
}

/// Reads a frame down to the SCTP common header. SCTP in UDP stays where it is: UDP's checksum covers the addresses.
struct Headers;

impl Reading for Headers {
    type Output = Result<SctpPacket, Pass>;

    #[inline(always)]
    fn read<R: ReadPacket>(self, reader: &R) -> Self::Output {
        parse(reader, LinkType::Ethernet, ParseOptions { udp_port: 0 })
    }
}

/// Behind the Ethernet header, when there are no tags (any more).
const IP_AT: usize = 14;
const ETHER_TYPE_AT: usize = 12;
const V4_CHECK_AT: usize = 10;
const V6_ADDRESSES_AT: usize = 8;

const _: () = assert!(offset_of!(SteerOrder, dst) == offset_of!(SteerOrder, src) + 16);
