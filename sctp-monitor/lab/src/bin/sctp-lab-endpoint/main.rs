//! An SCTP endpoint for tests and demonstrations, truly multihomed: over the running kernel's SCTP, or over libusrsctp with
//! raw IPv4 and IPv6 sockets or UDP.
//!
//! It opens or accepts associations, sends numbered messages at a given rate, and reports as JSON lines what its stack
//! tells it (`sctp_monitor_lab::endpoint::Event`). Lines on standard input: `rate N`, `size N`, `set_primary ADDR`,
//! `add_address ADDR`, `remove_address ADDR`, `paths`, `clock`, `shutdown`, `abort`, `quit`.
//!
//! Over usrsctp it needs raw sockets, so root, and a kernel without SCTP of its own.

mod association;
mod command;
mod driver;
mod input;
mod output;
mod schedule;
mod stack;

use clap::Parser;
use sctp_monitor_lab::EndpointConfig;

/// An SCTP endpoint that sends messages and reports what its stack says of its associations and paths, as JSON lines.
///
/// Lines on standard input are commands: `rate N`, `size N`, `set_primary ADDR`, `add_address ADDR`,
/// `remove_address ADDR`, `paths`, `clock`, `shutdown`, `abort`, `quit`.
#[derive(Parser)]
#[command(name = "sctp-lab-endpoint", version)]
struct CommandLine {
    #[command(flatten)]
    endpoint: EndpointConfig,
}

fn main() -> anyhow::Result<()> {
    let CommandLine { endpoint } = CommandLine::parse();
    driver::Driver::start(endpoint)?.run()?;
    // The stack's threads run on and its sockets stay open; whatever they would still do is over with the process.
    std::process::exit(0)
}
