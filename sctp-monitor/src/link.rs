//! What a message of rtnetlink tells of a NIC and those that it stands on.

use rtnetlink::packet_route::link::{InfoPortKind, LinkAttribute, LinkInfo, LinkMessage};
use sctp_monitor_engine::model::NicTies;

/// How a NIC stands to others of its network namespace.
pub(crate) fn ties(link: &LinkMessage) -> NicTies {
    NicTies {
        master: master(link).filter(|_| !is_in_vrf(link)),
        lower: lower(link),
    }
}

/// IFLA_INFO_KIND.
pub(crate) fn kind(link: &LinkMessage) -> Option<String> {
    info(link)?.iter().find_map(|info| match info {
        LinkInfo::Kind(kind) => Some(kind.to_string()),
        _ => None,
    })
}

/// The NIC below a VLAN, MACVLAN and the like, if it is in this network namespace.
pub(crate) fn lower(link: &LinkMessage) -> Option<u32> {
    below(link).filter(|lower| !is_paired(link) && *lower != link.header.index)
}

/// The other end of a veth, if it is in this network namespace.
pub(crate) fn peer(link: &LinkMessage) -> Option<u32> {
    below(link).filter(|_| is_paired(link))
}

/// The bridge, bond, team or VRF whose member it is.
pub(crate) fn master(link: &LinkMessage) -> Option<u32> {
    find(link, |attribute| match attribute {
        LinkAttribute::Controller(index) if *index != 0 => Some(*index),
        _ => None,
    })
}

/// The first attribute that is chosen.
pub(crate) fn find<'a, T>(
    link: &'a LinkMessage,
    choose: impl Fn(&'a LinkAttribute) -> Option<T>,
) -> Option<T> {
    link.attributes.iter().find_map(choose)
}

/// IFLA_LINK: the NIC below, or the other end of a pair. With IFLA_LINK_NETNSID it is an index of another network namespace.
fn below(link: &LinkMessage) -> Option<u32> {
    let elsewhere = |attribute: &LinkAttribute| matches!(attribute, LinkAttribute::LinkNetNsId(_));
    if link.attributes.iter().any(elsewhere) {
        return None;
    }
    find(link, |attribute| match attribute {
        LinkAttribute::Link(index) if *index != 0 => Some(*index),
        _ => None,
    })
}

/// Whether IFLA_LINK is the other end.
fn is_paired(link: &LinkMessage) -> bool {
    kind(link).is_some_and(|kind| ["veth", "netkit"].contains(&kind.as_str()))
}

/// A VRF names the routing table of its members; their packets and neighbours stay theirs.
fn is_in_vrf(link: &LinkMessage) -> bool {
    let of_vrf = |info: &LinkInfo| *info == LinkInfo::PortKind(InfoPortKind::Vrf);
    info(link).is_some_and(|info| info.iter().any(of_vrf))
}

fn info(link: &LinkMessage) -> Option<&Vec<LinkInfo>> {
    find(link, |attribute| match attribute {
        LinkAttribute::LinkInfo(info) => Some(info),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use rtnetlink::packet_route::link::InfoKind;

    use super::*;

    fn link(index: u32, info: Vec<LinkInfo>, attributes: &[LinkAttribute]) -> LinkMessage {
        let mut link = LinkMessage::default();
        link.header.index = index;
        link.attributes = vec![LinkAttribute::LinkInfo(info)];
        link.attributes.extend_from_slice(attributes);
        link
    }

    #[test]
    fn a_member_is_tied_to_its_bond_and_not_to_its_vrf() {
        let controller = LinkAttribute::Controller(7);
        let told = |kind| {
            let info = vec![LinkInfo::PortKind(kind)];
            ties(&link(2, info, std::slice::from_ref(&controller))).master
        };
        assert_eq!(told(InfoPortKind::Bond), Some(7));
        assert_eq!(told(InfoPortKind::Other("openvswitch".to_owned())), Some(7));
        assert_eq!(told(InfoPortKind::Vrf), None);
    }

    #[test]
    fn a_vlan_has_a_lower_nic_and_a_veth_has_not() {
        let below = LinkAttribute::Link(2);
        let told = |kind, more: &[LinkAttribute]| {
            let attributes = [std::slice::from_ref(&below), more].concat();
            ties(&link(3, vec![LinkInfo::Kind(kind)], &attributes)).lower
        };
        assert_eq!(told(InfoKind::Vlan, &[]), Some(2));
        assert_eq!(told(InfoKind::MacVlan, &[]), Some(2));
        assert_eq!(told(InfoKind::Veth, &[]), None);
        assert_eq!(told(InfoKind::Vlan, &[LinkAttribute::LinkNetNsId(0)]), None);
    }
}
