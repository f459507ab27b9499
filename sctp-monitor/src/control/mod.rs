//! The socket by which other commands of this host ask a running agent.
//!
//! A directory that only its owner may enter holds one Unix socket for each agent, named by its network namespace and its process.
//! A client writes one request, a line of JSON, and reads one line of JSON. All that can be changed by it is which packets
//! are moved to another path, by the owner of the socket.

mod client;
mod place;
mod server;
mod steering;

use std::{
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::history::Wanted;

pub use self::{
    client::{Agent, AskError, agents, remove_dead, running, the_agent},
    server::{Control, Question, serve},
    steering::{SteerAnswer, SteerRequest},
};

/// The directory of the agents of this host, which is made if it is not there.
///
/// # Errors
/// If it cannot be made, or others may enter it.
pub fn directory() -> io::Result<PathBuf> {
    let directory = Path::new(place::DIRECTORY);
    place::make(directory)?;
    Ok(directory.to_owned())
}

/// What a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
enum Request {
    /// How things are: the line that the agent writes when it ends.
    Summary,
    /// What is moved to another path, and what is to be.
    Steer(SteerRequest),
    /// What was before.
    History(Wanted),
}

/// Said in place of an answer.
#[derive(Debug, Serialize, Deserialize)]
struct Refusal {
    error: String,
}
