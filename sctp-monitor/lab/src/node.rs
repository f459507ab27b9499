//! A namespace as a part of a network: its kernel settings, its interfaces, its addresses.

use std::io::ErrorKind;
use std::net::IpAddr;

use crate::error::LabError;
use crate::interface::Control;
use crate::netns::Namespace;
use crate::tool;

/// A host, a router, a switch, or the middle where the bridges of the paths stand.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) namespace: Namespace,
    pub(crate) control: Control,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) plan: Plan,
}

/// How a node's network is set up, for another machine to stand in for it.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// In the order in which they were described.
    pub(crate) interfaces: Vec<String>,
    /// Batches of `ip` commands, each with the options it needs.
    pub(crate) batches: Vec<(&'static [&'static str], String)>,
}

/// What a node is for, and so how its kernel behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Host,
    Router,
    /// Joins its interfaces by a bridge, or has bridges between them: the middle.
    Switch,
}

impl Node {
    pub(crate) fn new(name: &str, role: Role, addresses: Vec<IpAddr>, plan: Plan) -> Result<Self, LabError> {
        let namespace = Namespace::new(name)?;
        let control = Control::open(&namespace)?;
        let node = Self {
            name: name.to_owned(),
            namespace,
            control,
            addresses,
            plan,
        };
        node.write_settings(role)?;
        Ok(node)
    }

    /// Runs a batch of `ip` commands inside; the option `-4` or `-6` helps those that do not show the family by an address.
    pub(crate) fn ip(&self, options: &[&str], script: &str) -> Result<(), LabError> {
        if script.is_empty() {
            return Ok(());
        }
        let mut ip = self.namespace.command("ip");
        tool::run(ip.args(options).args(["-batch", "-"]), script)
            .map(drop)
            .map_err(|source| LabError::Tool {
                node: self.name.clone(),
                source,
            })
    }

    fn write_settings(&self, role: Role) -> Result<(), LabError> {
        let settings: &[&[(&str, &str)]] = match role {
            Role::Host => &[ADDRESS_SETTINGS],
            Role::Router => &[ADDRESS_SETTINGS, ROUTER_SETTINGS],
            Role::Switch => &[SWITCH_SETTINGS],
        };
        let write = || {
            settings
                .iter()
                .copied()
                .flatten()
                .try_for_each(|(setting, value)| {
                    match std::fs::write(format!("/proc/sys/net/{setting}"), value) {
                        // Only a kernel with br_netfilter has these, and only there they need to be off.
                        Err(error)
                            if error.kind() == ErrorKind::NotFound && setting.starts_with("bridge/") =>
                        {
                            Ok(())
                        }
                        result => result.map_err(|source| (*setting, source)),
                    }
                })
        };
        self.namespace
            .run(write)?
            .map_err(|(setting, source)| LabError::Setting {
                node: self.name.clone(),
                setting: setting.to_owned(),
                source,
            })
    }
}

/// `all` and `default`, because interfaces do not exist yet. A host answers ARP on the NIC that has the address and with
/// the address that the NIC has. IPv6 addresses are usable at once, survive a link that goes down, and nobody solicits
/// routers. Reverse path filtering is off: what may leave by which NIC is said by rules, and steered packets may arrive
/// where a filter would not expect them.
pub(crate) const ADDRESS_SETTINGS: &[(&str, &str)] = &[
    ("ipv4/conf/all/arp_ignore", "1"),
    ("ipv4/conf/all/arp_announce", "2"),
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    ("ipv6/conf/all/disable_ipv6", "0"),
    ("ipv6/conf/default/disable_ipv6", "0"),
    ("ipv6/conf/all/accept_dad", "0"),
    ("ipv6/conf/default/accept_dad", "0"),
    ("ipv6/conf/all/keep_addr_on_down", "1"),
    ("ipv6/conf/default/keep_addr_on_down", "1"),
    ("ipv6/conf/all/router_solicitations", "0"),
    ("ipv6/conf/default/router_solicitations", "0"),
];

const ROUTER_SETTINGS: &[(&str, &str)] = &[("ipv4/ip_forward", "1"), ("ipv6/conf/all/forwarding", "1")];

/// The bridges carry frames and speak to nobody; the IP stack does not look into what they carry.
const SWITCH_SETTINGS: &[(&str, &str)] = &[
    ("ipv6/conf/all/disable_ipv6", "1"),
    ("ipv6/conf/default/disable_ipv6", "1"),
    ("bridge/bridge-nf-call-iptables", "0"),
    ("bridge/bridge-nf-call-ip6tables", "0"),
    ("bridge/bridge-nf-call-arptables", "0"),
];
