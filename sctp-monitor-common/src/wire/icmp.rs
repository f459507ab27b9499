//! ICMP errors that quote an SCTP packet (RFC 792, RFC 1191, RFC 1812, RFC 4443).
//!
//! A router that cannot forward a packet says so, and quotes it: its IP header and at least the eight bytes after it, which
//! are SCTP's ports and verification tag. Whoever did not see the packet does not know the tag, so a quote with the right
//! one is worth believing (RFC 9260 section 10). An INIT has no tag, but gives one: most routers quote that too (RFC 1812 section
//! 4.3.2.3).

use network_types::{
    icmp::{Icmpv4Hdr, Icmpv6Hdr},
    ip::{IpProto, Ipv4Hdr, Ipv6Hdr},
    udp::UdpHdr,
};

use super::{Address, ChunkKind, ParseOptions, Pass, ReadPacket, Unparsed, link::NetworkLayer, sctp::halves};

/// An ICMP error and the SCTP packet that it quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IcmpError {
    /// The ICMP version, type and code.
    pub message: IcmpMessage,
    /// The MTU of the next hop; 0 if the message names none.
    pub mtu: u32,
    /// Who sent it.
    pub reporter: Address,
    /// The quoted packet's source address.
    pub src: Address,
    /// The quoted packet's destination address.
    pub dst: Address,
    /// The quoted packet's SCTP source port.
    pub src_port: u16,
    /// The quoted packet's SCTP destination port.
    pub dst_port: u16,
    /// The quoted packet's verification tag.
    pub tag: u32,
    /// The tag that the quoted packet's INIT gives; 0 if it is none, or the quote ends before.
    pub initiate_tag: u32,
}

/// What an ICMP error says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IcmpMessage {
    /// 4 for ICMP, 6 for ICMPv6.
    pub version: u8,
    /// The type field.
    pub kind: u8,
    /// The code field.
    pub code: u8,
}

impl IcmpMessage {
    /// Whether it only says that the packet was too big for the next hop, which is no doubt about the path.
    #[inline(always)]
    #[must_use]
    pub const fn is_about_size(self) -> bool {
        matches!(
            (self.version, self.kind, self.code),
            (4, UNREACHABLE, FRAGMENTATION_NEEDED) | (6, PACKET_TOO_BIG_V6, _)
        )
    }

    /// In the RFCs' words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match (self.version, self.kind, self.code) {
            (4, UNREACHABLE, 0) => "network unreachable",
            (4, UNREACHABLE, 1) => "host unreachable",
            (4, UNREACHABLE, 2) => "protocol unreachable",
            (4, UNREACHABLE, 3) | (6, UNREACHABLE_V6, 4) => "port unreachable",
            (4, UNREACHABLE, FRAGMENTATION_NEEDED) => "fragmentation needed",
            (4, UNREACHABLE, 5) => "source route failed",
            (4, UNREACHABLE, 6) => "destination network unknown",
            (4, UNREACHABLE, 7) => "destination host unknown",
            (4, UNREACHABLE, 8) => "source host isolated",
            (4, UNREACHABLE, 9) => "network administratively prohibited",
            (4, UNREACHABLE, 10) => "host administratively prohibited",
            (4, UNREACHABLE, 11) => "network unreachable for the type of service",
            (4, UNREACHABLE, 12) => "host unreachable for the type of service",
            (4, UNREACHABLE, 13) | (6, UNREACHABLE_V6, 1) => "communication administratively prohibited",
            (4, UNREACHABLE, 14) => "host precedence violation",
            (4, UNREACHABLE, 15) => "precedence cutoff",
            (4, TIME_EXCEEDED, 0) => "time to live exceeded in transit",
            (4, TIME_EXCEEDED, 1) | (6, TIME_EXCEEDED_V6, 1) => "fragment reassembly time exceeded",
            (6, UNREACHABLE_V6, 0) => "no route to destination",
            (6, UNREACHABLE_V6, 2) => "beyond scope of source address",
            (6, UNREACHABLE_V6, 3) => "address unreachable",
            (6, UNREACHABLE_V6, 5) => "source address failed ingress or egress policy",
            (6, UNREACHABLE_V6, 6) => "reject route to destination",
            (6, PACKET_TOO_BIG_V6, _) => "packet too big",
            (6, TIME_EXCEEDED_V6, 0) => "hop limit exceeded in transit",
            (6, PARAMETER_PROBLEM_V6, 0) => "erroneous header field",
            (6, PARAMETER_PROBLEM_V6, 1) => "unrecognized next header",
            (6, PARAMETER_PROBLEM_V6, 2) => "unrecognized IPv6 option",
            (4, UNREACHABLE, _) | (6, UNREACHABLE_V6, _) => "destination unreachable",
            (4, TIME_EXCEEDED, _) | (6, TIME_EXCEEDED_V6, _) => "time exceeded",
            (4, PARAMETER_PROBLEM, _) | (6, PARAMETER_PROBLEM_V6, _) => "parameter problem",
            _ => "unknown ICMP error",
        }
    }

    /// Types that quote a packet because of what happened to it. A redirect quotes one that was forwarded, and source
    /// quench is deprecated (RFC 6633).
    #[inline(always)]
    const fn is_error(self) -> bool {
        if self.version == 4 {
            matches!(self.kind, UNREACHABLE | TIME_EXCEEDED | PARAMETER_PROBLEM)
        } else {
            matches!(
                self.kind,
                UNREACHABLE_V6 | PACKET_TOO_BIG_V6 | TIME_EXCEEDED_V6 | PARAMETER_PROBLEM_V6
            )
        }
    }
}

/// Parses what [`sctp::parse`](super::parse) passed on as [`Pass::Icmp`].
///
/// # Errors
/// [`Pass::NotSctp`] if it is no error, or quotes something else; a counted reason if the quote ends too early.
#[inline(always)]
pub fn parse<R: ReadPacket>(
    reader: &R,
    network: NetworkLayer,
    options: ParseOptions,
) -> Result<IcmpError, Pass> {
    if network.version == 4 {
        parse_v4(reader, network.at, options.udp_port)
    } else {
        parse_v6(reader, network.at, options.udp_port)
    }
}

#[inline(always)]
fn parse_v4<R: ReadPacket>(reader: &R, at: usize, udp_port: u16) -> Result<IcmpError, Pass> {
    let outer = V4Header::read(reader, at)?;
    if outer.is_later_fragment {
        return Err(Pass::NotSctp);
    }
    let icmp = IcmpHeader::read(reader, 4, outer.payload_at)?;
    let quoted_at = outer.payload_at + Icmpv4Hdr::LEN;
    let quoted = V4Header::read(reader, quoted_at)?;
    let quote = Quote {
        src: quoted.src,
        dst: quoted.dst,
        protocol: quoted.protocol,
        at: quoted.payload_at,
        end: outer.end,
        is_later_fragment: quoted.is_later_fragment,
    };
    let mtu = if icmp.message.is_about_size() {
        icmp.rest & 0xffff
    } else {
        0
    };
    quote.error(reader, icmp.message, mtu, outer.src, udp_port)
}

#[inline(always)]
fn parse_v6<R: ReadPacket>(reader: &R, at: usize, udp_port: u16) -> Result<IcmpError, Pass> {
    let outer = V6Header::read(reader, at)?;
    if outer.next_header != IpProto::Ipv6Icmp as u8 {
        return Err(Pass::NotSctp);
    }
    let icmp = IcmpHeader::read(reader, 6, at + Ipv6Hdr::LEN)?;
    let quoted_at = at + Ipv6Hdr::LEN + Icmpv6Hdr::LEN;
    let quoted = V6Header::read(reader, quoted_at)?;
    let mut quote = Quote {
        src: quoted.src,
        dst: quoted.dst,
        protocol: quoted.next_header,
        at: quoted_at + Ipv6Hdr::LEN,
        end: at + Ipv6Hdr::LEN + outer.payload_length,
        is_later_fragment: false,
    };
    if quoted.next_header == IpProto::Ipv6Frag as u8 {
        let [next_offset] = reader.read_words(quote.at).ok_or(Pass::NotSctp)?;
        let next_offset = u32::from_be(next_offset);
        quote.protocol = (next_offset >> 24) as u8;
        quote.is_later_fragment = next_offset & V6_FRAGMENT_OFFSET != 0;
        quote.at += V6_FRAGMENT_LEN;
    }
    let mtu = if icmp.message.is_about_size() {
        icmp.rest
    } else {
        0
    };
    quote.error(reader, icmp.message, mtu, outer.src, udp_port)
}

/// An IPv4 header, the packet's own or the quoted one. One that cannot be followed does not say that it is SCTP's.
struct V4Header {
    src: Address,
    dst: Address,
    protocol: u8,
    payload_at: usize,
    end: usize,
    is_later_fragment: bool,
}

impl V4Header {
    #[inline(always)]
    fn read<R: ReadPacket>(reader: &R, at: usize) -> Result<Self, Pass> {
        let [version_length, fragment, ttl_protocol, src, dst] =
            reader.read_words(at).ok_or(Pass::NotSctp)?;
        let version_length = u32::from_be(version_length);
        let header_length = (version_length >> 24 & 0x0f) as usize * 4;
        if version_length >> 28 != 4 || header_length < Ipv4Hdr::LEN {
            return Err(Pass::NotSctp);
        }
        Ok(Self {
            src: Address::from_v4(src),
            dst: Address::from_v4(dst),
            protocol: (u32::from_be(ttl_protocol) >> 16) as u8,
            payload_at: reader.forget(at + header_length),
            end: at + (version_length & 0xffff) as usize,
            is_later_fragment: u32::from_be(fragment) & V4_FRAGMENT_OFFSET != 0,
        })
    }
}

/// An IPv6 header, the packet's own or the quoted one.
struct V6Header {
    src: Address,
    dst: Address,
    next_header: u8,
    payload_length: usize,
}

impl V6Header {
    #[inline(always)]
    fn read<R: ReadPacket>(reader: &R, at: usize) -> Result<Self, Pass> {
        let [version, length_next, a, b, c, d, e, f, g, h] = reader.read_words(at).ok_or(Pass::NotSctp)?;
        if u32::from_be(version) >> 28 != 6 {
            return Err(Pass::NotSctp);
        }
        let length_next = u32::from_be(length_next);
        Ok(Self {
            src: Address::from_v6([a, b, c, d]),
            dst: Address::from_v6([e, f, g, h]),
            next_header: (length_next >> 8) as u8,
            payload_length: (length_next >> 16) as usize,
        })
    }
}

/// The first words of every ICMP message.
struct IcmpHeader {
    message: IcmpMessage,
    /// The second word; what it means depends on the type.
    rest: u32,
}

impl IcmpHeader {
    #[inline(always)]
    fn read<R: ReadPacket>(reader: &R, version: u8, at: usize) -> Result<Self, Pass> {
        let [kind_code, rest] = reader.read_words(at).ok_or(Pass::NotSctp)?;
        let kind_code = u32::from_be(kind_code);
        let message = IcmpMessage {
            version,
            kind: (kind_code >> 24) as u8,
            code: (kind_code >> 16) as u8,
        };
        if !message.is_error() {
            return Err(Pass::NotSctp);
        }
        Ok(Self {
            message,
            rest: u32::from_be(rest),
        })
    }
}

/// The quoted packet.
struct Quote {
    src: Address,
    dst: Address,
    protocol: u8,
    /// Offset of the quoted transport header.
    at: usize,
    /// Offset after the message's last byte.
    end: usize,
    is_later_fragment: bool,
}

impl Quote {
    #[inline(always)]
    fn error<R: ReadPacket>(
        self,
        reader: &R,
        message: IcmpMessage,
        mtu: u32,
        reporter: Address,
        udp_port: u16,
    ) -> Result<IcmpError, Pass> {
        let mut at = self.at;
        if self.protocol == IpProto::Udp as u8 && udp_port != 0 {
            let [ports] = reader.read_words(at).ok_or(Pass::NotSctp)?;
            let (src_port, dst_port) = halves(ports);
            if self.is_later_fragment || (src_port != udp_port && dst_port != udp_port) {
                return Err(Pass::NotSctp);
            }
            at += UdpHdr::LEN;
        } else if self.protocol != IpProto::Sctp as u8 {
            return Err(Pass::NotSctp);
        }
        if self.is_later_fragment || at + QUOTED_LEN > self.end {
            return Err(TRUNCATED);
        }
        let [ports, tag] = reader.read_words(at).ok_or(TRUNCATED)?;
        let (src_port, dst_port) = halves(ports);
        let initiate_tag = if tag == 0 && at + QUOTED_INIT_LEN <= self.end {
            initiate_tag(reader, at)
        } else {
            0
        };
        Ok(IcmpError {
            message,
            mtu,
            reporter,
            src: self.src,
            dst: self.dst,
            src_port,
            dst_port,
            tag: u32::from_be(tag),
            initiate_tag,
        })
    }
}

/// The tag that the INIT of an SCTP packet gives, if that is its first chunk; 0 otherwise.
#[inline(always)]
fn initiate_tag<R: ReadPacket>(reader: &R, at: usize) -> u32 {
    let Some([_checksum, chunk, tag]) = reader.read_words(at + QUOTED_LEN) else {
        return 0;
    };
    if u32::from_be(chunk) >> 24 == ChunkKind::Init as u32 {
        u32::from_be(tag)
    } else {
        0
    }
}

/// Ports and verification tag: what RFC 792 promises of the quoted packet's payload.
const QUOTED_LEN: usize = 8;

/// The common header, an INIT's chunk header and its initiate tag (RFC 9260 sections 3.1, 3.3.2).
const QUOTED_INIT_LEN: usize = 20;

const TRUNCATED: Pass = Pass::Unparsed(Unparsed::IcmpQuoteTruncated);

const V4_FRAGMENT_OFFSET: u32 = 0x1fff;
const V6_FRAGMENT_OFFSET: u32 = 0xfff8;
const V6_FRAGMENT_LEN: usize = 8;

// RFC 792.
const UNREACHABLE: u8 = 3;
const FRAGMENTATION_NEEDED: u8 = 4;
const TIME_EXCEEDED: u8 = 11;
const PARAMETER_PROBLEM: u8 = 12;
// RFC 4443.
const UNREACHABLE_V6: u8 = 1;
const PACKET_TOO_BIG_V6: u8 = 2;
const TIME_EXCEEDED_V6: u8 = 3;
const PARAMETER_PROBLEM_V6: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Frame, LinkType, parse as parse_packet};

    /// What a frame without a link header gives, by the two steps that the programs take.
    fn look(bytes: &[u8]) -> Result<IcmpError, Pass> {
        let options = ParseOptions::default();
        match parse_packet(&Frame(bytes), LinkType::RawIp, options) {
            Err(Pass::Icmp(network)) => parse(&Frame(bytes), network, options),
            Err(pass) => Err(pass),
            Ok(packet) => panic!("{packet:?} is no ICMP"),
        }
    }

    /// 10.1.0.254 tells 10.1.0.1 of a packet: an ICMP header, then `quoted`.
    fn v4(icmp: [u8; 8], quoted: &[u8]) -> Vec<u8> {
        let total = u8::try_from(20 + 8 + quoted.len()).unwrap();
        let mut bytes = vec![
            0x45, 0xc0, 0x00, total, // version 4, 5 words, network control, total length
            0x00, 0x07, 0x00, 0x00, // identification
            0x40, 0x01, 0x00, 0x00, // TTL 64, ICMP
            10, 1, 0, 254, //
            10, 1, 0, 1,
        ];
        bytes.extend(icmp);
        bytes.extend(quoted);
        bytes
    }

    /// 10.1.0.1:36412 > 10.2.0.2:2905, tag 0xdeadbeef: as much as RFC 792 wants quoted.
    fn quoted_v4() -> Vec<u8> {
        vec![
            0x45, 0x00, 0x05, 0xdc, // version 4, 5 words, total length 1500
            0x00, 0x01, 0x40, 0x00, // identification, don't fragment
            0x3f, 0x84, 0x00, 0x00, // TTL 63, SCTP
            10, 1, 0, 1, //
            10, 2, 0, 2, //
            0x8e, 0x3c, 0x0b, 0x59, // ports
            0xde, 0xad, 0xbe, 0xef, // verification tag
        ]
    }

    const HOST_UNREACHABLE: [u8; 8] = [3, 1, 0, 0, 0, 0, 0, 0];

    /// 2001:db8::fe tells 2001:db8::1 of a packet.
    fn v6(icmp: [u8; 8], quoted: &[u8]) -> Vec<u8> {
        let mut bytes = v6_header(58, 8 + quoted.len(), 0xfe, 1);
        bytes.extend(icmp);
        bytes.extend(quoted);
        bytes
    }

    /// The same packet from 2001:db8::1 to 2001:db8::2.
    fn quoted_v6() -> Vec<u8> {
        let mut bytes = v6_header(132, 1_240, 1, 2);
        bytes.extend([0x8e, 0x3c, 0x0b, 0x59, 0xde, 0xad, 0xbe, 0xef]);
        bytes
    }

    fn v6_header(next_header: u8, length: usize, src: u8, dst: u8) -> Vec<u8> {
        let [high, low] = u16::try_from(length).unwrap().to_be_bytes();
        let mut bytes = vec![0x60, 0, 0, 0, high, low, next_header, 0x40];
        for last in [src, dst] {
            bytes.extend([0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
        }
        bytes
    }

    fn ends(error: &IcmpError) -> (String, u16, String, u16) {
        let ip = |address: Address| address.to_ip().to_string();
        (ip(error.src), error.src_port, ip(error.dst), error.dst_port)
    }

    #[test]
    fn an_error_names_its_reporter_and_the_packet() {
        let error = look(&v4(HOST_UNREACHABLE, &quoted_v4())).unwrap();
        assert_eq!(error.message.words(), "host unreachable");
        assert_eq!(error.reporter.to_ip().to_string(), "10.1.0.254");
        assert_eq!(ends(&error), ("10.1.0.1".into(), 36412, "10.2.0.2".into(), 2905));
        assert_eq!((error.tag, error.mtu), (0xdead_beef, 0));
    }

    #[test]
    fn the_tag_that_a_quoted_init_gives_is_read_where_it_is_quoted() {
        let init = [
            0, 0, 0, 0, // verification tag
            0, 0, 0, 0, // checksum
            1, 0, 0, 20, // INIT, 20 bytes
            0xca, 0xfe, 0xba, 0xbe, // initiate tag
            0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1,
        ];
        let error = |length: usize, change: &[(usize, u8)]| {
            let mut quoted = quoted_v4();
            quoted.truncate(24);
            quoted.extend(&init[..length]);
            for (at, value) in change {
                quoted[24 + at] = *value;
            }
            look(&v4([3, 2, 0, 0, 0, 0, 0, 0], &quoted)).unwrap()
        };
        assert_eq!(
            (error(28, &[]).tag, error(28, &[]).initiate_tag),
            (0, 0xcafe_babe)
        );
        assert_eq!(error(16, &[]).initiate_tag, 0xcafe_babe, "no more is needed");
        for length in 4..16 {
            assert_eq!(error(length, &[]).initiate_tag, 0, "{length} bytes");
        }
        assert_eq!(error(28, &[(8, 10)]).initiate_tag, 0, "COOKIE ECHO");
        assert_eq!(error(28, &[(3, 7)]).initiate_tag, 0, "it has a tag of its own");
        let mut quoted = quoted_v6();
        quoted.truncate(44);
        quoted.extend(init);
        let error = look(&v6([1, 4, 0, 0, 0, 0, 0, 0], &quoted)).unwrap();
        assert_eq!((error.tag, error.initiate_tag), (0, 0xcafe_babe));
    }

    #[test]
    fn an_icmpv6_error_does_too() {
        let error = look(&v6([1, 3, 0, 0, 0, 0, 0, 0], &quoted_v6())).unwrap();
        assert_eq!(error.message.words(), "address unreachable");
        assert_eq!(error.reporter.to_ip().to_string(), "2001:db8::fe");
        assert_eq!(
            ends(&error),
            ("2001:db8::1".into(), 36412, "2001:db8::2".into(), 2905)
        );
        assert_eq!(error.tag, 0xdead_beef);
    }

    #[test]
    fn the_mtu_is_read_where_the_message_has_one() {
        let needed = look(&v4([3, 4, 0, 0, 0xff, 0xff, 0x05, 0x78], &quoted_v4())).unwrap();
        assert!(needed.message.is_about_size());
        assert_eq!(needed.mtu, 1_400, "the upper half is RFC 4884's");
        let too_big = look(&v6([2, 0, 0, 0, 0x00, 0x01, 0x23, 0x28], &quoted_v6())).unwrap();
        assert!(too_big.message.is_about_size());
        assert_eq!(too_big.mtu, 74_536);
        let pointer = look(&v4([12, 0, 0, 0, 20, 0, 5, 5], &quoted_v4())).unwrap();
        assert_eq!((pointer.message.words(), pointer.mtu), ("parameter problem", 0));
    }

    #[test]
    fn options_on_either_header_are_skipped() {
        let mut quoted = quoted_v4();
        quoted[0] = 0x46;
        quoted.splice(20..20, [0x94, 0x04, 0, 0]); // router alert
        let mut bytes = v4(HOST_UNREACHABLE, &quoted);
        bytes[0] = 0x47;
        bytes[3] += 8;
        bytes.splice(20..20, [1; 8]); // no operation
        assert_eq!(look(&bytes).unwrap().tag, 0xdead_beef);
    }

    #[test]
    fn sctp_in_udp_is_found_in_the_quote() {
        let mut quoted = quoted_v4();
        quoted[9] = 17;
        quoted.splice(20..20, [0x26, 0xab, 0x12, 0x34, 5, 0xc8, 0, 0]);
        let error = look(&v4(HOST_UNREACHABLE, &quoted)).unwrap();
        assert_eq!((error.src_port, error.tag), (36412, 0xdead_beef));
        quoted[20..24].copy_from_slice(&[0, 53, 0, 53]);
        assert_eq!(look(&v4(HOST_UNREACHABLE, &quoted)), Err(Pass::NotSctp));
    }

    #[test]
    fn quoted_fragments_are_told_apart() {
        let mut quoted = quoted_v6();
        quoted[6] = 44;
        quoted.splice(40..40, [132, 0, 0x00, 0x01, 0, 0, 0, 9]);
        let too_big = [2, 0, 0, 0, 0, 0, 5, 0];
        assert_eq!(look(&v6(too_big, &quoted)).unwrap().tag, 0xdead_beef);
        quoted[42] = 0x05;
        assert_eq!(look(&v6(too_big, &quoted)), Err(TRUNCATED), "it has no ports");
        let mut quoted = quoted_v4();
        quoted[7] = 0x10;
        assert_eq!(look(&v4(HOST_UNREACHABLE, &quoted)), Err(TRUNCATED));
    }

    #[test]
    fn a_cut_quote_is_counted_once_it_says_that_it_is_sctp() {
        let (v4, v6) = (
            v4(HOST_UNREACHABLE, &quoted_v4()),
            v6([1, 0, 0, 0, 0, 0, 0, 0], &quoted_v6()),
        );
        for (bytes, header, known_at) in [(&v4, 20, 48), (&v6, 40, 88)] {
            for length in header..bytes.len() {
                let expected = if length < known_at {
                    Pass::NotSctp
                } else {
                    TRUNCATED
                };
                assert_eq!(look(&bytes[..length]), Err(expected), "{length} bytes");
            }
        }
        let mut padded = v4;
        padded[3] -= 1;
        assert_eq!(look(&padded), Err(TRUNCATED), "padding is no quote");
    }

    #[test]
    fn everything_else_is_left_alone() {
        for kind in [0, 4, 5, 8, 13] {
            let bytes = v4([kind, 0, 0, 0, 0, 0, 0, 0], &quoted_v4());
            assert_eq!(look(&bytes), Err(Pass::NotSctp), "ICMP type {kind}");
        }
        for kind in [0, 128, 135, 137] {
            let bytes = v6([kind, 0, 0, 0, 0, 0, 0, 0], &quoted_v6());
            assert_eq!(look(&bytes), Err(Pass::NotSctp), "ICMPv6 type {kind}");
        }
        let damaged = |at: usize, value| {
            let mut bytes = v4(HOST_UNREACHABLE, &quoted_v4());
            bytes[at] = value;
            look(&bytes)
        };
        assert_eq!(damaged(28 + 9, 6), Err(Pass::NotSctp), "TCP");
        assert_eq!(damaged(28, 0x65), Err(Pass::NotSctp), "another version");
        assert_eq!(damaged(28, 0x44), Err(Pass::NotSctp), "a short header");
        assert_eq!(damaged(7, 0x10), Err(Pass::NotSctp), "a later fragment");
    }

    #[test]
    fn every_message_has_words() {
        for version in [4, 6] {
            for kind in 0..=u8::MAX {
                let message = |code| IcmpMessage { version, kind, code };
                for code in 0..=16 {
                    let unknown = message(code).words() == "unknown ICMP error";
                    assert_eq!(unknown, !message(code).is_error(), "{:?}", message(code));
                }
            }
        }
    }
}
