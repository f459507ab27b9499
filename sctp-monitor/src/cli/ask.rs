//! Arguments of the commands that ask a running agent how things are.

use std::net::IpAddr;

use clap::{Args, ValueEnum};
use sctp_monitor_engine::model::PathState;
use serde::Deserialize;

/// How the running agent is asked.
#[derive(Debug, Args)]
pub struct AskArgs {
    /// The process of the agent, if several run in this network namespace.
    #[arg(long, value_name = "PID")]
    pub agent: Option<u32>,
    /// Write one JSON object instead of lines for people.
    #[arg(long)]
    pub json: bool,
}

/// What a list shows.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// How the agent is asked.
    #[command(flatten)]
    pub how: AskArgs,
    /// Only what has this address, on either side.
    #[arg(long, value_name = "IP")]
    pub address: Option<IpAddr>,
    /// Only associations with this port, on either side.
    #[arg(long)]
    pub port: Option<u16>,
    /// Only paths in this state, and what has one.
    #[arg(long, value_enum)]
    pub state: Option<StateArg>,
}

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Number of the association.
    pub association: u64,
    /// How the agent is asked.
    #[command(flatten)]
    pub how: AskArgs,
}

/// States of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StateArg {
    /// No answer was seen yet.
    Unconfirmed,
    /// It works.
    Active,
    /// An answer is overdue.
    PotentiallyFailed,
    /// It has failed.
    Inactive,
}

impl From<StateArg> for PathState {
    fn from(state: StateArg) -> Self {
        match state {
            StateArg::Unconfirmed => Self::Unconfirmed,
            StateArg::Active => Self::Active,
            StateArg::PotentiallyFailed => Self::PotentiallyFailed,
            StateArg::Inactive => Self::Inactive,
        }
    }
}
