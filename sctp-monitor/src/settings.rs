//! What concerns one agent and not its judgement: the table `run` of the configuration file, and the options that win over it.

use std::path::PathBuf;

use schemars::JsonSchema;
use sctp_monitor_common::{
    abi::limits::{DEFAULT_FLOWS, LEAST_FLOWS, MOST_FLOWS},
    wire::sctp::UDP_ENCAPSULATION_PORT,
};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use crate::{
    cli::{Format, HookArg, PinArg, RunArgs, VantageArg, WatchArgs},
    history::HistorySettings,
    hooks::HooksSettings,
    web::WebSettings,
};

/// The table `run`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// NICs to watch, or patterns; those that carry SCTP if there are none.
    pub interfaces: Vec<String>,
    /// Whether a missing NIC is an error.
    pub strict: bool,
    /// When the programs stay on the NICs without the agent.
    pub pin: PinArg,
    /// Where the NICs are.
    pub vantage: VantageArg,
    /// The hook for incoming packets.
    pub hook: HookArg,
    /// UDP port of SCTP over UDP (RFC 6951); 0 for none.
    pub udp_port: u16,
    /// Size of the flow table.
    #[serde(deserialize_with = "flows")]
    pub max_flows: u32,
    /// Format of the report on standard output.
    pub format: Format,
    /// A file to which every event is appended as JSON lines; empty for none.
    pub events: PathBuf,
    /// The HTTP server, which has a table of its own.
    #[serde(skip)]
    pub web: WebSettings,
    /// What is kept of what was, which has a table of its own.
    #[serde(skip)]
    pub history: HistorySettings,
    /// Who is told of incidents, which has a table of its own.
    #[serde(skip)]
    pub hooks: HooksSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            interfaces: Vec::new(),
            strict: false,
            pin: PinArg::Auto,
            vantage: VantageArg::Endpoint,
            hook: HookArg::Auto,
            udp_port: UDP_ENCAPSULATION_PORT,
            max_flows: DEFAULT_FLOWS,
            format: Format::Table,
            events: PathBuf::new(),
            web: WebSettings::default(),
            history: HistorySettings::default(),
            hooks: HooksSettings::default(),
        }
    }
}

fn flows<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let flows = u32::deserialize(deserializer)?;
    if (LEAST_FLOWS..=MOST_FLOWS).contains(&flows) {
        return Ok(flows);
    }
    Err(D::Error::custom(format!(
        "max_flows is {flows}; it must be from {LEAST_FLOWS} to {MOST_FLOWS}"
    )))
}

impl RunArgs {
    /// The options, in place of what the file says.
    pub(crate) fn over(&self, file: Settings) -> Settings {
        let Watching {
            vantage,
            hook,
            udp_port,
            max_flows,
        } = self.watch.over(&file);
        Settings {
            interfaces: if self.interfaces.is_empty() {
                file.interfaces
            } else {
                self.interfaces.clone()
            },
            strict: self.strict || file.strict,
            pin: self.pin.unwrap_or(file.pin),
            vantage,
            hook,
            udp_port,
            max_flows,
            format: self.format.unwrap_or(file.format),
            events: self.events.clone().unwrap_or(file.events),
            web: self.web.over(&file.web),
            history: file.history,
            hooks: file.hooks,
        }
    }
}

impl Settings {
    /// How NICs are watched.
    pub(crate) fn watching(&self) -> Watching {
        Watching {
            vantage: self.vantage,
            hook: self.hook,
            udp_port: self.udp_port,
            max_flows: self.max_flows,
        }
    }
}

/// How NICs are watched.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watching {
    pub(crate) vantage: VantageArg,
    pub(crate) hook: HookArg,
    pub(crate) udp_port: u16,
    pub(crate) max_flows: u32,
}

impl WatchArgs {
    /// The options, in place of what the file says.
    pub(crate) fn over(&self, file: &Settings) -> Watching {
        Watching {
            vantage: self.vantage.unwrap_or(file.vantage),
            hook: self.hook.unwrap_or(file.hook),
            udp_port: self.udp_port.unwrap_or(file.udp_port),
            max_flows: self.max_flows.unwrap_or(file.max_flows),
        }
    }
}
