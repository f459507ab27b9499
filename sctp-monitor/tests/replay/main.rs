//! What captures tell, told live: their frames are sent, at their times, into a NIC that the agent watches, and it must say what
//! `sctp-monitor pcap` must say of them. `tests/story/README.md` says how that is written down.
//!
//! A capture is sent as fast as it was captured: what the agent finds depends on times. So those that last longer than 15 seconds
//! are left out, or than `SCTP_MONITOR_REPLAY_SECONDS` says.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is how it fails")]

#[path = "../story/agreement.rs"]
mod agreement;
#[expect(
    dead_code,
    reason = "what is said at the end of a capture is said of captures alone"
)]
#[path = "../story/case.rs"]
mod case;
mod field;
mod frames;
mod generated;
mod outline;
mod stage;
