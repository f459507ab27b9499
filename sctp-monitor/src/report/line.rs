//! Everything that the agent says: what the engine found, what it has to say of itself, and how things are.
//!
//! All of it is dated: times are times of day.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use sctp_monitor_engine::{
    NicState,
    model::{
        AssociationRef, AssociationView, End, EndReason, Event, PhaseView, Schema, Snapshot, Status,
        Timestamp, WallClock,
    },
};
use serde::{Deserialize, Serialize};

use super::{
    loss::{LossReason, ReportLost},
    no_sctp::NoSctp,
    pressure::Pressure,
    queue::{Message, Status as WriterState},
};
use crate::{
    clock,
    lag::{AgentBehind, Lag, Lateness},
};

/// A line of a report; `event` says which kind it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Line {
    /// An event of the engine.
    Event(Event),
    /// A message of the agent about itself.
    Notice(Notice),
    /// The state of everything, at the end.
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

/// A message of the agent about itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Notice {
    /// The version of the line's schema.
    pub schema: Schema,
    /// The time of the message.
    pub time: Timestamp,
    /// The kind of the message, with its figures.
    #[serde(flatten)]
    pub kind: NoticeKind,
}

/// Kinds of messages of the agent about itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum NoticeKind {
    /// A NIC is watched from now on.
    WatchStarted {
        /// The name of the NIC.
        interface: String,
        /// The hook for incoming packets.
        hook: String,
        /// Why this hook is used, in words.
        reason: String,
        /// Whether a program sees outgoing packets.
        egress: bool,
    },
    /// A NIC that should be watched cannot be yet.
    NotWatched {
        /// The name of the NIC.
        interface: String,
        /// Why not, in words.
        reason: String,
    },
    /// A watched NIC has another name from now on.
    InterfaceRenamed {
        /// Its name.
        interface: String,
        /// Its name before.
        before: String,
    },
    /// A NIC is not watched any more.
    WatchEnded {
        /// The name of the NIC.
        interface: String,
        /// Why the NIC is no longer watched, in words.
        reason: String,
    },
    /// A watched NIC changed its state.
    InterfaceStateChanged {
        /// The name of the NIC.
        interface: String,
        /// The state from now on.
        state: NicState,
    },
    /// No SCTP packet was seen since the watch began.
    NoSctpSeen {
        /// That, in words.
        reason: String,
        /// That, in figures.
        evidence: NoSctp,
        /// What to check next.
        next: String,
    },
    /// The flow table is nearly full, or packets of new flows are not tracked.
    FlowTablePressure {
        /// The state of the flow table, in words.
        reason: String,
        /// The state of the flow table, in figures.
        evidence: Pressure,
        /// What to check next.
        next: String,
    },
    /// A writer lost lines.
    ReportLost(ReportLost),
    /// The agent itself is late, or is on time again.
    AgentBehind {
        /// Whether it began, goes on or has ended.
        status: Status,
        /// When the agent was late first.
        since: Timestamp,
        /// How late the agent is, in words.
        reason: String,
        /// How late the agent is, in figures.
        evidence: Lateness,
        /// What to check next.
        next: String,
    },
}

impl Message for Line {
    fn at(&self) -> Timestamp {
        self.time()
    }

    fn lost(lost: ReportLost) -> Self {
        NoticeKind::ReportLost(lost).at(clock::time_of_day())
    }
}

impl NoticeKind {
    /// The agent is behind, or keeps up again.
    #[must_use]
    pub fn behind(behind: AgentBehind, clock: WallClock) -> Self {
        Self::AgentBehind {
            status: behind.status,
            since: clock.date(behind.since),
            reason: behind.to_string(),
            evidence: behind.lateness,
            next: AgentBehind::check().to_owned(),
        }
    }

    /// Nothing was seen.
    #[must_use]
    pub fn no_sctp(seen: NoSctp) -> Self {
        Self::NoSctpSeen {
            reason: seen.to_string(),
            next: seen.check(),
            evidence: seen,
        }
    }

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

/// The state of everything: what the engine knows, and what the agent knows of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename = "summary")]
pub struct Summary {
    /// Associations, paths and incidents.
    #[serde(flatten)]
    pub snapshot: Snapshot,
    /// When the watch began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The NICs that are watched.
    pub interfaces: Vec<Interface>,
    /// The NICs that should be watched and cannot be now: what passes them is not seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_watched: Vec<NotWatched>,
    /// The use of the flow table.
    pub flows: FlowTable,
    /// Associations that ended since the watch began, also those that are forgotten.
    #[serde(default)]
    pub associations_ended: u64,
    /// Packets that were not understood or not kept, by reason; those that are zero are left out.
    pub counters: BTreeMap<String, u64>,
    /// Each writer's lines.
    #[serde(default)]
    pub reports: Vec<WriterStatus>,
    /// How late the agent was.
    #[serde(default)]
    pub lag: Lag,
    /// The number of lost lines of the agent's log.
    #[serde(default)]
    pub log_lines_lost: u64,
}

impl Summary {
    /// The same without associations of which nothing was reported yet.
    #[must_use]
    pub fn reported(mut self) -> Self {
        self.snapshot.associations.retain(AssociationView::is_reported);
        self
    }

    /// Whether something was reported of all its associations.
    pub fn is_reported(&self) -> bool {
        self.snapshot
            .associations
            .iter()
            .all(AssociationView::is_reported)
    }

    /// The associations that are over and not forgotten, with when and how each ended.
    pub fn known_ended(&self) -> impl Iterator<Item = (AssociationRef, Timestamp, &End)> {
        // The packets of one that is part of another are told of with that one.
        let is_told = |end: &End| !matches!(end.reason, EndReason::PartOf { .. });
        let associations = self.snapshot.associations.iter();
        associations.filter_map(move |association| match &association.phase {
            PhaseView::Ended { at, end } if is_told(end) => Some((association.reference, *at, end)),
            _ => None,
        })
    }

    /// How many associations ended, also before they were established.
    #[must_use]
    pub fn ended(&self) -> u64 {
        self.associations_ended.max(self.known_ended().count() as u64)
    }
}

/// A NIC that should be watched and is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NotWatched {
    /// The name of the NIC.
    pub interface: String,
    /// Why not, in words.
    pub reason: String,
}

/// A NIC that is watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Interface {
    /// The name of the NIC.
    pub interface: String,
    /// The hook for incoming packets.
    pub hook: String,
}

/// The use of the flow table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FlowTable {
    /// The number of slots; a flow needs one.
    pub slots: u32,
    /// The number of slots that are not free.
    pub in_use: u32,
    /// The number of flows that were ever tracked.
    pub opened: u64,
}

/// A writer's lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WriterStatus {
    /// `stdout`, `history` (what the agent itself keeps), or the path of a file.
    pub writer: String,
    /// The number of lines that were written.
    pub written: u64,
    /// The number of lines that wait to be written.
    pub waiting: u64,
    /// The number of lines that were lost.
    pub lost: u64,
    /// Why the last lost line was lost.
    pub reason: Option<LossReason>,
}

impl WriterStatus {
    /// Of the writer with this name.
    pub(crate) fn new(writer: &str, state: WriterState) -> Self {
        Self {
            writer: writer.to_owned(),
            written: state.written,
            waiting: state.waiting,
            lost: state.lost,
            reason: state.reason,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::report::loss::Loss;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_nanos(seconds * 1_000_000_000)
    }

    /// As JSON, read back and in words.
    fn said(notice: NoticeKind) -> (serde_json::Value, String) {
        let line = notice.at(at(60));
        let json = serde_json::to_value(&line).unwrap();
        assert_eq!(serde_json::from_value::<Line>(json.clone()).unwrap(), line);
        (json, line.words().unwrap())
    }

    #[test]
    fn a_loss_is_said_with_its_writer_and_reason() {
        for (reason, words) in [
            (LossReason::QueueFull, "queue full"),
            (
                LossReason::System("No space left on device".to_owned()),
                "No space left on device",
            ),
        ] {
            let loss = Loss {
                lines: 3,
                ..Loss::one(at(1), reason)
            };
            let writer = "/var/log/events".to_owned();
            let (json, text) = said(NoticeKind::ReportLost(ReportLost { writer, loss }));
            let expected = json!({
                "schema": 1,
                "event": "report_lost",
                "time": "1970-01-01T00:01:00.000000000Z",
                "writer": "/var/log/events",
                "lines": 3,
                "since": "1970-01-01T00:00:01.000000000Z",
                "reason": words,
            });
            assert_eq!(json, expected);
            let expected = format!("report to /var/log/events: 3 lines lost since 00:00:01.000Z: {words}");
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn an_agent_that_is_behind_says_how_late_and_what_to_check() {
        let lateness = Lateness {
            late: Duration::from_millis(320),
            turn: Duration::from_millis(200),
        };
        let behind = |status| {
            let since = at(1);
            let behind = AgentBehind {
                status,
                since,
                lateness,
            };
            said(NoticeKind::behind(behind, WallClock::default()))
        };
        let (json, text) = behind(Status::Opened);
        assert_eq!(json["event"], "agent_behind");
        assert_eq!(json["status"], "opened");
        assert_eq!(json["since"], "1970-01-01T00:00:01.000000000Z");
        assert_eq!(json["evidence"], json!({ "late_ms": 320.0, "turn_ms": 200.0 }));
        assert!(
            text.starts_with(
                "the agent is late by 320 ms (the longest turn of its loop took 200 ms); failures are reported late. \
                 Check: CPU time of this process"
            ),
            "{text}"
        );
        let (_, text) = behind(Status::Closed);
        assert_eq!(
            text,
            "the agent is on time again; it was late by at most 320 ms (the longest turn of its loop took 200 ms)"
        );
    }
}
