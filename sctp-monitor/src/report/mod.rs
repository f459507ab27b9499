//! What the agent shows: lines and tables for people, JSON lines for programs.

pub mod desk;
pub mod json;
pub mod loss;
pub mod outlet;
pub mod queue;
pub mod table;
pub mod writer;

use sctp_monitor_engine::model::{self, Event, Timestamp};

pub use self::writer::{Outlet, Report};
use self::{
    desk::Reports,
    loss::ReportLost,
    queue::{Message, Status},
};
use crate::{
    clock::Clock,
    kernel::{Attachment, Hook, Kernel},
    lag::{AgentBehind, Lag},
    nic::NicChange,
    pressure::Pressure,
    slots::Slots,
};

/// The writers of the agent's reports.
pub type Writers = Reports<Told, Snapshot>;

/// Something to report at once, and when it happened.
#[derive(Debug, Clone)]
pub struct Told {
    /// When it happened.
    pub time: Timestamp,
    /// For the time of day.
    pub clock: Clock,
    /// What.
    pub notice: Notice,
}

impl Message for Told {
    fn at(&self) -> Timestamp {
        self.clock.date(self.time)
    }

    fn lost(lost: ReportLost) -> Self {
        Self {
            time: Clock::now().unwrap_or_default(),
            clock: Clock::read().unwrap_or_default(),
            notice: Notice::Lost(lost),
        }
    }
}

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
    /// A writer lost lines.
    Lost(ReportLost),
    /// The agent's own loop is late, or keeps up again.
    Behind(AgentBehind),
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
#[derive(Debug)]
pub struct Snapshot {
    /// For the time of day.
    pub clock: Clock,
    /// Associations, paths and incidents.
    pub known: model::Snapshot,
    /// The NICs that are watched.
    pub interfaces: Vec<Watched>,
    /// What was not understood or not kept, by name.
    pub counters: Vec<(&'static str, u64)>,
    /// How the flow table is used.
    pub flows: Flows,
    /// How the writers do.
    pub reports: Vec<WriterStatus>,
    /// How late the agent's own loop was.
    pub lag: Lag,
    /// Lines of the log that were lost.
    pub log_lines_lost: u64,
}

/// A NIC that is watched.
#[derive(Debug, Clone)]
pub struct Watched {
    /// Its name.
    pub interface: String,
    /// The hook that sees what arrives.
    pub hook: Hook,
}

impl From<&Attachment> for Watched {
    fn from(attachment: &Attachment) -> Self {
        Self {
            interface: attachment.interface().to_owned(),
            hook: attachment.hook(),
        }
    }
}

/// How a writer does.
#[derive(Debug, Clone)]
pub struct WriterStatus {
    /// `stdout`, or the path of a file.
    pub writer: String,
    /// Its counts.
    pub status: Status,
}

/// `1 packet`, `2 packets`.
pub(crate) fn plural(count: u64, noun: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{s}")
}
