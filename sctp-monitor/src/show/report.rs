//! `sctp-monitor report`: what the running agent knows and has kept, as one page to look at later.

use std::process::ExitCode;

use anyhow::Context as _;

use crate::{
    cli::ReportArgs,
    control,
    history::Wanted,
    page::{
        live::{self, Past},
        target::{HEAD, Target},
        timeline::Link,
        words::date_time,
    },
};

/// Asks the agent, and writes the page.
///
/// # Errors
/// If there is no agent to ask, it does not answer, or the file cannot be written.
pub fn report(args: &ReportArgs) -> anyhow::Result<ExitCode> {
    let agent = control::the_agent(args.agent)?;
    let target = Target::open(&args.html)?;
    let summary = agent.summary().context("the running agent was not heard")?;
    let now = summary.snapshot.time;
    let since = now - args.since;
    let record = agent.history(Wanted {
        since: Some(since),
        paths: true,
        ..Wanted::default()
    })?;
    let past = Past::new(since, record.kept_from, Link::Here, record.events, record.paths);
    let title = format!("SCTP from {} to {} UTC", date_time(past.begin()), date_time(now));
    let page = live::file(&title, &summary, &live::report(&summary, &past));
    target.write(&format!("{HEAD}\n{}\n", page.into_string()))?;
    Ok(ExitCode::SUCCESS)
}
