//! `sctp-monitor run`.

use std::{
    fs::OpenOptions,
    io::{self, IsTerminal as _},
    path::Path,
};

use anyhow::Context as _;
use sctp_monitor_engine::{
    Engine,
    config::{Config, Vantage},
};

use crate::{
    cli::{Format, RunArgs, VantageArg},
    clock,
    driver::{Driver, Watch},
    export::{Report, json::JsonLines, table::Tables},
    kernel::{Kernel, LoadOptions},
};

/// Watches the NICs until it is told to stop.
///
/// # Errors
/// Whatever keeps the agent from watching, with what to do about it.
pub fn run(args: &RunArgs) -> anyhow::Result<()> {
    let mut reports: Vec<Box<dyn Report>> = vec![match args.format {
        Format::Table => Box::new(Tables::new(io::stdout(), io::stdout().is_terminal())),
        Format::Json => Box::new(JsonLines::new(io::stdout())),
    }];
    if let Some(path) = &args.events {
        reports.push(Box::new(events_file(path)?));
    }
    let kernel = Kernel::load(&LoadOptions {
        max_flows: args.max_flows,
        udp_port: args.udp_port,
        ..LoadOptions::default()
    })?;
    let vantage = match args.vantage {
        VantageArg::Endpoint => Vantage::Endpoint,
        VantageArg::Gateway => Vantage::Gateway,
    };
    let config = Config {
        vantage,
        ..Config::default()
    };
    let watch = Watch {
        hook: args.hook.into(),
        egress: vantage == Vantage::Endpoint,
        duration: args.duration,
    };
    let engine = Engine::new(config, clock::tick()?);
    let driver = Driver::new(kernel, engine, watch, reports)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(driver.run(&args.interfaces))
}

fn events_file(path: &Path) -> anyhow::Result<JsonLines<std::fs::File>> {
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(JsonLines::new(file))
}
