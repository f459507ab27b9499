//! A NIC, as rtnetlink, generic netlink and sysfs tell of it.

use std::fmt;

use sctp_monitor_engine::model::ReversePathFilter;
use serde::Serialize;

/// A NIC that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Nic {
    /// The name of the NIC.
    pub name: String,
    /// What is known of it; `None` if there is no such NIC.
    pub facts: Option<Box<NicFacts>>,
}

/// What is known of a NIC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NicFacts {
    /// The kernel's index.
    pub index: u32,
    /// The kind of a software NIC (IFLA_INFO_KIND), e.g. `veth`.
    pub kind: Option<String>,
    /// The driver of a device.
    pub driver: Option<String>,
    /// What its frames begin with.
    pub framing: Framing,
    /// Whether it is switched on.
    pub up: bool,
    /// Whether it has a link.
    pub link: bool,
    /// Bytes of the largest packet.
    pub mtu: u32,
    /// What the NIC merges before anybody sees it; `None` if the kernel did not tell.
    pub merging: Option<Merging>,
    /// Queues; `None` for a NIC that has no such setting.
    pub channels: Option<Channels>,
    /// XDP programs that are attached.
    pub xdp: Vec<AttachedXdp>,
    /// What the driver says of XDP; `None` before Linux 6.3.
    pub xdp_features: Option<XdpFeatures>,
    /// TC programs that are attached by links.
    pub tcx: TcxPrograms,
    /// How it stands to other NICs.
    pub ties: Ties,
    /// What counts when packets are moved to it; `None` if nobody asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steering: Option<SteeringFacts>,
}

/// What counts when packets of a failed path are moved to a NIC.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct SteeringFacts {
    /// What the host does with packets that arrive here from an address to which its routes lead by another NIC; `None` if it
    /// does not tell.
    pub reverse_path_filter: Option<ReversePathFilter>,
    /// Whether it is a member of a bond, team or bridge.
    pub member: bool,
    /// VLANs, MACVLANs and the like on top of it.
    pub uppers: Vec<String>,
}

impl NicFacts {
    /// The kind of a software NIC, or else the driver.
    #[must_use]
    pub fn maker(&self) -> Option<&str> {
        self.kind.as_deref().or(self.driver.as_deref())
    }
}

/// What frames begin with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Framing {
    /// Ethernet.
    Ethernet,
    /// The loopback interface, whose frames have an Ethernet header too.
    Loopback,
    /// Something else, by the name of its ARPHRD number.
    Other(String),
}

/// Offloads that merge packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Merging {
    /// Large receive offload.
    pub lro: Offload,
    /// Hardware GRO.
    pub gro_hw: Offload,
}

/// State of an offload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Offload {
    /// Off, or not there.
    #[default]
    Off,
    /// On.
    On,
    /// On, and nobody can switch it off (`[fixed]` in `ethtool -k`).
    Fixed,
}

/// Numbers of queues, as `ethtool -l` shows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Channels {
    /// Queues for receiving only.
    pub rx: u32,
    /// Queues for sending only.
    pub tx: u32,
    /// Queues for both.
    pub combined: u32,
    /// The most there can be for both.
    pub combined_max: u32,
}

/// An XDP program on a NIC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AttachedXdp {
    /// The mode in which it is attached.
    pub mode: XdpMode,
    /// The program's id.
    pub id: u32,
    /// Its name, if this process may see it.
    pub name: Option<String>,
}

/// Where an XDP program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum XdpMode {
    /// In the driver.
    Native,
    /// In the network stack.
    Generic,
    /// In the device.
    Offloaded,
}

impl fmt::Display for XdpMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Native => "native",
            Self::Generic => "generic",
            Self::Offloaded => "offloaded",
        })
    }
}

/// What a driver says of its XDP support (`enum netdev_xdp_act`, linux/netdev.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct XdpFeatures(pub u64);

impl XdpFeatures {
    /// NETDEV_XDP_ACT_BASIC.
    const BASIC: u64 = 1;
    /// NETDEV_XDP_ACT_RX_SG.
    const RX_SG: u64 = 1 << 5;

    /// Whether the driver runs XDP programs.
    #[must_use]
    pub fn native(self) -> bool {
        self.0 & Self::BASIC != 0
    }

    /// Whether it hands packets that span buffers to programs that ask for them.
    #[must_use]
    pub fn fragments(self) -> bool {
        self.0 & Self::RX_SG != 0
    }
}

/// TC programs on a NIC that are attached by links, in the order in which they run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum TcxPrograms {
    /// The kernel listed them.
    Listed {
        /// For what arrives.
        ingress: Vec<String>,
        /// For what is sent.
        egress: Vec<String>,
    },
    /// The kernel was built without TCX, or is older.
    NotThere,
    /// This process may not ask.
    Unknown,
}

/// How a NIC stands to others of this network namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Ties {
    /// The bridge, bond or team whose member it is.
    pub master: Option<Tie>,
    /// Its own members.
    pub members: Vec<String>,
    /// The NIC under a VLAN, MACVLAN and the like.
    pub lower: Option<String>,
    /// The NICs on top of this one that have an XDP program: the kernel refuses another below them.
    pub uppers_with_xdp: Vec<String>,
    /// The other end of a veth, if it is here.
    pub peer: Option<Peer>,
}

/// Another NIC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tie {
    /// The name of the NIC.
    pub name: String,
    /// The kind of the NIC, as IFLA_INFO_KIND names it.
    pub kind: Option<String>,
}

/// The other end of a veth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Peer {
    /// The name of the NIC.
    pub name: String,
    /// Its MTU.
    pub mtu: u32,
    /// Queues that it sends by.
    pub tx_queues: Option<u32>,
}
