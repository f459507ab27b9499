//! Everything that the agent says: what the engine found, what it has to say of itself, and how things are.
//!
//! All of it is dated: times are times of day.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use sctp_monitor_engine::{
    NicState,
    model::{AssociationView, Event, Schema, Snapshot, Timestamp},
};
use serde::{Deserialize, Serialize};

use super::pressure::Pressure;

/// A line. `event` tells them apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Line {
    /// The engine found something.
    Event(Event),
    /// The agent says something of itself.
    Notice(Notice),
    /// How things are.
    Summary(Box<Summary>),
}

impl Line {
    /// When it was.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        match self {
            Self::Event(event) => event.time,
            Self::Notice(notice) => notice.time,
            Self::Summary(summary) => summary.snapshot.time,
        }
    }
}

/// What the agent says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Notice {
    /// Of the whole line.
    pub schema: Schema,
    /// When it was.
    pub time: Timestamp,
    /// What it is.
    #[serde(flatten)]
    pub kind: NoticeKind,
}

/// What the agent has to say of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum NoticeKind {
    /// A NIC is watched from now on.
    WatchStarted {
        /// Its name.
        interface: String,
        /// The hook that sees what arrives.
        hook: String,
        /// Why it is this one.
        reason: String,
        /// Whether a program sees what the host sends.
        egress: bool,
    },
    /// A NIC is not watched any more.
    WatchEnded {
        /// Its name.
        interface: String,
        /// Why.
        reason: String,
    },
    /// A watched NIC changed its state.
    InterfaceStateChanged {
        /// Its name.
        interface: String,
        /// Its state now.
        state: NicState,
    },
    /// The flow table fills up, or packets of new flows are not tracked.
    FlowTablePressure {
        /// In words.
        reason: String,
        /// In figures.
        evidence: Pressure,
        /// What to check next.
        next: String,
    },
}

impl NoticeKind {
    /// The flow table fills up.
    #[must_use]
    pub fn pressure(pressure: Pressure) -> Self {
        Self::FlowTablePressure {
            reason: pressure.to_string(),
            next: Pressure::check(),
            evidence: pressure,
        }
    }

    /// Said at this time of day.
    #[must_use]
    pub fn at(self, time: Timestamp) -> Line {
        Line::Notice(Notice {
            schema: Schema,
            time,
            kind: self,
        })
    }
}

/// How things are: what the engine knows, and what the agent knows of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename = "summary")]
pub struct Summary {
    /// Associations, paths and incidents.
    #[serde(flatten)]
    pub snapshot: Snapshot,
    /// The NICs that are watched.
    pub interfaces: Vec<Interface>,
    /// How the flow table is used.
    pub flows: FlowTable,
    /// What was not understood or not kept, by name; those that are zero are left out.
    pub counters: BTreeMap<String, u64>,
}

impl Summary {
    /// The same without associations of which nothing was reported yet.
    #[must_use]
    pub fn reported(mut self) -> Self {
        self.snapshot.associations.retain(AssociationView::is_reported);
        self
    }
}

/// A NIC that is watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Interface {
    /// Its name.
    pub interface: String,
    /// The hook that sees what arrives.
    pub hook: String,
}

/// How the flow table is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FlowTable {
    /// Slots.
    pub slots: u32,
    /// Slots that no new flow can get now.
    pub in_use: u32,
    /// Flows that ever got one.
    pub opened: u64,
}
