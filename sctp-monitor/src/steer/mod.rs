//! `sctp-monitor steer`: asks the running agent what it moves to another path, and tells it what to move.

mod render;

use std::{io, process::ExitCode};

use anyhow::{Context as _, bail};
use sctp_monitor_engine::model::{AssociationId, PathId};

use crate::{
    cli::{SteerArgs, SteerVerb},
    control::{self, Agent, SteerAnswer, SteerRequest},
};

/// Asks, and shows the answer.
///
/// # Errors
/// If there is no agent to ask, or it does not answer.
pub fn steer(args: &SteerArgs) -> anyhow::Result<ExitCode> {
    let answer = agent(args.agent)?
        .steer(request(&args.verb))
        .context("the running agent was not heard")?;
    if args.json {
        let json = serde_json::to_string(&answer)?;
        println!("{json}");
    } else {
        render::write(&mut io::stdout().lock(), &args.verb, &answer)?;
    }
    Ok(code(&answer))
}

/// What comes of it is told by the exit status too.
fn code(answer: &SteerAnswer) -> ExitCode {
    if answer.refused.is_some() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// The one agent of this network namespace, or the one that was named.
fn agent(process: Option<u32>) -> anyhow::Result<Agent> {
    let mut agents = control::agents().context("running agents are not known")?;
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

fn request(verb: &SteerVerb) -> SteerRequest {
    match verb {
        SteerVerb::List => SteerRequest::List,
        SteerVerb::Explain { association } => SteerRequest::Explain {
            association: AssociationId(*association),
        },
        SteerVerb::Add {
            association,
            local,
            remote,
        } => SteerRequest::Add {
            association: AssociationId(*association),
            path: PathId {
                local: *local,
                remote: *remote,
            },
        },
        SteerVerb::Remove {
            association,
            local,
            remote,
        } => SteerRequest::Remove {
            association: AssociationId(*association),
            path: PathId {
                local: *local,
                remote: *remote,
            },
        },
        SteerVerb::Pause => SteerRequest::Pause,
        SteerVerb::Resume => SteerRequest::Resume,
    }
}
