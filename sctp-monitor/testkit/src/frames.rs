//! Frames for tests and benchmarks, built by etherparse and crc32c: nothing here shares code with the parser under
//! test.
//!
//! These are literals in the shape of functions, so what cannot be built panics.

use std::net::IpAddr;

use etherparse::{IpNumber, PacketBuilder, VlanId};

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
    #[must_use]
    pub fn v4(tag: u32, chunks: Vec<Vec<u8>>) -> Self {
        Self {
            addresses: (ip("10.1.0.1"), ip("10.1.0.2")),
            ports: (36412, 36412),
            tag,
            chunks,
        }
    }

    /// A packet from 2001:db8::1 to 2001:db8::2.
    #[must_use]
    pub fn v6(tag: u32, chunks: Vec<Vec<u8>>) -> Self {
        Self::v4(tag, chunks).between("2001:db8::1", "2001:db8::2")
    }

    /// The same packet in the opposite direction.
    #[must_use]
    pub fn reversed(self) -> Self {
        Self {
            addresses: (self.addresses.1, self.addresses.0),
            ports: (self.ports.1, self.ports.0),
            ..self
        }
    }

    /// Between other addresses.
    #[must_use]
    pub fn between(self, src: &str, dst: &str) -> Self {
        Self {
            addresses: (ip(src), ip(dst)),
            ..self
        }
    }

    /// Between other ports.
    #[must_use]
    pub fn ports(self, src: u16, dst: u16) -> Self {
        Self {
            ports: (src, dst),
            ..self
        }
    }

    /// From the common header on, with its CRC32c.
    #[must_use]
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
    #[must_use]
    pub fn ethernet(&self) -> Vec<u8> {
        self.frame(&[], IpNumber::SCTP, &self.sctp())
    }

    /// In an Ethernet frame, after one or two VLAN tags.
    #[must_use]
    pub fn vlan(&self, ids: &[u16]) -> Vec<u8> {
        self.frame(ids, IpNumber::SCTP, &self.sctp())
    }

    /// In UDP, from and to this port (RFC 6951).
    #[must_use]
    pub fn udp(&self, port: u16) -> Vec<u8> {
        let sctp = self.sctp();
        let mut bytes = Vec::new();
        bytes.extend(port.to_be_bytes());
        bytes.extend(port.to_be_bytes());
        bytes.extend(length(8 + sctp.len()));
        bytes.extend([0; 2]);
        bytes.extend(sctp);
        self.frame(&[], IpNumber::UDP, &bytes)
    }

    /// As TCP, of which the programs want nothing.
    #[must_use]
    pub fn tcp(&self) -> Vec<u8> {
        self.frame(&[], IpNumber::TCP, &self.sctp())
    }

    /// The ICMP error, in an Ethernet frame, by which `reporter` tells the source of the packet; it quotes all of it.
    /// `rest` is the second word of the message.
    #[must_use]
    pub fn icmp_error(&self, reporter: &str, [kind, code]: [u8; 2], rest: u32) -> Vec<u8> {
        let protocol = if self.addresses.0.is_ipv4() {
            IpNumber::ICMP
        } else {
            IpNumber::IPV6_ICMP
        };
        let mut message = vec![kind, code, 0, 0];
        message.extend(rest.to_be_bytes());
        message.extend(&self.ethernet()[ETHERNET_HEADER..]);
        let error = Self {
            addresses: (ip(reporter), self.addresses.0),
            ..self.clone()
        };
        error.frame(&[], protocol, &message)
    }

    fn frame(&self, vlan: &[u16], protocol: IpNumber, payload: &[u8]) -> Vec<u8> {
        let link = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
        let id = |id: u16| VlanId::try_new(id).expect("a VLAN id has 12 bits");
        let mut frame = Vec::new();
        macro_rules! ip {
            ($step:expr) => {
                match self.addresses {
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
        .expect("the payload fits into an IP packet");
        frame
    }
}

/// Frames that each begin a flow: a number, up to a million, gives an address pair and ports of its own. They have nobody's MAC
/// address, so no stack sees them, and no valid checksums.
pub fn new_flows(tag: u32, chunk: Vec<u8>) -> impl FnMut(u64) -> Vec<u8> {
    let template = Packet::v4(tag, vec![chunk])
        .between("172.16.0.0", "172.20.0.0")
        .ethernet();
    move |number| {
        let mut frame = template.clone();
        let [.., a, b, c] = number.to_be_bytes();
        // The low bytes of the source address, and both ports.
        frame[28..30].copy_from_slice(&[b, c]);
        frame[34..38].copy_from_slice(&[0x10 | a, c, 0x20 | a, b]);
        frame
    }
}

/// The same, all from one address.
pub fn new_flows_of_one_source(tag: u32, chunk: Vec<u8>) -> impl FnMut(u64) -> Vec<u8> {
    let template = Packet::v4(tag, vec![chunk])
        .between("172.16.0.1", "172.20.0.0")
        .ethernet();
    move |number| {
        let mut frame = template.clone();
        let [.., a, b, c] = number.to_be_bytes();
        frame[34..38].copy_from_slice(&[b, c, 0x20 | a, 0x11]);
        frame
    }
}

/// A chunk with its header and padding.
#[must_use]
pub fn chunk(kind: u8, flags: u8, value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind, flags];
    bytes.extend(length(4 + value.len()));
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// A DATA chunk on stream 1 with Diameter's PPID.
#[must_use]
pub fn data(tsn: u32, payload: usize) -> Vec<u8> {
    let mut value = tsn.to_be_bytes().to_vec();
    value.extend([0, 1, 0, 0, 0, 0, 0, 46]);
    value.extend(vec![0x5a; payload]);
    chunk(0, 3, &value)
}

/// An I-DATA chunk on stream 1, unfragmented, with NGAP's PPID.
#[must_use]
pub fn i_data(tsn: u32, payload: usize) -> Vec<u8> {
    let mut value = tsn.to_be_bytes().to_vec();
    value.extend([0, 1, 0, 0, 0, 0, 0, 7, 0, 0, 0, 60]);
    value.extend(vec![0x5a; payload]);
    chunk(64, 3, &value)
}

/// A SACK with gap ack blocks.
#[must_use]
pub fn sack(cum_tsn_ack: u32, gaps: &[(u16, u16)]) -> Vec<u8> {
    let mut value = cum_tsn_ack.to_be_bytes().to_vec();
    value.extend(65_536_u32.to_be_bytes());
    value.extend(length(gaps.len()));
    value.extend([0, 0]);
    for (start, end) in gaps {
        value.extend(start.to_be_bytes());
        value.extend(end.to_be_bytes());
    }
    chunk(3, 0, &value)
}

/// A HEARTBEAT with this information.
#[must_use]
pub fn heartbeat(info: &[u8]) -> Vec<u8> {
    chunk(4, 0, &heartbeat_info(info))
}

/// The HEARTBEAT ACK that answers it.
#[must_use]
pub fn heartbeat_ack(info: &[u8]) -> Vec<u8> {
    chunk(5, 0, &heartbeat_info(info))
}

fn heartbeat_info(info: &[u8]) -> Vec<u8> {
    let mut value = vec![0, 1];
    value.extend(length(4 + info.len()));
    value.extend(info);
    value
}

/// INIT with these addresses.
#[must_use]
pub fn init(initiate_tag: u32, addresses: &[&str]) -> Vec<u8> {
    chunk(1, 0, &init_value(initiate_tag, addresses))
}

/// INIT ACK with these addresses and a cookie.
#[must_use]
pub fn init_ack(initiate_tag: u32, addresses: &[&str]) -> Vec<u8> {
    let mut value = init_value(initiate_tag, addresses);
    value.extend([0, 7, 0, 8, 0xc0, 0x0c, 0x1e, 0x00]);
    chunk(2, 0, &value)
}

fn init_value(initiate_tag: u32, addresses: &[&str]) -> Vec<u8> {
    let mut value = initiate_tag.to_be_bytes().to_vec();
    value.extend([0, 1, 0, 0, 0, 10, 0, 10]);
    value.extend(1_000_u32.to_be_bytes());
    for address in addresses {
        value.extend(address_param(address));
    }
    value
}

fn address_param(address: &str) -> Vec<u8> {
    match ip(address) {
        IpAddr::V4(ip) => [&[0, 5, 0, 8][..], &ip.octets()].concat(),
        IpAddr::V6(ip) => [&[0, 6, 0, 20][..], &ip.octets()].concat(),
    }
}

/// The same INIT or INIT ACK with these numbers of streams (outbound, inbound) and supported extensions.
#[must_use]
pub fn offering(mut init: Vec<u8>, streams: (u16, u16), extensions: &[u8]) -> Vec<u8> {
    init[12..14].copy_from_slice(&streams.0.to_be_bytes());
    init[14..16].copy_from_slice(&streams.1.to_be_bytes());
    init.extend([0x80, 0x08]);
    init.extend(length(4 + extensions.len()));
    init.extend(extensions);
    let end = length(init.len());
    init[2..4].copy_from_slice(&end);
    init.resize(init.len().next_multiple_of(4), 0);
    init
}

/// ASCONF, found by the address `lookup`, with these requests: parameter type (0xc001 add, 0xc002 delete, 0xc004 set
/// primary) and address. They are numbered from 1 on.
#[must_use]
pub fn asconf(serial: u32, lookup: &str, requests: &[(u16, &str)]) -> Vec<u8> {
    let mut value = serial.to_be_bytes().to_vec();
    value.extend(address_param(lookup));
    for (number, (kind, address)) in (1_u32..).zip(requests) {
        let address = address_param(address);
        value.extend(kind.to_be_bytes());
        value.extend(length(8 + address.len()));
        value.extend(number.to_be_bytes());
        value.extend(address);
    }
    chunk(193, 0, &value)
}

/// The ASCONF ACK that grants all requests but these: number and error cause code.
#[must_use]
pub fn asconf_ack(serial: u32, refused: &[(u32, u16)]) -> Vec<u8> {
    let mut value = serial.to_be_bytes().to_vec();
    for (number, cause) in refused {
        value.extend([0xc0, 0x03, 0, 12]);
        value.extend(number.to_be_bytes());
        value.extend(cause.to_be_bytes());
        value.extend([0, 4]);
    }
    chunk(128, 0, &value)
}

/// COOKIE ECHO.
#[must_use]
pub fn cookie_echo() -> Vec<u8> {
    chunk(10, 0, &[0xc0, 0x0c, 0x1e, 0x00])
}

/// COOKIE ACK.
#[must_use]
pub fn cookie_ack() -> Vec<u8> {
    chunk(11, 0, &[])
}

/// ABORT, with the T bit if the tag is `reflected`, and the cause "user-initiated abort".
#[must_use]
pub fn abort(reflected: bool) -> Vec<u8> {
    chunk(6, u8::from(reflected), &[0, 12, 0, 4])
}

/// ABORT with the cause "user-initiated abort" and the application's reason.
#[must_use]
pub fn abort_because(reason: &str) -> Vec<u8> {
    chunk(6, 0, &cause(12, reason.as_bytes()))
}

/// ERROR with one cause.
#[must_use]
pub fn error(code: u16, information: &[u8]) -> Vec<u8> {
    chunk(9, 0, &cause(code, information))
}

fn cause(code: u16, information: &[u8]) -> Vec<u8> {
    let mut value = code.to_be_bytes().to_vec();
    value.extend(length(4 + information.len()));
    value.extend(information);
    value
}

/// SHUTDOWN that acknowledges up to a TSN.
#[must_use]
pub fn shutdown(cum_tsn_ack: u32) -> Vec<u8> {
    chunk(7, 0, &cum_tsn_ack.to_be_bytes())
}

/// SHUTDOWN ACK.
#[must_use]
pub fn shutdown_ack() -> Vec<u8> {
    chunk(8, 0, &[])
}

/// SHUTDOWN COMPLETE.
#[must_use]
pub fn shutdown_complete() -> Vec<u8> {
    chunk(14, 0, &[])
}

const ETHERNET_HEADER: usize = 14;

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an IP address")
}

fn length(length: usize) -> [u8; 2] {
    u16::try_from(length).expect("a length of 16 bits").to_be_bytes()
}
