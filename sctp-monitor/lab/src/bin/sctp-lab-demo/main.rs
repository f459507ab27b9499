//! The demonstration: an MME and an HSS with two paths, one of which breaks silently and recovers.
//!
//! `cargo xtask demo` builds everything and runs it. It asks nothing, takes about two minutes (`--quick`: the first act alone, about
//! one), and succeeds only if the agent reported both the break and the recovery, and no message was lost in any act.

mod acts;
mod agent;
mod live;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use sctp_monitor_lab::clock::{MonotonicNs, monotonic_ns};
use sctp_monitor_lab::endpoint::AddressChange;
use sctp_monitor_lab::{Endpoint, EndpointConfig, EventKind, Lab, wait};

use crate::agent::Agent;

/// Shows sctp-monitor at work.
#[derive(Debug, Parser)]
struct Cli {
    /// The sctp-monitor binary.
    #[arg(long)]
    monitor: PathBuf,
    /// The first act alone: a break and a recovery are reported.
    #[arg(long)]
    quick: bool,
    /// Open the terminal view on the lab.
    #[arg(long, conflicts_with = "web")]
    top: bool,
    /// Serve the page about the lab.
    #[arg(long)]
    web: bool,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let shown = if cli.top {
        live::top(&cli.monitor)
    } else if cli.web {
        live::web(&cli.monitor)
    } else {
        show(&cli).and_then(|is_good| Ok(is_good & (cli.quick || compare(&cli)?)))
    };
    match shown {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn show(cli: &Cli) -> anyhow::Result<bool> {
    say("Two hosts, an MME and an HSS, each in a network namespace, with two paths between them:");
    println!(
        "
      mme 10.1.1.1 ---- path1 ---- 10.1.1.2 hss     (primary: DATA goes here)
      mme 10.1.2.1 ---- path2 ---- 10.1.2.2 hss
"
    );
    let lab = Lab::two_hosts_two_paths()?;

    say("sctp-monitor watches both NICs of the MME. Its output is indented from here on.");
    let mut agent = Agent::start(&cli.monitor, lab.host("mme"), &["path1", "path2"])?;

    say("A Diameter association (PPID 46) over usrsctp with default timers, 20 messages a second:");
    let server = Endpoint::spawn(
        lab.host("hss"),
        &EndpointConfig::listen(lab.ipv4("hss"), DIAMETER),
    )?;
    let mut config = EndpointConfig::connect(lab.ipv4("mme"), lab.ipv4("hss"), DIAMETER).rate(20.0);
    config.traffic.ppid = DIAMETER_PPID;
    let client = Endpoint::spawn(lab.host("mme"), &config)?;
    client.wait_until_up(1, SOON)?;
    for remote in [PRIMARY, SECONDARY] {
        agent
            .wait_for_path(remote, "active", SOON)
            .with_context(|| format!("the path to {remote} was not confirmed"))?;
    }
    let tables = agent.tables();
    wait::until(SOON, || (agent.tables() > tables).then_some(())).context("the agent showed no table")?;

    say("Now path1 breaks: the network drops all of its packets, and no NIC loses its link.");
    let broken_at = lab.path("path1").break_silently()?;
    let reported = agent.wait_for_path(PRIMARY, "inactive", SOON).ok();
    if let Some(at) = reported {
        say(&format!(
            "sctp-monitor reported the break after {}.",
            ms(at, broken_at)
        ));
    }
    say(&format!(
        "The break lasts {} s, so that the stack has time to report it too.",
        BROKEN_FOR.as_secs()
    ));
    let _ = wait::until(BROKEN_FOR, || {
        (monotonic_ns() > broken_at + nanos(BROKEN_FOR)).then_some(())
    });

    say(
        "path1 is repaired. The recovery is seen with the next packet, which the stack sends when its timer expires.",
    );
    let healed_at = lab.path("path1").heal()?;
    let recovered = agent.wait_for_recovery(PRIMARY, RECOVERY_WITHIN).ok();
    if let Some(at) = recovered {
        say(&format!(
            "sctp-monitor reported the recovery after {}.",
            ms(at, healed_at)
        ));
    }
    let by_stack = stack_reported(&client, broken_at);
    let summary = agent.stop()?;
    drop((client, server));

    println!("{summary}");
    let waited = Duration::from_nanos(monotonic_ns() - broken_at);
    let ours =
        |at: Option<MonotonicNs>, since| at.map_or_else(|| "NOT REPORTED".to_owned(), |at| ms(at, since));
    let silent = format!("no report in {} s; it takes about a minute", waited.as_secs());
    let [stack_break, stack_recovery] = match by_stack {
        Some(at) => [ms(at, broken_at), "-".to_owned()],
        None => [silent, "-".to_owned()],
    };
    println!(
        "  {:<24}{:<18}the SCTP stack itself, default timers",
        "", "sctp-monitor"
    );
    println!(
        "  {:<24}{:<18}{stack_break}",
        "break reported after",
        ours(reported, broken_at)
    );
    println!(
        "  {:<24}{:<18}{stack_recovery}",
        "recovery reported after",
        ours(recovered, healed_at)
    );
    println!();
    Ok(reported.is_some() && recovered.is_some())
}

/// The same break thrice: without steering, with `move`, with `both`; the words are the applications'.
fn compare(cli: &Cli) -> anyhow::Result<bool> {
    let mut all = Vec::new();
    for (words, options) in [
        (
            "The same break once more, and nobody moves any packets: 50 messages a second.",
            &[][..],
        ),
        (
            "Second act: an agent at each end moves the packets of the broken path to the other one.",
            &["--steer", "move", "--probe", "confirm"],
        ),
        (
            "Third act: an agent at each end sends all packets on both paths at once.",
            &["--steer", "both", "--probe", "continuous"],
        ),
    ] {
        say(words);
        let told = acts::play(&cli.monitor, options)?;
        println!(
            "      the sender: \"{} messages, {} DATA chunks retransmitted\"",
            told.sent, told.retransmitted
        );
        println!(
            "      the receiver: \"{} messages, nothing for {} at the longest\"",
            told.received,
            ms(nanos(told.gap), 0)
        );
        all.push(told);
    }
    println!(
        "\n  {:<36}{:>12}{:>8}{:>16}",
        "", "longest gap", "lost", "retransmitted"
    );
    for told in &all {
        let options = if told.options.is_empty() {
            "without steering"
        } else {
            &told.options
        };
        println!(
            "  {options:<36}{:>12}{:>8}{:>16}",
            ms(nanos(told.gap), 0),
            told.sent.saturating_sub(told.received),
            told.retransmitted
        );
    }
    println!();
    Ok(all.iter().all(acts::Told::is_complete))
}

/// When the stack told its application that the primary is unreachable.
fn stack_reported(client: &Endpoint, broken_at: MonotonicNs) -> Option<MonotonicNs> {
    client
        .events()
        .into_iter()
        .filter(|event| event.time_ns > broken_at)
        .find_map(|event| match event.kind {
            EventKind::PathChanged { address, state, .. } if address.to_string() == PRIMARY => {
                matches!(state, AddressChange::Unreachable).then_some(event.time_ns)
            }
            _ => None,
        })
}

fn say(words: &str) {
    println!("\n=> {words}");
}

fn ms(at: MonotonicNs, since: MonotonicNs) -> String {
    let ms = at.saturating_sub(since) as f64 / 1e6;
    if ms < 1_000.0 {
        format!("{ms:.0} ms")
    } else {
        format!("{:.1} s", ms / 1e3)
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

const DIAMETER: u16 = 3868;
const DIAMETER_PPID: u32 = 46;
const PRIMARY: &str = "10.1.1.2";
const SECONDARY: &str = "10.1.2.2";
/// Enough for a loaded machine.
const SOON: Duration = Duration::from_secs(10);
/// The stack's timers double from 1 s: it tries the broken path 1, 3, 7 and 15 s after the break.
const BROKEN_FOR: Duration = Duration::from_secs(12);
/// It tries again 31 s after the break at the latest.
const RECOVERY_WITHIN: Duration = Duration::from_secs(40);
