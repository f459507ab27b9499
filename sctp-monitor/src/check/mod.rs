//! `sctp-monitor check`: says what `run` would do here, without attaching anything.
//!
//! In three steps: collect facts, judge them, show the verdicts. Only the first asks the kernel, so the others are
//! tested on made-up facts.

pub mod assess;
mod collect;
mod drivers;
pub mod facts;
pub mod finding;
mod host;
mod obstacle;
pub mod predict;
mod render;
#[cfg(test)]
mod tests;

use std::io;

use anyhow::Context as _;

use crate::cli::{CheckArgs, Format};

/// Shows what this kernel, these privileges and these NICs allow; `verbose` adds the verifier's log where it refused.
///
/// # Errors
/// If `run` would not work on every NIC that was looked at, or the report cannot be written.
pub fn check(args: &CheckArgs, verbose: u8) -> anyhow::Result<()> {
    let facts =
        collect::collect(&args.interfaces, args.steer).context("cannot start the asynchronous runtime")?;
    let mut report = assess::assess(&facts);
    if verbose == 0 {
        report.drop_details();
    }
    let out = io::stdout().lock();
    match args.format {
        Format::Table => render::table(out, &report)?,
        Format::Json => render::json(out, &report, &facts)?,
    }
    anyhow::ensure!(report.works(), "{}", render::verdict(&report));
    Ok(())
}
