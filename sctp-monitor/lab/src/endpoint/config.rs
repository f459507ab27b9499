//! How an endpoint is set up: the command line of `sctp-lab-endpoint` and the value that tests build are one type.
//!
//! What is not given stays at the stack's own default, so that a plain endpoint behaves as its stack does in the field.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;

use super::stack::StackChoice;

/// An SCTP endpoint: where it is bound, whom it connects to, what it sends, how patient it is.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct EndpointConfig {
    /// Accept associations on this port; either this or `--connect`
    #[arg(
        long,
        value_name = "PORT",
        required_unless_present = "connect",
        conflicts_with = "connect"
    )]
    pub listen: Option<u16>,

    /// Open associations to this peer; IPv6 addresses may stand in brackets
    #[arg(long, visible_alias = "peer", value_name = "ADDR[,ADDR..]:PORT")]
    pub connect: Option<Peer>,

    /// Local addresses, IPv4 and IPv6 mixed; all of them are listed in the INIT or INIT ACK (private IPv4 ones only if it
    /// goes over IPv4)
    #[arg(long, value_name = "ADDR[,ADDR..]", value_delimiter = ',', required = true)]
    pub local: Vec<IpAddr>,

    /// Local port of the first association when connecting, the others take the next ones; 0 lets the stack choose
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub local_port: u16,

    /// How many associations to open when connecting, each from a local port of its own
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub associations: u16,

    /// What is sent
    #[command(flatten)]
    pub traffic: TrafficConfig,

    /// The protocol's parameters
    #[command(flatten)]
    pub timers: Timers,

    /// Encapsulate SCTP in UDP (RFC 6951) with this local and remote UDP port. The kernel's stack (Linux 5.11 or newer)
    /// opens its UDP port for the whole network namespace, by net.sctp.udp_port
    #[arg(long, value_name = "PORT")]
    pub udp_encap: Option<u16>,

    /// Whose SCTP to speak
    #[arg(long, value_name = "STACK", value_enum, default_value_t)]
    pub stack: StackChoice,

    /// Shut down cleanly after this many seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub duration: Option<Duration>,

    /// Report totals every so many milliseconds; 0 never
    #[arg(long, value_name = "MS", value_parser = milliseconds, default_value = "1000")]
    pub stats_interval: Duration,

    /// Report a silence between two deliveries from this many milliseconds on
    #[arg(long, value_name = "MS", value_parser = milliseconds, default_value = "200")]
    pub gap_threshold: Duration,

    /// Answer packets of unknown associations by ABORT, as the kernel's stack always does; for usrsctp alone in its namespace
    #[arg(long)]
    pub out_of_the_blue: bool,

    /// End when standard input closes: the process that started this one is gone
    #[arg(long)]
    pub supervised: bool,
}

/// What an endpoint sends over each of its associations.
#[derive(Debug, Clone, PartialEq, Args)]
pub struct TrafficConfig {
    /// Messages a second over each association, from either side; fractions are fine, 0 sends nothing
    #[arg(long, value_name = "N", default_value_t = 0.0)]
    pub rate: f64,

    /// Bytes of user data a message; from 8 on it carries a sequence number
    #[arg(long, value_name = "BYTES", default_value_t = 100)]
    pub size: usize,

    /// Payload protocol identifier
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub ppid: u32,

    /// Outgoing streams to ask for; messages take them in turn
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub streams: u16,

    /// Send every message back on the association it came from
    #[arg(long)]
    pub echo: bool,
}

/// Protocol parameters (RFC 9260, 16); absent ones stay at the stack's default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Timers {
    /// HB.interval in milliseconds
    #[arg(long, value_name = "MS", value_parser = milliseconds)]
    pub heartbeat_interval: Option<Duration>,

    /// RTO.Initial in milliseconds
    #[arg(long, value_name = "MS", value_parser = milliseconds)]
    pub rto_initial: Option<Duration>,

    /// RTO.Min in milliseconds
    #[arg(long, value_name = "MS", value_parser = milliseconds)]
    pub rto_min: Option<Duration>,

    /// RTO.Max in milliseconds
    #[arg(long, value_name = "MS", value_parser = milliseconds)]
    pub rto_max: Option<Duration>,

    /// Path.Max.Retrans
    #[arg(long, value_name = "N")]
    pub path_max_retrans: Option<u16>,

    /// PotentiallyFailed.Max.Retrans (RFC 7829), of the kernel's stack alone
    #[arg(long, value_name = "N")]
    pub pf_max_retrans: Option<u16>,

    /// Association.Max.Retrans
    #[arg(long, value_name = "N")]
    pub association_max_retrans: Option<u16>,

    /// Delay of a SACK in milliseconds
    #[arg(long, value_name = "MS", value_parser = milliseconds)]
    pub sack_delay: Option<Duration>,

    /// Acknowledge every packet at once, whatever the delay
    #[arg(long)]
    pub no_delayed_ack: bool,
}

/// The other endpoint: its addresses and its port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The addresses to send the INIT to, the first one at first; the peer adds its own list.
    ///
    /// With private IPv4 addresses (10.0.0.0/8 and so on) an IPv4 address must stand first: neither stack lists them when the
    /// handshake goes over IPv6.
    pub addresses: Vec<IpAddr>,
    /// The SCTP port.
    pub port: u16,
}

impl EndpointConfig {
    /// An endpoint that accepts associations on `port` of all `local` addresses and sends nothing.
    pub fn listen<A: Into<IpAddr>>(local: impl IntoIterator<Item = A>, port: u16) -> Self {
        Self::new(local, Some(port), None)
    }

    /// An endpoint bound to all `local` addresses that opens one association to `peer` and sends nothing.
    pub fn connect<A: Into<IpAddr>, P: Into<IpAddr>>(
        local: impl IntoIterator<Item = A>,
        peer: impl IntoIterator<Item = P>,
        port: u16,
    ) -> Self {
        let addresses = peer.into_iter().map(Into::into).collect();
        Self::new(local, None, Some(Peer { addresses, port }))
    }

    /// Sends this many messages a second over each association.
    #[must_use]
    pub fn rate(mut self, messages_per_second: f64) -> Self {
        self.traffic.rate = messages_per_second;
        self
    }

    /// Sends messages of this many bytes.
    #[must_use]
    pub fn size(mut self, bytes: usize) -> Self {
        self.traffic.size = bytes;
        self
    }

    /// Sends every message back.
    #[must_use]
    pub fn echo(mut self) -> Self {
        self.traffic.echo = true;
        self
    }

    /// Uses these protocol parameters.
    #[must_use]
    pub fn timers(mut self, timers: Timers) -> Self {
        self.timers = timers;
        self
    }

    /// Opens this many associations, each from a local port of its own.
    #[must_use]
    pub fn associations(mut self, count: u16) -> Self {
        self.associations = count;
        self
    }

    /// Binds to this local port (the first of several associations).
    #[must_use]
    pub fn local_port(mut self, port: u16) -> Self {
        self.local_port = port;
        self
    }

    /// Encapsulates SCTP in UDP, both ports being `port` (RFC 6951 assigns 9899).
    #[must_use]
    pub fn udp_encap(mut self, port: u16) -> Self {
        self.udp_encap = Some(port);
        self
    }

    /// Answers packets of unknown associations by ABORT (RFC 9260 section 8.4).
    #[must_use]
    pub fn out_of_the_blue(mut self) -> Self {
        self.out_of_the_blue = true;
        self
    }

    /// Uses this stack.
    #[must_use]
    pub fn stack(mut self, stack: StackChoice) -> Self {
        self.stack = stack;
        self
    }

    /// The command line that says the same.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        let mut option = |name: &str, value: String| arguments.push(format!("--{name}={value}"));
        if let Some(port) = self.listen {
            option("listen", port.to_string());
        }
        if let Some(peer) = &self.connect {
            option("connect", peer.to_string());
        }
        option("local", join(&self.local));
        option("local-port", self.local_port.to_string());
        option("associations", self.associations.to_string());
        option("rate", self.traffic.rate.to_string());
        option("size", self.traffic.size.to_string());
        option("stack", self.stack.to_string());
        option("ppid", self.traffic.ppid.to_string());
        option("streams", self.traffic.streams.to_string());
        option("stats-interval", self.stats_interval.as_millis().to_string());
        option("gap-threshold", self.gap_threshold.as_millis().to_string());
        let timers = &self.timers;
        for (name, value) in [
            ("heartbeat-interval", timers.heartbeat_interval),
            ("rto-initial", timers.rto_initial),
            ("rto-min", timers.rto_min),
            ("rto-max", timers.rto_max),
            ("sack-delay", timers.sack_delay),
        ] {
            if let Some(value) = value {
                option(name, value.as_millis().to_string());
            }
        }
        for (name, value) in [
            ("path-max-retrans", timers.path_max_retrans),
            ("pf-max-retrans", timers.pf_max_retrans),
            ("association-max-retrans", timers.association_max_retrans),
            ("udp-encap", self.udp_encap),
        ] {
            if let Some(value) = value {
                option(name, value.to_string());
            }
        }
        if let Some(duration) = self.duration {
            option("duration", duration.as_secs_f64().to_string());
        }
        for (name, is_set) in [
            ("echo", self.traffic.echo),
            ("no-delayed-ack", timers.no_delayed_ack),
            ("out-of-the-blue", self.out_of_the_blue),
            ("supervised", self.supervised),
        ] {
            if is_set {
                arguments.push(format!("--{name}"));
            }
        }
        arguments
    }

    fn new<A: Into<IpAddr>>(
        local: impl IntoIterator<Item = A>,
        listen: Option<u16>,
        connect: Option<Peer>,
    ) -> Self {
        Self {
            listen,
            connect,
            local: local.into_iter().map(Into::into).collect(),
            local_port: 0,
            associations: 1,
            traffic: TrafficConfig {
                rate: 0.0,
                size: 100,
                ppid: 0,
                streams: 1,
                echo: false,
            },
            timers: Timers::default(),
            udp_encap: None,
            stack: StackChoice::Auto,
            duration: None,
            stats_interval: Duration::from_secs(1),
            gap_threshold: Duration::from_millis(200),
            out_of_the_blue: false,
            supervised: false,
        }
    }
}

impl Timers {
    /// The careful operator's tuning: a dead path is left after a few hundred milliseconds and reported after one or
    /// two seconds, without the false alarms that a shorter RTO.Min brings. SACKs come sooner than RTO.Min: with the usual
    /// delay of 200 ms every lone message would be sent twice.
    #[must_use]
    pub fn tuned() -> Self {
        Self {
            heartbeat_interval: Some(Duration::from_millis(500)),
            rto_initial: Some(Duration::from_millis(200)),
            rto_min: Some(Duration::from_millis(100)),
            rto_max: Some(Duration::from_secs(1)),
            path_max_retrans: Some(2),
            sack_delay: Some(Duration::from_millis(40)),
            ..Self::default()
        }
    }
}

impl FromStr for Peer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (addresses, port) = text.rsplit_once(':').ok_or("no `:PORT` at the end")?;
        let addresses = addresses
            .split(',')
            .map(|address| {
                address
                    .trim_start_matches('[')
                    .trim_end_matches(']')
                    .parse()
                    .map_err(|error| format!("{address}: {error}"))
            })
            .collect::<Result<_, _>>()?;
        let port = port.parse().map_err(|error| format!("port {port}: {error}"))?;
        Ok(Self { addresses, port })
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", join(&self.addresses), self.port)
    }
}

fn join(addresses: &[IpAddr]) -> String {
    addresses
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(",")
}

fn milliseconds(text: &str) -> Result<Duration, std::num::ParseIntError> {
    text.parse().map(Duration::from_millis)
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map_err(|error| format!("{error}"))?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct CommandLine {
        #[command(flatten)]
        config: EndpointConfig,
    }

    fn parsed(arguments: &[String]) -> EndpointConfig {
        let program = ["sctp-lab-endpoint".to_owned()];
        CommandLine::try_parse_from(program.iter().chain(arguments))
            .unwrap()
            .config
    }

    #[test]
    fn defaults_of_the_command_line_and_of_the_constructor_agree() {
        let config = EndpointConfig::listen([[10, 1, 1, 2]], 3868);
        assert_eq!(
            parsed(&["--listen=3868".to_owned(), "--local=10.1.1.2".to_owned()]),
            config
        );
    }

    #[test]
    fn every_setting_survives_the_command_line() {
        let local: [IpAddr; 2] = ["10.1.1.1".parse().unwrap(), "fd00:1:1::1".parse().unwrap()];
        let peer: [IpAddr; 2] = ["fd00:1:1::2".parse().unwrap(), "10.1.1.2".parse().unwrap()];
        let mut config = EndpointConfig::connect(local, peer, 36412)
            .rate(12.5)
            .size(1200)
            .echo()
            .timers(Timers {
                association_max_retrans: Some(4),
                pf_max_retrans: Some(1),
                no_delayed_ack: true,
                ..Timers::tuned()
            })
            .associations(7)
            .local_port(40_000)
            .udp_encap(9899)
            .out_of_the_blue()
            .stack(StackChoice::Kernel);
        config.traffic.ppid = 18;
        config.traffic.streams = 4;
        config.duration = Some(Duration::from_millis(1500));
        config.stats_interval = Duration::ZERO;
        config.gap_threshold = Duration::from_millis(50);
        config.supervised = true;
        assert_eq!(parsed(&config.arguments()), config);
    }

    #[test]
    fn a_peer_is_read_with_and_without_brackets() {
        let peer: Peer = "[fd00::1],10.0.0.1:38412".parse().unwrap();
        assert_eq!(peer.to_string(), "fd00::1,10.0.0.1:38412");
        assert!("10.0.0.1".parse::<Peer>().is_err());
        assert!("10.0.0.1:70000".parse::<Peer>().is_err());
        assert!("10.0.0.x:1".parse::<Peer>().is_err());
    }
}
