//! What is told of an incident.

use sctp_monitor_engine::model::{EventKind, IncidentView, Severity, Status, Timestamp};

use crate::{page::words::clean, report::Line};

/// An incident that opened or is over.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    pub(super) time: Timestamp,
    pub(super) status: Status,
    pub(super) incident: IncidentView,
    /// In words, on one line.
    pub(super) text: String,
    /// The line of `run --format json`.
    pub(super) json: String,
}

impl Notice {
    /// `None` if the line tells of nothing that opened or is over.
    pub(super) fn of(line: &Line) -> Option<Self> {
        let Line::Event(event) = line else {
            return None;
        };
        let EventKind::Incident { status, incident } = &event.kind else {
            return None;
        };
        if *status == Status::Updated {
            return None;
        }
        Some(Self {
            time: event.time,
            status: *status,
            incident: incident.clone(),
            text: clean(&incident.words(*status)),
            json: serde_json::to_string(line).ok()?,
        })
    }

    /// Names and values, for programs that read no JSON.
    pub(super) fn fields(&self) -> [(&'static str, String); 6] {
        let incident = &self.incident;
        [
            ("incident", incident.id.to_string()),
            ("status", self.status.to_string()),
            ("severity", incident.severity.to_string()),
            ("finding", incident.finding.name().to_owned()),
            ("scope", clean(&incident.scope.to_string())),
            ("next", clean(&incident.next)),
        ]
    }

    /// The severity that syslog and the journal know (RFC 5424 section 6.2.1).
    pub(super) fn priority(&self) -> u8 {
        match (self.status, self.incident.severity) {
            (Status::Closed, _) | (_, Severity::Info) => 5,
            (_, Severity::Warning) => 4,
            (_, Severity::Critical) => 2,
        }
    }
}
