//! Packets as the endpoints see them, and as bytes for the tracker.
//!
//! The bytes are written here and not by the lab's builders because a simulated hour has a hundred thousand packets;
//! a test holds both equal. Checksums are left out: the tracker does not look at them.

use sctp_monitor_testkit::frames;

/// One of the two hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// The monitor runs on it, or the host that a gateway's monitor calls local.
    Local,
    Remote,
}

/// A TSN that does not wrap: what the wire carries are its low 32 bits.
pub(crate) type Tsn = u64;

#[derive(Debug, Clone)]
pub(crate) struct Packet {
    pub(crate) from: Side,
    /// The addresses that it goes between: path `n` joins the `n`th address of either side.
    pub(crate) path: usize,
    pub(crate) chunks: Vec<Chunk>,
}

#[derive(Debug, Clone)]
pub(crate) enum Chunk {
    Data { tsn: Tsn, bytes: u16 },
    Sack(Sack),
    Heartbeat { nonce: u64 },
    HeartbeatAck { nonce: u64 },
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sack {
    pub(crate) cum_tsn_ack: Tsn,
    /// First and last TSN of each run that arrived beyond a gap.
    pub(crate) gaps: Vec<(Tsn, Tsn)>,
    pub(crate) duplicates: Vec<Tsn>,
}

impl Sack {
    pub(crate) fn covers(&self, tsn: Tsn) -> bool {
        tsn <= self.cum_tsn_ack
            || self
                .gaps
                .iter()
                .any(|(first, last)| (*first..=*last).contains(&tsn))
    }
}

/// Tag and port of each side, by [`Side`].
pub(crate) const TAGS: [u32; 2] = [0x10ca_1000, 0x4e01_e000];
pub(crate) const PORTS: [u16; 2] = [36_412, 36_413];

impl Packet {
    /// Bytes by the IP header.
    pub(crate) fn length(&self) -> usize {
        let chunk = |chunk: &Chunk| match chunk {
            Chunk::Data { bytes, .. } => 16 + usize::from(*bytes).next_multiple_of(4),
            Chunk::Sack(sack) => 16 + 4 * (sack.gaps.len() + sack.duplicates.len()),
            Chunk::Heartbeat { .. } | Chunk::HeartbeatAck { .. } => 48,
        };
        20 + 12 + self.chunks.iter().map(chunk).sum::<usize>()
    }

    /// Writes the Ethernet frame.
    pub(crate) fn write(&self, frame: &mut Vec<u8>) {
        let (from, to) = (self.from as usize, 1 - self.from as usize);
        frame.clear();
        frame.extend([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0]);
        frame.extend([0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 132, 0, 0]);
        for side in [from, to] {
            frame.extend(octets(side, self.path));
        }
        frame.extend(PORTS[from].to_be_bytes());
        frame.extend(PORTS[to].to_be_bytes());
        frame.extend(TAGS[to].to_be_bytes());
        frame.extend([0; 4]);
        for chunk in &self.chunks {
            chunk.write(frame);
        }
        let length = u16::try_from(frame.len() - ETHERNET).expect("an IP packet");
        frame[ETHERNET + 2..ETHERNET + 4].copy_from_slice(&length.to_be_bytes());
    }
}

impl Chunk {
    fn write(&self, frame: &mut Vec<u8>) {
        match self {
            Self::Data { tsn, bytes } => {
                frame.extend([0, 3]);
                frame.extend((16 + bytes).to_be_bytes());
                frame.extend(wire(*tsn));
                frame.extend([0, 1, 0, 0, 0, 0, 0, 46]);
                frame.resize(frame.len() + usize::from(*bytes).next_multiple_of(4), 0x5a);
            }
            Self::Sack(sack) => sack.write(frame),
            Self::Heartbeat { nonce } => write_heartbeat(4, *nonce, frame),
            Self::HeartbeatAck { nonce } => write_heartbeat(5, *nonce, frame),
        }
    }
}

impl Sack {
    fn write(&self, frame: &mut Vec<u8>) {
        let count = |list: usize| u16::try_from(list).expect("a few TSNs").to_be_bytes();
        let offset = |tsn: Tsn| u16::try_from(tsn - self.cum_tsn_ack).expect("within the window");
        let length = u16::try_from(16 + 4 * (self.gaps.len() + self.duplicates.len())).expect("a few TSNs");
        frame.extend([3, 0]);
        frame.extend(length.to_be_bytes());
        frame.extend(wire(self.cum_tsn_ack));
        frame.extend(65_536_u32.to_be_bytes());
        frame.extend(count(self.gaps.len()));
        frame.extend(count(self.duplicates.len()));
        for (first, last) in &self.gaps {
            frame.extend(offset(*first).to_be_bytes());
            frame.extend(offset(*last).to_be_bytes());
        }
        for tsn in &self.duplicates {
            frame.extend(wire(*tsn));
        }
    }
}

/// The information is 40 bytes long, about as long as Linux's.
fn write_heartbeat(kind: u8, nonce: u64, frame: &mut Vec<u8>) {
    frame.extend([kind, 0, 0, 48, 0, 1, 0, 44]);
    frame.extend(nonce.to_be_bytes());
    frame.extend([0; 32]);
}

fn wire(tsn: Tsn) -> [u8; 4] {
    (tsn as u32).to_be_bytes()
}

/// The address of a side on a path.
pub(crate) fn address(side: Side, path: usize) -> String {
    let [a, b, c, d] = octets(side as usize, path);
    format!("{a}.{b}.{c}.{d}")
}

fn octets(side: usize, path: usize) -> [u8; 4] {
    let subnet = u8::try_from(path + 1).expect("a few paths");
    [10, subnet, 0, if side == Side::Local as usize { 1 } else { 2 }]
}

/// The frames of a handshake over path 0, with the side that sends each.
pub(crate) fn handshake(paths: usize) -> Vec<(Side, Vec<u8>)> {
    let addresses = |side| (0..paths).map(|path| address(side, path)).collect::<Vec<_>>();
    let (local, remote) = (addresses(Side::Local), addresses(Side::Remote));
    let [local, remote] = [&local, &remote].map(|list| list.iter().map(String::as_str).collect::<Vec<_>>());
    let [local_tag, remote_tag] = TAGS;
    let packet = |from: Side, tag, chunk| {
        let to = if from == Side::Local {
            Side::Remote
        } else {
            Side::Local
        };
        let packet = frames::Packet::v4(tag, vec![chunk])
            .between(&address(from, 0), &address(to, 0))
            .ports(PORTS[from as usize], PORTS[to as usize]);
        (from, packet.ethernet())
    };
    vec![
        packet(Side::Local, 0, frames::init(local_tag, &local)),
        packet(Side::Remote, local_tag, frames::init_ack(remote_tag, &remote)),
        packet(Side::Local, remote_tag, frames::cookie_echo()),
        packet(Side::Remote, local_tag, frames::cookie_ack()),
    ]
}

const ETHERNET: usize = 14;
