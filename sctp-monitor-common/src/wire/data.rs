//! DATA (RFC 9260 section 3.3.1) and I-DATA (RFC 8260 section 2.1).

use super::{Chunk, ChunkKind, ReadPacket};

/// The header of a DATA or I-DATA chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Data {
    /// Transmission sequence number.
    pub tsn: u32,
    /// Stream identifier.
    pub stream: u16,
    /// Payload protocol identifier. `None` in an I-DATA chunk that is not the first of its message.
    pub ppid: Option<u32>,
    /// Bytes of user data, by the length field.
    pub payload_length: u32,
}

impl Data {
    /// Reads the header of `chunk`, which must be DATA or I-DATA; `None` if it is cut.
    #[inline(always)]
    pub fn read<R: ReadPacket>(reader: &R, chunk: &Chunk) -> Option<Self> {
        let [tsn, stream, ppid_or_mid] = reader.read_words(chunk.value_at())?;
        let ppid = if !chunk.is(ChunkKind::IData) {
            Some(u32::from_be(ppid_or_mid))
        } else if chunk.flags & FLAG_BEGINNING != 0 {
            Some(reader.read_u32(chunk.at() + I_DATA_PPID_AT)?)
        } else {
            None
        };
        Some(Self {
            tsn: u32::from_be(tsn),
            stream: (u32::from_be(stream) >> 16) as u16,
            ppid,
            payload_length: Self::payload_length(chunk),
        })
    }

    /// Bytes of user data in a DATA or I-DATA chunk, by its length field.
    #[inline(always)]
    #[must_use]
    pub fn payload_length(chunk: &Chunk) -> u32 {
        let header = if chunk.is(ChunkKind::IData) {
            I_DATA_HEADER_LEN
        } else {
            DATA_HEADER_LEN
        };
        u32::from(chunk.length).saturating_sub(header)
    }
}

const I_DATA_PPID_AT: usize = 16;
const DATA_HEADER_LEN: u32 = 16;
const I_DATA_HEADER_LEN: u32 = 20;
/// The B bit: first fragment of a user message.
const FLAG_BEGINNING: u8 = 0x02;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Frame, chunk::chunks};

    fn first(bytes: &[u8]) -> Option<Data> {
        let chunk = chunks(&Frame(bytes), 0, bytes.len()).next()?;
        Data::read(&Frame(bytes), &chunk)
    }

    #[test]
    fn data_header_is_read() {
        let data = first(&[
            0, 3, 0, 20, // DATA, whole message, 20 bytes
            0x80, 0, 0, 1, // TSN
            0, 7, 0, 9, // stream 7, sequence number 9
            0, 0, 0, 46, // Diameter
            1, 2, 3, 4,
        ]);
        let expected = Data {
            tsn: 0x8000_0001,
            stream: 7,
            ppid: Some(46),
            payload_length: 4,
        };
        assert_eq!(data, Some(expected));
    }

    #[test]
    fn i_data_names_its_ppid_in_the_first_fragment_only() {
        let mut bytes = [
            64, 3, 0, 24, // I-DATA, whole message
            0, 0, 0, 5, // TSN
            0, 1, 0, 0, // stream 1
            0, 0, 0, 2, // message identifier
            0, 0, 0, 18, // PPID
            1, 2, 3, 4,
        ];
        let data = first(&bytes).unwrap();
        assert_eq!((data.tsn, data.ppid, data.payload_length), (5, Some(18), 4));
        bytes[1] = 1; // last fragment: the field is a fragment sequence number
        assert_eq!(first(&bytes).unwrap().ppid, None);
    }

    #[test]
    fn a_cut_header_is_none() {
        assert_eq!(first(&[0, 3, 0, 20, 0x80, 0, 0, 1, 0, 7, 0, 9, 0, 0]), None);
    }

    #[test]
    fn a_length_shorter_than_the_header_is_no_payload() {
        assert_eq!(
            first(&[0, 3, 0, 6, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0])
                .unwrap()
                .payload_length,
            0
        );
    }
}
