//! In which state a path was, and when; what was wrong meanwhile.

use sctp_monitor_engine::model::{Finding, PathState, Reason, Timestamp};

/// A time in one state.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Span<'a> {
    pub(crate) from_ns: u64,
    pub(crate) to_ns: u64,
    pub(crate) state: PathState,
    /// Why it went into this state.
    pub(crate) reason: Option<&'a Reason>,
}

/// A finding, as long as it held.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shade<'a> {
    pub(crate) finding: &'a Finding,
    /// When it was over; `None` if it was not, by the end.
    pub(crate) until: Option<Timestamp>,
}
