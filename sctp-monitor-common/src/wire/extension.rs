//! IPv6 extension headers (RFC 8200 section 4), followed to what they stand in front of.

use network_types::ip::IpProto;

use super::ReadPacket;

/// IPv6 extension headers that are followed. RFC 8200 section 4.1 names eight in its recommended order, the last two
/// rarely together. Whoever sends more hides something or tests somebody; a packet with more is counted and passed on, by
/// programs and captures alike.
pub const MAX_EXTENSION_HEADERS: usize = 8;

/// What stands after an IPv6 header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extensions {
    /// What the headers stand in front of, by IANA number. Of a later fragment, what its datagram's fragment header names.
    pub protocol: u8,
    /// Where that begins.
    pub payload_at: usize,
    /// The fragment header, if the packet is a fragment.
    pub fragment: Option<FragmentHeader>,
}

/// The header of one fragment of several (RFC 8200 section 4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FragmentHeader {
    /// Offset of the field that names it, in the header before.
    pub named_at: usize,
    /// Its own offset. What stands before is of every fragment, what stands behind is of the datagram.
    pub at: usize,
    /// What follows it, by IANA number.
    pub next_header: u8,
    /// The fragment's place in the datagram, in units of eight bytes.
    pub offset: u16,
    /// It is not the last one.
    pub more: bool,
}

/// Why extension headers cannot be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtensionError {
    /// The packet is cut in one of them.
    Truncated,
    /// There are more than [`MAX_EXTENSION_HEADERS`].
    TooMany,
}

impl Extensions {
    /// A packet without extension headers.
    #[inline(always)]
    #[must_use]
    pub const fn none(protocol: u8, payload_at: usize) -> Self {
        Self {
            protocol,
            payload_at,
            fragment: None,
        }
    }

    /// Follows the headers from offset `at`, where the first one is `next_header`, which the byte at `named_at` says.
    ///
    /// After the header of a later fragment comes the datagram's middle, so the walk ends there.
    ///
    /// # Errors
    /// [`ExtensionError`].
    #[inline(always)]
    pub fn follow<R: ReadPacket>(
        reader: &R,
        mut next_header: u8,
        mut named_at: usize,
        mut at: usize,
    ) -> Result<Self, ExtensionError> {
        let mut fragment = None;
        for _ in 0..=MAX_EXTENSION_HEADERS {
            if !is_extension(next_header) {
                return Ok(Self {
                    fragment,
                    ..Self::none(next_header, at)
                });
            }
            let [following, length, fragment_high, fragment_low] =
                reader.read(at).ok_or(ExtensionError::Truncated)?;
            let behind = reader.forget(at + header_length(next_header, length));
            if next_header == FRAGMENT_HEADER {
                let field = u16::from_be_bytes([fragment_high, fragment_low]);
                let header = FragmentHeader {
                    named_at,
                    at,
                    next_header: following,
                    offset: field >> 3,
                    more: field & MORE_FRAGMENTS != 0,
                };
                if header.offset != 0 {
                    return Ok(Self {
                        protocol: following,
                        payload_at: behind,
                        fragment: Some(header),
                    });
                }
                if header.more {
                    fragment = Some(header);
                }
            }
            (named_at, next_header, at) = (at, following, behind);
        }
        Err(ExtensionError::TooMany)
    }

    /// Whether the packet is a fragment without the beginning of its datagram.
    #[inline(always)]
    #[must_use]
    pub fn is_later_fragment(&self) -> bool {
        self.fragment.is_some_and(|fragment| fragment.offset != 0)
    }
}

#[inline(always)]
fn is_extension(next_header: u8) -> bool {
    matches!(
        next_header,
        HOP_BY_HOP
            | ROUTING
            | FRAGMENT_HEADER
            | AUTHENTICATION
            | DESTINATION_OPTIONS
            | MOBILITY
            | HIP
            | SHIM6
    )
}

/// Bytes of an extension header whose length field says `length` (RFC 8200 section 4, RFC 4302 section 2.2).
#[inline(always)]
fn header_length(next_header: u8, length: u8) -> usize {
    match next_header {
        FRAGMENT_HEADER => 8,
        AUTHENTICATION => (length as usize + 2) * 4,
        _ => (length as usize + 1) * 8,
    }
}

const MORE_FRAGMENTS: u16 = 0x0001;

// RFC 8200 section 4, RFC 4302, RFC 6275, RFC 7401, RFC 5533.
const HOP_BY_HOP: u8 = IpProto::HopOpt as u8;
const ROUTING: u8 = IpProto::Ipv6Route as u8;
const FRAGMENT_HEADER: u8 = IpProto::Ipv6Frag as u8;
const AUTHENTICATION: u8 = IpProto::Ah as u8;
const DESTINATION_OPTIONS: u8 = IpProto::Ipv6Opts as u8;
const MOBILITY: u8 = IpProto::MobilityHeader as u8;
const HIP: u8 = IpProto::Hip as u8;
const SHIM6: u8 = IpProto::Shim6 as u8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Frame;

    fn follow(next_header: u8, bytes: &[u8]) -> Result<Extensions, ExtensionError> {
        // The byte that names the first header stands in front of it here.
        Extensions::follow(&Frame(bytes), next_header, 0, 1)
    }

    #[test]
    fn every_kind_of_header_has_its_length() {
        for (next_header, length, bytes) in [
            (HOP_BY_HOP, 0, 8),
            (ROUTING, 2, 24),
            (DESTINATION_OPTIONS, 1, 16),
            (MOBILITY, 0, 8),
            (HIP, 4, 40),
            (SHIM6, 0, 8),
            (AUTHENTICATION, 1, 12),
            (FRAGMENT_HEADER, 200, 8), // reserved there
        ] {
            let mut frame = vec![next_header, 132, length, 0, 0];
            frame.extend([0; 60]);
            let found = follow(next_header, &frame).unwrap();
            assert_eq!(
                (found.protocol, found.payload_at, found.fragment),
                (132, 1 + bytes, None)
            );
        }
    }

    #[test]
    fn a_fragment_header_says_where_it_stands() {
        let mut frame = vec![DESTINATION_OPTIONS];
        frame.extend([FRAGMENT_HEADER, 0, 1, 4, 0, 0, 0, 0]); // destination options, 8 bytes
        frame.extend([132, 0, 0x05, 0x01, 0, 0, 0, 9]); // offset 160 * 8, more
        let found = follow(DESTINATION_OPTIONS, &frame).unwrap();
        let fragment = found.fragment.unwrap();
        assert_eq!((fragment.named_at, fragment.at), (1, 9));
        assert_eq!((fragment.offset, fragment.more), (160, true));
        assert_eq!((found.protocol, found.payload_at), (132, 17));
        assert!(found.is_later_fragment());
    }

    #[test]
    fn what_is_whole_is_no_fragment() {
        // Offset 0 and no more: an atomic fragment (RFC 6946).
        let frame = [FRAGMENT_HEADER, 132, 0, 0, 0, 0, 0, 0, 9];
        assert_eq!(follow(FRAGMENT_HEADER, &frame).unwrap().fragment, None);
    }

    #[test]
    fn headers_come_to_an_end() {
        let headers = |count: usize| {
            let mut frame = vec![HOP_BY_HOP];
            for left in (0..count).rev() {
                let next = if left == 0 { 132 } else { DESTINATION_OPTIONS };
                frame.extend([next, 0, 0, 0, 0, 0, 0, 0]);
            }
            frame
        };
        let most = headers(MAX_EXTENSION_HEADERS);
        assert_eq!(follow(HOP_BY_HOP, &most).unwrap().protocol, 132);
        let more = headers(MAX_EXTENSION_HEADERS + 1);
        assert_eq!(follow(HOP_BY_HOP, &more), Err(ExtensionError::TooMany));
        assert_eq!(follow(HOP_BY_HOP, &most[..10]), Err(ExtensionError::Truncated));
    }
}
