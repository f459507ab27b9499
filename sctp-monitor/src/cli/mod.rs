//! The command line.

mod ask;
mod steer;
mod web;

use std::{net::IpAddr, ops::RangeInclusive, path::PathBuf, time::Duration};

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use jiff::Timestamp as WallTime;
use schemars::JsonSchema;
use sctp_monitor_common::{
    abi::limits::{LEAST_FLOWS, MOST_FLOWS},
    wire::sctp::UDP_ENCAPSULATION_PORT,
};
use sctp_monitor_engine::{config::ProbeMode, model::SteeringMode};
use serde::{Deserialize, Serialize};

pub use self::{
    ask::{AskArgs, ExplainArgs, ListArgs, ReportArgs, StateArg, TopArgs},
    steer::{SteerArgs, SteerVerb},
    web::WebArgs,
};
use crate::kernel::HookChoice;

/// Watches every SCTP path that crosses a NIC, and reports which one broke, and how.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
pub struct Cli {
    /// Log more about the agent itself, on standard error (-vv: even more); RUST_LOG selects parts.
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// The agent's commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch NICs until interrupted (Ctrl-C), and report failures, findings and incidents.
    Run(RunArgs),
    /// List associations that are at risk: no redundancy, addresses that would not take over, path MTU black holes, loss.
    #[command(after_help = AUDIT_EXIT_CODES)]
    Audit(AuditArgs),
    /// Analyse capture files: associations, paths, failures and findings, as `run` would report them.
    #[command(after_help = PCAP_EXIT_CODES)]
    Pcap(PcapArgs),
    /// Say whether `run` would work with this kernel, these privileges and these NICs; attaches nothing.
    Check(CheckArgs),
    /// Check a configuration file, or print one with all defaults and what they mean.
    Config(ConfigArgs),
    /// Show how the running agent is, and what is wrong now. This and the next five ask the agent, and need root.
    Status(AskArgs),
    /// List the established associations, those with the worst paths first.
    Associations(ListArgs),
    /// List the paths, the worst first.
    Paths(ListArgs),
    /// List the findings that are open.
    Findings(ListArgs),
    /// List the incidents that are open.
    Incidents(AskArgs),
    /// Show all that is known of one association.
    Explain(ExplainArgs),
    /// Watch the running agent's associations on the terminal, the worst first: paths, round-trip times, findings, events. Needs root.
    Top(TopArgs),
    /// Write what the running agent knows and has kept as one HTML page: incidents, associations, paths over time, events. Needs root.
    Report(ReportArgs),
    /// Ask the running agent what it moves to another path, or tell it what to move (docs/steering.md). Needs root.
    Steer(SteerArgs),
    /// Take off what an agent that was killed has left on this host: its programs on NICs, and its socket. Needs root.
    Detach(DetachArgs),
    /// Write the man pages and the completions of shells into a folder, for packages.
    #[command(hide = true)]
    Pages {
        /// The folder; it is made.
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
    },
}

/// Arguments of `run`.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// NIC to watch, or a pattern like 'ens*'; may be repeated. Default: those that own the addresses of the kernel's SCTP
    /// associations, or any address if there are none.
    #[arg(
        long = "iface",
        value_name = "NIC",
        env = "SCTP_MONITOR_IFACE",
        value_delimiter = ','
    )]
    pub interfaces: Vec<String>,
    /// Exit with an error if one of the NICs is missing or refused; without this option the others are watched, if there are any, and it
    /// as soon as it can be.
    #[arg(long)]
    pub strict: bool,
    /// When the programs stay on the NICs without the agent, so that the one that follows takes them over and no packet passes
    /// uncounted (`sctp-monitor detach` takes them off). Default: auto.
    #[arg(long, value_enum, value_name = "WHEN", env = "SCTP_MONITOR_PIN")]
    pub pin: Option<PinArg>,
    /// Options of watching.
    #[command(flatten)]
    pub watch: WatchArgs,
    /// Move DATA and SACKs of a path that failed to another path of the association (docs/steering.md). Default: what the
    /// configuration says, which is off.
    #[arg(long, value_enum, value_name = "MODE", env = "SCTP_MONITOR_STEER")]
    pub steer: Option<SteerArg>,
    /// Format of the report on standard output. Default: table.
    #[arg(long, value_enum, env = "SCTP_MONITOR_FORMAT")]
    pub format: Option<Format>,
    /// Also append every event to this file, as JSON lines (docs/schema.json describes them).
    #[arg(long, value_name = "FILE", env = "SCTP_MONITOR_EVENTS")]
    pub events: Option<PathBuf>,
    /// Stop after this time, e.g. 30s or 10min.
    #[arg(long, value_parser = humantime::parse_duration)]
    pub duration: Option<Duration>,
    /// Send HEARTBEATs into this host's associations, to tell dead paths sooner (docs/probing.md). Default: as the configuration
    /// file says, else off.
    #[arg(long, value_enum, value_name = "MODE", env = "SCTP_MONITOR_PROBE")]
    pub probe: Option<ProbeArg>,
    /// Look at the CRC32c of some of the packets that come in, to find a sender whose packets are spoiled on the way. Default: off; it
    /// costs every packet of the host some time (docs/manual.md).
    #[arg(long, value_enum, value_name = "MODE", env = "SCTP_MONITOR_CHECKSUMS")]
    pub checksums: Option<ChecksumsArg>,
    /// Options of the HTTP server.
    #[command(flatten)]
    pub web: WebArgs,
}

/// When the programs stay on the NICs without the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PinArg {
    /// When it is killed, and when a service manager ends it by SIGTERM.
    Auto,
    /// When it is killed, and whenever it is ended by SIGTERM.
    Yes,
    /// Never.
    No,
}

/// Whether checksums are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ChecksumsArg {
    /// None.
    Off,
    /// Those of the handshake, and of some other packets.
    Sample,
}

/// Whether probes are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProbeArg {
    /// None.
    Off,
    /// Some when an answer is missing.
    Confirm,
    /// All the time.
    Continuous,
}

impl From<ProbeArg> for ProbeMode {
    fn from(probe: ProbeArg) -> Self {
        match probe {
            ProbeArg::Off => Self::Off,
            ProbeArg::Confirm => Self::Confirm,
            ProbeArg::Continuous => Self::Continuous,
        }
    }
}

/// Arguments of `audit`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("source").required(true).args(["interfaces", "events"]))]
pub struct AuditArgs {
    /// NIC to audit; may be repeated. The agent that watches it is asked; if none does, it is watched for a while.
    #[arg(long = "iface", value_name = "NIC")]
    pub interfaces: Vec<String>,
    /// Attach nothing: read the last summary in this file, written by `run --events` or `run --format json`.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["duration", "hook", "vantage", "udp_port", "max_flows", "config"]
    )]
    pub events: Option<PathBuf>,
    /// Watch even if an agent watches these NICs already; without this option that agent is asked.
    #[arg(long, conflicts_with = "events")]
    pub no_agent: bool,
    /// How long to watch, or for how long the agent that is asked must have watched. An idle path has packets only once in
    /// HB.interval (30 s by default).
    #[arg(long = "for", value_name = "TIME", default_value = "40s", value_parser = humantime::parse_duration)]
    pub duration: Duration,
    /// Options of watching.
    #[command(flatten)]
    pub watch: WatchArgs,
    /// Format of the report: lines for people, or one JSON object.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    /// Exit with 1 also if no association was seen, or one was seen too little to be judged.
    #[arg(long)]
    pub strict: bool,
}

const AUDIT_EXIT_CODES: &str = "\
Exit status:
  0  every association that was seen is fine, or none was seen
  1  something was found (with --strict: or could not be judged)
  2  the audit could not run: no such NIC or file, or a privilege is missing
  3  nothing was found, but not everything could be judged (\"not proven\")";

/// Arguments of `pcap`.
#[derive(Debug, Args)]
pub struct PcapArgs {
    /// Captures: pcap or pcapng, also compressed by gzip or zstd; `-` is standard input. Several files are merged by
    /// time.
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Format of the report: text for people, one JSON object, or JSON lines.
    #[arg(long, value_enum, default_value_t = PcapFormat::Table)]
    pub format: PcapFormat,
    /// Also write an HTML page to this file: path matrix, plots, timeline. The page needs no other file.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Also analyse SCTP inside of tunnels: GTP-U, VXLAN, Geneve, GRE, ERSPAN, IP in IP, MPLS.
    #[arg(long)]
    pub decap: bool,
    /// Show only the association with this number in the report; may be repeated.
    #[arg(long = "assoc", value_name = "NUMBER")]
    pub associations: Vec<u64>,
    /// Show only associations and flows with this address; may be repeated.
    #[arg(long = "address", value_name = "IP")]
    pub addresses: Vec<IpAddr>,
    /// Read only packets from this time on, e.g. 2026-11-26T03:00:00Z.
    #[arg(long, value_name = "TIME")]
    pub from: Option<WallTime>,
    /// Read only packets up to this time.
    #[arg(long, value_name = "TIME")]
    pub to: Option<WallTime>,
    /// UDP port of SCTP over UDP (RFC 6951); 0 ignores UDP.
    #[arg(long, default_value_t = UDP_ENCAPSULATION_PORT)]
    pub udp_port: u16,
    /// Size of the flow table; a path has two flows, one for each direction.
    #[arg(long, default_value_t = 65_536, value_parser = clap::value_parser!(u32).range(FLOWS))]
    pub max_flows: u32,
    /// Thresholds and time-outs, in TOML (docs/configuration.md lists the keys).
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

const PCAP_EXIT_CODES: &str = "\
Exit status:
  0  every file was read to its end
  1  a file is damaged or truncated; the report has what was read before
  2  a file could not be read at all; the report has the other files";

/// Formats of the report on captures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PcapFormat {
    /// Text, for people.
    Table,
    /// One JSON object.
    Json,
    /// JSON lines.
    Ndjson,
}

/// Options of watching NICs.
#[derive(Debug, Clone, Args)]
pub struct WatchArgs {
    /// Hook for incoming packets. Default: auto.
    #[arg(long, value_enum, env = "SCTP_MONITOR_HOOK")]
    pub hook: Option<HookArg>,
    /// Where the watched NICs are. Default: endpoint.
    #[arg(long, value_enum, env = "SCTP_MONITOR_VANTAGE")]
    pub vantage: Option<VantageArg>,
    /// UDP port of SCTP over UDP (RFC 6951); 0 ignores UDP. Default: 9899.
    #[arg(long, value_name = "PORT", env = "SCTP_MONITOR_UDP_PORT")]
    pub udp_port: Option<u16>,
    /// Size of the flow table; a path has two flows, one for each direction. Default: 16384.
    #[arg(long, value_name = "FLOWS", value_parser = clap::value_parser!(u32).range(FLOWS), env = "SCTP_MONITOR_MAX_FLOWS")]
    pub max_flows: Option<u32>,
    /// Configuration, in TOML (docs/configuration.md lists the keys). Default of `run`: /etc/sctp-monitor/config.toml, if there is
    /// one.
    #[arg(long, value_name = "FILE", env = "SCTP_MONITOR_CONFIG")]
    pub config: Option<PathBuf>,
}

/// Arguments of `config`.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: ConfigVerb,
}

/// What is done with configuration files.
#[derive(Debug, Subcommand)]
pub enum ConfigVerb {
    /// Say whether `run` would take a file.
    Check {
        /// The file. Default: /etc/sctp-monitor/config.toml.
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Print a file with every key at its default, and what each means.
    Default,
    /// Print a JSON Schema of the file, for editors and for what writes such files.
    Schema,
}

/// Arguments of `detach`.
#[derive(Debug, Args)]
pub struct DetachArgs {
    /// Only the programs on this NIC; may be repeated. Default: on all NICs of this network namespace.
    #[arg(long = "iface", value_name = "NIC")]
    pub interfaces: Vec<String>,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// NIC to check; may be repeated. Default: all NICs of this network namespace.
    #[arg(long = "iface", value_name = "NIC")]
    pub interfaces: Vec<String>,
    /// Also look at what stands in the way of moving packets to other paths (`run --steer`, docs/steering.md).
    #[arg(long)]
    pub steer: bool,
    /// Format of the report: lines for people, or one JSON object.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

/// Smallest and largest size of the flow table.
const FLOWS: RangeInclusive<i64> = LEAST_FLOWS as i64..=MOST_FLOWS as i64;

/// Hooks for the incoming packets of a NIC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HookArg {
    /// Native XDP, or TC ingress if the NIC does not support it.
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

/// What is done with the packets of a path that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SteerArg {
    /// Nothing.
    Off,
    /// Decide and count as if they were moved, but move nothing.
    DryRun,
    /// Move them to a path of the association that works.
    Move,
    /// Send all packets on two paths at once, if an agent at the other end does so too (needs `--probe continuous`).
    Both,
}

impl From<SteerArg> for SteeringMode {
    fn from(mode: SteerArg) -> Self {
        match mode {
            SteerArg::Off => Self::Off,
            SteerArg::DryRun => Self::DryRun,
            SteerArg::Move => Self::Move,
            SteerArg::Both => Self::Both,
        }
    }
}

/// Where the watched NICs are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum VantageArg {
    /// On a host that terminates the associations: its outgoing packets are watched by TC egress.
    Endpoint,
    /// Between the hosts: on a router, a bump in the wire or a mirror port.
    Gateway,
}

/// Formats of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
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
    fn the_help_is_said_in_these_words() {
        let mut cli = Cli::command().term_width(100);
        cli.build();
        let helps: Vec<_> = cli
            .get_subcommands_mut()
            .filter(|command| command.get_name() != "help" && !command.is_hide_set())
            .map(|command| command.render_long_help().to_string())
            .collect();
        insta::assert_snapshot!(helps.join("\n---\n\n"));
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
        assert_eq!(run.watch.udp_port, None, "the file may say it");
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
