//! From the first byte of a frame to the IP header.

use network_types::{
    eth::{EthHdr, EtherType},
    vlan::VlanHdr,
};

use super::{Pass, ReadPacket, Unparsed};

/// What a frame begins with. The numbers are those of the capture formats' link types
/// (<https://www.tcpdump.org/linktypes.html>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkType {
    /// `LINKTYPE_ETHERNET` (1).
    Ethernet,
    /// `LINKTYPE_RAW` (101): the IP header itself.
    RawIp,
    /// `LINKTYPE_LINUX_SLL` (113): cooked capture, version 1.
    LinuxCooked,
    /// `LINKTYPE_LINUX_SLL2` (276): cooked capture, version 2.
    LinuxCooked2,
    /// `LINKTYPE_NULL` (0) and `LINKTYPE_LOOP` (108): an address family, in whatever byte order, whose numbers differ from
    /// system to system. The IP header after it tells its own version.
    Loopback,
}

impl LinkType {
    /// The link type of a number in a capture file; `None` if it is not understood.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::Ethernet),
            // LINKTYPE_RAW, the numbers that DLT_RAW had on some systems, LINKTYPE_IPV4, LINKTYPE_IPV6.
            101 | 12 | 14 | 228 | 229 => Some(Self::RawIp),
            113 => Some(Self::LinuxCooked),
            276 => Some(Self::LinuxCooked2),
            0 | 108 => Some(Self::Loopback),
            _ => None,
        }
    }
}

/// Where the IP header is, and of which version the link layer says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetworkLayer {
    /// Offset of the IP header.
    pub at: usize,
    /// 4 or 6.
    pub version: u8,
}

/// Finds the IP header after the link header and up to [`MAX_VLAN_TAGS`] VLAN tags.
///
/// # Errors
/// [`Pass::NotSctp`] if the frame carries another protocol; a counted reason if it ends or nests too early.
#[inline(always)]
pub fn network_layer<R: ReadPacket>(reader: &R, link: LinkType) -> Result<NetworkLayer, Pass> {
    let (type_at, at) = match link {
        LinkType::Ethernet => (EthHdr::LEN - ETHER_TYPE_LEN, EthHdr::LEN),
        LinkType::LinuxCooked => (SLL_PROTOCOL_AT, SLL_LEN),
        LinkType::LinuxCooked2 => (SLL2_PROTOCOL_AT, SLL2_LEN),
        LinkType::RawIp => return raw_ip(reader, 0),
        LinkType::Loopback => return raw_ip(reader, LOOPBACK_LEN),
    };
    let Some(ether_type) = ether_type(reader, type_at) else {
        return Err(Pass::Unparsed(Unparsed::LinkHeaderTruncated));
    };
    behind_vlan_tags(reader, ether_type, at)
}

/// VLAN tags that are looked behind: QinQ has two, a provider edge may add a third.
pub const MAX_VLAN_TAGS: usize = 3;

#[inline(always)]
fn raw_ip<R: ReadPacket>(reader: &R, at: usize) -> Result<NetworkLayer, Pass> {
    match reader.read_u8(at) {
        None => Err(Pass::Unparsed(Unparsed::LinkHeaderTruncated)),
        Some(byte) => match byte >> 4 {
            version @ (4 | 6) => Ok(NetworkLayer { at, version }),
            _ => Err(Pass::NotSctp),
        },
    }
}

#[inline(always)]
fn behind_vlan_tags<R: ReadPacket>(reader: &R, mut kind: u16, mut at: usize) -> Result<NetworkLayer, Pass> {
    for _ in 0..=MAX_VLAN_TAGS {
        if kind == EtherType::Ipv4 as u16 {
            return Ok(NetworkLayer { at, version: 4 });
        }
        if kind == EtherType::Ipv6 as u16 {
            return Ok(NetworkLayer { at, version: 6 });
        }
        if !is_vlan(kind) {
            return Err(Pass::NotSctp);
        }
        let Some(inner) = ether_type(reader, at + VlanHdr::LEN - ETHER_TYPE_LEN) else {
            return Err(Pass::Unparsed(Unparsed::LinkHeaderTruncated));
        };
        kind = inner;
        at = reader.forget(at + VlanHdr::LEN);
    }
    Err(Pass::Unparsed(Unparsed::VlanTooDeep))
}

/// Whether an EtherType, as network-types numbers it, is a VLAN tag's.
#[inline(always)]
#[must_use]
pub fn is_vlan(kind: u16) -> bool {
    kind == EtherType::Ieee8021q as u16
        || kind == EtherType::Ieee8021ad as u16
        || kind == EtherType::Ieee8021QinQ1 as u16
        || kind == EtherType::Ieee8021QinQ2 as u16
        || kind == EtherType::Ieee8021QinQ3 as u16
}

/// An EtherType as network-types numbers it: the packet's bytes in the host's order.
#[inline(always)]
fn ether_type<R: ReadPacket>(reader: &R, at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(reader.read(at)?))
}

const ETHER_TYPE_LEN: usize = 2;
/// <https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL.html>
const SLL_PROTOCOL_AT: usize = 14;
const SLL_LEN: usize = 16;
/// <https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL2.html>
const SLL2_PROTOCOL_AT: usize = 0;
const SLL2_LEN: usize = 20;
/// <https://www.tcpdump.org/linktypes.html>
const LOOPBACK_LEN: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Frame;

    fn ethernet(tags: &[u16], ether_type: u16) -> Vec<u8> {
        let mut frame = vec![0x02; 12];
        for tag in tags {
            frame.extend(tag.to_be_bytes());
            frame.extend([0x00, 0x64]); // priority 0, VLAN 100
        }
        frame.extend(ether_type.to_be_bytes());
        frame
    }

    #[test]
    fn ip_is_found_behind_vlan_tags() {
        for (tags, at) in [
            (&[][..], 14),
            (&[0x8100], 18),
            (&[0x88a8, 0x8100], 22),
            (&[0x9100, 0x8100, 0x8100], 26),
        ] {
            assert_eq!(
                network_layer(&Frame(&ethernet(tags, 0x0800)), LinkType::Ethernet),
                Ok(NetworkLayer { at, version: 4 })
            );
            assert_eq!(
                network_layer(&Frame(&ethernet(tags, 0x86dd)), LinkType::Ethernet),
                Ok(NetworkLayer { at, version: 6 })
            );
        }
    }

    #[test]
    fn too_many_tags_and_short_frames_are_counted() {
        let deep = ethernet(&[0x8100; 4], 0x0800);
        assert_eq!(
            network_layer(&Frame(&deep), LinkType::Ethernet),
            Err(Pass::Unparsed(Unparsed::VlanTooDeep))
        );
        for length in [0, 13, 17] {
            let frame = &ethernet(&[0x8100], 0x0800)[..length];
            assert_eq!(
                network_layer(&Frame(frame), LinkType::Ethernet),
                Err(Pass::Unparsed(Unparsed::LinkHeaderTruncated)),
                "{length}"
            );
        }
    }

    #[test]
    fn other_protocols_pass() {
        for ether_type in [0x0806, 0x8847, 0x88cc, 0x0020] {
            let frame = ethernet(&[], ether_type);
            assert_eq!(
                network_layer(&Frame(&frame), LinkType::Ethernet),
                Err(Pass::NotSctp)
            );
        }
    }

    #[test]
    fn cooked_and_raw_captures_are_understood() {
        let mut sll = vec![0; 14];
        sll.extend([0x86, 0xdd]);
        assert_eq!(
            network_layer(&Frame(&sll), LinkType::LinuxCooked),
            Ok(NetworkLayer { at: 16, version: 6 })
        );
        let mut sll2 = vec![0x08, 0x00];
        sll2.extend([0; 18]);
        assert_eq!(
            network_layer(&Frame(&sll2), LinkType::LinuxCooked2),
            Ok(NetworkLayer { at: 20, version: 4 })
        );
        assert_eq!(
            network_layer(&Frame(&[0x60]), LinkType::RawIp),
            Ok(NetworkLayer { at: 0, version: 6 })
        );
        assert_eq!(
            network_layer(&Frame(&[0x10]), LinkType::RawIp),
            Err(Pass::NotSctp)
        );
        for family in [[2, 0, 0, 0], [0, 0, 0, 2]] {
            let frame = [&family[..], &[0x45]].concat();
            assert_eq!(
                network_layer(&Frame(&frame), LinkType::Loopback),
                Ok(NetworkLayer { at: 4, version: 4 })
            );
        }
    }
}
