//! From a frame to the SCTP common header (RFC 9260 section 3.1), plain or in UDP (RFC 6951).

use network_types::{ip::IpProto, sctp::SctpHdr, udp::UdpHdr};

use super::{
    Address, LinkType, ReadPacket,
    ip::{self, IpPacket},
    link::{self, NetworkLayer},
};

/// The UDP port that IANA assigned to SCTP in UDP (RFC 6951 section 3.1).
pub const UDP_ENCAPSULATION_PORT: u16 = 9899;

/// What the parser is to look for.
#[derive(Debug, Clone, Copy)]
pub struct ParseOptions {
    /// UDP port on either side that marks SCTP in UDP; 0 looks at no UDP packet.
    pub udp_port: u16,
}

impl Default for ParseOptions {
    fn default() -> Self {
        Self {
            udp_port: UDP_ENCAPSULATION_PORT,
        }
    }
}

/// Why a packet is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// It is not SCTP.
    NotSctp,
    /// It is ICMP or ICMPv6, which may quote SCTP: see [`icmp::parse`](super::icmp::parse).
    Icmp(NetworkLayer),
    /// It is, or may be, but it is not understood.
    Unparsed(Unparsed),
}

/// What keeps the parser from an SCTP packet, or from one that an ICMP error quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unparsed {
    /// The frame is cut before the IP header.
    LinkHeaderTruncated,
    /// The frame has more VLAN tags than are looked behind.
    VlanTooDeep,
    /// The packet is cut within the IP header or its extension headers.
    IpHeaderTruncated,
    /// The IP header has a wrong version, impossible lengths, or IPv4-mapped addresses in IPv6.
    IpHeaderInvalid,
    /// The IPv6 packet has more extension headers than are followed.
    ExtensionHeadersTooMany,
    /// It is a later fragment of an SCTP packet: without ports it belongs to no flow.
    LaterFragment,
    /// The SCTP packet is cut within the common header.
    CommonHeaderTruncated,
    /// The ICMP error quotes SCTP, but not up to its verification tag.
    IcmpQuoteTruncated,
}

/// An SCTP packet: its IP header's facts and its common header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SctpPacket {
    /// Source address.
    pub src: Address,
    /// Destination address.
    pub dst: Address,
    /// SCTP source port.
    pub src_port: u16,
    /// SCTP destination port.
    pub dst_port: u16,
    /// Verification tag, 0 in a packet with INIT.
    pub tag: u32,
    /// Bytes by the IP header (see [`IpPacket::total_length`]).
    pub total_length: u32,
    /// Offset of the common header.
    pub at: usize,
    /// Offset after the last byte of the SCTP packet, by the IP or UDP header.
    pub end: usize,
    /// The packet came in UDP.
    pub in_udp: bool,
    /// The packet is the first of several IP fragments: its last chunk may be cut.
    pub first_fragment: bool,
    /// The frame begins with an Ethernet header.
    pub ethernet: bool,
}

impl SctpPacket {
    /// Offset of the first chunk.
    #[inline(always)]
    #[must_use]
    pub fn chunks_at(&self) -> usize {
        self.at + SctpHdr::LEN
    }
}

/// Parses a frame down to the SCTP common header. Checksums are not looked at: offload leaves them unset on the
/// sender's side.
///
/// # Errors
/// Why the packet is left alone.
#[inline(always)]
pub fn parse<R: ReadPacket>(reader: &R, link: LinkType, options: ParseOptions) -> Result<SctpPacket, Pass> {
    let network = link::network_layer(reader, link)?;
    let packet = ip::parse(reader, network, options.udp_port != 0)?;
    let mut packet = if packet.protocol == IpProto::Sctp as u8 {
        common_header(reader, &packet, packet.payload_at, packet.end, false)?
    } else {
        in_udp(reader, &packet, options.udp_port)?
    };
    packet.ethernet = matches!(link, LinkType::Ethernet);
    Ok(packet)
}

#[inline(always)]
fn in_udp<R: ReadPacket>(reader: &R, packet: &IpPacket, port: u16) -> Result<SctpPacket, Pass> {
    let at = packet.payload_at;
    let [ports, length_checksum] = reader.read_words(at).ok_or(Pass::NotSctp)?;
    let (src_port, dst_port) = halves(ports);
    if src_port != port && dst_port != port {
        return Err(Pass::NotSctp);
    }
    let (length, _) = halves(length_checksum);
    // A length of 0 is segmentation offload's; the IP header's length holds then.
    let end = match at + length as usize {
        end if end > at && end < packet.end => end,
        _ => packet.end,
    };
    common_header(reader, packet, at + UdpHdr::LEN, end, true)
}

#[inline(always)]
fn common_header<R: ReadPacket>(
    reader: &R,
    packet: &IpPacket,
    at: usize,
    end: usize,
    in_udp: bool,
) -> Result<SctpPacket, Pass> {
    if at + SctpHdr::LEN > end {
        return Err(TRUNCATED);
    }
    let [ports, tag, _checksum] = reader.read_words(at).ok_or(TRUNCATED)?;
    let (src_port, dst_port) = halves(ports);
    Ok(SctpPacket {
        src: packet.src,
        dst: packet.dst,
        src_port,
        dst_port,
        tag: u32::from_be(tag),
        total_length: packet.total_length,
        at,
        end,
        in_udp,
        first_fragment: packet.first_fragment,
        ethernet: false,
    })
}

const TRUNCATED: Pass = Pass::Unparsed(Unparsed::CommonHeaderTruncated);

/// The two numbers of a word.
#[inline(always)]
pub(super) fn halves(word: u32) -> (u16, u16) {
    let word = u32::from_be(word);
    ((word >> 16) as u16, word as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Frame;

    /// 10.1.0.1:36412 > 10.2.0.2:2905, tag 0xdeadbeef, one COOKIE ACK, as raw IP; `protocol` and `before` stand
    /// between the IP header and the common header.
    fn packet(protocol: u8, before: &[u8]) -> Vec<u8> {
        let total = u8::try_from(20 + before.len() + 16).unwrap();
        let mut bytes = vec![
            0x45, 0, 0, total, 0, 0, 0, 0, 64, protocol, 0, 0, 10, 1, 0, 1, 10, 2, 0, 2,
        ];
        bytes.extend(before);
        bytes.extend([0x8e, 0x3c, 0x0b, 0x59, 0xde, 0xad, 0xbe, 0xef, 0, 0, 0, 0]); // common header
        bytes.extend([11, 0, 0, 4]); // COOKIE ACK
        bytes
    }

    fn parse_raw(bytes: &[u8], udp_port: u16) -> Result<SctpPacket, Pass> {
        parse(&Frame(bytes), LinkType::RawIp, ParseOptions { udp_port })
    }

    #[test]
    fn common_header_is_read() {
        let packet = parse_raw(&packet(132, &[]), 0).unwrap();
        assert_eq!(
            (packet.src_port, packet.dst_port, packet.tag),
            (36412, 2905, 0xdead_beef)
        );
        assert_eq!((packet.at, packet.chunks_at(), packet.end), (20, 32, 36));
        assert!(!packet.in_udp);
    }

    #[test]
    fn common_header_must_lie_within_the_ip_packet() {
        let mut bytes = packet(132, &[]);
        bytes[3] = 31; // total length: one byte less than the common header needs
        let truncated = Err(Pass::Unparsed(Unparsed::CommonHeaderTruncated));
        assert_eq!(parse_raw(&bytes, 0), truncated);
        assert_eq!(parse_raw(&packet(132, &[])[..27], 0), truncated);
    }

    #[test]
    fn udp_encapsulation_is_found_by_either_port() {
        for ports in [
            [0x26, 0xab, 0x26, 0xab],
            [0x26, 0xab, 0x01, 0x00],
            [0x01, 0x00, 0x26, 0xab],
        ] {
            let mut udp = ports.to_vec();
            udp.extend([0, 24, 0, 0]);
            let bytes = packet(17, &udp);
            let packet = parse_raw(&bytes, UDP_ENCAPSULATION_PORT).unwrap();
            assert_eq!((packet.at, packet.end, packet.in_udp), (28, 44, true));
            assert_eq!(parse_raw(&bytes, 9900), Err(Pass::NotSctp));
            assert_eq!(parse_raw(&bytes, 0), Err(Pass::NotSctp));
        }
    }

    #[test]
    fn udp_length_bounds_the_packet() {
        let bytes = packet(17, &[0x26, 0xab, 0x26, 0xab, 0, 20, 0, 0]); // four bytes less than the IP header says
        assert_eq!(parse_raw(&bytes, UDP_ENCAPSULATION_PORT).unwrap().end, 40);
    }
}
