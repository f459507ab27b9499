//! Packets within packets: GTP-U, VXLAN, Geneve, GRE, IP in IP, MPLS.
//!
//! Each is recognised by its number or its well-known port, and by what its header must look like. What is inside begins
//! at an offset of the same frame.

use std::fmt;

use sctp_monitor_common::wire::{LinkType, ReadPacket, extension::Extensions, link::NetworkLayer};

/// Kinds of tunnels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TunnelKind {
    /// GTP version 1, user plane (3GPP TS 29.281).
    GtpU,
    /// VXLAN (RFC 7348).
    Vxlan,
    /// Geneve (RFC 8926).
    Geneve,
    /// GRE (RFC 2784, RFC 2890).
    Gre,
    /// ERSPAN, a mirror port's GRE (draft-foschiano-erspan).
    Erspan,
    /// IPv4 in IP (RFC 2003).
    IpInIp,
    /// IPv6 in IP (RFC 4213, RFC 2473).
    Ipv6InIp,
    /// MPLS (RFC 3032), with IP or a pseudo-wire of Ethernet (RFC 4448) inside.
    Mpls,
}

impl TunnelKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::GtpU,
        Self::Vxlan,
        Self::Geneve,
        Self::Gre,
        Self::Erspan,
        Self::IpInIp,
        Self::Ipv6InIp,
        Self::Mpls,
    ];
}

impl fmt::Display for TunnelKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GtpU => "GTP-U",
            Self::Vxlan => "VXLAN",
            Self::Geneve => "Geneve",
            Self::Gre => "GRE",
            Self::Erspan => "ERSPAN",
            Self::IpInIp => "IP in IP",
            Self::Ipv6InIp => "IPv6 in IP",
            Self::Mpls => "MPLS",
        })
    }
}

/// A packet within a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tunnel {
    /// The kind of the tunnel.
    pub kind: TunnelKind,
    /// Where it begins.
    pub at: usize,
    /// The link type of its first header.
    pub link: LinkType,
}

/// Looks for a tunnel in an IP packet: `protocol` and where its payload begins.
pub fn in_ip<R: ReadPacket>(reader: &R, protocol: u8, at: usize) -> Option<Tunnel> {
    match protocol {
        IP_IN_IP => ip(reader, TunnelKind::IpInIp, at),
        IPV6_IN_IP => ip(reader, TunnelKind::Ipv6InIp, at),
        MPLS_IN_IP => labels(reader, at),
        GRE => gre(reader, at),
        UDP => udp(reader, at),
        _ => None,
    }
}

/// Looks for MPLS after an Ethernet or cooked header, VLAN tags included.
pub fn in_link<R: ReadPacket>(reader: &R, link: LinkType) -> Option<Tunnel> {
    let (mut type_at, mut at) = match link {
        LinkType::Ethernet => (12, 14),
        LinkType::LinuxCooked => (14, 16),
        LinkType::LinuxCooked2 => (0, 20),
        LinkType::RawIp | LinkType::Loopback => return None,
    };
    for _ in 0..MOST_VLAN_TAGS {
        match reader.read_u16(type_at)? {
            ETHER_MPLS | ETHER_MPLS_MULTICAST => return labels(reader, at),
            0x8100 | 0x88a8 | 0x9100 | 0x9200 | 0x9300 => (type_at, at) = (at + 2, at + 4),
            _ => return None,
        }
    }
    None
}

fn ip<R: ReadPacket>(reader: &R, kind: TunnelKind, at: usize) -> Option<Tunnel> {
    let version = reader.read_u8(at)? >> 4;
    (version == 4 || version == 6).then_some(Tunnel {
        kind,
        at,
        link: LinkType::RawIp,
    })
}

/// By EtherType: what GRE and Geneve carry.
fn by_ether_type<R: ReadPacket>(reader: &R, kind: TunnelKind, ether_type: u16, at: usize) -> Option<Tunnel> {
    match ether_type {
        ETHER_IPV4 | ETHER_IPV6 => ip(reader, kind, at),
        ETHER_BRIDGED => Some(Tunnel {
            kind,
            at,
            link: LinkType::Ethernet,
        }),
        ETHER_MPLS | ETHER_MPLS_MULTICAST => labels(reader, at).map(|tunnel| Tunnel { kind, ..tunnel }),
        _ => None,
    }
}

fn labels<R: ReadPacket>(reader: &R, mut at: usize) -> Option<Tunnel> {
    for _ in 0..MOST_LABELS {
        let label = reader.read_u32(at)?;
        at += 4;
        if label & BOTTOM_OF_STACK == 0 {
            continue;
        }
        return match reader.read_u8(at)? >> 4 {
            4 | 6 => ip(reader, TunnelKind::Mpls, at),
            // A control word, and Ethernet after it (RFC 4385 section 3).
            0 => Some(Tunnel {
                kind: TunnelKind::Mpls,
                at: at + 4,
                link: LinkType::Ethernet,
            }),
            _ => None,
        };
    }
    None
}

fn gre<R: ReadPacket>(reader: &R, at: usize) -> Option<Tunnel> {
    let [flags, ether_type] = [reader.read_u16(at)?, reader.read_u16(at + 2)?];
    // Version 1 is PPTP's, and routing is history (RFC 2784 section 2.3).
    if flags & (GRE_VERSION | GRE_ROUTING) != 0 {
        return None;
    }
    let optional = [GRE_CHECKSUM, GRE_KEY, GRE_SEQUENCE]
        .into_iter()
        .filter(|flag| flags & flag != 0)
        .count();
    let at = at + 4 + 4 * optional;
    let header = match ether_type {
        ETHER_ERSPAN if flags & GRE_SEQUENCE == 0 => 0, // type I
        ETHER_ERSPAN => 8,                              // type II
        ETHER_ERSPAN_III if reader.read_u32(at + 8)? & 1 != 0 => 20,
        ETHER_ERSPAN_III => 12,
        _ => return by_ether_type(reader, TunnelKind::Gre, ether_type, at),
    };
    Some(Tunnel {
        kind: TunnelKind::Erspan,
        at: at + header,
        link: LinkType::Ethernet,
    })
}

fn udp<R: ReadPacket>(reader: &R, at: usize) -> Option<Tunnel> {
    let [source, destination] = [reader.read_u16(at)?, reader.read_u16(at + 2)?];
    let at = at + 8;
    match destination {
        PORT_VXLAN => (reader.read_u8(at)? & VXLAN_ID_VALID != 0).then_some(Tunnel {
            kind: TunnelKind::Vxlan,
            at: at + 8,
            link: LinkType::Ethernet,
        }),
        PORT_GENEVE => {
            let version_length = reader.read_u8(at)?;
            let ether_type = reader.read_u16(at + 2)?;
            let options = usize::from(version_length & 0x3f) * 4;
            (version_length >> 6 == 0)
                .then(|| by_ether_type(reader, TunnelKind::Geneve, ether_type, at + 8 + options))?
        }
        PORT_GTP_U => gtp(reader, at),
        _ if source == PORT_GTP_U => gtp(reader, at),
        _ => None,
    }
}

/// A G-PDU, after its optional fields and extension headers (3GPP TS 29.281 sections 5.1 and 5.2).
fn gtp<R: ReadPacket>(reader: &R, at: usize) -> Option<Tunnel> {
    let [flags, message] = [reader.read_u8(at)?, reader.read_u8(at + 1)?];
    if flags & GTP_VERSION_AND_TYPE != GTP_V1 || message != GTP_G_PDU {
        return None;
    }
    let mut inner = at + 8;
    if flags & GTP_OPTIONAL != 0 {
        let mut next = reader.read_u8(at + 11)?;
        inner += 4;
        if flags & GTP_EXTENSION == 0 {
            next = 0;
        }
        for _ in 0..MOST_GTP_EXTENSIONS {
            if next == 0 {
                break;
            }
            let length = usize::from(reader.read_u8(inner)?) * 4;
            if length == 0 {
                return None;
            }
            inner += length;
            next = reader.read_u8(inner - 1)?;
        }
    }
    ip(reader, TunnelKind::GtpU, inner)
}

/// The protocol of an IP packet and where its payload begins; `None` for one that cannot be followed, and for a later
/// fragment.
pub(crate) fn payload<R: ReadPacket>(reader: &R, network: NetworkLayer) -> Option<(u8, usize)> {
    let at = network.at;
    if network.version == 4 {
        let header = usize::from(reader.read_u8(at)? & 0x0f) * 4;
        let fragment = reader.read_u16(at + 6)?;
        return (header >= 20 && fragment & 0x1fff == 0).then_some((reader.read_u8(at + 9)?, at + header));
    }
    let extensions = Extensions::follow(reader, reader.read_u8(at + 6)?, at + 6, at + 40).ok()?;
    (!extensions.is_later_fragment()).then_some((extensions.protocol, extensions.payload_at))
}

// IANA protocol numbers.
const IP_IN_IP: u8 = 4;
const UDP: u8 = 17;
const IPV6_IN_IP: u8 = 41;
const GRE: u8 = 47;
const MPLS_IN_IP: u8 = 137;

// IANA port numbers.
const PORT_GTP_U: u16 = 2152;
const PORT_VXLAN: u16 = 4789;
const PORT_GENEVE: u16 = 6081;

// IEEE EtherTypes.
const ETHER_IPV4: u16 = 0x0800;
const ETHER_IPV6: u16 = 0x86dd;
const ETHER_BRIDGED: u16 = 0x6558;
const ETHER_MPLS: u16 = 0x8847;
const ETHER_MPLS_MULTICAST: u16 = 0x8848;
const ETHER_ERSPAN: u16 = 0x88be;
const ETHER_ERSPAN_III: u16 = 0x22eb;

const GRE_CHECKSUM: u16 = 0x8000;
const GRE_ROUTING: u16 = 0x4000;
const GRE_KEY: u16 = 0x2000;
const GRE_SEQUENCE: u16 = 0x1000;
const GRE_VERSION: u16 = 0x0007;

const VXLAN_ID_VALID: u8 = 0x08;
const BOTTOM_OF_STACK: u32 = 0x100;

const GTP_VERSION_AND_TYPE: u8 = 0xf0;
const GTP_V1: u8 = 0x30;
const GTP_G_PDU: u8 = 255;
const GTP_OPTIONAL: u8 = 0x07;
const GTP_EXTENSION: u8 = 0x04;

const MOST_LABELS: usize = 16;
const MOST_GTP_EXTENSIONS: usize = 16;
const MOST_VLAN_TAGS: usize = 4;
