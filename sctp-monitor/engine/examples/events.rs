//! Reads the JSON lines of an agent into the model and prints its incidents:
//! `sctp-monitor run --iface eth0 --format json | cargo run -p sctp-monitor-engine --example events`.
//!
//! A line that it does not understand, as of an agent with another schema, is an error: skipped, it might be an outage.

use std::io::{self, BufRead, Write};

use anyhow::Context as _;
use sctp_monitor_engine::model::{Event, EventKind, Schema, words::date_time};
use serde::Deserialize;

fn main() -> anyhow::Result<()> {
    incidents(io::stdin().lock(), &mut io::stdout().lock())
}

fn incidents(lines: impl BufRead, out: &mut impl Write) -> anyhow::Result<()> {
    for (number, line) in (1..).zip(lines.lines()) {
        let event = event(&line?).with_context(|| format!("line {number} is not understood"))?;
        if let Some(event) = event
            && let EventKind::Incident { .. } = event.kind
        {
            writeln!(out, "{}  {}", date_time(event.time), event.words())?;
            out.flush()?;
        }
    }
    Ok(())
}

/// What the engine found; nothing if the agent speaks of itself.
fn event(line: &str) -> serde_json::Result<Option<Event>> {
    let head: Head = serde_json::from_str(line)?;
    let Head {
        schema: Schema,
        event,
    } = head;
    if OF_THE_AGENT.contains(&event.as_str()) {
        return Ok(None);
    }
    serde_json::from_str(line).map(Some)
}

/// What every line has.
#[derive(Deserialize)]
struct Head {
    schema: Schema,
    event: String,
}

/// What an agent says of itself, and the summary at its end.
const OF_THE_AGENT: [&str; 10] = [
    "watch_started",
    "watch_ended",
    "not_watched",
    "no_sctp_seen",
    "interface_renamed",
    "interface_state_changed",
    "flow_table_pressure",
    "report_lost",
    "agent_behind",
    "summary",
];

#[cfg(test)]
mod tests {
    use super::*;

    const STARTED: &str =
        r#"{"schema":1,"event":"watch_started","time":"2026-11-23T17:00:00Z","interface":"eth0"}"#;

    #[test]
    fn what_the_agent_says_of_itself_is_no_error() {
        incidents(STARTED.as_bytes(), &mut Vec::new()).unwrap();
    }

    #[test]
    fn a_line_that_is_not_understood_is_named() {
        let newer = STARTED.replace(r#""schema":1"#, r#""schema":7"#);
        for (line, words) in [
            (newer.as_str(), "schema 7"),
            (r#"{"schema":1,"event":"gremlins"}"#, "line 2"),
            ("no JSON", "line 2"),
        ] {
            let lines = format!("{STARTED}\n{line}\n");
            let error = incidents(lines.as_bytes(), &mut Vec::new()).unwrap_err();
            assert!(format!("{error:#}").contains(words), "{error:#}");
        }
    }
}
