//! What an operator reads of the agent itself. The words of what the engine found are the model's.

use std::fmt;

use sctp_monitor_engine::{NicState, model::Status};

use super::line::{Line, NoticeKind};

impl fmt::Display for NoticeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WatchStarted {
                interface,
                hook,
                reason,
                egress,
            } => {
                write!(f, "watching {interface} by {hook} ({reason})")?;
                if *egress {
                    f.write_str(", and what the host sends by tc")?;
                }
                Ok(())
            }
            Self::WatchEnded { interface, reason } => write!(f, "no longer watching {interface}: {reason}"),
            Self::InterfaceStateChanged { interface, state } => {
                let state = match state {
                    NicState::Up => "has a link",
                    NicState::Down => "has no link",
                    NicState::Gone => "is gone",
                };
                write!(f, "interface {interface} {state}")
            }
            Self::ReportLost(lost) => lost.fmt(f),
            Self::AgentBehind {
                status: Status::Closed,
                reason,
                ..
            } => f.write_str(reason),
            Self::AgentBehind { reason, next, .. } => write!(f, "{reason}. Check: {next}"),
            Self::FlowTablePressure { reason, next, .. } => write!(f, "flow table: {reason}. Check: {next}"),
        }
    }
}

impl Line {
    /// One line for people, without the time; none for what has its words elsewhere.
    #[must_use]
    pub fn words(&self) -> Option<String> {
        match self {
            Self::Event(event) if event.is_told_by_incident() => None,
            Self::Event(event) => Some(event.words().to_string()),
            Self::Notice(notice) => Some(notice.kind.to_string()),
            Self::Summary(_) => None,
        }
    }
}
