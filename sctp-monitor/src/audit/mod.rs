//! `sctp-monitor audit`: what would break, though it may still work.
//!
//! In three steps: take a summary (ask the agent that runs, watch for a while, or read what an agent wrote), judge it, show the
//! verdicts. Only the first one needs a network, so the others are tested on made-up summaries.

mod ask;
mod judge;
mod render;
mod summary;
#[cfg(test)]
mod tests;
mod watch;

use std::{
    fs::File,
    io::{self, BufReader, ErrorKind, Write as _},
    path::Path,
};

use anyhow::Context as _;

use sctp_monitor_engine::model::words;

pub use self::judge::Outcome;
pub(crate) use self::render::Document;
use self::{judge::Audit, watch::Watched};
use crate::{
    cli::{AuditArgs, Format},
    log::Log,
    report::Summary,
};

/// Lists what would break.
///
/// # Errors
/// Whatever kept it from looking.
pub fn audit(args: &AuditArgs, log: &Log) -> anyhow::Result<Outcome> {
    let told = match args.events {
        None if !args.no_agent => ask::ask(&args.interfaces, args.duration, log),
        _ => None,
    };
    let agent = told.as_ref().map(|told| told.process);
    let (summary, source) = match (&args.events, told) {
        (Some(path), _) => read(path, log)?,
        (None, Some(told)) => {
            let source = told.source();
            (told.summary, source)
        }
        (None, None) => {
            let Watched { summary, duration } = watch::watch(args, log)?;
            let interfaces = args.interfaces.join(", ");
            let time = humantime::format_duration(duration);
            (summary, format!("on {interfaces}, watched for {time}"))
        }
    };
    let audit = Audit::of(summary, agent);
    let mut out = io::stdout().lock();
    let shown = match args.format {
        Format::Table => render::table(&mut out, &audit, &source),
        Format::Json => render::json(&mut out, &audit),
    };
    match shown.and_then(|()| out.flush()) {
        // Whoever read the output has left, as `head` does; what was found is the same.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        shown => shown.context("the audit cannot be written")?,
    }
    Ok(audit.outcome(args.strict))
}

fn read(path: &Path, log: &Log) -> anyhow::Result<(Summary, String)> {
    let name = path.display();
    let file = File::open(path).with_context(|| format!("{name} cannot be read"))?;
    let last = summary::last(BufReader::new(file)).with_context(|| name.to_string())?;
    if last.lines_since > 0 {
        log.say(&format!(
            "{name} goes on for {} lines after its last summary: a later run has not ended yet",
            last.lines_since
        ));
    }
    let source = format!(
        "in {name}, as of {} UTC",
        words::date_time(last.summary.snapshot.time)
    );
    Ok((last.summary, source))
}
