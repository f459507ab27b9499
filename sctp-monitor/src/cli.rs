//! The command line.

use std::{net::IpAddr, ops::RangeInclusive, path::PathBuf, time::Duration};

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use jiff::Timestamp as WallTime;
use sctp_monitor_common::{
    abi::limits::{DEFAULT_FLOWS, LEAST_FLOWS, MOST_FLOWS},
    wire::sctp::UDP_ENCAPSULATION_PORT,
};

use crate::kernel::HookChoice;

/// Watches every SCTP path that crosses a NIC, and reports which one broke, and how.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
pub struct Cli {
    /// More about what the agent itself does (on standard error); RUST_LOG refines it.
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The agent's commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch NICs until interrupted.
    Run(RunArgs),
    /// List what would break: associations without redundancy, addresses that would not take over, black holes, losses.
    #[command(after_help = AUDIT_EXIT_CODES)]
    Audit(AuditArgs),
    /// Tell the story of capture files: associations, paths, failures, by the same judgement as live.
    #[command(after_help = PCAP_EXIT_CODES)]
    Pcap(PcapArgs),
    /// Say what this kernel, these privileges and these NICs allow, without attaching anything.
    Check(CheckArgs),
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// NIC to watch; repeat it for each.
    #[arg(long = "iface", value_name = "NIC", required = true)]
    pub interfaces: Vec<String>,
    /// How to watch.
    #[command(flatten)]
    pub watch: WatchArgs,
    /// How to report.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    /// Also append every event to this file, as JSON lines.
    #[arg(long, value_name = "FILE")]
    pub events: Option<PathBuf>,
    /// Stop after this time, e.g. 30s or 10min.
    #[arg(long, value_parser = humantime::parse_duration)]
    pub duration: Option<Duration>,
}

/// Arguments of `audit`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("source").required(true).args(["interfaces", "events"]))]
pub struct AuditArgs {
    /// NIC to watch for a while, beside whatever watches it already; repeat it for each.
    #[arg(long = "iface", value_name = "NIC")]
    pub interfaces: Vec<String>,
    /// Attach to nothing: read the last summary in this file, which an agent wrote by --events or --format json.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["duration", "hook", "vantage", "udp_port", "max_flows", "config"]
    )]
    pub events: Option<PathBuf>,
    /// How long to watch. An idle path shows itself once in HB.interval (30 s unless configured) only.
    #[arg(long = "for", value_name = "TIME", default_value = "40s", value_parser = humantime::parse_duration)]
    pub duration: Duration,
    /// How to watch.
    #[command(flatten)]
    pub watch: WatchArgs,
    /// How to report: lines for people, or one JSON object.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    /// Exit with 1 also if no association was seen, or one could not be judged.
    #[arg(long)]
    pub strict: bool,
}

const AUDIT_EXIT_CODES: &str = "\
Exit status:
  0  nothing was found (or no association was seen: it says so; 1 with --strict)
  1  something was found
  2  it could not look: no such NIC or file, a privilege is missing";

/// Arguments of `pcap`.
#[derive(Debug, Args)]
pub struct PcapArgs {
    /// Captures: pcap or pcapng, plain or packed by gzip or zstd; `-` is standard input. Several are read in the order of
    /// time.
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// How to report: text for people, one JSON object, or JSON lines.
    #[arg(long, value_enum, default_value_t = PcapFormat::Table)]
    pub format: PcapFormat,
    /// Also write a page for the browser to this file, which needs nothing else: path matrix, plots, timeline.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Look into tunnels: GTP-U, VXLAN, Geneve, GRE, ERSPAN, IP in IP, MPLS.
    #[arg(long)]
    pub decap: bool,
    /// Show only this association, by its number in the report; repeat it for each.
    #[arg(long = "assoc", value_name = "NUMBER")]
    pub associations: Vec<u64>,
    /// Show only associations and flows with this address; repeat it for each.
    #[arg(long = "address", value_name = "IP")]
    pub addresses: Vec<IpAddr>,
    /// Read only packets from this time on, e.g. 2026-11-26T03:00:00Z.
    #[arg(long, value_name = "TIME")]
    pub from: Option<WallTime>,
    /// Read only packets up to this time.
    #[arg(long, value_name = "TIME")]
    pub to: Option<WallTime>,
    /// UDP port of SCTP in UDP (RFC 6951); 0 looks at no UDP packet.
    #[arg(long, default_value_t = UDP_ENCAPSULATION_PORT)]
    pub udp_port: u16,
    /// Flows to track at a time; two make a path.
    #[arg(long, default_value_t = 65_536, value_parser = clap::value_parser!(u32).range(FLOWS))]
    pub max_flows: u32,
    /// How to judge: a TOML file (docs/configuration.md lists its keys).
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

const PCAP_EXIT_CODES: &str = "\
Exit status:
  0  every file was read to its end
  1  a file is damaged or cut: what was read before is in the report
  2  a file could not be read at all; the others are in the report";

/// How the story of a capture is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PcapFormat {
    /// Text, for people.
    Table,
    /// One JSON object.
    Json,
    /// JSON lines.
    Ndjson,
}

/// How NICs are watched.
#[derive(Debug, Args)]
pub struct WatchArgs {
    /// Hook for what arrives.
    #[arg(long, value_enum, default_value_t = HookArg::Auto)]
    pub hook: HookArg,
    /// Where the monitor stands.
    #[arg(long, value_enum, default_value_t = VantageArg::Endpoint)]
    pub vantage: VantageArg,
    /// UDP port of SCTP in UDP (RFC 6951); 0 looks at no UDP packet.
    #[arg(long, default_value_t = UDP_ENCAPSULATION_PORT)]
    pub udp_port: u16,
    /// Flows to track at a time; two make a path.
    #[arg(long, default_value_t = DEFAULT_FLOWS, value_parser = clap::value_parser!(u32).range(FLOWS))]
    pub max_flows: u32,
    /// How to judge: a TOML file (docs/configuration.md lists its keys).
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// NIC to look at; all of this network namespace if none is named.
    #[arg(long = "iface", value_name = "NIC")]
    pub interfaces: Vec<String>,
    /// How to report: lines for people, or one JSON object.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

/// Flows that a table may have.
const FLOWS: RangeInclusive<i64> = LEAST_FLOWS as i64..=MOST_FLOWS as i64;

/// Hook for what arrives at a NIC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum HookArg {
    /// Native XDP, or TC ingress where the NIC cannot take it.
    Auto,
    /// Native XDP only.
    XdpNative,
    /// Generic XDP only.
    XdpGeneric,
    /// TC ingress only.
    Tc,
}

impl From<HookArg> for HookChoice {
    fn from(hook: HookArg) -> Self {
        match hook {
            HookArg::Auto => Self::Auto,
            HookArg::XdpNative => Self::XdpNative,
            HookArg::XdpGeneric => Self::XdpGeneric,
            HookArg::Tc => Self::Tc,
        }
    }
}

/// Where the monitor stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum VantageArg {
    /// On the host that terminates the associations; what it sends is watched by TC egress.
    Endpoint,
    /// Between the hosts: router, bump in the wire, mirror port.
    Gateway,
}

/// How to report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Lines and a table, for people.
    Table,
    /// JSON lines, for programs.
    Json,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn run_takes_several_nics() {
        let cli = Cli::parse_from([
            "sctp-monitor",
            "run",
            "--iface",
            "a",
            "--iface",
            "b",
            "--duration",
            "30s",
        ]);
        let Command::Run(run) = cli.command else {
            panic!("not run");
        };
        assert_eq!(run.interfaces, ["a", "b"]);
        assert_eq!(run.duration, Some(Duration::from_secs(30)));
        assert_eq!(run.watch.udp_port, 9899);
    }

    #[test]
    fn an_audit_watches_or_reads_but_not_both() {
        let parsed = |arguments: &[&str]| {
            let before = ["sctp-monitor", "audit"];
            Cli::try_parse_from(before.iter().chain(arguments))
        };
        let Command::Audit(audit) = parsed(&["--iface", "a", "--iface", "b"]).unwrap().command else {
            panic!("not audit");
        };
        assert_eq!(audit.interfaces, ["a", "b"]);
        assert_eq!(audit.duration, Duration::from_secs(40));
        assert!(parsed(&["--events", "file", "--strict"]).is_ok());
        assert!(parsed(&["--strict"]).is_err());
        assert!(parsed(&["--events", "file", "--iface", "a"]).is_err());
        assert!(parsed(&["--events", "file", "--for", "3s"]).is_err());
        assert!(parsed(&["--events", "file", "--hook", "tc"]).is_err());
    }
}
