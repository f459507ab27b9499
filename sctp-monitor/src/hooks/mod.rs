//! Who is told of each incident when it opens and when it is over: a program, a web server, syslog, the journal.
//!
//! A hook is one more writer of reports: its queue is bounded, and it can hold up nobody. It takes incidents alone, keeps those that
//! could not be delivered for a while, and tries again with growing pauses.

mod exec;
mod journal;
mod notice;
mod spool;
mod syslog;
mod webhook;

use std::{io, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::{exec::Exec, journal::Journal, spool::Spool, syslog::Syslog, webhook::Webhook};
pub use self::{notice::Notice, syslog::NoServer, webhook::NoUrl};
use crate::report::{Line, Outlet, Report, Summary, outlet::Progress};

/// The table `hooks` of the configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HooksSettings {
    /// A program and its arguments; empty for none.
    pub exec: Vec<String>,
    /// Where incidents are posted to; empty for nowhere.
    pub webhook: String,
    /// A file with a token for the web server; empty for none.
    pub webhook_token_file: PathBuf,
    /// The syslog server; empty for none.
    pub syslog: String,
    /// Whether the journal of this host is told.
    pub journald: bool,
}

/// Somebody who is told.
trait Deliver: Send {
    /// Tells of an incident. It may take its time, but an end it must have.
    ///
    /// # Errors
    /// If it was not heard, in words.
    fn deliver(&mut self, notice: &Notice) -> Result<(), String>;
}

/// Why hooks cannot be used as they are set.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// The address of the syslog server is none.
    #[error(transparent)]
    Syslog(#[from] NoServer),
    /// The address of the web server is none.
    #[error(transparent)]
    Webhook(#[from] NoUrl),
    /// There is no thread left.
    #[error("a hook cannot be started")]
    Thread(#[from] io::Error),
}

/// The hooks that are set, as writers.
///
/// # Errors
/// [`HookError`].
pub fn outlets(settings: &HooksSettings) -> Result<Vec<Outlet<Line, Summary>>, HookError> {
    let mut hooks: Vec<(&str, Box<dyn Deliver>)> = Vec::new();
    if let Some(exec) = Exec::new(&settings.exec) {
        hooks.push(("hook exec", Box::new(exec)));
    }
    if !settings.webhook.is_empty() {
        let webhook = Webhook::new(&settings.webhook, &settings.webhook_token_file)?;
        hooks.push(("hook webhook", Box::new(webhook)));
    }
    if !settings.syslog.is_empty() {
        hooks.push(("hook syslog", Box::new(settings.syslog.parse::<Syslog>()?)));
    }
    if settings.journald {
        hooks.push(("hook journald", Box::new(Journal::of_this_host())));
    }
    let outlets = hooks.into_iter().map(|(name, hook)| outlet(name, hook));
    Ok(outlets.collect::<Result<_, _>>()?)
}

fn outlet(name: &str, hook: Box<dyn Deliver>) -> io::Result<Outlet<Line, Summary>> {
    Ok(Outlet {
        name: name.to_owned(),
        report: Box::new(Hook {
            spool: Spool::start(name, hook)?,
        }),
        progress: Progress::default(),
        every: None,
        ends_with_reader: false,
        keeps_watch: false,
    })
}

/// Hands incidents to the spool.
struct Hook {
    spool: Spool,
}

impl Report<Line, Summary> for Hook {
    fn event(&mut self, line: &Line) -> io::Result<()> {
        match Notice::of(line) {
            Some(notice) => self.spool.push(notice),
            None => Ok(()),
        }
    }

    fn refresh(&mut self, _: &Summary) -> io::Result<()> {
        Ok(())
    }

    fn finish(&mut self, _: &Summary) -> io::Result<()> {
        self.spool.finish();
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
