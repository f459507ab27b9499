//! The side of those who ask.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, bail};
use serde::de::DeserializeOwned;

use super::{
    Refusal, Request, SteerAnswer, SteerRequest,
    place::{self, DIRECTORY},
};
use crate::{
    history::{Record, Wanted},
    report::{Line, Summary},
};

/// An agent that may run.
#[derive(Debug)]
pub struct Agent {
    process: u32,
    path: PathBuf,
}

/// Why an agent was not heard.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// It does not answer: it was killed, or stands still.
    #[error("it does not answer")]
    Silent(#[from] io::Error),
    /// It says no.
    #[error("it says: {error}")]
    Refused {
        /// Why.
        error: String,
    },
    /// Another version has written the answer.
    #[error("this version does not understand its answer")]
    NotUnderstood(#[source] serde_json::Error),
}

/// The agents of this network namespace, by process.
///
/// # Errors
/// If their directory cannot be read.
pub fn agents() -> io::Result<Vec<Agent>> {
    agents_in(Path::new(DIRECTORY))
}

/// Those of them at whose socket somebody listens: sockets of agents that were killed stay.
///
/// # Errors
/// If their directory cannot be read.
pub fn running() -> io::Result<Vec<Agent>> {
    let mut agents = agents()?;
    agents.retain(|agent| UnixStream::connect(&agent.path).is_ok());
    Ok(agents)
}

/// Removes the sockets of this host's agents that were killed, and gives their processes.
///
/// # Errors
/// If one cannot be removed.
pub fn remove_dead() -> io::Result<Vec<u32>> {
    let removed = place::remove_dead(Path::new(DIRECTORY))?;
    Ok(removed.iter().map(|place| place.process).collect())
}

/// The one agent of this network namespace, or the one with this process id.
///
/// # Errors
/// If there is none, or more than one and none is named, in words.
pub fn the_agent(process: Option<u32>) -> anyhow::Result<Agent> {
    let mut agents = running().context("running agents are not known")?;
    if let Some(process) = process {
        agents.retain(|agent| agent.process() == process);
    }
    match agents.len() {
        0 => bail!("no agent runs in this network namespace that could be asked (as root)"),
        1 => Ok(agents.remove(0)),
        _ => {
            let processes: Vec<_> = agents.iter().map(|agent| agent.process().to_string()).collect();
            bail!(
                "several agents run in this network namespace: name one of them by --agent ({})",
                processes.join(", ")
            )
        }
    }
}

pub(super) fn agents_in(directory: &Path) -> io::Result<Vec<Agent>> {
    let namespace = place::own_namespace()?;
    let found = place::all(directory)?.into_iter();
    let of_here = found.filter(|(place, _)| place.namespace == namespace);
    let agents = of_here.map(|(place, path)| Agent {
        process: place.process,
        path,
    });
    Ok(agents.collect())
}

impl Agent {
    /// Its process id.
    #[must_use]
    pub fn process(&self) -> u32 {
        self.process
    }

    /// How things are, as far as it knows.
    ///
    /// # Errors
    /// [`AskError`].
    pub fn summary(&self) -> Result<Summary, AskError> {
        self.ask(&Request::Summary)
    }

    /// What was before, as far as it is kept.
    ///
    /// # Errors
    /// [`AskError`].
    pub fn history(&self, wanted: Wanted) -> Result<Record<Line>, AskError> {
        self.ask(&Request::History(wanted))
    }

    /// What it moves to another path, or is to.
    ///
    /// # Errors
    /// [`AskError`].
    pub fn steer(&self, request: SteerRequest) -> Result<SteerAnswer, AskError> {
        self.ask(&Request::Steer(request))
    }

    fn ask<T: DeserializeOwned>(&self, request: &Request) -> Result<T, AskError> {
        let mut agent = UnixStream::connect(&self.path)?;
        agent.set_read_timeout(Some(PATIENCE))?;
        agent.set_write_timeout(Some(PATIENCE))?;
        let mut request = serde_json::to_vec(request).map_err(io::Error::from)?;
        request.push(b'\n');
        agent.write_all(&request)?;
        let mut answer = Vec::new();
        BufReader::new(agent).read_until(b'\n', &mut answer)?;
        if answer.is_empty() {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        if let Ok(Refusal { error }) = serde_json::from_slice(&answer) {
            return Err(AskError::Refused { error });
        }
        serde_json::from_slice(&answer).map_err(AskError::NotUnderstood)
    }
}

/// How long an agent may stand still: another client may be served first.
const PATIENCE: Duration = Duration::from_secs(10);
