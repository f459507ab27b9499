//! NICs as rtnetlink lists them.

use futures_util::TryStreamExt as _;
use rtnetlink::{
    new_connection,
    packet_route::link::{LinkAttribute, LinkFlags, LinkLayerType, LinkMessage, LinkXdp, XdpAttached},
};

use super::super::facts::{AttachedXdp, Framing, NicFacts, Peer, TcxPrograms, Tie, Ties, XdpMode};
use crate::link::{find, kind, lower, master, peer};

/// Why the NICs could not be listed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ListError {
    /// There is no netlink socket to be had.
    #[error("cannot open a netlink socket to list the interfaces: {0}")]
    Socket(#[from] std::io::Error),
    /// The kernel did not answer.
    #[error("the kernel did not list the interfaces: {0}")]
    Answer(#[from] rtnetlink::Error),
}

/// All NICs of this network namespace.
pub(super) async fn list() -> Result<Vec<LinkMessage>, ListError> {
    let (connection, handle, _) = new_connection()?;
    tokio::spawn(connection);
    Ok(handle.link().get().execute().try_collect().await?)
}

/// A NIC's name.
pub(super) fn name(link: &LinkMessage) -> Option<&String> {
    find(link, |attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name),
        _ => None,
    })
}

/// Whether it is a loopback.
pub(super) fn is_loopback(link: &LinkMessage) -> bool {
    link.header.link_layer_type == LinkLayerType::Loopback
}

/// The bus and the name of the device behind a NIC (IFLA_PARENT_DEV_NAME, Linux 5.14).
pub(super) fn device(link: &LinkMessage) -> Option<(&str, &str)> {
    let bus = find(link, |attribute| match attribute {
        LinkAttribute::ParentDevBusName(bus) => Some(bus.as_str()),
        _ => None,
    })?;
    let device = find(link, |attribute| match attribute {
        LinkAttribute::ParentDevName(device) => Some(device.as_str()),
        _ => None,
    })?;
    Some((bus, device))
}

/// What a link message tells, among all those of its namespace. The rest of the facts is left unknown.
pub(super) fn facts(link: &LinkMessage, listed: &[LinkMessage]) -> NicFacts {
    NicFacts {
        index: link.header.index,
        kind: kind(link),
        driver: None,
        framing: framing(link.header.link_layer_type),
        up: link.header.flags.contains(LinkFlags::Up),
        link: link.header.flags.contains(LinkFlags::LowerUp),
        mtu: mtu(link),
        merging: None,
        channels: None,
        xdp: attached_xdp(link),
        xdp_features: None,
        tcx: TcxPrograms::Unknown,
        ties: ties(link, listed),
        steering: None,
    }
}

/// The VLANs, MACVLANs and the like on top of a NIC.
pub(super) fn uppers(link: &LinkMessage, listed: &[LinkMessage]) -> Vec<String> {
    let is_above = |other: &&LinkMessage| lower(other) == Some(link.header.index);
    listed
        .iter()
        .filter(is_above)
        .filter_map(|other| name(other).cloned())
        .collect()
}

fn framing(layer: LinkLayerType) -> Framing {
    match layer {
        LinkLayerType::Ether => Framing::Ethernet,
        LinkLayerType::Loopback => Framing::Loopback,
        other => Framing::Other(format!("{other:?}").to_lowercase()),
    }
}

fn mtu(link: &LinkMessage) -> u32 {
    find(link, |attribute| match attribute {
        LinkAttribute::Mtu(mtu) => Some(*mtu),
        _ => None,
    })
    .unwrap_or_default()
}

/// By the ids of each mode (Linux 4.19): two modes at a time are possible.
fn attached_xdp(link: &LinkMessage) -> Vec<AttachedXdp> {
    let attributes = find(link, |attribute| match attribute {
        LinkAttribute::Xdp(attributes) => Some(attributes.as_slice()),
        _ => None,
    })
    .unwrap_or_default();
    let nothing = attributes.contains(&LinkXdp::Attached(XdpAttached::None));
    let attached = attributes.iter().filter_map(|attribute| match attribute {
        LinkXdp::DrvProgId(id) => Some((XdpMode::Native, *id)),
        LinkXdp::SkbProgId(id) => Some((XdpMode::Generic, *id)),
        LinkXdp::HwProgId(id) => Some((XdpMode::Offloaded, *id)),
        _ => None,
    });
    attached
        .filter(|(_, id)| !nothing && *id != 0)
        .map(|(mode, id)| AttachedXdp { mode, id, name: None })
        .collect()
}

fn ties(link: &LinkMessage, listed: &[LinkMessage]) -> Ties {
    let by_index = |index: u32| listed.iter().find(|other| other.header.index == index);
    let here = |index: u32| by_index(index).and_then(name).cloned();
    let index = link.header.index;
    let uppers = listed
        .iter()
        .filter(|other| master(link) == Some(other.header.index) || lower(other) == Some(index));
    Ties {
        master: master(link).and_then(by_index).and_then(|other| {
            Some(Tie {
                name: name(other)?.clone(),
                kind: kind(other),
            })
        }),
        members: listed
            .iter()
            .filter(|other| master(other) == Some(index))
            .filter_map(|other| name(other).cloned())
            .collect(),
        lower: lower(link).and_then(here),
        uppers_with_xdp: uppers
            .filter(|other| !attached_xdp(other).is_empty())
            .filter_map(|other| name(other).cloned())
            .collect(),
        peer: peer(link).and_then(by_index).and_then(|other| {
            Some(Peer {
                name: name(other)?.clone(),
                mtu: mtu(other),
                tx_queues: None,
            })
        }),
    }
}

#[cfg(test)]
mod tests {
    use rtnetlink::packet_route::link::{InfoKind, LinkInfo};

    use super::*;

    fn link(index: u32, name: &str, kind: InfoKind, attributes: &[LinkAttribute]) -> LinkMessage {
        let mut link = LinkMessage::default();
        link.header.index = index;
        link.header.link_layer_type = LinkLayerType::Ether;
        link.attributes = vec![
            LinkAttribute::IfName(name.to_owned()),
            LinkAttribute::LinkInfo(vec![LinkInfo::Kind(kind)]),
        ];
        link.attributes.extend_from_slice(attributes);
        link
    }

    fn native_program() -> LinkAttribute {
        LinkAttribute::Xdp(vec![
            LinkXdp::Attached(XdpAttached::Driver),
            LinkXdp::ProgId(7),
            LinkXdp::DrvProgId(7),
        ])
    }

    #[test]
    fn an_xdp_program_is_found_by_its_mode() {
        let link = link(2, "a", InfoKind::Veth, &[native_program()]);
        let found = &facts(&link, &[]).xdp[..];
        assert!(
            matches!(
                found,
                [AttachedXdp {
                    mode: XdpMode::Native,
                    id: 7,
                    ..
                }]
            ),
            "{found:?}"
        );
    }

    #[test]
    fn no_xdp_program_is_found_where_the_kernel_says_there_is_none() {
        let none = LinkAttribute::Xdp(vec![LinkXdp::Attached(XdpAttached::None)]);
        assert_eq!(facts(&link(2, "a", InfoKind::Veth, &[none]), &[]).xdp, []);
    }

    #[test]
    fn the_other_end_of_a_veth_is_a_peer_and_not_below() {
        let a = link(2, "a", InfoKind::Veth, &[LinkAttribute::Link(3)]);
        let b = link(
            3,
            "b",
            InfoKind::Veth,
            &[LinkAttribute::Link(2), LinkAttribute::Mtu(9000)],
        );
        let ties = facts(&a, &[a.clone(), b]).ties;
        let peer = ties.peer.unwrap();
        assert_eq!((peer.name.as_str(), peer.mtu), ("b", 9000));
        assert_eq!(ties.lower, None);
    }

    #[test]
    fn an_index_of_another_namespace_names_nobody_here() {
        let a = link(
            2,
            "a",
            InfoKind::Veth,
            &[LinkAttribute::Link(3), LinkAttribute::LinkNetNsId(0)],
        );
        let other = link(3, "eth0", InfoKind::Dummy, &[]);
        assert_eq!(facts(&a, &[a.clone(), other]).ties.peer, None);
    }

    #[test]
    fn members_know_their_master_and_the_master_its_members() {
        let bond = link(5, "bond0", InfoKind::Bond, &[native_program()]);
        let member = link(2, "eth0", InfoKind::Dummy, &[LinkAttribute::Controller(5)]);
        let listed = [bond.clone(), member.clone()];
        assert_eq!(facts(&bond, &listed).ties.members, ["eth0"]);
        let ties = facts(&member, &listed).ties;
        assert_eq!(ties.master.unwrap().kind.as_deref(), Some("bond"));
        assert_eq!(ties.uppers_with_xdp, ["bond0"]);
    }

    #[test]
    fn a_vlan_stands_on_its_lower_interface() {
        let eth0 = link(2, "eth0", InfoKind::Dummy, &[]);
        let vlan = link(
            3,
            "eth0.7",
            InfoKind::Vlan,
            &[LinkAttribute::Link(2), native_program()],
        );
        let listed = [eth0.clone(), vlan.clone()];
        assert_eq!(facts(&vlan, &listed).ties.lower.as_deref(), Some("eth0"));
        assert_eq!(facts(&eth0, &listed).ties.uppers_with_xdp, ["eth0.7"]);
    }
}
