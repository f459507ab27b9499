//! The shapes that cross the kernel boundary. All are `repr(C)` and Pod, with their sizes asserted at compile time;
//! kinds travel as integers.

mod counter;
mod flow;
mod key;
pub mod limits;
mod links;
mod probe;
mod rate;
mod ring;
mod sender;
mod siphash;
mod steer;
mod table;
mod timing;

pub use counter::{Counter, Counters};
pub use flow::{FlowRecord, Interface, NO_SLOT};
pub use key::{FlowKey, IndexKey};
pub use links::{FlowLinks, FlowSlot, SlotRef};
pub use probe::{Announcement, PROBE_INFO_LEN, PROBE_MAGIC, ProbeInfo, ProbePath, ProbeRecord, ProbeSlot};
pub use rate::{Rare, RareKind, Rate, Trust};
pub use ring::{
    AckOutcome, CONTROL_LONG, CONTROL_SHORT, ControlHeader, FlowOpened, HeartbeatAcked, HeartbeatSent,
    IcmpErrorSeen, RingHeader, RingKind, RingRecord, RingRecordError, UnknownRingKind,
};
pub(crate) use sender::negative;
pub use sender::{SenderState, Sent, tsn_after, tsn_at_or_before};
pub use steer::{MOST_STEERED, SteerCounts, SteerMark, SteerMode, SteerOrder, SteerPlace};
pub use table::{TABLE_LAYOUT, TableFacts};
pub use timing::{HEARTBEAT_SLOTS, OutstandingHeartbeat, Rtt, TimedTsn};
