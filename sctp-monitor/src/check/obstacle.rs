//! What keeps a native XDP program from a NIC, in the order in which the kernel looks (`dev_xdp_attach`, net/core/dev.c,
//! then the driver).

use super::{
    drivers::{self, Driver, MtuLimit, Queues, Refuses},
    facts::{Framing, HostFacts, NicFacts, Offload, XdpMode},
};
use crate::kernel::{PAIR, is_pair};

/// A reason why a NIC cannot take a native XDP program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Obstacle {
    /// The reason, in words.
    pub(super) why: String,
    /// What to do to get native XDP, if anything helps.
    pub(super) advice: Option<String>,
    /// Whether the kernel will certainly refuse the program.
    pub(super) certain: bool,
}

impl Obstacle {
    fn certain(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            advice: None,
            certain: true,
        }
    }

    fn likely(why: impl Into<String>) -> Self {
        Self {
            certain: false,
            ..Self::certain(why)
        }
    }

    fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}

/// The first known reason why this NIC cannot take native XDP; `None` if none is known.
pub(super) fn to_native_xdp(name: &str, nic: &NicFacts, host: &HostFacts) -> Option<Obstacle> {
    let driver = nic.maker().and_then(drivers::by_name);
    too_dear(nic)
        .or_else(|| occupied(nic))
        .or_else(|| not_supported(nic, driver, host))
        .or_else(|| merging(name, nic, driver))
        .or_else(|| channels(name, nic, driver))
        .or_else(|| mtu(name, nic, driver, host))
}

/// `run` does not even try it there.
fn too_dear(nic: &NicFacts) -> Option<Obstacle> {
    let is_pair = nic.kind.as_deref().is_some_and(is_pair);
    is_pair.then(|| Obstacle::certain(PAIR))
}

fn occupied(nic: &NicFacts) -> Option<Obstacle> {
    let attached = |mode| nic.xdp.iter().find(|program| program.mode == mode);
    if let Some(program) = attached(XdpMode::Native) {
        let whose = describe(program.id, program.name.as_deref());
        return Some(
            Obstacle::certain(format!("another XDP program is attached in the driver ({whose})")).advise(
                "for native XDP: remove that program from the NIC; TC sees the packets that it lets pass",
            ),
        );
    }
    if let Some(upper) = nic.ties.uppers_with_xdp.first() {
        return Some(
            Obstacle::certain(format!("{upper}, an interface above it, has an XDP program")).advise(format!(
                "watch {upper} instead, or remove the XDP program from {upper}"
            )),
        );
    }
    let program = attached(XdpMode::Generic)?;
    let whose = describe(program.id, program.name.as_deref());
    Some(
        Obstacle::certain(format!(
            "another XDP program is attached in generic mode ({whose})"
        ))
        .advise("for native XDP: remove that program from the NIC; TC sees the packets that it lets pass"),
    )
}

/// Our own program is named as such: a second agent is a common reason.
pub(super) fn describe(id: u32, name: Option<&str>) -> String {
    match name {
        // The kernel cuts names after 15 bytes.
        Some(name) if name.starts_with("xdp_ingress") => {
            format!("id {id}, {name}: by its name another sctp-monitor")
        }
        Some(name) => format!("id {id}, {name}"),
        None => format!("id {id}"),
    }
}

fn not_supported(nic: &NicFacts, driver: Option<&Driver>, host: &HostFacts) -> Option<Obstacle> {
    let maker = nic.maker().unwrap_or("NIC's");
    let not_supported = || {
        Some(Obstacle::certain(format!(
            "the {maker} driver does not support it"
        )))
    };
    match nic.xdp_features {
        Some(features) if features.native() => None,
        _ if nic.framing == Framing::Loopback => Some(Obstacle::certain("the loopback does not support it")),
        // A bond tells what its members have, and takes a program while it has none (tried on Linux 6.1).
        Some(_) if maker == "bond" && nic.ties.members.is_empty() => None,
        Some(_) if maker == "bond" => {
            let why = "a member of the bond does not support it, or the mode of the bond does not allow it";
            Some(Obstacle::certain(why))
        }
        Some(_) => not_supported(),
        None if nic.kind.as_deref().is_some_and(drivers::has_no_native_xdp) => not_supported(),
        None => {
            let since = driver?.native_since?;
            let too_old = host.kernel.version.is_some_and(|version| version < since);
            too_old
                .then(|| Obstacle::certain(format!("the {maker} driver supports it from Linux {since} on")))
        }
    }
}

fn merging(name: &str, nic: &NicFacts, driver: Option<&Driver>) -> Option<Obstacle> {
    let merging = nic.merging?;
    let refuses = driver.map(|driver| driver.refuses);
    let lro = merging.lro != Offload::Off;
    let gro_hw = merging.gro_hw != Offload::Off;
    match refuses {
        Some(Refuses::Lro | Refuses::LroAndGroHw) if lro => {
            Some(off(Obstacle::certain("the driver does not accept it while LRO is on"), name, "lro", merging.lro))
        }
        Some(Refuses::LroAndGroHw) if gro_hw => Some(off(
            Obstacle::certain("the driver does not accept it while hardware GRO is on"),
            name,
            "rx-gro-hw",
            merging.gro_hw,
        )),
        Some(Refuses::FixedGroHw) if merging.gro_hw == Offload::Fixed => Some(
            Obstacle::certain("the device merges packets (hardware GRO), and the driver cannot disable that")
                .advise(
                    "for native XDP: in the hypervisor, give this NIC a control queue (VIRTIO_NET_F_CTRL_GUEST_OFFLOADS), or disable its \
                     guest_tso4 and guest_tso6",
                ),
        ),
        None if lro => {
            Some(off(Obstacle::likely("LRO is on, and most drivers do not accept it then"), name, "lro", merging.lro))
        }
        _ => None,
    }
}

fn off(obstacle: Obstacle, name: &str, offload: &str, state: Offload) -> Obstacle {
    if state == Offload::Fixed {
        return obstacle;
    }
    obstacle.advise(format!("for native XDP: ethtool -K {name} {offload} off"))
}

fn channels(name: &str, nic: &NicFacts, driver: Option<&Driver>) -> Option<Obstacle> {
    let channels = nic.channels?;
    match driver?.queues {
        Queues::Combined if channels.combined == 0 => Some(
            Obstacle::certain("the driver needs combined queues for it (each for receiving and sending)")
                .advise(format!(
                    "for native XDP: ethtool -L {name} rx 0 tx 0 combined {}",
                    channels.rx.max(1)
                )),
        ),
        Queues::HalfOfMax if channels.combined * 2 > channels.combined_max && channels.combined_max > 0 => {
            Some(
                Obstacle::certain(format!(
                    "{} of at most {} queues are in use, and the driver needs the same number again for it",
                    channels.combined, channels.combined_max
                ))
                .advise(format!(
                    "for native XDP: ethtool -L {name} combined {}",
                    (channels.combined_max / 2).max(1)
                )),
            )
        }
        _ => None,
    }
}

/// A packet must fit one buffer, unless the driver and the program know fragments.
fn mtu(name: &str, nic: &NicFacts, driver: Option<&Driver>, host: &HostFacts) -> Option<Obstacle> {
    let mtu = nic.mtu;
    let limit = match driver.map_or(MtuLimit::Page, |driver| driver.mtu) {
        MtuLimit::None => return None,
        MtuLimit::Bytes(bytes) => bytes,
        MtuLimit::Page => host.kernel.page_bytes.saturating_sub(BESIDE_THE_PACKET),
    };
    if mtu <= ETHERNET_MTU.min(limit) {
        return None;
    }
    let fragments = match nic.xdp_features {
        _ if !host.kernel.xdp_fragments => Some(false),
        Some(features) => Some(features.fragments()),
        None => None,
    };
    let advice = format!("for native XDP: ip link set {name} mtu {}", limit.min(mtu));
    match fragments {
        Some(false) if mtu > limit => {
            let why = format!("the MTU is {mtu} bytes, and one buffer holds {limit}");
            let why = if host.kernel.xdp_fragments {
                format!("{why}; the driver does not support XDP fragments")
            } else {
                format!("{why}; XDP fragments need Linux 5.18")
            };
            Some(Obstacle::certain(why).advise(advice))
        }
        None if mtu > limit => Some(
            Obstacle::likely(format!(
                "an MTU of {mtu} bytes needs XDP fragments, and this kernel does not say whether the driver supports them"
            ))
            .advise(advice),
        ),
        _ => None,
    }
}

/// Headroom (256), `struct skb_shared_info` (320), Ethernet header with a VLAN tag and checksum (22).
const BESIDE_THE_PACKET: u32 = 598;

/// Every driver's buffers hold this.
const ETHERNET_MTU: u32 = 1500;
