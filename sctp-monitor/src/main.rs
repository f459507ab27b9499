//! The agent's command line.

use std::{
    env,
    io::{self, IsTerminal as _},
    process::ExitCode,
};

use clap::Parser as _;
use sctp_monitor::{
    audit::{self, Outcome},
    check,
    cli::{AuditArgs, Cli, Command},
    config, detach,
    log::Log,
    pages, pcap, run,
    show::{self, Question},
    steer, top,
};
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

fn main() -> ExitCode {
    let cli = Cli::parse();
    match &cli.command {
        Command::Run(args) => with_log(cli.verbose, |log| {
            done(run::run(args, log).map(|()| ExitCode::SUCCESS), |line| {
                log.say(line);
            })
        }),
        Command::Audit(args) => with_log(cli.verbose, |log| audit(args, log)),
        Command::Steer(args) => {
            log_to(io::stderr, cli.verbose);
            done(steer::steer(args), |line| eprintln!("{line}"))
        }
        Command::Detach(args) => {
            log_to(io::stderr, cli.verbose);
            let result = detach::detach(args);
            done(result.map(|()| ExitCode::SUCCESS), |line| eprintln!("{line}"))
        }
        Command::Pages { folder } => done(pages::write(folder).map(|()| ExitCode::SUCCESS), |line| {
            eprintln!("{line}");
        }),
        Command::Config(args) => done(config::config(args), |line| eprintln!("{line}")),
        Command::Status(how) => ask(&Question::Status(how), cli.verbose),
        Command::Associations(list) => ask(&Question::Associations(list), cli.verbose),
        Command::Paths(list) => ask(&Question::Paths(list), cli.verbose),
        Command::Findings(list) => ask(&Question::Findings(list), cli.verbose),
        Command::Incidents(how) => ask(&Question::Incidents(how), cli.verbose),
        Command::Explain(args) => ask(&Question::Explain(args.association, &args.how), cli.verbose),
        Command::Top(args) => {
            log_to(io::stderr, cli.verbose);
            done(top::top(args), |line| eprintln!("{line}"))
        }
        Command::Report(args) => {
            log_to(io::stderr, cli.verbose);
            done(show::report(args), |line| eprintln!("{line}"))
        }
        Command::Check(args) => {
            log_to(io::stderr, cli.verbose);
            let result = check::check(args, cli.verbose);
            done(result.map(|()| ExitCode::SUCCESS), |line| eprintln!("{line}"))
        }
        Command::Pcap(args) => {
            log_to(io::stderr, cli.verbose);
            done(pcap::pcap(args), |line| eprintln!("{line}"))
        }
    }
}

/// Asks the running agent.
fn ask(question: &Question<'_>, verbose: u8) -> ExitCode {
    log_to(io::stderr, verbose);
    done(show::show(question), |line| eprintln!("{line}"))
}

/// Nobody who watches waits for standard error.
fn with_log(verbose: u8, command: impl FnOnce(&Log) -> ExitCode) -> ExitCode {
    let log = match Log::start() {
        Ok(log) => log,
        Err(error) => {
            eprintln!("sctp-monitor: standard error cannot be used: {error}");
            return ExitCode::FAILURE;
        }
    };
    log_to(log.clone(), verbose);
    let code = command(&log);
    log.end();
    code
}

fn done(result: anyhow::Result<ExitCode>, say: impl FnOnce(&str)) -> ExitCode {
    match result {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("sctp-monitor: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Scripts tell by the exit status what was found, and whether anything was looked at.
fn audit(args: &AuditArgs, log: &Log) -> ExitCode {
    match audit::audit(args, log) {
        Ok(Outcome::NothingFound) => ExitCode::SUCCESS,
        Ok(Outcome::Found) => ExitCode::from(1),
        Ok(Outcome::NotProven) => ExitCode::from(3),
        Err(error) => {
            log.say(&format!("sctp-monitor: {error:#}"));
            ExitCode::from(2)
        }
    }
}

/// What crates log through `log` comes here too.
fn log_to(writer: impl for<'a> MakeWriter<'a> + Send + Sync + 'static, verbose: u8) {
    let default = match verbose {
        0 => "warn",
        1 => "info,sctp_monitor=debug",
        _ => "debug,sctp_monitor=trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(has_colours())
        .init();
}

/// Colours are for a terminal, unless its user wants none (no-color.org).
fn has_colours() -> bool {
    let unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    io::stderr().is_terminal() && !unwanted
}

/// Whoever read the output has left, as `head` does.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}
