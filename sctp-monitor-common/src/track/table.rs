//! What a packet is tracked into, and how much of a packet and of an association is looked through.

use bytemuck::Pod;

use super::scratch::Scratch;
use crate::{
    abi::{ControlHeader, Counter, FlowKey, FlowLinks, FlowRecord, ProbePath, ProbeRecord, Rare, Trust},
    wire::Readable,
};

/// Where flows are kept, and where records for user space go.
///
/// At most one record is borrowed at a time, so an implementation may hand out pointers into shared memory.
pub trait FlowTable {
    /// The slot of a flow, or [`NO_SLOT`](crate::abi::NO_SLOT). Not an `Option`: LLVM copies the slot before it looks at the
    /// variant, and the verifier lets nobody read a register that was never written.
    fn find(&mut self, key: &FlowKey) -> u32;

    /// Takes a free slot for a new flow and enters it under its key. The record is zero.
    ///
    /// # Errors
    /// The counter that says why there is no slot.
    fn open(&mut self, key: &FlowKey, rare: &Rare) -> Result<u32, Counter>;

    /// Whether user space is told of something rare. If not, it is counted why: by `limited`, or for want of room.
    fn admits(&mut self, rare: &Rare, limited: Counter) -> bool;

    /// Whether there is room for a record of what is believed so far; it is counted if not.
    fn has_room(&mut self, trust: Trust) -> bool;

    /// The record in a slot; `None` past the end of the table.
    fn record(&mut self, slot: u32) -> Option<&mut FlowRecord>;

    /// The same, with what user space says of the flow.
    fn flow(&mut self, slot: u32) -> Option<(&mut FlowRecord, &FlowLinks)>;

    /// Memory for the packet at hand. It holds whatever was left there.
    fn scratch(&mut self) -> &mut Scratch;

    /// Both, and the memory for the packet at hand.
    fn flow_and_scratch(&mut self, slot: u32) -> Option<(&mut FlowRecord, &FlowLinks, &mut Scratch)>;

    /// What `tc_steer` made of the packet at hand: its `tc_index`.
    fn mark(&self) -> u32 {
        0
    }

    /// The key of this agent's probes; zero if it sends none.
    fn probe_key(&self) -> [u64; 2];

    /// A place in the map of probes: what is known of a path's, and what the agent says of it; `None` past its end.
    fn probe(&mut self, index: u32) -> Option<(&mut ProbeRecord, &ProbePath)>;

    /// CLOCK_MONOTONIC (or the capture's clock), nanoseconds, never 0.
    fn now_ns(&mut self) -> u64;

    /// The coarse clock: a jiffy in the kernel, a nanosecond in captures.
    fn now_ticks(&mut self) -> u64;

    /// Adds one to a counter.
    fn count(&mut self, counter: Counter);

    /// Hands a record to user space, and wakes it up if the record is urgent.
    fn emit<T: Pod>(&mut self, record: &T, urgent: bool);

    /// Hands `header.captured_length` bytes of the packet, from offset `at`, to user space.
    fn emit_control<P: Readable>(&mut self, frame: &P, at: usize, header: &ControlHeader);
}

/// Chunks that the programs walk in one packet. A packet of 1,500 bytes holds at most 92 DATA chunks of one byte, and
/// stacks bundle a handful. Set SCTP_MONITOR_MAX_CHUNKS when building to change it; below 32 does not build.
pub const MAX_CHUNKS: usize = match option_env!("SCTP_MONITOR_MAX_CHUNKS") {
    Some(text) => match usize::from_str_radix(text, 10) {
        Ok(value) => value,
        Err(_) => panic!("SCTP_MONITOR_MAX_CHUNKS must be a number"),
    },
    None => 32,
};

const _: () = assert!(MAX_CHUNKS >= 32, "SCTP_MONITOR_MAX_CHUNKS must be 32 or more");

/// Flows of one direction of an association that are looked through for a heartbeat or a timed TSN: four addresses on
/// either side.
pub const MAX_SIBLINGS: usize = 16;
