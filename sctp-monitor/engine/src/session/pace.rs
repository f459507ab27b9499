//! How often what is looked at: the session's constants, in one place, with their reasons.
//!
//! Whatever has changed is looked at in each turn, live and in captures: the detector takes some of what it knows once a look. With a
//! look at busy flows every 500 ms, `cargo xtask simulate --hours 2` gave 58 false reports in 4 path-hours of reordering at 200
//! messages/s; with one in each turn, none.

use std::time::Duration;

/// How often a session takes its turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// From one turn to the next while there is something to look at.
    pub sweep: Duration,
    /// From one turn to the next at least, if ring records ask for it.
    pub breath: Duration,
    /// From one turn to the next at least, if the engine asks for it.
    pub grain: Duration,
    /// A turn that comes so long after the one before is late: this host or the agent stood still, and what waits in queues was
    /// not seen yet. `None` where the clock stands still between two packets.
    pub stall: Option<Duration>,
}

impl Pace {
    /// The agent's.
    ///
    /// - `sweep`: a failure is noticed half of it late on average; looking over 16,384 unchanged records takes some 50 us.
    /// - `breath`: each new flow of a flood wakes the agent up.
    /// - `grain`: the runtime's timers count milliseconds.
    /// - `stall`: a busy machine delays a turn by one or two sweeps.
    pub const LIVE: Self = Self {
        sweep: Duration::from_millis(20),
        breath: Duration::from_millis(2),
        grain: Duration::from_millis(1),
        stall: Some(Duration::from_millis(80)),
    };

    /// For packets that come with a clock of their own, faster than they were sent: captures.
    ///
    /// - `breath`: none. Nothing has to be done in time, so the programs know at once what the engine makes of a ring record.
    pub const REPLAY: Self = Self {
        breath: Duration::ZERO,
        stall: None,
        ..Self::LIVE
    };
}
