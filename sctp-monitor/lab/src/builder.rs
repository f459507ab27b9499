//! From a description of hosts, routers, switches and paths to namespaces, bridges, veths, addresses and routes.
//!
//! One batch of `ip` commands a namespace. What the kernel forgets when an interface goes down stands in a script of its
//! own ([`Port::routes`]), so that healing a link says the same as building it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use crate::error::LabError;
use crate::fault::{Path, Port};
use crate::filter::PacketFilter;
use crate::node::{Node, Plan, Role};
use crate::topology::Lab;
use crate::wait;

/// Collects hosts, routers, switches and paths, then builds all of them at once.
#[derive(Debug, Default)]
#[must_use = "nothing exists until `build`"]
pub struct Builder {
    routers: BTreeSet<String>,
    switches: BTreeSet<String>,
    paths: Vec<(String, [End; 2])>,
    routes: Vec<Route>,
}

/// One end of a path: an interface of a host, router or switch, with its addresses.
#[derive(Debug, Clone)]
pub struct End {
    node: String,
    interface: String,
    addresses: Vec<Address>,
}

#[derive(Debug, Clone)]
struct Route {
    host: String,
    prefix: String,
    via: IpAddr,
}

/// An address with the length of its subnet's prefix.
#[derive(Debug, Clone, Copy)]
struct Address {
    ip: IpAddr,
    prefix_length: u8,
}

impl Builder {
    /// Makes `name` a router: it forwards packets. Other names that ends mention are hosts.
    pub fn router(mut self, name: &str) -> Self {
        self.routers.insert(name.to_owned());
        self
    }

    /// Makes `name` a switch: its interfaces, which have no addresses, are ports of one bridge.
    pub fn switch(mut self, name: &str) -> Self {
        self.switches.insert(name.to_owned());
        self
    }

    /// Joins two interfaces by a path. A node may have several interfaces, in one subnet too.
    pub fn path(mut self, name: &str, left: End, right: End) -> Self {
        self.paths.push((name.to_owned(), [left, right]));
        self
    }

    /// Sends what `host` has for `prefix` to the router `via`, out of the interface that shares a subnet with it.
    ///
    /// Besides, what has the address of an interface as its source always leaves by that interface, to the router at the
    /// other end of its path if there is one.
    ///
    /// # Panics
    /// When `via` is no IP address.
    pub fn route(mut self, host: &str, prefix: &str, via: &str) -> Self {
        let via = via.parse().unwrap_or_else(|_| panic!("`{via}` is no IP address"));
        self.routes.push(Route {
            host: host.to_owned(),
            prefix: prefix.to_owned(),
            via,
        });
        self
    }

    /// Builds everything.
    ///
    /// # Errors
    /// When the process is not root, a tool is missing, or a name or an address does not please `ip`.
    pub fn build(self) -> Result<Lab, LabError> {
        let middle = Arc::new(Node::new("net", Role::Switch, Vec::new(), Plan::default())?);
        let mut nodes = BTreeMap::new();
        for end in self.paths.iter().flat_map(|(_, ends)| ends) {
            if !nodes.contains_key(&end.node) {
                nodes.insert(end.node.clone(), Arc::new(self.node(&end.node)?));
            }
        }
        middle.ip(&[], &self.middle_script(&nodes))?;
        for (index, (_, ends)) in self.paths.iter().enumerate() {
            for (side, end) in ends.iter().enumerate() {
                nodes[&end.node]
                    .control
                    .disable_checksum_offload(&end.interface)?;
                middle.control.disable_checksum_offload(&port_name(index, side))?;
            }
        }
        for node in nodes.values() {
            for (options, script) in &node.plan.batches {
                node.ip(options, script)?;
            }
        }
        let packet_filter = Arc::new(PacketFilter::new(Arc::clone(&middle))?);
        let mut paths = BTreeMap::new();
        for (index, (name, ends)) in self.paths.iter().enumerate() {
            for end in ends {
                wait_for_carrier(&nodes[&end.node], &end.interface)?;
            }
            let [left, right] = ends;
            let ports = [(0, left), (1, right)].map(|(side, end)| Port {
                device: port_name(index, side),
                node: Arc::clone(&nodes[&end.node]),
                interface: end.interface.clone(),
                routes: self.routes_of(end),
            });
            paths.insert(
                name.clone(),
                Path::new(
                    bridge_name(index),
                    ports,
                    Arc::clone(&middle),
                    Arc::clone(&packet_filter),
                ),
            );
        }
        Ok(Lab { paths, nodes })
    }

    fn node(&self, name: &str) -> Result<Node, LabError> {
        let addresses = self
            .ends_of(name)
            .flat_map(|end| &end.addresses)
            .map(|address| address.ip);
        let mut batches: Vec<(&[&str], String)> = vec![(&[], self.node_script(name))];
        if self.role_of(name) == Role::Host {
            batches.push((&["-4"], self.rules(name, IpAddr::is_ipv4)));
            batches.push((&["-6"], self.rules(name, IpAddr::is_ipv6)));
        }
        let plan = Plan {
            interfaces: self.ends_of(name).map(|end| end.interface.clone()).collect(),
            batches,
        };
        Node::new(name, self.role_of(name), addresses.collect(), plan)
    }

    fn role_of(&self, name: &str) -> Role {
        match (self.routers.contains(name), self.switches.contains(name)) {
            (true, _) => Role::Router,
            (_, true) => Role::Switch,
            _ => Role::Host,
        }
    }

    /// Bridges and veths. The ports in the middle come up first: the host's end then has its carrier from the start, and
    /// IPv6 does not wait for it.
    fn middle_script(&self, nodes: &BTreeMap<String, Arc<Node>>) -> String {
        let mut commands = Vec::new();
        for (index, (_, ends)) in self.paths.iter().enumerate() {
            let bridge = bridge_name(index);
            commands.push(format!("link add name {bridge} type bridge {BRIDGE_OPTIONS}"));
            commands.push(format!("link set dev {bridge} up"));
            for (side, End { node, interface, .. }) in ends.iter().enumerate() {
                let (port, host) = (port_name(index, side), nodes[node].namespace.name());
                commands.push(format!(
                    "link add name {port} type veth peer name {interface} netns {host}"
                ));
                commands.push(format!("link set dev {port} master {bridge} up"));
            }
        }
        batch(&commands)
    }

    fn node_script(&self, name: &str) -> String {
        let mut commands = vec!["link set dev lo up".to_owned()];
        let is_switch = self.role_of(name) == Role::Switch;
        if is_switch {
            commands.push(format!(
                "link add name {SWITCH_BRIDGE} type bridge {BRIDGE_OPTIONS}"
            ));
            commands.push(format!("link set dev {SWITCH_BRIDGE} up"));
        }
        for end in self.ends_of(name) {
            let interface = &end.interface;
            if is_switch {
                commands.push(format!("link set dev {interface} master {SWITCH_BRIDGE}"));
            }
            for Address { ip, prefix_length } in &end.addresses {
                // An IPv6 address would else be tentative, and refused as a source, while its link is down.
                let option = if ip.is_ipv6() { " nodad" } else { "" };
                commands.push(format!("addr add {ip}/{prefix_length} dev {interface}{option}"));
            }
            commands.push(format!("link set dev {interface} up"));
        }
        let routes: String = self.ends_of(name).map(|end| self.routes_of(end)).collect();
        batch(&commands) + &routes
    }

    /// A host's rules: what has the source address of an interface follows that interface's own table.
    fn rules(&self, host: &str, is_of_family: fn(&IpAddr) -> bool) -> String {
        let mut commands = Vec::new();
        for end in self.ends_of(host) {
            for Address { ip, .. } in end.addresses.iter().filter(|address| is_of_family(&address.ip)) {
                commands.push(format!("rule add from {ip} lookup {}", self.table_of(end)));
            }
        }
        batch(&commands)
    }

    /// The routes that the kernel forgets when the interface goes down; it restores only those to its own subnets.
    ///
    /// A host's table for what an interface sends ends in `unreachable`, so that nothing falls through to the main table
    /// and leaves by another interface.
    fn routes_of(&self, end: &End) -> String {
        let End {
            node,
            interface,
            addresses,
        } = end;
        let mut commands = Vec::new();
        if self.role_of(node) == Role::Host {
            let table = self.table_of(end);
            for address in addresses {
                commands.push(format!(
                    "route replace {} dev {interface} table {table}",
                    address.subnet()
                ));
            }
            for (everything, is_v6) in [("0.0.0.0/0", false), ("::/0", true)] {
                commands.push(format!(
                    "route replace unreachable {everything} metric 9999 table {table}"
                ));
                if let Some(router) = self.router_opposite(end, is_v6) {
                    commands.push(format!(
                        "route replace {everything} via {router} dev {interface} metric 1 table {table}"
                    ));
                }
            }
        }
        for Route { prefix, via, .. } in self.routes.iter().filter(|route| route.host == *node) {
            if addresses.iter().any(|address| address.shares_subnet_with(*via)) {
                commands.push(format!("route replace {prefix} via {via} dev {interface}"));
            }
        }
        batch(&commands)
    }

    /// The routing table for what has a source address of this end.
    fn table_of(&self, end: &End) -> usize {
        let rank = self
            .ends_of(&end.node)
            .position(|other| other.interface == end.interface);
        FIRST_TABLE + rank.expect("an end is one of its node's ends")
    }

    fn router_opposite(&self, end: &End, is_v6: bool) -> Option<IpAddr> {
        let is_end = |other: &End| other.node == end.node && other.interface == end.interface;
        let opposite =
            self.paths
                .iter()
                .find_map(|(_, [left, right])| match (is_end(left), is_end(right)) {
                    (true, _) => Some(right),
                    (_, true) => Some(left),
                    _ => None,
                })?;
        let mut addresses = opposite.addresses.iter().map(|address| address.ip);
        addresses.find(|ip| ip.is_ipv6() == is_v6 && self.role_of(&opposite.node) == Role::Router)
    }

    fn ends_of(&self, node: &str) -> impl Iterator<Item = &End> {
        self.paths
            .iter()
            .flat_map(|(_, ends)| ends)
            .filter(move |end| end.node == node)
    }
}

impl End {
    /// The interface `interface` of `node`. The name is unique in its node only.
    #[must_use]
    pub fn new(node: &str, interface: &str) -> Self {
        Self {
            node: node.to_owned(),
            interface: interface.to_owned(),
            addresses: Vec::new(),
        }
    }

    /// Adds an address with its prefix length, as in `10.1.1.1/24` or `fd00:1:1::1/64`.
    ///
    /// # Panics
    /// When it is not written so.
    #[must_use]
    pub fn address(mut self, address: &str) -> Self {
        let parsed = address.split_once('/').and_then(|(ip, prefix_length)| {
            let ip: IpAddr = ip.parse().ok()?;
            let prefix_length = prefix_length.parse().ok()?;
            (prefix_length <= Address::bits_of(ip)).then_some(Address { ip, prefix_length })
        });
        self.addresses
            .push(parsed.unwrap_or_else(|| panic!("`{address}` is not of the form ADDRESS/LENGTH")));
        self
    }
}

impl Address {
    fn subnet(self) -> String {
        let network = match self.ip {
            IpAddr::V4(ip) => IpAddr::from(Ipv4Addr::from_bits(ip.to_bits() & (self.mask() >> 96) as u32)),
            IpAddr::V6(ip) => IpAddr::from(Ipv6Addr::from_bits(ip.to_bits() & self.mask())),
        };
        format!("{network}/{}", self.prefix_length)
    }

    fn shares_subnet_with(self, other: IpAddr) -> bool {
        self.ip.is_ipv4() == other.is_ipv4() && Self { ip: other, ..self }.subnet() == self.subnet()
    }

    /// As many leading ones as the prefix is long.
    fn mask(self) -> u128 {
        u128::MAX
            .checked_shl(128 - u32::from(self.prefix_length))
            .unwrap_or(0)
    }

    fn bits_of(ip: IpAddr) -> u8 {
        if ip.is_ipv4() { 32 } else { 128 }
    }
}

fn wait_for_carrier(node: &Node, interface: &str) -> Result<(), LabError> {
    wait::until(CARRIER_WITHIN, || {
        node.control.is_running(interface).unwrap_or(false).then_some(())
    })
    .map_err(|_| LabError::NoCarrier {
        node: node.name.clone(),
        interface: interface.to_owned(),
    })
}

fn batch(commands: &[String]) -> String {
    commands.iter().map(|command| format!("{command}\n")).collect()
}

fn bridge_name(path: usize) -> String {
    format!("path{path}")
}

fn port_name(path: usize, side: usize) -> String {
    format!("path{path}_{side}")
}

/// Forwards from the first moment; multicast goes everywhere, as IPv6 neighbour discovery needs.
const BRIDGE_OPTIONS: &str = "stp_state 0 forward_delay 0 mcast_snooping 0";

/// The bridge of a switch.
const SWITCH_BRIDGE: &str = "bridge";

/// The kernel's own tables are 253 to 255, small numbers are free.
const FIRST_TABLE: usize = 100;

/// The kernel reports carrier through a work queue that, at worst, runs once a second.
const CARRIER_WITHIN: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn only_address(text: &str) -> Address {
        End::new("host", "nic").address(text).addresses[0]
    }

    #[test]
    fn subnets_are_masked() {
        assert_eq!(only_address("10.1.2.3/24").subnet(), "10.1.2.0/24");
        assert_eq!(only_address("10.1.2.3/32").subnet(), "10.1.2.3/32");
        assert_eq!(only_address("10.1.2.3/0").subnet(), "0.0.0.0/0");
        assert_eq!(only_address("fd00:1:2::3/64").subnet(), "fd00:1:2::/64");
        assert_eq!(only_address("fd00:1:2::3/128").subnet(), "fd00:1:2::3/128");
    }

    #[test]
    fn a_subnet_is_shared_within_one_family_only() {
        assert!(only_address("10.1.1.1/24").shares_subnet_with("10.1.1.254".parse().unwrap()));
        assert!(!only_address("10.1.1.1/24").shares_subnet_with("10.1.2.254".parse().unwrap()));
        assert!(!only_address("10.1.1.1/0").shares_subnet_with("::1".parse().unwrap()));
    }

    #[test]
    #[should_panic(expected = "not of the form")]
    fn an_address_without_its_prefix_length_is_refused() {
        only_address("10.1.1.1");
    }
}
