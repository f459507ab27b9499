//! How often what is looked at: the session's constants, in one place, with their reasons.

use std::time::Duration;

use sctp_monitor_common::abi::FlowRecord;

use crate::{config::Config, model::Timestamp};

/// How often a session takes its turns, and how often it looks at a flow that goes on as it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// From one turn to the next while there is something to look at.
    pub sweep: Duration,
    /// From one turn to the next at least, if ring records ask for it.
    pub breath: Duration,
    /// From one turn to the next at least, if the engine asks for it.
    pub grain: Duration,
    /// A flow that goes on as it did is looked at this often. What may be news is looked at in the next turn.
    pub busy: Duration,
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
    /// - `busy`: none. What is shown of a flow (its counters, its throughput) is as old as the last look. And the detector takes some
    ///   of what it knows once a look: with 500 ms here, `cargo xtask simulate --hours 2` gave 58 false reports in 4 path-hours of
    ///   reordering at 200 messages/s, and 31 doubts an hour about a peer that acknowledges after 200 ms only. Without, none and 2.
    /// - `stall`: a busy machine delays a turn by one or two sweeps.
    pub const LIVE: Self = Self {
        sweep: Duration::from_millis(20),
        breath: Duration::from_millis(2),
        grain: Duration::from_millis(1),
        busy: Duration::ZERO,
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

/// How long an answer may take until its flow is looked at: a little less than the shortest time-out, so that the engine
/// has its deadline in time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    heartbeat: Duration,
    data: Duration,
}

impl Patience {
    pub(super) fn of(config: &Config) -> Self {
        let less = |time: Duration| time * 7 / 8;
        Self {
            heartbeat: less(config.rto_min),
            data: less(config.rto_min + config.stall_allowance),
        }
    }

    /// Whether an answer has been waited for as long as that.
    pub(super) fn is_at_its_end(self, record: &FlowRecord, now: Timestamp) -> bool {
        let of_heartbeats = |sent_at_ns: u64| is_older(sent_at_ns, self.heartbeat, now);
        is_older(record.timed.sent_at_ns, self.data, now)
            || record
                .outstanding
                .iter()
                .any(|heartbeat| of_heartbeats(heartbeat.sent_at_ns))
    }
}

/// Whether something was sent so long ago; 0 is nothing.
fn is_older(sent_at_ns: u64, age: Duration, now: Timestamp) -> bool {
    sent_at_ns != 0 && now.since(Timestamp::from_nanos(sent_at_ns)) >= age
}
