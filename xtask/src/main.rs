//! The commands of the workspace, a file each. `cargo xtask` lists them.

mod bench;
mod build;
mod cargo;
mod counts;
mod demo;
mod dist;
mod fuzz;
mod house;
mod lint;
mod run;
mod setup;
mod simulate;
mod skips;
mod test;
mod times;
mod toolchain;
mod vm;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::setup::Need;

/// Builds, runs, shows and tests sctp-monitor.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Install what all other commands need; each command also installs what it needs itself.
    Setup(setup::Args),
    /// Build the agent with its programs.
    Build(build::Args),
    /// Build the agent and run it with the arguments after `--`.
    Run(run::Args),
    /// Show the agent at work: two hosts, two paths; one path breaks and recovers, and breaks again while its packets are moved, or
    /// leave on both. Needs root.
    Demo(demo::Args),
    /// Check format, lints, documentation, the structure of the code and the dependencies.
    Lint,
    /// Run all tests. Needs root, for network namespaces.
    Test(test::Args),
    /// Run the tests that depend on the kernel on other kernels, in virtual machines. Needs root.
    Vm(vm::Args),
    /// Feed hostile input to the parser, the decoder of control chunks, the engine and the capture reader (libFuzzer).
    Fuzz(fuzz::Args),
    /// Measure the cost of a packet, a path and a capture, and how soon a break is reported. Needs root.
    Bench(bench::Args),
    /// Measure detection time and false reports in simulated worlds.
    Simulate(simulate::Args),
    /// Build what users install: a static binary, a .deb, an .rpm and the list of what they are made of.
    Dist(dist::Args),
}

fn main() -> ExitCode {
    match execute(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute(cli: Cli) -> anyhow::Result<()> {
    setup::setup(&needs(&cli.command))?;
    match cli.command {
        Command::Setup(args) => setup::run_setup(&args),
        Command::Build(args) => build::build(&args),
        Command::Run(args) => run::run_agent(&args),
        Command::Demo(args) => demo::demo(&args),
        Command::Lint => lint::lint(),
        Command::Test(args) => test::test(&args),
        Command::Vm(args) => vm::vm(&args),
        Command::Fuzz(args) => fuzz::fuzz(&args),
        Command::Bench(args) => bench::bench(&args),
        Command::Dist(args) => dist::dist(&args),
        Command::Simulate(args) => simulate::simulate(&args),
    }
}

/// What a command needs; [`Command::Setup`] sees to that itself.
fn needs(command: &Command) -> Vec<Need> {
    match command {
        Command::Setup(_) => Vec::new(),
        Command::Build(_) | Command::Run(_) => vec![Need::Build],
        Command::Demo(_) => vec![Need::Demo],
        Command::Lint => vec![Need::Lint],
        Command::Test(args) => test::needs(args),
        Command::Vm(_) => vec![Need::Vm],
        Command::Fuzz(_) => vec![Need::Fuzz],
        Command::Bench(args) => bench::needs(args),
        Command::Simulate(_) => vec![Need::Simulate],
        Command::Dist(args) => dist::needs(args),
    }
}
