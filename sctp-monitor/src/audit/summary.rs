//! A `summary` line, as far as an audit needs it.
//!
//! It is the one source of an audit, whether an agent wrote it some time ago or this process writes it for itself: what
//! is told of a file and of a live network is the same.

use std::{io::BufRead, net::IpAddr};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

/// How everything was when the agent ended.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Summary {
    pub(super) time: Timestamp,
    pub(super) associations: Vec<Association>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Association {
    #[serde(rename = "association")]
    pub(super) id: u64,
    pub(super) local_port: u16,
    pub(super) remote_port: u16,
    pub(super) up: bool,
    pub(super) one_sided: bool,
    pub(super) remote_addresses: Vec<Address>,
    pub(super) paths: Vec<Path>,
    pub(super) findings: Vec<Finding>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Address {
    pub(super) address: IpAddr,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Path {
    pub(super) remote: IpAddr,
    pub(super) state: String,
    pub(super) since: Timestamp,
    pub(super) findings: Vec<Finding>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Finding {
    pub(super) finding: String,
    pub(super) incident: Option<u64>,
    pub(super) local: Option<IpAddr>,
    pub(super) remote: Option<IpAddr>,
    pub(super) since: String,
    pub(super) reason: String,
    pub(super) evidence: Map<String, Value>,
    pub(super) next: String,
}

/// The last summary in an agent's JSON lines.
#[derive(Debug)]
pub(super) struct Last {
    pub(super) summary: Summary,
    /// Lines behind it: an agent that was started later has not ended yet.
    pub(super) lines_since: usize,
}

/// Why there is no summary.
#[derive(Debug, thiserror::Error)]
pub(super) enum SummaryError {
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] std::io::Error),
    /// No agent that wrote to it has ended.
    #[error("no `summary` line in it: an agent writes one when it ends (SIGINT, SIGTERM, --duration)")]
    None,
    /// Written by another version, or by somebody else.
    #[error("line {line} is no summary that this version understands: {source}")]
    NotUnderstood { line: usize, source: serde_json::Error },
}

/// Reads JSON lines to their end. Lines that were cut off, as by an agent that was killed, are none.
pub(super) fn last(lines: impl BufRead) -> Result<Last, SummaryError> {
    let mut last = None;
    let mut count = 0;
    for line in lines.split(b'\n') {
        let line = line?;
        count += 1;
        if serde_json::from_slice::<Line>(&line).is_ok_and(|line| line.event == "summary") {
            last = Some((count, line));
        }
    }
    let (line, text) = last.ok_or(SummaryError::None)?;
    let summary =
        serde_json::from_slice(&text).map_err(|source| SummaryError::NotUnderstood { line, source })?;
    Ok(Last {
        summary,
        lines_since: count - line,
    })
}

/// Any line.
#[derive(Deserialize)]
struct Line {
    event: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str =
        r#"{"event":"summary","time":"2026-11-23T17:00:00.5Z","interfaces":[],"associations":[]}"#;

    #[test]
    fn the_last_summary_counts_and_what_follows_is_noticed() {
        let first = EMPTY.replace("17:00", "16:00");
        let started = r#"{"event":"watch_started","time":"2026-11-23T16:30:00Z"}"#;
        let text = format!("{started}\n{first}\n{started}\n{EMPTY}\n");
        let last = last(text.as_bytes()).unwrap();
        assert_eq!(last.summary.time.to_string(), "2026-11-23T17:00:00.5Z");
        assert_eq!(last.lines_since, 0);
        let again = format!("{text}{started}\n{{\"event\":\"summ");
        let last = super::last(again.as_bytes()).unwrap();
        assert_eq!(last.lines_since, 2);
    }

    #[test]
    fn a_file_without_a_summary_is_no_audit() {
        for text in ["", "not JSON\n", r#"{"event":"watch_started"}"#] {
            assert!(matches!(last(text.as_bytes()), Err(SummaryError::None)), "{text}");
        }
        let foreign = r#"{"event":"summary","time":"yesterday"}"#;
        assert!(matches!(
            last(foreign.as_bytes()),
            Err(SummaryError::NotUnderstood { line: 1, .. })
        ));
    }
}
