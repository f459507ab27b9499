//! What the agent shows: lines and tables for people, JSON lines for programs.

pub mod desk;
pub mod json;
pub mod loss;
pub mod outlet;
pub mod queue;
pub mod table;
pub mod writer;

use std::io;

use sctp_monitor_common::abi::{Counters, FlowRecord};
use sctp_monitor_engine::{
    Engine,
    model::{Event, Timestamp},
};

use crate::{
    clock::Clock,
    kernel::{Attachment, Hook, Kernel},
    nic::NicChange,
    pressure::Pressure,
    slots::Slots,
};

/// Something to report at once.
#[derive(Debug, Clone)]
pub enum Notice {
    /// A NIC is watched from now on.
    Watching {
        /// Its name.
        interface: String,
        /// The hook that sees what arrives.
        hook: Hook,
        /// Why it is this one.
        why: String,
        /// Whether a program sees what the host sends.
        egress: bool,
    },
    /// A NIC is not watched any more.
    Unwatched {
        /// Its name.
        interface: String,
        /// Why.
        why: String,
    },
    /// A watched NIC changed its state.
    Nic(NicChange),
    /// The flow table fills up, or packets of new flows are not tracked.
    Pressure(Pressure),
    /// The engine found something.
    Event(Event),
}

impl Notice {
    /// A NIC that was attached to.
    #[must_use]
    pub fn watching(attachment: &Attachment) -> Self {
        Self::Watching {
            interface: attachment.interface().to_owned(),
            hook: attachment.hook(),
            why: attachment.why().to_owned(),
            egress: attachment.sees_egress(),
        }
    }
}

/// How the flow table is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flows {
    /// Slots.
    pub max: u32,
    /// Slots that no new flow can get now.
    pub in_use: u32,
    /// Flows that ever got one.
    pub opened: u64,
}

impl Flows {
    pub(crate) fn of(slots: &Slots, kernel: &Kernel) -> Self {
        Self {
            max: kernel.max_flows(),
            in_use: slots.in_use(),
            opened: slots.opened(),
        }
    }
}

/// Everything that is known at a moment.
pub struct Snapshot<'a> {
    /// The moment.
    pub now: Timestamp,
    /// For the time of day.
    pub clock: Clock,
    /// Associations and paths.
    pub engine: &'a Engine,
    /// Records of the flows, by slot.
    pub record: &'a dyn Fn(u32) -> Option<FlowRecord>,
    /// What was not understood or not kept.
    pub counters: &'a Counters,
    /// How the flow table is used.
    pub flows: Flows,
    /// The NICs that are watched.
    pub attachments: &'a [&'a Attachment],
}

/// Somebody to report to.
pub trait Report {
    /// Reports something at once.
    ///
    /// # Errors
    /// If it cannot be written.
    fn notice(&mut self, notice: &Notice, time: Timestamp, clock: &Clock) -> io::Result<()>;

    /// Shows how things are, once a second.
    ///
    /// # Errors
    /// If it cannot be written.
    fn refresh(&mut self, snapshot: &Snapshot<'_>) -> io::Result<()>;

    /// Shows how things were at the end.
    ///
    /// # Errors
    /// If it cannot be written.
    fn finish(&mut self, snapshot: &Snapshot<'_>) -> io::Result<()>;
}

/// `1 packet`, `2 packets`.
pub(crate) fn plural(count: u64, noun: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{s}")
}
