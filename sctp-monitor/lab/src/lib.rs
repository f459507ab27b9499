//! A laboratory for SCTP: network namespaces, real endpoints, faults and captures, for tests and demonstrations.
//!
//! Nothing here is simulated. Hosts are network namespaces, paths are veths over a bridge, endpoints are processes that
//! run a whole SCTP stack (the kernel's, or usrsctp), faults happen between the hosts, and what went over the wire is read back with
//! tcpdump and tshark. Everything has a name of its own and is removed when its value is dropped, so tests run in
//! parallel, and a failed one leaves nothing behind. Root is needed; what is missing says so.
//!
//! ```no_run
//! use std::time::Duration;
//! use sctp_monitor_lab::{Endpoint, EndpointConfig, Lab};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let lab = Lab::two_hosts_two_paths()?;
//! let server = Endpoint::spawn(lab.host("hss"), &EndpointConfig::listen(lab.ipv4("hss"), 3868))?;
//! let config = EndpointConfig::connect(lab.ipv4("mme"), lab.ipv4("hss"), 3868).rate(20.0);
//! let client = Endpoint::spawn(lab.host("mme"), &config)?;
//! client.wait_until_up(1, Duration::from_secs(5))?;
//! let broken_at_ns = lab.path("path1").break_silently()?;
//! # drop((server, broken_at_ns));
//! # Ok(())
//! # }
//! ```

mod bottleneck;
mod builder;
mod capture;
pub mod clock;
pub mod endpoint;
mod error;
mod fault;
mod filter;
mod folder;
mod injector;
mod interface;
mod monitor;
mod netem;
mod netns;
mod node;
mod process;
mod relay;
mod shapes;
mod skip;
mod tool;
mod topology;
mod uml;
pub mod wait;

pub use builder::{Builder, End};
pub use capture::{Capture, CaptureError, Recording};
pub use endpoint::{
    Backend, Endpoint, EndpointConfig, EndpointError, Event, EventKind, StackChoice, StackKind, Timers,
    endpoint_binary,
};
pub use error::LabError;
pub use fault::{FaultError, Path};
pub use injector::{Flooded, InjectError, Injector};
pub use interface::InterfaceError;
pub use monitor::Monitor;
pub use netem::Netem;
pub use netns::{Namespace, NetnsError};
pub use process::{JsonProcess, NoSuchEvent};
pub use relay::RelayError;
pub use skip::{corpus, field, skip};
pub use tool::ToolError;
pub use topology::Lab;
pub use uml::UmlError;
