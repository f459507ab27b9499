//! Type-length-value fields: parameters (RFC 9260 section 3.2.1) and error causes (section 3.3.10), which share a form.

use super::{Address, ReadPacket};

/// A parameter or error cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Param {
    /// Offset of its header in the frame.
    pub at: usize,
    /// Parameter type or cause code.
    pub kind: u16,
    /// The length field: header and value, without padding. At least 4, and within the chunk.
    pub length: u16,
}

impl Param {
    /// Offset of the value.
    #[must_use]
    pub fn value_at(&self) -> usize {
        self.at + HEADER_LEN
    }

    /// Offset after the value.
    #[must_use]
    pub fn end(&self) -> usize {
        self.at + self.length as usize
    }

    /// The address of an IPv4 or IPv6 address parameter (RFC 9260 sections 3.3.2.1.1 and 3.3.2.1.2), if it is one.
    pub fn address<R: ReadPacket>(&self, reader: &R) -> Option<Address> {
        match (self.kind, self.length) {
            (IPV4_ADDRESS, 8) => Some(Address::from_v4(reader.read_words::<1>(self.value_at())?[0])),
            (IPV6_ADDRESS, 20) => Some(Address::from_v6(reader.read_words(self.value_at())?)),
            _ => None,
        }
    }
}

/// The parameters between the offsets `at` and `end`. Ends early where a header is cut or a length makes no sense.
pub fn params<R: ReadPacket>(reader: &R, at: usize, end: usize) -> impl Iterator<Item = Param> + use<'_, R> {
    let mut at = at;
    core::iter::from_fn(move || {
        let kind = reader.read_u16(at)?;
        let length = reader.read_u16(at + 2)?;
        let param = Param { at, kind, length };
        if (length as usize) < HEADER_LEN || param.end() > end {
            return None;
        }
        at += (length as usize + 3) & !3;
        Some(param)
    })
}

/// Heartbeat Info (RFC 9260 section 3.3.5).
pub const HEARTBEAT_INFO: u16 = 1;
/// IPv4 address.
pub const IPV4_ADDRESS: u16 = 5;
/// IPv6 address.
pub const IPV6_ADDRESS: u16 = 6;
/// Supported extensions (RFC 5061 section 4.2.7): a list of chunk types.
pub const SUPPORTED_EXTENSIONS: u16 = 0x8008;
/// Forward TSN supported (RFC 3758 section 3.1).
pub const FORWARD_TSN_SUPPORTED: u16 = 0xc000;
/// ASCONF: add an address (RFC 5061 section 4.2.1).
pub const ADD_IP: u16 = 0xc001;
/// ASCONF: delete an address (RFC 5061 section 4.2.2).
pub const DELETE_IP: u16 = 0xc002;
/// ASCONF ACK: error cause indication (RFC 5061 section 4.2.3).
pub const ERROR_CAUSE_INDICATION: u16 = 0xc003;
/// ASCONF: set the primary address (RFC 5061 section 4.2.4).
pub const SET_PRIMARY: u16 = 0xc004;
/// ASCONF ACK: success (RFC 5061 section 4.2.5).
pub const SUCCESS_INDICATION: u16 = 0xc005;

pub(crate) const HEADER_LEN: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Frame;

    #[test]
    fn params_are_walked_with_their_padding() {
        let bytes = [
            0, 5, 0, 8, 192, 0, 2, 1, // IPv4 address
            0x80, 0x08, 0, 6, 0xc1, 0x80, 0, 0, // supported extensions: ASCONF, ASCONF ACK
            0xc0, 0x00, 0, 4, // forward TSN supported
        ];
        let frame = Frame(&bytes);
        let found: Vec<_> = params(&frame, 0, bytes.len())
            .map(|p| (p.kind, p.length))
            .collect();
        assert_eq!(
            found,
            [
                (IPV4_ADDRESS, 8),
                (SUPPORTED_EXTENSIONS, 6),
                (FORWARD_TSN_SUPPORTED, 4)
            ]
        );
        let first = params(&frame, 0, bytes.len()).next().unwrap();
        assert_eq!(first.address(&frame).unwrap().to_ip().to_string(), "192.0.2.1");
    }

    #[test]
    fn nonsense_ends_the_walk() {
        for bytes in [
            &[0, 5, 0, 3, 0, 0, 0, 0][..],
            &[0, 5, 0, 9, 0, 0, 0, 0],
            &[0, 5, 0],
        ] {
            assert_eq!(params(&Frame(bytes), 0, bytes.len()).count(), 0, "{bytes:?}");
        }
    }

    #[test]
    fn an_address_of_the_wrong_length_is_none() {
        let bytes = [0, 6, 0, 8, 192, 0, 2, 1];
        let frame = Frame(&bytes);
        assert_eq!(params(&frame, 0, 8).next().unwrap().address(&frame), None);
    }
}
