//! The shapes that cross the kernel boundary. All are `repr(C)` and Pod, with their sizes asserted at compile time;
//! kinds travel as integers.

mod counter;
mod flow;
mod links;
mod ring;

pub use counter::{Counter, Counters};
pub use flow::{
    FlowKey, FlowRecord, HEARTBEAT_SLOTS, IndexKey, Interface, NO_SLOT, OutstandingHeartbeat, Rtt,
    SenderState, TimedTsn, tsn_after, tsn_at_or_before,
};
pub use links::{FlowLinks, SlotRef};
pub use ring::{
    AckOutcome, CONTROL_LONG, CONTROL_SHORT, ControlHeader, FlowOpened, HeartbeatAcked, HeartbeatSent,
    IcmpErrorSeen, RingHeader, RingKind, RingRecord, RingRecordError, UnknownRingKind,
};
