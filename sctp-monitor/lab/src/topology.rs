//! Who is connected to whom: hosts, routers and switches joined by named paths.
//!
//! Each path is a bridge in one middle namespace with a veth to either end. Faults are made there, so that they happen
//! in the network: a host whose path breaks keeps its carrier. Hosts are strong: a packet leaves by the NIC that has its
//! source address or not at all, and a NIC answers ARP for its own addresses only, so that a broken path is not
//! secretly served by another one. Addresses are usable as soon as [`Builder::build`] returns.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::builder::{Builder, End};
use crate::endpoint::{Backend, Endpoint, EndpointConfig, EndpointError};
use crate::fault::Path;
use crate::interface::InterfaceError;
use crate::netns::{Namespace, NetnsError};
use crate::node::Node;
use crate::tool::ToolError;

/// Hosts, routers, switches and the paths between them; all of it is gone when the value is dropped.
#[derive(Debug)]
pub struct Lab {
    // Paths go first: their relays work inside the middle namespace.
    pub(crate) paths: BTreeMap<String, Path>,
    pub(crate) nodes: BTreeMap<String, Arc<Node>>,
}

/// The lab could not be built.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// A namespace could not be made or entered.
    #[error(transparent)]
    Namespace(#[from] NetnsError),
    /// `ip` refused.
    #[error("cannot set up the network of `{node}`")]
    Tool {
        /// The host, router or switch, or `net` for the middle.
        node: String,
        /// Its words.
        source: ToolError,
    },
    /// A kernel setting could not be written.
    #[error("cannot write net/{setting} in `{node}`")]
    Setting {
        /// The host, router or switch, or `net` for the middle.
        node: String,
        /// The file under `/proc/sys/net`.
        setting: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// An interface could not be changed.
    #[error(transparent)]
    Interface(#[from] InterfaceError),
    /// An interface has no carrier although both its ends are up.
    #[error("interface `{interface}` of `{node}` gets no carrier")]
    NoCarrier {
        /// The host, router or switch.
        node: String,
        /// The interface.
        interface: String,
    },
}

impl Lab {
    /// Starts to describe a lab.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The usual pair: hosts `mme` and `hss`, paths and interfaces `path1` and `path2`, with 10.1.N.1 and fd00:1:N::1 on
    /// the side of `mme`, 10.1.N.2 and fd00:1:N::2 on that of `hss`.
    ///
    /// # Errors
    /// See [`Builder::build`].
    pub fn two_hosts_two_paths() -> Result<Self, LabError> {
        let mut lab = Self::builder();
        for path in 1..=2 {
            let name = format!("path{path}");
            let end = |node, host| {
                End::new(node, &name)
                    .address(&format!("10.1.{path}.{host}/24"))
                    .address(&format!("fd00:1:{path}::{host}/64"))
            };
            lab = lab.path(&name, end("mme", 1), end("hss", 2));
        }
        lab.build()
    }

    /// Two hosts with a router between them, for a monitor that watches the router's NICs: `mme` - `gateway` - `hss`
    /// over two lines. Line N is made of the paths `leftN`, from interface `pathN` of `mme` (10.1.N.1, fd00:1:N::1) to
    /// interface `leftN` of the router, and `rightN`, from its interface `rightN` to interface `pathN` of `hss`
    /// (10.2.N.2, fd00:2:N::2). The router has host number 254 (`fe`) everywhere.
    ///
    /// # Errors
    /// See [`Builder::build`].
    pub fn two_hosts_through_a_router() -> Result<Self, LabError> {
        let mut lab = Self::builder().router("gateway");
        for line in 1..=2 {
            let end = |node: &str, interface: &str, side, [v4, v6]: [&str; 2]| {
                End::new(node, &format!("{interface}{line}"))
                    .address(&format!("10.{side}.{line}.{v4}/24"))
                    .address(&format!("fd00:{side}:{line}::{v6}/64"))
            };
            let router = ["254", "fe"];
            lab = lab
                .path(
                    &format!("left{line}"),
                    end("mme", "path", 1, ["1", "1"]),
                    end("gateway", "left", 1, router),
                )
                .path(
                    &format!("right{line}"),
                    end("gateway", "right", 2, router),
                    end("hss", "path", 2, ["2", "2"]),
                );
            for (host, here, there) in [("mme", 1, 2), ("hss", 2, 1)] {
                lab = lab
                    .route(
                        host,
                        &format!("10.{there}.{line}.0/24"),
                        &format!("10.{here}.{line}.254"),
                    )
                    .route(
                        host,
                        &format!("fd00:{there}:{line}::/64"),
                        &format!("fd00:{here}:{line}::fe"),
                    );
            }
        }
        lab.build()
    }

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
    /// NICs, with the packets that cross them. That machine does not see whether its NICs have carrier.
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
