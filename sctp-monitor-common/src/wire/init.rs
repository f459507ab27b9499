//! INIT and INIT ACK (RFC 9260 sections 3.3.2 and 3.3.3).

use super::{
    Address, Chunk, ChunkKind, ReadPacket,
    param::{self, Param},
};

/// The fixed part of INIT or INIT ACK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Init {
    /// The tag that the sender of this chunk wants in every packet to it.
    pub initiate_tag: u32,
    /// Advertised receiver window, bytes.
    pub a_rwnd: u32,
    /// Outbound streams that the sender wants.
    pub outbound_streams: u16,
    /// Inbound streams that the sender allows.
    pub inbound_streams: u16,
    /// TSN of the sender's first DATA chunk.
    pub initial_tsn: u32,
}

impl Init {
    /// Reads `chunk`, which must be INIT or INIT ACK; `None` if its fixed part is cut.
    pub fn read<R: ReadPacket>(reader: &R, chunk: &Chunk) -> Option<Self> {
        Some(Self {
            initiate_tag: reader.read_u32(chunk.at() + 4)?,
            a_rwnd: reader.read_u32(chunk.at() + 8)?,
            outbound_streams: reader.read_u16(chunk.at() + 12)?,
            inbound_streams: reader.read_u16(chunk.at() + 14)?,
            initial_tsn: reader.read_u32(chunk.at() + 16)?,
        })
    }

    /// The parameters after the fixed part.
    pub fn params<'r, R: ReadPacket>(
        reader: &'r R,
        chunk: &Chunk,
    ) -> impl Iterator<Item = Param> + use<'r, R> {
        param::params(reader, chunk.at() + PARAMS_AT, chunk.end())
    }

    /// The addresses that the chunk lists. The packet's own source address belongs to the endpoint as well, listed
    /// or not (RFC 9260 section 5.1.2).
    pub fn addresses<'r, R: ReadPacket>(
        reader: &'r R,
        chunk: &Chunk,
    ) -> impl Iterator<Item = Address> + use<'r, R> {
        Self::params(reader, chunk).filter_map(|param| param.address(reader))
    }
}

/// The extensions that an endpoint says it understands, by the chunks that they bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extensions {
    /// Bit `1 << kind`.
    kinds: u32,
}

impl Extensions {
    /// What `chunk`, which must be INIT or INIT ACK, says in its supported-extensions parameter (RFC 5061 section
    /// 4.2.7) and by the parameter of RFC 3758. Chunk types without a name here are left out.
    pub fn read<R: ReadPacket>(reader: &R, chunk: &Chunk) -> Self {
        let mut extensions = Self::default();
        for param in Init::params(reader, chunk) {
            match param.kind {
                param::SUPPORTED_EXTENSIONS => {
                    for at in param.value_at()..param.end() {
                        extensions.add(reader.read_u8(at).map_or(ChunkKind::Other, ChunkKind::from_type));
                    }
                }
                param::FORWARD_TSN_SUPPORTED => extensions.add(ChunkKind::ForwardTsn),
                _ => {}
            }
        }
        extensions
    }

    /// Whether the chunk kind is among them.
    #[must_use]
    pub fn contains(&self, kind: ChunkKind) -> bool {
        self.kinds & 1 << kind as u32 != 0
    }

    /// The chunk types of these extensions.
    pub fn kinds(self) -> impl Iterator<Item = ChunkKind> {
        ChunkKind::ALL
            .iter()
            .copied()
            .filter(move |kind| self.contains(*kind))
    }

    fn add(&mut self, kind: ChunkKind) {
        if kind != ChunkKind::Other {
            self.kinds |= 1 << kind as u32;
        }
    }
}

impl FromIterator<ChunkKind> for Extensions {
    fn from_iter<T: IntoIterator<Item = ChunkKind>>(kinds: T) -> Self {
        let mut extensions = Self::default();
        for kind in kinds {
            extensions.add(kind);
        }
        extensions
    }
}

const PARAMS_AT: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Frame;

    const INIT: [u8; 48] = [
        1, 0, 0, 48, // INIT
        0x11, 0x22, 0x33, 0x44, // initiate tag
        0, 1, 0, 0, // receiver window
        0, 10, 8, 0, // streams: 10 out, 2048 in
        0x55, 0x66, 0x77, 0x88, // initial TSN
        0, 5, 0, 8, 10, 1, 0, 1, // IPv4 address
        0, 6, 0, 20, 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, // IPv6 address
    ];

    fn chunk(length: u16) -> Chunk {
        Chunk::new(0, 1, 0, length)
    }

    #[test]
    fn fixed_part_and_addresses_are_read() {
        let frame = Frame(&INIT);
        let init = Init::read(&frame, &chunk(48)).unwrap();
        assert_eq!(init.initiate_tag, 0x1122_3344);
        assert_eq!(
            (init.a_rwnd, init.outbound_streams, init.inbound_streams),
            (65536, 10, 2048)
        );
        assert_eq!(init.initial_tsn, 0x5566_7788);
        let addresses: Vec<_> = Init::addresses(&frame, &chunk(48))
            .map(|a| a.to_ip().to_string())
            .collect();
        assert_eq!(addresses, ["10.1.0.1", "2001:db8::1"]);
    }

    #[test]
    fn addresses_end_with_the_chunk() {
        assert_eq!(Init::addresses(&Frame(&INIT), &chunk(28)).count(), 1);
        assert_eq!(Init::addresses(&Frame(&INIT[..40]), &chunk(48)).count(), 1);
    }

    #[test]
    fn a_cut_fixed_part_is_none() {
        assert_eq!(Init::read(&Frame(&INIT[..19]), &chunk(48)), None);
    }

    #[test]
    fn extensions_are_read_from_both_parameters() {
        let mut bytes = INIT[..20].to_vec();
        bytes.extend([0x80, 0x08, 0, 8, 0xc1, 0x80, 0x82, 0xfe]); // ASCONF, ASCONF ACK, RE-CONFIG, and an unknown one
        bytes.extend([0xc0, 0x00, 0, 4]); // forward TSN supported
        let extensions = Extensions::read(&Frame(&bytes), &chunk(32));
        let names: Vec<_> = extensions.kinds().map(ChunkKind::name).collect();
        assert_eq!(names, ["ASCONF_ACK", "RE_CONFIG", "FORWARD_TSN", "ASCONF"]);
        assert_eq!(Extensions::read(&Frame(&INIT), &chunk(48)), Extensions::default());
    }
}
