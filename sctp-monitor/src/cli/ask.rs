//! Arguments of the commands that ask a running agent how things are.

use std::{net::IpAddr, path::PathBuf, time::Duration};

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

/// Arguments of `top`.
#[derive(Debug, Args)]
pub struct TopArgs {
    /// The process of the agent, if several run in this network namespace.
    #[arg(long, value_name = "PID")]
    pub agent: Option<u32>,
    /// Show only what has all of these words: an address, a port, a number, a state, a finding. `/` changes them.
    #[arg(value_name = "WORD")]
    pub words: Vec<String>,
}

/// Arguments of `report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The process of the agent, if several run in this network namespace.
    #[arg(long, value_name = "PID")]
    pub agent: Option<u32>,
    /// How far to go back, e.g. 30min or 2h, as far as the agent has kept it.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = humantime::parse_duration)]
    pub since: Duration,
    /// The file of the page.
    #[arg(long, value_name = "FILE")]
    pub html: PathBuf,
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
