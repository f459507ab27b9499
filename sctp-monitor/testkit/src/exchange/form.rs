//! How what was sent is captured.

use super::{Exchange, Sent, Side, address};
use crate::{
    choices::{Choices as _, Random},
    frames::Packet,
};

/// What a frame begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// Ethernet.
    Ethernet,
    /// Ethernet with a VLAN tag.
    Vlan,
    /// The IP header itself.
    Raw,
    /// Linux cooked, as the "any" device gives it.
    Cooked,
    /// The second version of it, with the interface's index.
    Cooked2,
}

/// How an exchange is captured.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    /// What frames begin with.
    pub header: Header,
    /// The checksum is still to be filled in.
    pub offload: bool,
    /// IPv4 packets are numbered; else, as Linux does, not. IPv6 packets never are.
    pub numbered: bool,
    /// From a packet to its copy, nanoseconds; `None` if each is captured once.
    pub copied_after_ns: Option<u64>,
}

impl Form {
    /// Of any kind; checksums and numbers follow from the seed.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        let mut random = Random::from_seed(seed);
        Self {
            header: random.pick(&[
                Header::Ethernet,
                Header::Vlan,
                Header::Raw,
                Header::Cooked,
                Header::Cooked2,
            ]),
            offload: random.one_in(2),
            numbered: random.one_in(2),
            copied_after_ns: None,
        }
    }

    /// The same, with each packet captured twice.
    #[must_use]
    pub fn copied(self, after_ns: u64) -> Self {
        Self {
            copied_after_ns: Some(after_ns),
            ..self
        }
    }

    /// The number of the capture's link type.
    #[must_use]
    pub fn link(self) -> u32 {
        match self.header {
            Header::Ethernet | Header::Vlan => 1,
            Header::Raw => 101,
            Header::Cooked => 113,
            Header::Cooked2 => 276,
        }
    }

    /// The IP packet.
    pub(super) fn packet(self, sent: &Sent, exchange: &Exchange, number: u16) -> Vec<u8> {
        let [ours, theirs] = [Side::A, Side::B].map(|side| address(side, sent.path, exchange.v6));
        let packet = Packet::v4(sent.tag, sent.chunks.clone()).between(&ours, &theirs);
        let packet = packet.ports(exchange.ports[0], exchange.ports[1]);
        let packet = match sent.from {
            Side::A => packet,
            Side::B => packet.reversed(),
        };
        let mut ip = packet.ethernet().split_off(14);
        let header = if exchange.v6 { 40 } else { 20 };
        if self.offload {
            // What a stack leaves to its NIC.
            ip[header + 8..header + 12].fill(0);
        }
        if self.numbered && !exchange.v6 {
            ip[4..6].copy_from_slice(&number.to_be_bytes());
        }
        ip
    }

    /// A frame around it. A copy was seen on another interface, one router further.
    pub(super) fn frame(self, packet: &[u8], is_copy: bool) -> Vec<u8> {
        let is_v6 = packet[0] >> 4 == 6;
        let protocol: [u8; 2] = if is_v6 { [0x86, 0xdd] } else { [8, 0] };
        // To us, or from us (`PACKET_OUTGOING`).
        let packet_type = if is_copy { 4 } else { 0 };
        let interface = 2 + u8::from(is_copy);
        let header = match self.header {
            Header::Ethernet => [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2][..], &protocol].concat(),
            Header::Vlan => [
                &[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x81, 0, 0, 100][..],
                &protocol,
            ]
            .concat(),
            Header::Raw => Vec::new(),
            Header::Cooked => [
                &[0, packet_type, 0, 1, 0, 6, 2, 0, 0, 0, 0, interface, 0, 0][..],
                &protocol,
            ]
            .concat(),
            Header::Cooked2 => [
                &protocol[..],
                &[0, 0, 0, 0, 0, interface, 0, 1, packet_type, 6],
                &[2, 0, 0, 0, 0, interface, 0, 0],
            ]
            .concat(),
        };
        let mut frame = [&header, packet].concat();
        if is_copy {
            let time_to_live = header.len() + if is_v6 { 7 } else { 8 };
            frame[time_to_live] -= 1;
        }
        frame
    }
}
