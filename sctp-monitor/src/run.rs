//! `sctp-monitor run`.

use std::{
    io::{self, IsTerminal as _},
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail};
use sctp_monitor_common::abi::{MOST_STEERED, limits};
use sctp_monitor_engine::{
    Session,
    config::{Config, Vantage},
    session::{Pace, Saved},
};

use tracing::warn;

use crate::{
    checksums::Checksums,
    cli::{ChecksumsArg, Format, PinArg, RunArgs, VantageArg},
    clock::{self, Clock},
    config, control,
    driver::{Driver, Watch},
    flows::KernelFlows,
    history::History,
    hooks,
    kernel::{Kernel, LoadOptions, Origin, PinError, Pins},
    log::Log,
    probe::Sender,
    reload::{Effective, Reload},
    report::{
        Line, Outlet, Report, Summary, Writers,
        json::JsonLines,
        outlet::{self, Descriptor, WholeLines},
        table::Tables,
    },
    service,
    settings::Watching,
    state::StateFile,
    wanted::{self, Wanted},
    web::Web,
};

/// Watches the NICs until it is told to stop.
///
/// # Errors
/// Whatever keeps the agent from watching, with what to do about it.
pub fn run(args: &RunArgs, log: &Log) -> anyhow::Result<()> {
    if args.watch.config.is_none()
        && let Some(file) = config::of_this_host()
    {
        log.say(&format!("configuration: {}", file.display()));
    }
    let effective = Effective::read(args)?;
    let Effective { detector, settings } = effective.clone();
    let mut outlets = vec![stdout(settings.format)?];
    if !settings.events.as_os_str().is_empty() {
        outlets.push(events_file(&settings.events)?);
    }
    let watching = settings.watching();
    if detector.probe.is_on() && watching.vantage == VantageArg::Gateway {
        bail!("probes are sent into this host's own associations only: probing needs `--vantage endpoint`");
    }
    let wanted = if settings.interfaces.is_empty() {
        of_this_host(watching.vantage, log)?
    } else {
        Wanted::parse(&settings.interfaces).context("a pattern for NICs is none")?
    };
    outlets.extend(hooks::outlets(&settings.hooks)?);
    let history = History::new(&settings.history);
    let web = Web::open(&settings.web, &history)?;
    outlets.push(history.outlet(web.is_some()));
    if let Some(web) = &web {
        let addresses = web
            .addresses()
            .context("the HTTP server does not know its address")?;
        let scheme = if web.is_encrypted() { "https" } else { "http" };
        let list: Vec<_> = addresses
            .iter()
            .map(|address| format!("{scheme}://{address}/"))
            .collect();
        log.say(&format!("serving {}", list.join(" ")));
    }
    let manner = Manner {
        answers: Some(history),
        strict: settings.strict,
        pin: settings.pin,
        checksums: settings.checksums,
        web,
        reload: (!is_on_terminal()).then(|| Reload::new(args, effective)),
    };
    watch(wanted, watching, args.duration, manner, detector, outlets, log)
}

/// Whether somebody has started it by hand, and looks at it: then SIGHUP says that the terminal is gone.
fn is_on_terminal() -> bool {
    io::stdout().is_terminal() || io::stderr().is_terminal()
}

/// The NICs that carry SCTP, which nobody has named.
fn of_this_host(vantage: VantageArg, log: &Log) -> anyhow::Result<Wanted> {
    if vantage == VantageArg::Gateway {
        bail!("between the hosts nothing tells which NICs carry SCTP: name them by --iface");
    }
    let (names, how) = wanted::that_carry_sctp().context("the addresses of this host are not known")?;
    if names.is_empty() {
        bail!("no interface of this network namespace owns an address: name the NICs by --iface");
    }
    let list: Vec<_> = names.iter().map(String::as_str).collect();
    log.say(&format!("watching {}: {how}", list.join(", ")));
    Ok(Wanted::of(names))
}

/// How NICs are watched by a command.
#[derive(Debug)]
pub(crate) struct Manner {
    /// What is kept for other commands, if they may ask meanwhile.
    pub(crate) answers: Option<Arc<History>>,
    /// Whether a missing NIC is an error.
    pub(crate) strict: bool,
    /// When the programs stay without the agent.
    pub(crate) pin: PinArg,
    /// Whether checksums are looked at.
    pub(crate) checksums: ChecksumsArg,
    /// Who serves by HTTP meanwhile.
    pub(crate) web: Option<Web>,
    /// Where its configuration is read anew.
    pub(crate) reload: Option<Reload>,
}

/// Watches the NICs, for `duration` at most, and reports to `outlets`.
///
/// # Errors
/// Whatever keeps the agent from watching, with what to do about it.
pub(crate) fn watch(
    wanted: Wanted,
    watching: Watching,
    duration: Option<Duration>,
    manner: Manner,
    mut detector: Config,
    outlets: Vec<Outlet<Line, Summary>>,
    log: &Log,
) -> anyhow::Result<()> {
    let steers = detector.steering.is_on();
    if steers && watching.vantage == VantageArg::Gateway {
        bail!(
            "packets can be moved to another path only by the host that sends them: without `--vantage gateway`"
        );
    }
    if detector.steering.copies() && !detector.probe.is_continuous() {
        bail!(
            "packets leave on two paths only with `--probe continuous`: when both carry the same, nothing but probes shows that one has \
             failed, and they tell the agent at the other end"
        );
    }
    if steers && !detector.probe.is_on() {
        warn!(
            "no probes are sent: a path whose packets leave on another one is seen to work again only if the host's stack sends \
             HEARTBEATs on it; `--probe confirm` asks once a second"
        );
    }
    let options = LoadOptions {
        max_flows: watching.max_flows,
        steered_flows: if steers { MOST_STEERED } else { 0 },
        udp_port: watching.udp_port,
        new_flows_per_second: new_flows_per_second(watching.max_flows),
        probed_paths: probed_paths(&detector, watching.max_flows),
        ..LoadOptions::default()
    };
    let how = format!("{:?} {}", watching.vantage, watching.udp_port);
    let (kernel, saved) = load(&options, manner.pin, &how, log)?;
    let sender = detector
        .probe
        .is_on()
        .then(|| Sender::open(kernel.probe_key()))
        .transpose()
        .context("probes cannot be sent (it takes root, or CAP_NET_RAW)")?;
    let checksums = (manner.checksums == ChecksumsArg::Sample)
        .then(Checksums::open)
        .transpose()
        .context("checksums cannot be looked at (it takes root, or CAP_NET_RAW)")?;
    let vantage = match watching.vantage {
        VantageArg::Endpoint => Vantage::Endpoint,
        VantageArg::Gateway => Vantage::Gateway,
    };
    detector.vantage = vantage;
    detector.max_flows = watching.max_flows;
    let watch = Watch {
        hook: watching.hook.into(),
        egress: vantage == Vantage::Endpoint,
        steers,
        steering: detector.steering.mode,
        answers: manner.answers.clone(),
        strict: manner.strict,
        stays: manner.pin == PinArg::Yes || manner.pin == PinArg::Auto && service::is_one(),
        duration,
    };
    let reports = Writers::start(outlets).context("cannot start a thread for the reports")?;
    let state = state_file(&kernel, &how);
    let flows = KernelFlows::adopted(kernel, Clock::now()?)?.with_probes(sender);
    let tick = clock::tick()?;
    let session = match saved {
        Some(saved) => Session::resume(detector, tick, Pace::LIVE, saved, &flows, Clock::now()?),
        None => Session::new(detector, tick, Pace::LIVE),
    };
    if *flows.kernel.origin() == Origin::Adopted {
        log.say(&format!(
            "took over from an agent before this one: {} flows, counted all the time; {} associations and {} incidents are known",
            flows.slots.in_use(),
            session.engine().associations().count(),
            session.engine().incidents().count()
        ));
    }
    let driver = Driver::new(flows, session, watch, reports, log.clone(), state)?
        .with_reload(manner.reload)
        .with_checksums(checksums);
    if let Some(history) = manner.answers {
        history
            .start(driver.questions())
            .context("what paths do cannot be kept")?;
    }
    if let Some(web) = manner.web {
        web.start(driver.questions())
            .context("the HTTP server cannot be started")?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(driver.run(wanted))
}

/// The programs, and what the agent before this one knew, if there was one and its flow table can be used. A table of which nothing is
/// known any more would be taken for associations that have just been found, and what ended long ago for what is broken now.
fn load(options: &LoadOptions, pin: PinArg, how: &str, log: &Log) -> anyhow::Result<(Kernel, Option<Saved>)> {
    let Some(pins) = pins(pin) else {
        return Ok((Kernel::load(options)?, None));
    };
    let anew = |why: &str| {
        log.say(&format!(
            "an agent before this one left a flow table that is not used: {why}; all counts begin anew"
        ));
    };
    let kernel = Kernel::load_pinned(options, pins)?;
    if let Origin::Replaced(why) = kernel.origin() {
        anew(why);
    }
    if *kernel.origin() != Origin::Adopted {
        return Ok((kernel, None));
    }
    let read = match state_file(&kernel, how) {
        Some(state) => state.read(),
        None => Ok(None),
    };
    let why = match read {
        Ok(Some(saved)) => return Ok((kernel, Some(saved))),
        Ok(None) => "what it knew of the flows was not saved".to_owned(),
        Err(error) => format!(
            "what it knew of the flows cannot be used: {:#}",
            anyhow::Error::from(error)
        ),
    };
    anew(&why);
    Ok((kernel.begin_anew(options)?, None))
}

/// Where what is known stays without the agent, if programs and flow table do.
fn state_file(kernel: &Kernel, how: &str) -> Option<StateFile> {
    let pins = kernel.pins()?;
    let directory = control::directory()
        .inspect_err(|error| warn!("the next agent begins anew: /run/sctp-monitor cannot be used: {error}"));
    Some(StateFile::of(
        &directory.ok()?,
        &pins.namespace(),
        kernel.table(),
        how,
    ))
}

/// Where programs and flow table stay without the agent; nowhere if that is not wanted, or cannot be.
fn pins(wanted: PinArg) -> Option<Pins> {
    if wanted == PinArg::No {
        return None;
    }
    let opened = Pins::open();
    match &opened {
        Err(PinError::Taken { .. }) => {}
        _ => return told(opened),
    }
    // It may be about to end.
    clock::wait(HANDOVER);
    told(Pins::open())
}

fn told(opened: Result<Pins, PinError>) -> Option<Pins> {
    let say = |error| {
        warn!(
            "nothing stays on the NICs without this agent: {:#}",
            anyhow::Error::from(error)
        );
    };
    opened.map_err(say).ok()
}

/// Places in the map of probes; 0 if none are sent.
fn probed_paths(detector: &Config, max_flows: u32) -> u32 {
    let detector = Config {
        max_flows,
        ..detector.clone()
    };
    if detector.probe.is_on() {
        detector.probed_paths()
    } else {
        0
    }
}

/// New flows that nothing proves, in a second: not more than a quarter of their share of the table, so that the engine lets go the
/// oldest before there is no room.
fn new_flows_per_second(max_flows: u32) -> u64 {
    limits::DEFAULT_NEW_FLOWS_PER_SECOND.min(u64::from(limits::unproved_share(max_flows) / 4))
}

fn stdout(format: Format) -> anyhow::Result<Outlet<Line, Summary>> {
    let out = WholeLines::new(Descriptor::of(&io::stdout()).context("standard output cannot be used")?);
    let progress = out.progress();
    let (every, report): (_, Box<dyn Report<Line, Summary>>) = match format {
        Format::Table => {
            let tables = Tables::new(out, io::stdout().is_terminal());
            (Some(tables.interval()), Box::new(tables))
        }
        Format::Json => (None, Box::new(JsonLines::new(out))),
    };
    Ok(Outlet {
        name: "stdout".into(),
        report,
        progress,
        every,
        ends_with_reader: true,
        keeps_watch: true,
    })
}

/// Opened at once, so that a wrong path is an error and no loss.
fn events_file(path: &Path) -> anyhow::Result<Outlet<Line, Summary>> {
    let out = outlet::append(path).with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(Outlet {
        name: path.display().to_string(),
        progress: out.progress(),
        report: Box::new(JsonLines::new(out)),
        every: None,
        ends_with_reader: false,
        keeps_watch: true,
    })
}

/// How long the agent before this one may take to end.
const HANDOVER: Duration = Duration::from_secs(2);
