//! Frames for tests and benchmarks, built by etherparse and crc32c: nothing here shares code with the parser under
//! test.

use std::net::IpAddr;

use etherparse::{EtherType, IpNumber, PacketBuilder, VlanId};

/// An SCTP packet to put into a frame.
#[derive(Debug, Clone)]
pub struct Packet {
    /// Source and destination address, of one family.
    pub addresses: (IpAddr, IpAddr),
    /// Source and destination port.
    pub ports: (u16, u16),
    /// Verification tag.
    pub tag: u32,
    /// Chunks, each with its header and padding.
    pub chunks: Vec<Vec<u8>>,
}

impl Packet {
    /// A packet from 10.1.0.1:36412 to 10.1.0.2:36412.
    pub fn v4(tag: u32, chunks: Vec<Vec<u8>>) -> Self {
        Self {
            addresses: ([10, 1, 0, 1].into(), [10, 1, 0, 2].into()),
            ports: (36412, 36412),
            tag,
            chunks,
        }
    }

    /// A packet from 2001:db8::1 to 2001:db8::2.
    pub fn v6(tag: u32, chunks: Vec<Vec<u8>>) -> Self {
        Self {
            addresses: ("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap()),
            ..Self::v4(tag, chunks)
        }
    }

    /// The same packet in the opposite direction.
    pub fn reversed(self) -> Self {
        Self {
            addresses: (self.addresses.1, self.addresses.0),
            ports: (self.ports.1, self.ports.0),
            ..self
        }
    }

    /// Between other addresses.
    pub fn between(self, src: &str, dst: &str) -> Self {
        Self {
            addresses: (src.parse().unwrap(), dst.parse().unwrap()),
            ..self
        }
    }

    /// From the common header on, with its CRC32c.
    pub fn sctp(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(self.ports.0.to_be_bytes());
        bytes.extend(self.ports.1.to_be_bytes());
        bytes.extend(self.tag.to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend(self.chunks.concat());
        let crc = crc32c::crc32c(&bytes);
        bytes[8..12].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// In an Ethernet frame.
    pub fn ethernet(&self) -> Vec<u8> {
        self.build(&[], IpNumber::SCTP, &self.sctp())
    }

    /// Behind one or two VLAN tags.
    pub fn vlan(&self, ids: &[u16]) -> Vec<u8> {
        self.build(ids, IpNumber::SCTP, &self.sctp())
    }

    /// In UDP (RFC 6951).
    pub fn udp(&self, port: u16) -> Vec<u8> {
        let sctp = self.sctp();
        let mut bytes = Vec::new();
        bytes.extend(port.to_be_bytes());
        bytes.extend(port.to_be_bytes());
        bytes.extend(u16::try_from(8 + sctp.len()).unwrap().to_be_bytes());
        bytes.extend([0; 2]);
        bytes.extend(sctp);
        self.build(&[], IpNumber::UDP, &bytes)
    }

    /// As another protocol, of which the programs want nothing.
    pub fn tcp(&self) -> Vec<u8> {
        self.build(&[], IpNumber::TCP, &self.sctp())
    }

    fn build(&self, vlan: &[u16], protocol: IpNumber, payload: &[u8]) -> Vec<u8> {
        let link = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
        let id = |id: u16| VlanId::try_new(id).unwrap();
        let mut frame = Vec::new();
        let (src, dst) = self.addresses;
        macro_rules! ip {
            ($step:expr) => {
                match (src, dst) {
                    (IpAddr::V4(src), IpAddr::V4(dst)) => $step
                        .ipv4(src.octets(), dst.octets(), 64)
                        .write(&mut frame, protocol, payload),
                    (IpAddr::V6(src), IpAddr::V6(dst)) => $step
                        .ipv6(src.octets(), dst.octets(), 64)
                        .write(&mut frame, protocol, payload),
                    _ => panic!("addresses of two families"),
                }
            };
        }
        match vlan {
            [] => ip!(link),
            [one] => ip!(link.single_vlan(id(*one))),
            [outer, inner] => ip!(link.double_vlan(id(*outer), id(*inner))),
            _ => panic!("etherparse builds two VLAN tags at most"),
        }
        .unwrap();
        frame
    }
}

/// The EtherType field of an Ethernet frame.
pub const ETHER_TYPE_AT: usize = 12;
/// MPLS, for frames that carry something else.
pub const MPLS: EtherType = EtherType(0x8847);

/// A chunk with its header and padding.
pub fn chunk(kind: u8, flags: u8, value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind, flags];
    bytes.extend(u16::try_from(4 + value.len()).unwrap().to_be_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// A DATA chunk on stream 1 with Diameter's PPID.
pub fn data(tsn: u32, payload: usize) -> Vec<u8> {
    let mut value = tsn.to_be_bytes().to_vec();
    value.extend([0, 1, 0, 0, 0, 0, 0, 46]);
    value.extend(vec![0x5a; payload]);
    chunk(0, 3, &value)
}

/// An I-DATA chunk, unfragmented.
pub fn i_data(tsn: u32, payload: usize) -> Vec<u8> {
    let mut value = tsn.to_be_bytes().to_vec();
    value.extend([0, 1, 0, 0, 0, 0, 0, 7, 0, 0, 0, 60]);
    value.extend(vec![0x5a; payload]);
    chunk(64, 3, &value)
}

/// A SACK with gap ack blocks.
pub fn sack(cum_tsn_ack: u32, gaps: &[(u16, u16)]) -> Vec<u8> {
    let mut value = cum_tsn_ack.to_be_bytes().to_vec();
    value.extend(65_536_u32.to_be_bytes());
    value.extend(u16::try_from(gaps.len()).unwrap().to_be_bytes());
    value.extend([0, 0]);
    for (start, end) in gaps {
        value.extend(start.to_be_bytes());
        value.extend(end.to_be_bytes());
    }
    chunk(3, 0, &value)
}

/// A HEARTBEAT with this information.
pub fn heartbeat(info: &[u8]) -> Vec<u8> {
    chunk(4, 0, &heartbeat_info(info))
}

/// The HEARTBEAT ACK that answers it.
pub fn heartbeat_ack(info: &[u8]) -> Vec<u8> {
    chunk(5, 0, &heartbeat_info(info))
}

fn heartbeat_info(info: &[u8]) -> Vec<u8> {
    let mut value = vec![0, 1];
    value.extend(u16::try_from(4 + info.len()).unwrap().to_be_bytes());
    value.extend(info);
    value
}

/// INIT (1) or INIT ACK (2) with these addresses.
pub fn init(kind: u8, initiate_tag: u32, addresses: &[IpAddr]) -> Vec<u8> {
    let mut value = initiate_tag.to_be_bytes().to_vec();
    value.extend([0, 1, 0, 0, 0, 10, 0, 10]);
    value.extend(1_000_u32.to_be_bytes());
    for address in addresses {
        match address {
            IpAddr::V4(ip) => {
                value.extend([0, 5, 0, 8]);
                value.extend(ip.octets());
            }
            IpAddr::V6(ip) => {
                value.extend([0, 6, 0, 20]);
                value.extend(ip.octets());
            }
        }
    }
    chunk(kind, 0, &value)
}
