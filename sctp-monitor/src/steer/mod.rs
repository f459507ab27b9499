//! `sctp-monitor steer`: asks the running agent what it moves to another path, and tells it what to move.

mod render;

use std::{io, process::ExitCode};

use anyhow::Context as _;
use sctp_monitor_engine::model::{AssociationId, PathId};

use crate::{
    cli::{SteerArgs, SteerVerb},
    control::{self, SteerAnswer, SteerRequest},
};

/// Asks, and shows the answer.
///
/// # Errors
/// If there is no agent to ask, or it does not answer.
pub fn steer(args: &SteerArgs) -> anyhow::Result<ExitCode> {
    let answer = control::the_agent(args.agent)?
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
