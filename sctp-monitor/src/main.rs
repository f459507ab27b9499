//! The agent's command line.

use std::process::ExitCode;

use clap::Parser as _;
use sctp_monitor::{
    audit::{self, Outcome},
    check,
    cli::{AuditArgs, Cli, Command},
    pcap, run,
};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let cli = Cli::parse();
    log_to_stderr(cli.verbose);
    let result = match &cli.command {
        Command::Run(args) => run::run(args),
        Command::Check(args) => check::check(args, cli.verbose),
        Command::Pcap(args) => return done(pcap::pcap(args)),
        Command::Audit(args) => return audit(args),
    };
    done(result.map(|()| ExitCode::SUCCESS))
}

fn done(result: anyhow::Result<ExitCode>) -> ExitCode {
    match result {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sctp-monitor: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Scripts tell by the exit status what was found, and whether anything was looked at.
fn audit(args: &AuditArgs) -> ExitCode {
    match audit::audit(args) {
        Ok(Outcome::NothingFound) => ExitCode::SUCCESS,
        Ok(Outcome::Found) => ExitCode::from(1),
        Err(error) => {
            eprintln!("sctp-monitor: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// What crates log through `log` comes here too.
fn log_to_stderr(verbose: u8) {
    let default = match verbose {
        0 => "warn",
        1 => "info,sctp_monitor=debug",
        _ => "debug,sctp_monitor=trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}

/// Whoever read the output has left, as `head` does.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
