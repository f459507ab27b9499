//! `sctp-monitor run`.

use std::{
    fs::OpenOptions,
    io::{self, IsTerminal as _},
    path::Path,
    time::Duration,
};

use anyhow::Context as _;
use sctp_monitor_engine::{
    Session,
    config::{Config, Vantage},
    session::Pace,
};

use crate::{
    cli::{Format, RunArgs, VantageArg, WatchArgs},
    clock, config,
    driver::{Driver, Watch},
    kernel::{Kernel, LoadOptions},
    report::{Report, json::JsonLines, table::Tables},
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
    let detector = config::detector(args.watch.config.as_deref())?;
    watch(&args.interfaces, &args.watch, args.duration, detector, reports)
}

/// Watches the NICs, for `duration` at most, and reports to `reports`.
///
/// # Errors
/// Whatever keeps the agent from watching, with what to do about it.
pub(crate) fn watch(
    interfaces: &[String],
    args: &WatchArgs,
    duration: Option<Duration>,
    mut detector: Config,
    reports: Vec<Box<dyn Report>>,
) -> anyhow::Result<()> {
    let kernel = Kernel::load(&LoadOptions {
        max_flows: args.max_flows,
        udp_port: args.udp_port,
        ..LoadOptions::default()
    })?;
    let vantage = match args.vantage {
        VantageArg::Endpoint => Vantage::Endpoint,
        VantageArg::Gateway => Vantage::Gateway,
    };
    detector.vantage = vantage;
    detector.max_flows = args.max_flows;
    let watch = Watch {
        hook: args.hook.into(),
        egress: vantage == Vantage::Endpoint,
        duration,
    };
    let session = Session::new(detector, clock::tick()?, Pace::LIVE);
    let driver = Driver::new(kernel, session, watch, reports)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(driver.run(interfaces))
}

fn events_file(path: &Path) -> anyhow::Result<JsonLines<std::fs::File>> {
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(JsonLines::new(file))
}
