//! `sctp-monitor status`, `associations`, `paths`, `findings`, `incidents` and `explain`: what a running agent knows.
//!
//! The agent gives its summary, as it writes it at its end; what is picked from it and how it is shown is decided here.

mod document;
mod pick;
mod render;
mod report;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::{Context as _, bail};

pub use self::document::{Document, FindingOf, PathOf, Status};
pub(crate) use self::pick::{active, pick, rank, used, worst};
pub use self::report::report;
use crate::{
    cli::{AskArgs, ListArgs},
    control,
};

/// What is asked for.
#[derive(Debug)]
pub enum Question<'a> {
    /// How the agent is, and how many of each there are.
    Status(&'a AskArgs),
    /// The associations.
    Associations(&'a ListArgs),
    /// The paths.
    Paths(&'a ListArgs),
    /// The findings that are open.
    Findings(&'a ListArgs),
    /// The incidents that are open.
    Incidents(&'a AskArgs),
    /// All that is known of one association.
    Explain(u64, &'a AskArgs),
}

/// Asks the agent, and shows the answer.
///
/// # Errors
/// If there is no agent to ask, it does not answer, or it knows no such association.
pub fn show(question: &Question<'_>) -> anyhow::Result<ExitCode> {
    let how = match question {
        Question::Status(how) | Question::Incidents(how) | Question::Explain(_, how) => how,
        Question::Associations(list) | Question::Paths(list) | Question::Findings(list) => &list.how,
    };
    let agent = control::the_agent(how.agent)?;
    let summary = agent.summary().context("the running agent was not heard")?;
    let document = pick(question, summary, agent.process());
    if let Question::Explain(id, _) = question
        && document.associations.is_none()
    {
        bail!("the agent knows no association {id} (`sctp-monitor associations` lists them)");
    }
    let out = &mut io::stdout().lock();
    if how.json {
        serde_json::to_writer(&mut *out, &document)?;
        writeln!(out)?;
    } else {
        render::write(out, question, &document)?;
    }
    Ok(ExitCode::SUCCESS)
}
