//! The `summary` line of an agent, found among its lines.

use std::io::BufRead;

use serde::Deserialize;

use crate::report::Summary;

/// The last summary in an agent's JSON lines.
#[derive(Debug)]
pub(super) struct Last {
    pub(super) summary: Summary,
    /// Lines after it: an agent that was started later has not ended yet.
    pub(super) lines_since: usize,
}

/// Why there is no summary.
#[derive(Debug, thiserror::Error)]
pub(super) enum SummaryError {
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] std::io::Error),
    /// No agent that wrote to it has ended.
    #[error("the file has no `summary` line: the agent writes it when it ends (SIGINT, SIGTERM, --duration)")]
    None,
    /// Written by another version, or by somebody else.
    #[error("line {line}: this version does not understand the summary")]
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

    const EMPTY: &str = r#"{"schema":1,"event":"summary","time":"2026-11-23T17:00:00.5Z","interfaces":[],"associations":[],"incidents":[],"flows":{"slots":1,"in_use":0,"opened":0},"counters":{}}"#;

    #[test]
    fn the_last_summary_counts_and_what_follows_is_noticed() {
        let first = EMPTY.replace("17:00", "16:00");
        let started = r#"{"event":"watch_started","time":"2026-11-23T16:30:00Z"}"#;
        let text = format!("{started}\n{first}\n{started}\n{EMPTY}\n");
        let last = last(text.as_bytes()).unwrap();
        assert_eq!(
            last.summary.snapshot.time.to_string(),
            "2026-11-23T17:00:00.500000000Z"
        );
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

    #[test]
    fn another_schema_is_named() {
        let newer = EMPTY.replace(r#""schema":1"#, r#""schema":7"#);
        let error = format!("{:#}", anyhow::Error::from(last(newer.as_bytes()).unwrap_err()));
        assert_eq!(error.matches("schema 7").count(), 1, "{error}");
        assert_eq!(error.matches("reads schema 1").count(), 1, "{error}");
    }
}
