//! What the agent says: asked again and again on a thread of its own, so that keys are heard while it is asked.

use std::{io, thread, time::Duration};

use tokio::sync::mpsc;

use super::Input;
use crate::{
    clock::{self, Clock},
    control::{self, Agent, AskError},
    history::{PathRecord, Record, Wanted},
    report::{Line, Summary},
};

/// What was heard, or not.
#[derive(Debug)]
pub(super) enum News {
    /// How things are, and what happened since the last time.
    Known {
        /// The agent's process.
        agent: u32,
        /// How things are.
        summary: Box<Summary>,
        /// What happened.
        events: Vec<Line>,
        /// The number of the last event.
        last: u64,
        /// How paths did before; empty but the first time.
        before: Vec<PathRecord>,
    },
    /// The agent does not answer; why, in words.
    Silent(String),
}

/// Which agent was heard last, and up to which event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) agent: u32,
    pub(super) last: u64,
}

/// Asks for the first time.
///
/// # Errors
/// [`AskError`].
pub(super) fn first(agent: &Agent) -> Result<News, AskError> {
    ask(agent, 0)
}

fn ask(agent: &Agent, after: u64) -> Result<News, AskError> {
    let summary = Box::new(agent.summary()?);
    let Record {
        events, paths, last, ..
    } = agent.history(Wanted {
        after,
        paths: after == 0,
        ..Wanted::default()
    })?;
    Ok(News::Known {
        agent: agent.process(),
        summary,
        events,
        last,
        before: paths,
    })
}

/// Asks until nobody listens. An agent that comes after the one that was heard is asked in its place.
///
/// # Errors
/// If the system has no thread left.
pub(super) fn start(
    process: Option<u32>,
    heard: Option<Heard>,
    inputs: mpsc::Sender<Input>,
) -> io::Result<()> {
    thread::Builder::new().name("feed".to_owned()).spawn(move || {
        let mut heard = heard;
        loop {
            let began = Clock::now().ok();
            let news = match next(process, heard) {
                Ok(news) => news,
                Err(error) => News::Silent(format!("{error:#}")),
            };
            heard = match &news {
                News::Known { agent, last, .. } => Some(Heard {
                    agent: *agent,
                    last: *last,
                }),
                News::Silent(_) => heard,
            };
            if inputs.blocking_send(Input::News(Box::new(news))).is_err() {
                return;
            }
            let took = began
                .zip(Clock::now().ok())
                .map_or(Duration::ZERO, |(began, now)| now.since(began));
            clock::wait(pause(took));
        }
    })?;
    Ok(())
}

fn next(process: Option<u32>, heard: Option<Heard>) -> anyhow::Result<News> {
    let agent = control::the_agent(process)?;
    let after = heard.filter(|heard| heard.agent == agent.process());
    Ok(ask(&agent, after.map_or(0, |heard| heard.last))?)
}

/// Answers of ten thousand associations take seconds to be written and read: the agent's host has other things to do.
fn pause(took: Duration) -> Duration {
    (4 * took.saturating_sub(ITS_OWN)).max(APART)
}

/// How long the agent lets a client wait in any case.
const ITS_OWN: Duration = Duration::from_millis(1_100);

const APART: Duration = Duration::from_millis(200);
