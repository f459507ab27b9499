//! Associations that nothing is wrong with, and the many ways in which a capture shows one.
//!
//! An [`Exchange`] is what two endpoints say to each other over two paths: a handshake, DATA with its SACKs, some of them
//! delayed, retransmissions after time-outs of 10 to 60 ms, heartbeats of both sides. A [`Form`] is how that is captured: link
//! header, address family, checksums that a NIC has still to fill in, packets captured twice. Both follow from a seed.

use crate::{
    choices::{Choices as _, Random},
    frames::{self, Packet},
};

/// What two endpoints say to each other.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// In the order of time, no two at once.
    pub packets: Vec<Sent>,
    /// DATA chunks that were sent again, byte by byte the same.
    pub retransmissions: u64,
    /// HEARTBEATs, all of which were answered.
    pub heartbeats: u64,
}

/// A packet on its way.
#[derive(Debug, Clone)]
pub struct Sent {
    /// Nanoseconds since 1970.
    pub at_ns: u64,
    /// The initiator sent it.
    pub leaves: bool,
    /// Of two paths.
    pub path: usize,
    /// Its verification tag.
    pub tag: u32,
    /// Its one chunk.
    pub chunk: Vec<u8>,
}

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
    /// IPv6, else IPv4.
    pub v6: bool,
    /// The checksum is still to be filled in.
    pub offload: bool,
    /// IPv4 packets are numbered; else, as Linux does, not.
    pub numbered: bool,
    /// From a packet to its copy, nanoseconds; `None` if each is captured once.
    pub copied_after_ns: Option<u64>,
}

impl Exchange {
    /// Some seconds of an association.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        let mut random = Random::from_seed(seed);
        let mut exchange = Self {
            packets: Vec::new(),
            retransmissions: 0,
            heartbeats: 0,
        };
        let mut at = BEGAN_NS;
        let handshake = [
            (true, 0, frames::init(TAGS[0], &ADDRESSES[0])),
            (false, TAGS[0], frames::init_ack(TAGS[1], &ADDRESSES[1])),
            (true, TAGS[1], frames::cookie_echo()),
            (false, TAGS[0], frames::cookie_ack()),
        ];
        for (leaves, tag, chunk) in handshake {
            exchange.push(at, leaves, 0, tag, chunk);
            at += 100 * US;
        }
        // As `init` numbers them: both sides from 1,000 on.
        let mut tsns = [1_000_u32; 2];
        for round in 0..60 {
            at += (40 + u64::from(random.below(60))) * MS;
            let leaves = random.one_in(2);
            exchange.message(at, leaves, &mut tsns[usize::from(leaves)], &mut random);
            if round % 20 == 10 {
                for path in 0..2 {
                    exchange.heartbeat(at + 30 * MS, random.one_in(2), path, random.u64());
                }
            }
        }
        exchange.packets.sort_by_key(|packet| packet.at_ns);
        // No two at once: their order would say something.
        let mut free_ns = 0;
        for packet in &mut exchange.packets {
            packet.at_ns = packet.at_ns.max(free_ns);
            free_ns = packet.at_ns + 5 * US;
        }
        exchange
    }

    /// DATA and its SACK. Now and then it is lost once behind the place of the capture, or its SACK is delayed.
    fn message(&mut self, at: u64, leaves: bool, tsn: &mut u32, random: &mut Random) {
        let to_peer = TAGS[usize::from(leaves)];
        let to_sender = TAGS[usize::from(!leaves)];
        let chunk = frames::data(*tsn, 20 + random.below(1_000) as usize);
        self.push(at, leaves, 0, to_peer, chunk.clone());
        let mut answered = at + 50 * US;
        if random.one_in(8) {
            let time_out = (10 + u64::from(random.below(25))) * MS;
            self.push(at + time_out, leaves, 0, to_peer, chunk);
            self.retransmissions += 1;
            answered += time_out;
        } else if random.one_in(2) {
            answered += 20 * MS;
        }
        self.push(answered, !leaves, 0, to_sender, frames::sack(*tsn, &[]));
        *tsn += 1;
    }

    fn heartbeat(&mut self, at: u64, leaves: bool, path: usize, nonce: u64) {
        let info = nonce.to_be_bytes();
        let [to_peer, to_sender] = [TAGS[usize::from(leaves)], TAGS[usize::from(!leaves)]];
        self.push(at, leaves, path, to_peer, frames::heartbeat(&info));
        self.push(
            at + 60 * US,
            !leaves,
            path,
            to_sender,
            frames::heartbeat_ack(&info),
        );
        self.heartbeats += 1;
    }

    fn push(&mut self, at_ns: u64, leaves: bool, path: usize, tag: u32, chunk: Vec<u8>) {
        self.packets.push(Sent {
            at_ns,
            leaves,
            path,
            tag,
            chunk,
        });
    }

    /// The records of its capture, in the order of time.
    #[must_use]
    pub fn records(&self, form: Form) -> Vec<(u64, Vec<u8>)> {
        let mut records = Vec::new();
        for (number, sent) in self.packets.iter().enumerate() {
            let packet = form.packet(sent, number as u16 + 1);
            records.push((sent.at_ns, form.frame(&packet, false)));
            if let Some(after_ns) = form.copied_after_ns {
                records.push((sent.at_ns + after_ns, form.frame(&packet, true)));
            }
        }
        records.sort_by_key(|(time_ns, _)| *time_ns);
        records
    }
}

/// The records in an order in which each is behind others that are up to so much later.
#[must_use]
pub fn disordered(records: &[(u64, Vec<u8>)], by_ns: u64, seed: u64) -> Vec<(u64, Vec<u8>)> {
    let mut random = Random::from_seed(seed);
    let mut keyed: Vec<_> = records
        .iter()
        .map(|record| (record.0 + random.u64() % (by_ns + 1), record.clone()))
        .collect();
    keyed.sort_by_key(|(written_ns, _)| *written_ns);
    keyed.into_iter().map(|(_, record)| record).collect()
}

impl Form {
    /// Of any kind; the address family, checksums and numbers follow from the seed.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        let mut random = Random::from_seed(seed);
        let v6 = random.one_in(3);
        Self {
            header: random.pick(&[
                Header::Ethernet,
                Header::Vlan,
                Header::Raw,
                Header::Cooked,
                Header::Cooked2,
            ]),
            v6,
            offload: random.one_in(2),
            numbered: !v6 && random.one_in(2),
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
    fn packet(self, sent: &Sent, number: u16) -> Vec<u8> {
        let [ours, theirs] = ADDRESSES.map(|addresses| addresses[sent.path]);
        let packet = if self.v6 {
            let v6 = |address: &str| address.replacen("10.0.", "2001:db8::", 1).replace('.', ":");
            Packet::v6(sent.tag, vec![sent.chunk.clone()]).between(&v6(ours), &v6(theirs))
        } else {
            Packet::v4(sent.tag, vec![sent.chunk.clone()]).between(ours, theirs)
        };
        let packet = packet.ports(40_000, 3_868);
        let packet = if sent.leaves { packet } else { packet.reversed() };
        let mut ip = packet.ethernet().split_off(14);
        let header = if self.v6 { 40 } else { 20 };
        if self.offload {
            // What a stack leaves to its NIC.
            ip[header + 8..header + 12].fill(0);
        }
        if self.numbered {
            ip[4..6].copy_from_slice(&number.to_be_bytes());
        }
        ip
    }

    /// A frame around it. A copy was seen on another interface, one router further.
    fn frame(self, packet: &[u8], is_copy: bool) -> Vec<u8> {
        let protocol: [u8; 2] = if self.v6 { [0x86, 0xdd] } else { [8, 0] };
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
            let time_to_live = header.len() + if self.v6 { 7 } else { 8 };
            frame[time_to_live] -= 1;
        }
        frame
    }
}

/// 2023-11-14T22:13:20Z.
const BEGAN_NS: u64 = 1_700_000_000 * 1_000 * MS;
const US: u64 = 1_000;
const MS: u64 = 1_000 * US;
/// What goes to the initiator, what goes to the responder.
const TAGS: [u32; 2] = [0x1111_1111, 0x2222_2222];
/// Of the initiator, of the responder, one for each path.
const ADDRESSES: [[&str; 2]; 2] = [["10.0.1.1", "10.0.2.1"], ["10.0.1.2", "10.0.2.2"]];
