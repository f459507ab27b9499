//! Who is connected to whom: hosts, routers and switches joined by named paths.
//!
//! Each path is a bridge in one middle namespace with a veth to either end. Faults are made there, so that they happen
//! in the network: a host whose path breaks keeps its carrier. Hosts are strong: a packet leaves by the NIC that has its
//! source address or not at all, and a NIC answers ARP for its own addresses only, so that a broken path is not
//! secretly served by another one. Addresses are usable as soon as [`Builder::build`](crate::Builder::build) returns.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::endpoint::{Backend, Endpoint, EndpointConfig, EndpointError};
use crate::fault::Path;
use crate::netns::Namespace;
use crate::node::Node;

/// Hosts, routers, switches and the paths between them; all of it is gone when the value is dropped.
#[derive(Debug)]
pub struct Lab {
    // Paths go first: their relays work inside the middle namespace.
    pub(crate) paths: BTreeMap<String, Path>,
    pub(crate) nodes: BTreeMap<String, Arc<Node>>,
}

impl Lab {
    /// The namespace of a host, router or switch.
    ///
    /// # Panics
    /// When the lab has no such host or router.
    #[must_use]
    pub fn host(&self, name: &str) -> &Namespace {
        &self.node(name).namespace
    }

    /// Starts an endpoint at a host, on what `backend` says, and waits until its sockets are bound.
    ///
    /// User Mode Linux takes the host's place: its addresses move into that machine for good, and the namespace keeps the
    /// NICs, with the packets that cross them. That machine does not see whether its NICs have carrier, and one that was
    /// down once stays dead: do not take down the links of such a host.
    ///
    /// # Errors
    /// When something is missing, or the endpoint cannot bind to its addresses.
    ///
    /// # Panics
    /// When the lab has no such host.
    pub fn spawn(
        &self,
        host: &str,
        backend: &Backend,
        config: &EndpointConfig,
    ) -> Result<Endpoint, EndpointError> {
        match backend {
            Backend::Process => Endpoint::spawn(self.host(host), config),
            Backend::UserModeLinux { settings } => {
                Endpoint::spawn_in_user_mode_linux(self.node(host), settings, config)
            }
        }
    }

    /// A path, to break it.
    ///
    /// # Panics
    /// When the lab has no such path.
    #[must_use]
    pub fn path(&self, name: &str) -> &Path {
        self.paths
            .get(name)
            .unwrap_or_else(|| panic!("the lab has no path `{name}`"))
    }

    /// All addresses of a host or router, in the order in which its ends were described.
    ///
    /// # Panics
    /// When the lab has no such host or router.
    #[must_use]
    pub fn addresses(&self, host: &str) -> &[IpAddr] {
        &self.node(host).addresses
    }

    /// The IPv4 addresses of a host or router.
    ///
    /// # Panics
    /// When the lab has no such host or router.
    #[must_use]
    pub fn ipv4(&self, host: &str) -> Vec<IpAddr> {
        self.addresses(host)
            .iter()
            .copied()
            .filter(IpAddr::is_ipv4)
            .collect()
    }

    /// The IPv6 addresses of a host or router.
    ///
    /// # Panics
    /// When the lab has no such host or router.
    #[must_use]
    pub fn ipv6(&self, host: &str) -> Vec<IpAddr> {
        self.addresses(host)
            .iter()
            .copied()
            .filter(IpAddr::is_ipv6)
            .collect()
    }

    fn node(&self, name: &str) -> &Node {
        self.nodes
            .get(name)
            .unwrap_or_else(|| panic!("the lab has no host, router or switch `{name}`"))
    }
}
