//! Arguments of `steer`.

use std::net::IpAddr;

use clap::{Args, Subcommand};

/// Arguments of `steer`.
#[derive(Debug, Args)]
pub struct SteerArgs {
    /// What to ask for.
    #[command(subcommand)]
    pub verb: SteerVerb,
    /// The process of the agent, if several run in this network namespace.
    #[arg(long, value_name = "PID", global = true)]
    pub agent: Option<u32>,
    /// Write one JSON object instead of lines for people.
    #[arg(long, global = true)]
    pub json: bool,
}

/// What is asked of steering.
#[derive(Debug, Subcommand)]
pub enum SteerVerb {
    /// List the paths whose packets leave on another one.
    List,
    /// Say of each path of an association what would be done with its packets if it failed now, and why.
    Explain {
        /// Number of the association.
        association: u64,
    },
    /// Move DATA and SACKs of a path, whatever its state, until `remove`.
    Add {
        /// Number of the association.
        association: u64,
        /// Local address of the path.
        local: IpAddr,
        /// Remote address of the path.
        remote: IpAddr,
    },
    /// Let the packets of a path leave as the host sends them, until the path has been active once.
    Remove {
        /// Number of the association.
        association: u64,
        /// Local address of the path.
        local: IpAddr,
        /// Remote address of the path.
        remote: IpAddr,
    },
    /// Take everything back, and move nothing until `resume`.
    Pause,
    /// Go on.
    Resume,
}
