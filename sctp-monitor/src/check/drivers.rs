//! What drivers make of a native XDP program, beyond what they tell: what stands in its way, and what attaching it does
//! to the traffic.
//!
//! From the drivers' `ndo_bpf` functions (Linux 5.15 to 6.12, file names beside each). A driver that is not here is
//! judged by what it tells alone.

use super::facts::Version;

/// A driver's habits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Driver {
    /// As IFLA_INFO_KIND or the device's driver link names it.
    names: &'static [&'static str],
    /// The first kernel in which it has native XDP, if that is after the oldest supported one.
    pub(super) native_since: Option<Version>,
    /// The largest MTU of a program without fragments, or where the driver has none.
    pub(super) mtu: MtuLimit,
    /// Offloads with which it refuses.
    pub(super) refuses: Refuses,
    /// Queues that it wants.
    pub(super) queues: Queues,
    /// What attaching, and as a rule detaching too, does; `None` if nobody notices.
    pub(super) disturbance: Option<&'static str>,
}

/// The largest MTU of an XDP program that sees one buffer a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MtuLimit {
    /// It never refuses over the MTU.
    None,
    /// A packet with its headroom fits a page; some drivers use smaller buffers.
    Page,
    /// This many bytes.
    Bytes(u32),
}

/// Offloads with which a driver refuses XDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refuses {
    /// None.
    Nothing,
    /// LRO.
    Lro,
    /// LRO and hardware GRO.
    LroAndGroHw,
    /// Hardware GRO that cannot be switched off; else the driver switches it off itself.
    FixedGroHw,
}

/// Queues that a driver wants for XDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Queues {
    /// Any.
    Any,
    /// Combined ones, not some for each direction.
    Combined,
    /// At most half of those there could be: XDP gets the other half.
    HalfOfMax,
}

/// What is known of the driver or kind of this name.
pub(super) fn by_name(name: &str) -> Option<&'static Driver> {
    DRIVERS.iter().find(|driver| driver.names.contains(&name))
}

/// Kinds of software NICs without `ndo_bpf`. Linux 6.3 tells by itself.
pub(super) fn has_no_native_xdp(kind: &str) -> bool {
    [
        "bridge",
        "dummy",
        "geneve",
        "gretap",
        "hsr",
        "ifb",
        "ip6gretap",
        "ipvlan",
        "ipvtap",
        "macsec",
        "macvlan",
        "macvtap",
        "netkit",
        "nlmon",
        "openvswitch",
        "team",
        "vlan",
        "vrf",
        "vxlan",
        "wireguard",
    ]
    .contains(&kind)
}

const QUIET: Driver = Driver {
    names: &[],
    native_since: None,
    mtu: MtuLimit::Page,
    refuses: Refuses::Nothing,
    queues: Queues::Any,
    disturbance: None,
};

const DRIVERS: &[Driver] = &[
    // drivers/net/tun.c: a packet larger than a buffer goes through generic XDP.
    Driver {
        names: &["tun"],
        mtu: MtuLimit::None,
        ..QUIET
    },
    // drivers/net/bonding/bond_main.c
    Driver {
        names: &["bond"],
        mtu: MtuLimit::None,
        disturbance: Some(
            "native XDP is attached to the driver of every member, with that driver's side effects",
        ),
        ..QUIET
    },
    // drivers/net/virtio_net.c
    Driver {
        names: &["virtio_net"],
        refuses: Refuses::FixedGroHw,
        disturbance: Some(
            "attaching native XDP pauses the queues for a moment; while it is attached, hardware GRO is off and TCP needs more \
             CPU",
        ),
        ..QUIET
    },
    // drivers/net/ethernet/mellanox/mlx5/core/en_main.c
    Driver {
        names: &["mlx5_core", "mlx5_core.sf"],
        refuses: Refuses::LroAndGroHw,
        disturbance: Some(
            "attaching native XDP re-creates the queues: packets are lost for some milliseconds, the link stays up",
        ),
        ..QUIET
    },
    // drivers/net/ethernet/mellanox/mlx4/en_netdev.c
    Driver {
        names: &["mlx4_core"],
        disturbance: Some("attaching native XDP restarts the port: packets are lost for a moment"),
        ..QUIET
    },
    // drivers/net/ethernet/intel/ixgbe/ixgbe_main.c
    Driver {
        names: &["ixgbe"],
        refuses: Refuses::Lro,
        disturbance: Some(
            "attaching native XDP resets the device: the link goes down for seconds (while SR-IOV or DCB is on, the driver \
             refuses native XDP)",
        ),
        ..QUIET
    },
    // drivers/net/ethernet/intel/ixgbevf/ixgbevf_main.c, igb/igb_main.c
    Driver {
        names: &["ixgbevf", "igb"],
        disturbance: Some("attaching native XDP restarts the device: the link goes down for seconds"),
        ..QUIET
    },
    // drivers/net/ethernet/intel/igc/igc_xdp.c
    Driver {
        names: &["igc"],
        mtu: MtuLimit::Bytes(1500),
        disturbance: Some("attaching native XDP restarts the device: the link goes down for seconds"),
        ..QUIET
    },
    // drivers/net/ethernet/intel/i40e/i40e_main.c
    Driver {
        names: &["i40e"],
        disturbance: Some("attaching native XDP resets the device: no packet passes for about a second"),
        ..QUIET
    },
    // drivers/net/ethernet/intel/ice/ice_main.c
    Driver {
        names: &["ice"],
        disturbance: Some(
            "attaching native XDP restarts the queues: packets are lost, and the link may go down for a moment",
        ),
        ..QUIET
    },
    // drivers/net/ethernet/broadcom/bnxt/bnxt_xdp.c
    Driver {
        names: &["bnxt_en"],
        queues: Queues::Combined,
        disturbance: Some(
            "attaching native XDP restarts the device: packets are lost for a moment; while it is attached, LRO is off",
        ),
        ..QUIET
    },
    // drivers/net/ethernet/amazon/ena/ena_xdp.c
    Driver {
        names: &["ena"],
        queues: Queues::HalfOfMax,
        disturbance: Some(
            "attaching native XDP restarts the queues: packets are lost for a moment; while it is attached, the MTU is limited",
        ),
        ..QUIET
    },
    // drivers/net/ethernet/google/gve/gve_main.c
    Driver {
        names: &["gve"],
        native_since: Some(Version::new(6, 4)),
        mtu: MtuLimit::Bytes(2032),
        refuses: Refuses::Lro,
        disturbance: Some("attaching native XDP restarts the queues: packets are lost for a moment"),
        ..QUIET
    },
    // drivers/net/hyperv/netvsc_bpf.c
    Driver {
        names: &["hv_netvsc"],
        refuses: Refuses::Lro,
        disturbance: Some(
            "native XDP is also attached to the virtual function behind it, with that driver's side effects",
        ),
        ..QUIET
    },
    // drivers/net/ethernet/microsoft/mana/mana_bpf.c
    Driver {
        names: &["mana"],
        native_since: Some(Version::new(5, 17)),
        disturbance: Some(
            "attaching native XDP re-creates the queues: packets are lost for a moment; while it is attached, the MTU is \
             limited",
        ),
        ..QUIET
    },
    // drivers/net/vmxnet3/vmxnet3_xdp.c
    Driver {
        names: &["vmxnet3"],
        native_since: Some(Version::new(6, 6)),
        disturbance: Some(
            "attaching native XDP resets the device: packets are lost for a moment; LRO is switched off and stays off",
        ),
        ..QUIET
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_driver_is_described_twice() {
        let names: Vec<_> = DRIVERS.iter().flat_map(|driver| driver.names).collect();
        let distinct: BTreeSet<_> = names.iter().collect();
        assert_eq!(names.len(), distinct.len());
        assert!(names.iter().all(|name| !has_no_native_xdp(name)));
    }
}
