//! What user space tells the program that moves packets to another path, and what that program counts.
//!
//! An order stands in a place of an array that user space maps into its memory; an index map leads from a flow's key to the
//! number of the place. As in the flow table each part has one writer: the agent the order, the program the counts. An order
//! never changes while its place is in the index, apart from its lease: another one gets another place, and a place is used
//! again only when no program can hold it any more. So a program never sees half of two orders.

use bytemuck::{Pod, Zeroable};

use crate::wire::Address;

/// Onto which addresses, and over which NIC, packets of one flow leave: a cache line that the agent writes.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
pub struct SteerOrder {
    /// The source address that its packets get.
    pub src: Address,
    /// The destination address that its packets get, of the same family.
    pub dst: Address,
    /// CLOCK_MONOTONIC, nanoseconds: from then on packets go as if there were no order. The agent moves it on while it lives.
    pub lease_until_ns: u64,
    /// Only packets with this verification tag are meant.
    pub tag: u32,
    /// The NIC by which they leave.
    pub if_index: u32,
    /// What is done, a [`SteerMode`].
    pub mode: u32,
    /// What the IPv4 header checksum changes by, see [`check_delta`](crate::steer::check_delta).
    pub check_delta: u32,
    /// The NIC by which the host sends them. Copies are made there only: a packet may cross a NIC above or below it as well.
    pub from_if_index: u32,
    /// What becomes of a packet that a NIC cuts up and that is to be copied, 1 or 0: it leaves on the other path, or as the host sends
    /// it. Copies of it would share what it holds.
    pub moves_segmented: u32,
}

/// What is done with the packets of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum SteerMode {
    /// They are counted and go as before.
    DryRun = 1,
    /// They leave on the other path.
    Move = 2,
    /// They leave as the host sends them, and copies of them on the other path.
    Both = 3,
}

/// What a packet was made by, as `tc_steer` tells the programs that see it after that. It stands in the packet's `tc_index`, 16 bits
/// that nothing else uses on the way (the mark would decide on its route), and is taken off by the last of the programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum SteerMark {
    /// It leaves as the host sends it, and a copy of it elsewhere.
    First = 0x5c01,
    /// It is a copy, on another path.
    Second = 0x5c02,
}

impl SteerMark {
    /// Whether a packet's `tc_index` is one of these.
    #[inline(always)]
    #[must_use]
    pub const fn is_one(tc_index: u32) -> bool {
        tc_index == Self::First as u32 || tc_index == Self::Second as u32
    }
}

/// What became of the packets of one order: a cache line that the program writes. Bytes are those of the IP packets; where a
/// NIC cuts a packet up, the segments count.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Pod, Zeroable)]
pub struct SteerCounts {
    /// Packets that left on the other path, or copies of them.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Packets that would have left on the other path, were it no dry run.
    pub would_have_packets: u64,
    /// Their bytes.
    pub would_have_bytes: u64,
    /// Packets that were not touched, because they hold other chunks than DATA and SACK, have another tag, or are fragments.
    pub kept: u64,
    /// Packets that came after the lease had ended, and went as before.
    pub lapsed: u64,
    /// Packets that could not be rewritten, and were lost by it.
    pub failed: u64,
    /// Packets that left on one path only, though they were to leave on both: a NIC cuts them up, or there was no memory.
    pub uncopied: u64,
}

/// The place of an order.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub struct SteerPlace {
    /// What the agent says.
    pub order: SteerOrder,
    /// What the program counts.
    pub counts: SteerCounts,
}

impl SteerOrder {
    /// Whether its lease has not ended.
    #[inline(always)]
    #[must_use]
    pub const fn is_in_force(&self, now_ns: u64) -> bool {
        now_ns < self.lease_until_ns
    }
}

/// Flows that are steered at a time, at most.
pub const MOST_STEERED: u32 = 4_096;

const _: () = assert!(size_of::<SteerOrder>() == 64);
const _: () = assert!(size_of::<SteerCounts>() == 64);
const _: () = assert!(size_of::<SteerPlace>() == 2 * 64);
