//! Sizes and rates of the programs' maps: what they are by default, and between which bounds user space may set them.
//!
//! They stand here once. The programs declare their maps with the defaults, the agent loads them with what its user asked
//! for, and its command line says what may be asked for.

/// Flows that are tracked at a time, by default; two make a path.
pub const DEFAULT_FLOWS: u32 = 16_384;
/// A table with fewer slots serves nobody.
pub const LEAST_FLOWS: u32 = 64;
/// A table with more slots takes gigabytes. It also leaves the upper bits of a [`SlotRef`](super::SlotRef) free.
pub const MOST_FLOWS: u32 = 1 << 22;

/// Bytes of the ring buffer, by default: a power of two.
pub const DEFAULT_RING_BYTES: u32 = 1 << 20;

/// Slots that flows may take which nothing proves.
#[must_use]
pub const fn unproved_share(flows: u32) -> u32 {
    flows / 2
}

/// New flows that nothing proves, in a second over all CPUs, by default: some hundred associations with all their paths. A flood
/// fills their half of the default table in four seconds then, and the agent has time to let go the oldest.
pub const DEFAULT_NEW_FLOWS_PER_SECOND: u64 = 2_000;

/// Control packets that nothing proves of each outcome of the tag check, and as many HEARTBEATs and ICMP errors, that are handed to
/// user space in a second over all CPUs, by default: half of the ring buffer holds what comes in a third of a second, even
/// if each is as long as a record may be.
pub const DEFAULT_CONTROL_PER_SECOND: u64 = 2_000;

/// Of each of these, no network gets more than one in so many.
pub const NETWORK_PART: u64 = 4;

/// Of control packets and the like, no flow gets more than one in so many.
pub const FLOW_PART: u64 = 32;

const _: () = assert!(MOST_FLOWS < 1 << 24);
const _: () = assert!(DEFAULT_RING_BYTES.is_power_of_two());
