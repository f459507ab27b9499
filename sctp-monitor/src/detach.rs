//! `sctp-monitor detach`: removes what agents that run no longer have left on this host.
//!
//! An agent that ends removes all of it itself. One that was killed leaves its socket, before Linux 6.6 its filters, and whatever
//! was pinned. While an agent runs here nothing is removed: what is attached may be its own.

use std::io::{self, Write as _};

use anyhow::{Context as _, bail};

use crate::{
    cli::DetachArgs,
    control,
    kernel::{self, Pins, Trace},
    state,
};

/// Removes the traces, and says what they were.
///
/// # Errors
/// If an agent runs in this network namespace, or something cannot be removed.
pub fn detach(args: &DetachArgs) -> anyhow::Result<()> {
    if let Some(agent) = control::running()
        .context("running agents are not known")?
        .first()
    {
        let process = agent.process();
        bail!(
            "agent {process} runs in this network namespace. Stop it first: `systemctl stop sctp-monitor`, or `kill {process}`"
        );
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let traces = runtime.block_on(kernel::traces(&args.interfaces))?;
    // An agent watches also where its socket could not be made.
    for trace in &traces {
        if let Some(process) = kernel::holder(trace.program) {
            bail!(
                "process {process} runs and uses {trace}. Nothing was removed. Stop it first: `kill {process}`"
            );
        }
    }
    remove(&traces, args.interfaces.is_empty())
}

fn remove(traces: &[Trace], all: bool) -> anyhow::Result<()> {
    let out = &mut io::stdout().lock();
    for trace in traces {
        trace.remove()?;
        writeln!(out, "removed {trace}")?;
    }
    let sockets = if all {
        control::remove_dead().context("the socket of an agent that runs no longer was not removed")?
    } else {
        Vec::new()
    };
    for process in &sockets {
        writeln!(out, "removed the socket of agent {process}, which runs no longer")?;
    }
    let table = all && remove_table()?;
    if table {
        writeln!(out, "removed the flow table that an agent left for the next one")?;
    }
    if traces.is_empty() && sockets.is_empty() && !table {
        writeln!(out, "nothing to remove: no agent has left anything here")?;
    }
    Ok(())
}

/// What agents leave for the one that follows; `true` if there was anything.
fn remove_table() -> anyhow::Result<bool> {
    let Some(pins) = Pins::left().context("/sys/fs/bpf/sctp-monitor was not looked at")? else {
        return Ok(false);
    };
    pins.remove()
        .context("the flow table under /sys/fs/bpf/sctp-monitor was not removed")?;
    state::remove(&control::directory()?, &pins.namespace()).context("what an agent knew was not removed")?;
    Ok(true)
}
