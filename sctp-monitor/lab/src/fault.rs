//! What can go wrong on a path, and when it did.
//!
//! Faults happen in the middle namespace, between the hosts' NICs. Those on one path add up until [`Path::heal`] ends
//! them all. Each takes effect by one system call or one nftables transaction, and the answer is the instant right after
//! it (measured: less than a millisecond): the fault is in force from then on at the latest.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::{MonotonicNs, monotonic_ns};
use crate::error::LabError;
use crate::filter::{Filter, Loss, PacketFilter};
use crate::interface::InterfaceError;
use crate::node::Node;
use crate::relay::{Relay, RelayError};
use crate::tool::ToolError;
use crate::wait;

/// A named path between two interfaces, and the faults on it.
#[derive(Debug)]
pub struct Path {
    bridge: String,
    pub(crate) ports: [Port; 2],
    pub(crate) middle: Arc<Node>,
    packet_filter: Arc<PacketFilter>,
    state: Mutex<State>,
}

/// Where one end of a path enters the middle.
#[derive(Debug)]
pub(crate) struct Port {
    /// The device in the middle.
    pub(crate) device: String,
    /// Who is at the other end of the veth.
    pub(crate) node: Arc<Node>,
    /// Its interface.
    pub(crate) interface: String,
    /// `ip` commands for the routes that are lost when the interface goes down.
    pub(crate) routes: String,
}

/// A fault could not be made or healed.
#[derive(Debug, thiserror::Error)]
pub enum FaultError {
    /// An interface could not be taken down or brought up.
    #[error(transparent)]
    Interface(#[from] InterfaceError),
    /// nftables refused.
    #[error("cannot set the packet filter of a path")]
    Filter(#[source] ToolError),
    /// The ports could not be taken from the bridge or given back, or routes not restored.
    #[error(transparent)]
    Network(#[from] LabError),
    /// Frames cannot be delayed.
    #[error(transparent)]
    Relay(#[from] RelayError),
    /// Netem, or a bottleneck, cannot be set.
    #[error("cannot set netem or a bottleneck on a path; this kernel may not have it (modules sch_netem, sch_tbf)")]
    Netem(#[source] ToolError),
}

#[derive(Debug, Default)]
pub(crate) struct State {
    /// What happens to the frames that the node at each port sends.
    filters: [Filter; 2],
    relay: Option<Relay>,
    broken: bool,
    links_down: [bool; 2],
    /// Whether netem or a bottleneck is at work on a port.
    pub(crate) netem: bool,
}

impl Path {
    pub(crate) fn new(
        bridge: String,
        ports: [Port; 2],
        middle: Arc<Node>,
        packet_filter: Arc<PacketFilter>,
    ) -> Self {
        Self {
            bridge,
            ports,
            middle,
            packet_filter,
            state: Mutex::default(),
        }
    }

    /// Stops both directions for everything, ARP included, as a dead switch between two live ones does: neither host sees
    /// its link go down.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn break_silently(&self) -> Result<MonotonicNs, FaultError> {
        let mut state = self.state();
        state.broken = true;
        if let Some(relay) = &state.relay {
            relay.set_broken(true);
        }
        self.middle.control.set_up(&self.bridge, false)?;
        Ok(monotonic_ns())
    }

    /// Loses the SCTP packets, plain or in UDP port 9899, that `from_host` sends; everything else passes, and what the
    /// other side sends arrives.
    ///
    /// # Errors
    /// When `nft` is missing or refuses.
    ///
    /// # Panics
    /// When the path has no end at `from_host`.
    pub fn drop_direction(&self, from_host: &str) -> Result<MonotonicNs, FaultError> {
        let side = self.side_of(from_host);
        self.filter(|filters| filters[side].sctp = true)
    }

    /// Loses `percent` of all packets at random, in both directions.
    ///
    /// # Errors
    /// When `nft` is missing or refuses.
    pub fn lose(&self, percent: f64) -> Result<MonotonicNs, FaultError> {
        self.filter(|filters| {
            for filter in filters {
                filter.lost = Loss::of_percent(percent);
            }
        })
    }

    /// Loses `percent` of the packets that `from_host` sends, at random.
    ///
    /// # Errors
    /// When `nft` is missing or refuses.
    ///
    /// # Panics
    /// When the path has no end at `from_host`.
    pub fn lose_direction(&self, from_host: &str, percent: f64) -> Result<MonotonicNs, FaultError> {
        let side = self.side_of(from_host);
        self.filter(|filters| filters[side].lost = Loss::of_percent(percent))
    }

    /// Loses the IP packets of more than `bytes`, headers included, in both directions and tells nobody: a path MTU black
    /// hole.
    ///
    /// # Errors
    /// When `nft` is missing or refuses.
    pub fn drop_larger_than(&self, bytes: u16) -> Result<MonotonicNs, FaultError> {
        self.filter(|filters| {
            for filter in filters {
                filter.larger_than = Some(bytes);
            }
        })
    }

    /// Delays every frame by `delay`, each way.
    ///
    /// # Errors
    /// See [`Self::delay_with_jitter`].
    pub fn delay(&self, delay: Duration) -> Result<MonotonicNs, FaultError> {
        self.delay_with_jitter(delay, Duration::ZERO)
    }

    /// Delays every frame by `delay` give or take up to `jitter` (uniformly distributed), each way, without reordering.
    ///
    /// From now until [`Self::heal`] a thread relays the frames instead of the bridge. A frame under way while they
    /// change over may be lost.
    ///
    /// # Errors
    /// When the ports cannot be taken from the bridge, or packet sockets cannot be opened.
    pub fn delay_with_jitter(&self, delay: Duration, jitter: Duration) -> Result<MonotonicNs, FaultError> {
        let mut state = self.state();
        if let Some(relay) = &state.relay {
            relay.set_delay(delay, jitter);
        } else {
            self.middle.ip(&[], &self.for_each_port("nomaster"))?;
            let devices = self.ports.each_ref().map(|port| port.device.as_str());
            let relay = Relay::start(&self.middle.namespace, devices, delay, jitter)?;
            relay.set_broken(state.broken);
            state.relay = Some(relay);
        }
        Ok(monotonic_ns())
    }

    /// Takes the interface of `host` itself down: the one fault that a host sees at once. The other host keeps its
    /// carrier.
    ///
    /// # Errors
    /// When the kernel refuses.
    ///
    /// # Panics
    /// When the path has no end at `host`.
    pub fn link_down(&self, host: &str) -> Result<MonotonicNs, FaultError> {
        let side = self.side_of(host);
        let port = &self.ports[side];
        self.state().links_down[side] = true;
        port.node.control.set_up(&port.interface, false)?;
        Ok(monotonic_ns())
    }

    /// Ends all faults on this path, and answers when the last one ended. Delayed frames still under way arrive at once.
    ///
    /// # Errors
    /// When the kernel or a tool refuses.
    pub fn heal(&self) -> Result<MonotonicNs, FaultError> {
        let mut state = self.state();
        if state.relay.take().is_some() {
            self.middle
                .ip(&[], &self.for_each_port(&format!("master {}", self.bridge)))?;
        }
        for (port, is_down) in self.ports.iter().zip(&mut state.links_down) {
            if *is_down {
                port.bring_up()?;
                *is_down = false;
            }
        }
        self.middle.control.set_up(&self.bridge, true)?;
        state.broken = false;
        if state.netem {
            self.end_netem()?;
            state.netem = false;
        }
        if state.filters == <[Filter; 2]>::default() {
            return Ok(monotonic_ns());
        }
        state.filters = Default::default();
        self.apply(&state.filters)
    }

    /// The device in the middle that leads to `host`.
    pub(crate) fn device_towards(&self, host: &str) -> &str {
        &self.ports[self.side_of(host)].device
    }

    pub(crate) fn middle(&self) -> &Arc<Node> {
        &self.middle
    }

    fn filter(&self, change: impl FnOnce(&mut [Filter; 2])) -> Result<MonotonicNs, FaultError> {
        let mut state = self.state();
        change(&mut state.filters);
        self.apply(&state.filters)
    }

    fn apply(&self, filters: &[Filter; 2]) -> Result<MonotonicNs, FaultError> {
        let [left, right] = self.ports.each_ref().map(|port| port.device.as_str());
        // What the left host sends leaves by the right port.
        let filters = [(right, filters[0]), (left, filters[1])];
        self.packet_filter
            .replace(&self.bridge, filters)
            .map_err(FaultError::Filter)
    }

    fn for_each_port(&self, change: &str) -> String {
        self.ports
            .iter()
            .map(|port| format!("link set dev {} {change}\n", port.device))
            .collect()
    }

    pub(crate) fn side_of(&self, host: &str) -> usize {
        let side = self.ports.iter().position(|port| port.node.name == host);
        side.unwrap_or_else(|| panic!("the path has no end at `{host}`"))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // Whoever panicked has failed its test; healing and dropping still work.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Port {
    /// The kernel restores addresses and the routes to their subnets, for IPv6 only once the link has its carrier; the
    /// other routes depend on these.
    fn bring_up(&self) -> Result<(), FaultError> {
        self.node.control.set_up(&self.interface, true)?;
        let mut restored = Ok(());
        let _ = wait::until(ROUTES_WITHIN, || {
            restored = self.node.ip(&[], &self.routes);
            restored.is_ok().then_some(())
        });
        Ok(restored?)
    }
}

/// Carrier, addresses and their routes come back within milliseconds.
const ROUTES_WITHIN: Duration = Duration::from_secs(5);
