//! IPv4 with options, IPv6 with extension headers, and what is a fragment (RFC 791, RFC 8200).
//!
//! Most packets on a production NIC are not SCTP, so the protocol is looked at before anything else is checked.

use network_types::ip::{IpProto, Ipv4Hdr, Ipv6Hdr};

use super::{
    Address, Pass, ReadPacket, Unparsed,
    extension::{ExtensionError, Extensions},
    link::NetworkLayer,
};

/// An IP packet that may carry SCTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IpPacket {
    /// Source address.
    pub src: Address,
    /// Destination address.
    pub dst: Address,
    /// SCTP or UDP, by IANA number.
    pub protocol: u8,
    /// Offset of the transport header.
    pub payload_at: usize,
    /// Offset after the last byte that the IP header claims; the frame may be longer (padding) or shorter (cut).
    pub end: usize,
    /// Bytes by the IP header: IPv4 total length, or 40 plus the IPv6 payload length.
    pub total_length: u32,
    /// The packet is the first of several fragments, so its last chunk may be cut.
    pub first_fragment: bool,
}

/// Parses the IP header (and the IPv6 extension headers) of a packet that carries SCTP, or UDP if `with_udp`.
///
/// # Errors
/// [`Pass::Icmp`] and [`Pass::NotSctp`] for every other protocol; a counted reason for a header that cannot be followed,
/// and for later fragments, which have no ports.
#[inline(always)]
pub fn parse<R: ReadPacket>(reader: &R, network: NetworkLayer, with_udp: bool) -> Result<IpPacket, Pass> {
    if network.version == 4 {
        parse_v4(reader, network, with_udp)
    } else {
        parse_v6(reader, network, with_udp)
    }
}

#[inline(always)]
fn parse_v4<R: ReadPacket>(reader: &R, network: NetworkLayer, with_udp: bool) -> Result<IpPacket, Pass> {
    let at = network.at;
    let [version_length, fragment, ttl_protocol, src, dst] = reader.read_words(at).ok_or(TRUNCATED)?;
    let protocol = (u32::from_be(ttl_protocol) >> 16) as u8;
    if !is_wanted(protocol, with_udp) {
        return Err(unwanted(protocol, IpProto::Icmp, network));
    }
    let version_length = u32::from_be(version_length);
    let header_length = (version_length >> 24 & 0x0f) as usize * 4;
    if version_length >> 28 != 4 || header_length < Ipv4Hdr::LEN {
        return Err(INVALID);
    }
    let total_length = or_rest(version_length & 0xffff, reader, at);
    if (total_length as usize) < header_length {
        return Err(INVALID);
    }
    let fragment = u32::from_be(fragment);
    if fragment & V4_FRAGMENT_OFFSET != 0 {
        return Err(later_fragment(protocol));
    }
    Ok(IpPacket {
        src: Address::from_v4(src),
        dst: Address::from_v4(dst),
        protocol,
        payload_at: at + header_length,
        end: at + total_length as usize,
        total_length,
        first_fragment: fragment & V4_MORE_FRAGMENTS != 0,
    })
}

#[inline(always)]
fn parse_v6<R: ReadPacket>(reader: &R, network: NetworkLayer, with_udp: bool) -> Result<IpPacket, Pass> {
    let at = network.at;
    let [version, length_next] = reader.read_words(at).ok_or(TRUNCATED)?;
    let length_next = u32::from_be(length_next);
    let next_header = (length_next >> 8) as u8;
    let headers_at = at + Ipv6Hdr::LEN;
    // Nearly all packets have none: they need not be compared with each kind.
    let extensions = if is_wanted(next_header, with_udp) {
        Extensions::none(next_header, headers_at)
    } else {
        Extensions::follow(reader, next_header, at + V6_NEXT_HEADER_AT, headers_at).map_err(|error| {
            match error {
                ExtensionError::Truncated => TRUNCATED,
                ExtensionError::TooMany => Pass::Unparsed(Unparsed::ExtensionHeadersTooMany),
            }
        })?
    };
    if extensions.is_later_fragment() {
        return Err(later_fragment(extensions.protocol));
    }
    if !is_wanted(extensions.protocol, with_udp) {
        return Err(unwanted(extensions.protocol, IpProto::Ipv6Icmp, network));
    }
    if u32::from_be(version) >> 28 != 6 {
        return Err(INVALID);
    }
    v6_addresses(reader, at, length_next >> 16, &extensions)
}

#[inline(always)]
fn v6_addresses<R: ReadPacket>(
    reader: &R,
    at: usize,
    payload_length: u32,
    extensions: &Extensions,
) -> Result<IpPacket, Pass> {
    let [a, b, c, d, e, f, g, h] = reader.read_words(at + V6_ADDRESSES_AT).ok_or(TRUNCATED)?;
    let (src, dst) = (Address::from_v6([a, b, c, d]), Address::from_v6([e, f, g, h]));
    // An IPv4-mapped address is never on the wire (RFC 6890 section 2.2.3); it would pass for an IPv4 flow's.
    if src.is_v4() || dst.is_v4() {
        return Err(INVALID);
    }
    let total_length = if payload_length == 0 {
        or_rest(0, reader, at)
    } else {
        Ipv6Hdr::LEN as u32 + payload_length
    };
    Ok(IpPacket {
        src,
        dst,
        protocol: extensions.protocol,
        payload_at: extensions.payload_at,
        end: at + total_length as usize,
        total_length,
        first_fragment: extensions.fragment.is_some(),
    })
}

/// A length of 0 stands for "too long for the field" (segmentation offload, jumbograms): the frame's end counts then.
#[inline(always)]
fn or_rest<R: ReadPacket>(length: u32, reader: &R, at: usize) -> u32 {
    if length == 0 {
        reader.len().saturating_sub(at) as u32
    } else {
        length
    }
}

/// A later fragment has no ports. Only one that says it is SCTP is worth a count.
#[inline(always)]
fn later_fragment(protocol: u8) -> Pass {
    if protocol == IpProto::Sctp as u8 {
        Pass::Unparsed(Unparsed::LaterFragment)
    } else {
        Pass::NotSctp
    }
}

/// ICMP of the packet's own IP version may quote SCTP. The header is read again then, so that nothing is carried along
/// for the many packets that are neither.
#[inline(always)]
fn unwanted(protocol: u8, icmp: IpProto, network: NetworkLayer) -> Pass {
    if protocol == icmp as u8 {
        Pass::Icmp(network)
    } else {
        Pass::NotSctp
    }
}

#[inline(always)]
fn is_wanted(protocol: u8, with_udp: bool) -> bool {
    protocol == IpProto::Sctp as u8 || (with_udp && protocol == IpProto::Udp as u8)
}

const TRUNCATED: Pass = Pass::Unparsed(Unparsed::IpHeaderTruncated);

const INVALID: Pass = Pass::Unparsed(Unparsed::IpHeaderInvalid);

/// Flags and fragment offset, in the low half of the second word.
const V4_MORE_FRAGMENTS: u32 = 0x2000;
const V4_FRAGMENT_OFFSET: u32 = 0x1fff;

const V6_NEXT_HEADER_AT: usize = 6;
const V6_ADDRESSES_AT: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Frame, extension::MAX_EXTENSION_HEADERS};

    const HOP_BY_HOP: u8 = 0;
    const FRAGMENT_HEADER: u8 = 44;
    const AUTHENTICATION: u8 = 51;
    const DESTINATION_OPTIONS: u8 = 60;

    fn v4(bytes: &[u8]) -> Result<IpPacket, Pass> {
        parse(&Frame(bytes), NetworkLayer { at: 0, version: 4 }, false)
    }

    fn v6(bytes: &[u8]) -> Result<IpPacket, Pass> {
        parse(&Frame(bytes), NetworkLayer { at: 0, version: 6 }, false)
    }

    /// 10.1.0.1 > 10.2.0.2, SCTP, 20 bytes of payload claimed.
    fn v4_header() -> Vec<u8> {
        vec![
            0x45, 0x00, 0x00, 0x28, // version 4, 5 words, total length 40
            0x00, 0x01, 0x40, 0x00, // identification, don't fragment
            0x40, 0x84, 0x00, 0x00, // TTL 64, SCTP
            10, 1, 0, 1, //
            10, 2, 0, 2,
        ]
    }

    /// 2001:db8::1 > 2001:db8::2 with `next_header`, 40 bytes of payload claimed.
    fn v6_header(next_header: u8) -> Vec<u8> {
        let mut bytes = vec![0x60, 0x00, 0x00, 0x00, 0x00, 0x28, next_header, 0x40];
        for last in [1, 2] {
            bytes.extend([0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
        }
        bytes
    }

    #[test]
    fn v4_header_gives_addresses_and_bounds() {
        let packet = v4(&v4_header()).unwrap();
        assert_eq!(packet.src.to_ip().to_string(), "10.1.0.1");
        assert_eq!(packet.dst.to_ip().to_string(), "10.2.0.2");
        assert_eq!((packet.payload_at, packet.end, packet.total_length), (20, 40, 40));
        assert!(!packet.first_fragment);
    }

    #[test]
    fn v4_options_are_skipped() {
        let mut bytes = v4_header();
        bytes[0] = 0x46;
        bytes.extend([0x94, 0x04, 0x00, 0x00]); // router alert
        assert_eq!(v4(&bytes).unwrap().payload_at, 24);
    }

    #[test]
    fn v4_fragments_are_told_apart() {
        let mut bytes = v4_header();
        bytes[6] = 0x20; // more fragments
        assert!(v4(&bytes).unwrap().first_fragment);
        bytes[7] = 0x01; // offset 8
        assert_eq!(v4(&bytes), Err(Pass::Unparsed(Unparsed::LaterFragment)));
    }

    #[test]
    fn v4_length_zero_means_to_the_end_of_the_frame() {
        let mut bytes = v4_header();
        bytes[2..4].fill(0);
        bytes.extend([0; 100]);
        assert_eq!(v4(&bytes).unwrap().total_length, 120);
    }

    #[test]
    fn v4_nonsense_is_counted() {
        let invalid = Err(Pass::Unparsed(Unparsed::IpHeaderInvalid));
        for (at, value) in [(0, 0x65), (0, 0x44), (3, 19)] {
            let mut bytes = v4_header();
            bytes[at] = value;
            assert_eq!(v4(&bytes), invalid, "byte {at} = {value:#x}");
        }
        for length in 0..20 {
            assert_eq!(
                v4(&v4_header()[..length]),
                Err(Pass::Unparsed(Unparsed::IpHeaderTruncated)),
                "{length} bytes"
            );
        }
    }

    #[test]
    fn udp_is_wanted_only_on_request() {
        let mut bytes = v4_header();
        bytes[9] = 17;
        assert_eq!(v4(&bytes), Err(Pass::NotSctp));
        let network = NetworkLayer { at: 0, version: 4 };
        assert_eq!(parse(&Frame(&bytes), network, true).unwrap().protocol, 17);
        bytes[9] = 6;
        assert_eq!(parse(&Frame(&bytes), network, true), Err(Pass::NotSctp));
    }

    #[test]
    fn v6_extension_headers_are_followed() {
        let mut bytes = v6_header(HOP_BY_HOP);
        bytes.extend([DESTINATION_OPTIONS, 0, 1, 4, 0, 0, 0, 0]); // hop-by-hop, 8 bytes
        bytes.extend([AUTHENTICATION, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]); // destination options, 16 bytes
        bytes.extend([132, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2]); // authentication header, 12 bytes
        let packet = v6(&bytes).unwrap();
        assert_eq!(packet.payload_at, 40 + 8 + 16 + 12);
        assert_eq!((packet.total_length, packet.end), (80, 80));
        assert_eq!(packet.src.to_ip().to_string(), "2001:db8::1");
    }

    #[test]
    fn v6_fragments_are_told_apart() {
        let mut bytes = v6_header(FRAGMENT_HEADER);
        bytes.extend([132, 0, 0x00, 0x01, 0, 0, 0, 9]); // offset 0, more
        let packet = v6(&bytes).unwrap();
        assert!(packet.first_fragment);
        assert_eq!(packet.payload_at, 48);
        bytes[42] = 0x05; // offset 1280
        assert_eq!(v6(&bytes), Err(Pass::Unparsed(Unparsed::LaterFragment)));
        bytes[40] = 17; // of UDP
        assert_eq!(v6(&bytes), Err(Pass::NotSctp));
    }

    #[test]
    fn v6_nonsense_is_counted() {
        let mut endless = v6_header(HOP_BY_HOP);
        endless.extend([0; 8 * (MAX_EXTENSION_HEADERS + 2)]);
        assert_eq!(
            v6(&endless),
            Err(Pass::Unparsed(Unparsed::ExtensionHeadersTooMany))
        );
        assert_eq!(
            v6(&v6_header(0)),
            Err(Pass::Unparsed(Unparsed::IpHeaderTruncated))
        );
        assert_eq!(
            v6(&v6_header(50)),
            Err(Pass::NotSctp),
            "ESP hides what it carries"
        );
        for at in [8, 24] {
            let mut mapped = v6_header(132);
            mapped[at..at + 12].copy_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]);
            assert_eq!(
                v6(&mapped),
                Err(Pass::Unparsed(Unparsed::IpHeaderInvalid)),
                "{at}"
            );
        }
        let mut version = v6_header(132);
        version[0] = 0x40;
        assert_eq!(v6(&version), Err(Pass::Unparsed(Unparsed::IpHeaderInvalid)));
    }
}
