//! Packets to send: a HEARTBEAT (RFC 9260 section 3.3.5) in its common header, an IP header and an Ethernet header.
//!
//! Each writes into the caller's buffer and says how many bytes it took, so the same values serve a raw socket, which wants
//! SCTP alone, and a packet socket, which wants the whole frame. Nothing is allocated.
//!
//! The checksum is written even where a NIC would compute it: a packet socket's frames are not offloaded.

use core::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use crc::{CRC_32_ISCSI, Crc};
use network_types::{
    eth::EthHdr,
    ip::{IpProto, Ipv4Hdr, Ipv6Hdr},
    sctp::SctpHdr,
};

use super::{
    ChunkKind,
    chunk::CHUNK_HEADER_LEN,
    param::{self, HEARTBEAT_INFO},
};

/// An SCTP packet with one HEARTBEAT and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heartbeat<'a> {
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// Verification tag: the one that the receiver gave in the handshake.
    pub tag: u32,
    /// The Heartbeat Info, opaque to the receiver, which sends it back as it is.
    pub info: &'a [u8],
}

impl Heartbeat<'_> {
    /// Bytes that the chunk has beside the Heartbeat Info: its own header and the parameter's. A stack tells a HEARTBEAT ACK of
    /// its own by the chunk's length, so what is asked for is often this length.
    pub const CHUNK_OVERHEAD: usize = CHUNK_HEADER_LEN + param::HEADER_LEN;

    /// The longest Heartbeat Info: the chunk's length field has 16 bits, and the IP packet's as well.
    pub const LONGEST_INFO: usize =
        u16::MAX as usize - Ipv4Hdr::LEN - SctpHdr::LEN - Self::CHUNK_OVERHEAD - PADDING;

    /// The chunk's length field: without padding.
    #[must_use]
    pub const fn chunk_length(&self) -> usize {
        Self::CHUNK_OVERHEAD + self.info.len()
    }

    /// Bytes of the packet, from the common header to the padding.
    #[must_use]
    pub const fn packet_length(&self) -> usize {
        SctpHdr::LEN + self.chunk_length().next_multiple_of(4)
    }

    /// Writes the packet to the beginning of `buffer`; gives its length.
    ///
    /// # Errors
    /// [`EmitError::InfoTooLong`], [`EmitError::BufferTooShort`].
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize, EmitError> {
        if self.info.len() > Self::LONGEST_INFO {
            return Err(EmitError::InfoTooLong {
                length: self.info.len(),
            });
        }
        let packet = take(buffer, self.packet_length())?;
        packet.fill(0);
        let chunk_length = self.chunk_length() as u16;
        let mut fields = Fields { packet, at: 0 };
        fields.put(&self.src_port.to_be_bytes());
        fields.put(&self.dst_port.to_be_bytes());
        fields.put(&self.tag.to_be_bytes());
        fields.put(&[0; CHECKSUM_LEN]);
        fields.put(&[ChunkKind::Heartbeat.to_type().unwrap_or_default(), 0]);
        fields.put(&chunk_length.to_be_bytes());
        fields.put(&HEARTBEAT_INFO.to_be_bytes());
        fields.put(&(chunk_length - CHUNK_HEADER_LEN as u16).to_be_bytes());
        fields.put(self.info);
        // CRC32c over the packet with zeroes in its place, the least significant byte first (RFC 9260 appendix A).
        let checksum = CRC32C.checksum(packet).to_le_bytes();
        packet[CHECKSUM_AT..CHECKSUM_AT + CHECKSUM_LEN].copy_from_slice(&checksum);
        Ok(packet.len())
    }
}

/// An IP header in front of SCTP, without options or extension headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IpHeader {
    /// IPv4 (RFC 791), not to be fragmented.
    V4 {
        /// Source address.
        src: Ipv4Addr,
        /// Destination address.
        dst: Ipv4Addr,
        /// Time to live.
        ttl: u8,
        /// Identification. It names nothing where nothing may be fragmented (RFC 6864 section 4.1).
        identification: u16,
    },
    /// IPv6 (RFC 8200), without a flow label.
    V6 {
        /// Source address.
        src: Ipv6Addr,
        /// Destination address.
        dst: Ipv6Addr,
        /// Hop limit.
        hop_limit: u8,
    },
}

impl IpHeader {
    /// A header between two addresses, with the hop limit that hosts use.
    ///
    /// # Errors
    /// [`EmitError::TwoFamilies`].
    pub const fn between(src: IpAddr, dst: IpAddr) -> Result<Self, EmitError> {
        match (src, dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => Ok(Self::V4 {
                src,
                dst,
                ttl: HOP_LIMIT,
                identification: 0,
            }),
            (IpAddr::V6(src), IpAddr::V6(dst)) => Ok(Self::V6 {
                src,
                dst,
                hop_limit: HOP_LIMIT,
            }),
            _ => Err(EmitError::TwoFamilies),
        }
    }

    /// Bytes of the header.
    #[must_use]
    pub const fn header_length(&self) -> usize {
        match self {
            Self::V4 { .. } => Ipv4Hdr::LEN,
            Self::V6 { .. } => Ipv6Hdr::LEN,
        }
    }

    /// The EtherType of a frame that carries it.
    #[must_use]
    pub const fn ether_type(&self) -> u16 {
        match self {
            Self::V4 { .. } => 0x0800,
            Self::V6 { .. } => 0x86dd,
        }
    }

    /// Writes the header of a packet with so many bytes of SCTP to the beginning of `buffer`; gives its length.
    ///
    /// # Errors
    /// [`EmitError::PacketTooLong`], [`EmitError::BufferTooShort`].
    pub fn emit(&self, payload_length: usize, buffer: &mut [u8]) -> Result<usize, EmitError> {
        let counted = match self {
            Self::V4 { .. } => Ipv4Hdr::LEN + payload_length,
            Self::V6 { .. } => payload_length,
        };
        let counted = u16::try_from(counted).map_err(|_| EmitError::PacketTooLong {
            length: payload_length,
        })?;
        let header = take(buffer, self.header_length())?;
        let mut fields = Fields {
            packet: header,
            at: 0,
        };
        match self {
            Self::V4 {
                src,
                dst,
                ttl,
                identification,
            } => {
                fields.put(&[V4_VERSION_AND_LENGTH, 0]);
                fields.put(&counted.to_be_bytes());
                fields.put(&identification.to_be_bytes());
                fields.put(&DONT_FRAGMENT.to_be_bytes());
                fields.put(&[*ttl, IpProto::Sctp as u8]);
                fields.put(&[0; 2]);
                fields.put(&src.octets());
                fields.put(&dst.octets());
                let checksum = internet_checksum(header);
                header[V4_CHECKSUM_AT..V4_CHECKSUM_AT + 2].copy_from_slice(&checksum.to_be_bytes());
            }
            Self::V6 { src, dst, hop_limit } => {
                fields.put(&[V6_VERSION, 0, 0, 0]);
                fields.put(&counted.to_be_bytes());
                fields.put(&[IpProto::Sctp as u8, *hop_limit]);
                fields.put(&src.octets());
                fields.put(&dst.octets());
            }
        }
        Ok(self.header_length())
    }
}

/// A whole frame for a packet socket: Ethernet, IP, SCTP with a HEARTBEAT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeartbeatFrame<'a> {
    /// The next hop's Ethernet address.
    pub to: [u8; 6],
    /// The NIC's own.
    pub from: [u8; 6],
    /// The IP header.
    pub ip: IpHeader,
    /// The HEARTBEAT that the packet carries.
    pub heartbeat: Heartbeat<'a>,
}

impl HeartbeatFrame<'_> {
    /// Bytes of the frame.
    #[must_use]
    pub const fn frame_length(&self) -> usize {
        EthHdr::LEN + self.ip.header_length() + self.heartbeat.packet_length()
    }

    /// Writes the frame to the beginning of `buffer`; gives its length.
    ///
    /// # Errors
    /// As [`Heartbeat::emit`] and [`IpHeader::emit`].
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize, EmitError> {
        let length = self.frame_length();
        let frame = take(buffer, length)?;
        let (ethernet, packet) = frame.split_at_mut(EthHdr::LEN);
        let mut fields = Fields {
            packet: ethernet,
            at: 0,
        };
        fields.put(&self.to);
        fields.put(&self.from);
        fields.put(&self.ip.ether_type().to_be_bytes());
        let (header, payload) = packet.split_at_mut(self.ip.header_length());
        let sctp = self.heartbeat.emit(payload)?;
        self.ip.emit(sctp, header)?;
        Ok(length)
    }
}

/// Why a packet is not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmitError {
    /// The buffer has fewer bytes than the packet.
    BufferTooShort {
        /// Bytes that it takes.
        needed: usize,
        /// Bytes of the buffer.
        available: usize,
    },
    /// The Heartbeat Info does not fit into a chunk.
    InfoTooLong {
        /// Length of the packet in bytes.
        length: usize,
    },
    /// The packet does not fit into an IP packet.
    PacketTooLong {
        /// Its bytes.
        length: usize,
    },
    /// An IPv4 address cannot send to an IPv6 address, nor the other way round.
    TwoFamilies,
}

impl fmt::Display for EmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BufferTooShort { needed, available } => {
                write!(
                    f,
                    "the packet takes {needed} bytes, and the buffer has {available}"
                )
            }
            Self::InfoTooLong { length } => {
                write!(f, "no HEARTBEAT holds {length} bytes of Heartbeat Info")
            }
            Self::PacketTooLong { length } => write!(f, "no IP packet holds {length} bytes of SCTP"),
            Self::TwoFamilies => f.write_str("the two addresses are of different families"),
        }
    }
}

impl core::error::Error for EmitError {}

/// Writes one field after the other; the caller has made room for them all.
struct Fields<'a> {
    packet: &'a mut [u8],
    at: usize,
}

impl Fields<'_> {
    fn put(&mut self, field: &[u8]) {
        let end = self.at + field.len();
        self.packet[self.at..end].copy_from_slice(field);
        self.at = end;
    }
}

fn take(buffer: &mut [u8], needed: usize) -> Result<&mut [u8], EmitError> {
    let available = buffer.len();
    buffer
        .get_mut(..needed)
        .ok_or(EmitError::BufferTooShort { needed, available })
}

/// The checksum of an IPv4 header whose checksum field is zero (RFC 1071).
fn internet_checksum(header: &[u8]) -> u16 {
    let (words, _) = header.as_chunks::<2>();
    let sum: u32 = words
        .iter()
        .map(|word| u32::from(u16::from_be_bytes(*word)))
        .sum();
    // A header has at most 30 words: two folds bring the carries home.
    let folded = (sum & 0xffff) + (sum >> 16);
    !((folded & 0xffff) + (folded >> 16)) as u16
}

static CRC32C: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

const CHECKSUM_AT: usize = 8;
const CHECKSUM_LEN: usize = 4;
/// Bytes of padding after a chunk, at most.
const PADDING: usize = 3;

const V4_VERSION_AND_LENGTH: u8 = 0x45;
const V4_CHECKSUM_AT: usize = 10;
const DONT_FRAGMENT: u16 = 0x4000;
const V6_VERSION: u8 = 0x60;
/// IANA's recommended default, and what Linux and FreeBSD send.
const HOP_LIMIT: u8 = 64;
