//! A sample of the packets that come in, to see whether their CRC32c is right.
//!
//! The programs do not look at checksums: it would cost each packet as much as all else. So two packet sockets give some: one what
//! begins with a rare chunk, of a handshake or a HEARTBEAT, the other DATA and SACKs; each as many as its buffer holds from one look to
//! the next. What comes in is enough: what this host sends is completed by its NIC, behind everything that can be looked at here.
//! For the same reason a packet is left out that the kernel says is not completed yet (from a container or a guest on this host).
//!
//! The kernel runs the filter for every packet that comes in, of whatever protocol: this is off unless the operator wants it.

use std::{
    io::{self, IoSliceMut},
    os::fd::AsRawFd as _,
};

use nix::{
    errno::Errno,
    setsockopt_impl, sockopt_impl,
    sys::socket::{ControlMessageOwned, LinkAddr, MsgFlags, recvmsg, setsockopt},
};
use sctp_monitor_capture::checksum;
use sctp_monitor_common::{
    abi::FlowKey,
    wire::{Frame, LinkType, ParseOptions, parse},
};
use socket2::{Domain, Protocol, SockFilter, Socket, Type};

sockopt_impl!(
    /// Whether a packet comes with what the kernel knows of its checksum.
    AuxiliaryData,
    SetOnly,
    libc::SOL_PACKET,
    libc::PACKET_AUXDATA,
    bool
);
sockopt_impl!(
    /// Whether what this host sends is left out.
    IgnoreOutgoing,
    SetOnly,
    libc::SOL_PACKET,
    libc::PACKET_IGNORE_OUTGOING,
    bool
);

/// Where the packets come from.
#[derive(Debug)]
pub struct Checksums {
    sockets: [Socket; 2],
    buffer: Box<[u8]>,
}

/// A packet that was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checked {
    /// The NIC that it came in by.
    pub if_index: u32,
    /// Its flow.
    pub key: FlowKey,
    /// Its verification tag.
    pub tag: u32,
    /// Whether its CRC32c is right.
    pub is_right: bool,
}

impl Checksums {
    /// Opens the sockets: they hear all NICs of this network namespace.
    ///
    /// # Errors
    /// If this is not allowed: it takes CAP_NET_RAW.
    pub fn open() -> io::Result<Self> {
        Ok(Self {
            sockets: [socket(&filter(true))?, socket(&filter(false))?],
            buffer: vec![0; LONGEST].into(),
        })
    }

    /// Takes what has come in since the last time.
    ///
    /// # Errors
    /// If the kernel does not give it out.
    pub fn take(&mut self, mut take: impl FnMut(Checked)) -> io::Result<()> {
        for socket in &self.sockets {
            for _ in 0..MOST_PACKETS {
                match receive(socket, &mut self.buffer) {
                    Ok(checked) => checked.into_iter().for_each(&mut take),
                    Err(Errno::EAGAIN) => break,
                    // A NIC went down.
                    Err(Errno::ENETDOWN | Errno::EINTR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }
}

fn socket(filter: &[SockFilter]) -> io::Result<Socket> {
    // In network byte order.
    let all = Protocol::from(i32::from((libc::ETH_P_ALL as u16).to_be()));
    let socket = Socket::new(Domain::PACKET, Type::DGRAM.nonblocking(), Some(all))?;
    // What came in before is told from SCTP when it is read.
    socket.attach_filter(filter)?;
    setsockopt(&socket, AuxiliaryData, &true)?;
    setsockopt(&socket, IgnoreOutgoing, &true)?;
    Ok(socket)
}

/// The next packet; `None` if its checksum says nothing.
fn receive(socket: &Socket, buffer: &mut [u8]) -> nix::Result<Option<Checked>> {
    let mut space = nix::cmsg_space!([u8; AUXILIARY]);
    let mut parts = [IoSliceMut::new(buffer)];
    let received = recvmsg::<LinkAddr>(
        socket.as_raw_fd(),
        &mut parts,
        Some(&mut space),
        MsgFlags::MSG_DONTWAIT,
    )?;
    let is_complete = received.cmsgs()?.any(|message| is_complete(&message));
    let (length, from) = (received.bytes, received.address);
    let Some(if_index) = from.and_then(|from| u32::try_from(from.ifindex()).ok()) else {
        return Ok(None);
    };
    let packet = buffer.get(..length).filter(|_| is_complete);
    Ok(packet.and_then(|packet| check(packet, if_index)))
}

/// Whether the kernel says that a packet's checksum is filled in.
fn is_complete(message: &ControlMessageOwned) -> bool {
    let ControlMessageOwned::Unknown(message) = message else {
        return false;
    };
    let header = &message.cmsg_header;
    let is_auxiliary = (header.cmsg_level, header.cmsg_type) == (libc::SOL_PACKET, libc::PACKET_AUXDATA);
    // `tp_status` comes first in `struct tpacket_auxdata`.
    let status = message.data_bytes.first_chunk().copied().map(u32::from_ne_bytes);
    is_auxiliary && status.is_some_and(|status| status & libc::TP_STATUS_CSUMNOTREADY == 0)
}

/// A packet from its IP header on.
fn check(packet: &[u8], if_index: u32) -> Option<Checked> {
    // In UDP it has a checksum that its receiver does not look at (RFC 6951 section 4.2).
    let options = ParseOptions { udp_port: 0 };
    let parsed = parse(&Frame(packet), LinkType::RawIp, options).ok()?;
    if parsed.first_fragment {
        return None;
    }
    Some(Checked {
        if_index,
        key: FlowKey::from(&parsed),
        tag: parsed.tag,
        is_right: checksum::bytes_are_right(packet.get(parsed.at..parsed.end)?)?,
    })
}

/// An instruction of a filter; targets are its places.
#[derive(Debug, Clone, Copy)]
enum Step {
    Load {
        size: u32,
        mode: u32,
        k: u32,
    },
    /// X becomes the length of the IPv4 header.
    HeaderLength,
    Compute {
        operation: u32,
        k: u32,
    },
    Jump {
        kind: u32,
        k: u32,
        yes: u8,
        no: u8,
    },
    Return(u32),
}

impl Step {
    fn encode(self, place: u8) -> SockFilter {
        let (code, to, k) = match self {
            Self::Load { size, mode, k } => (libc::BPF_LD | size | mode, None, k),
            Self::HeaderLength => (libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH, None, 0),
            Self::Compute { operation, k } => (libc::BPF_ALU | operation | libc::BPF_K, None, k),
            Self::Jump { kind, k, yes, no } => (libc::BPF_JMP | kind | libc::BPF_K, Some([yes, no]), k),
            Self::Return(k) => (libc::BPF_RET | libc::BPF_K, None, k),
        };
        let [jt, jf] = to.map_or([0; 2], |to| to.map(|to| to - place - 1));
        SockFilter::new(code as u16, jt, jf, k)
    }
}

/// Takes SCTP packets without IPv6 extension headers: those whose first chunk is a rare one, or the others.
fn filter(takes_rare: bool) -> Vec<SockFilter> {
    let load = |size, k| Step::Load {
        size,
        mode: libc::BPF_ABS,
        k,
    };
    let is = |k, yes, no| Step::Jump {
        kind: libc::BPF_JEQ,
        k,
        yes,
        no,
    };
    let (rare, other) = if takes_rare { (TAKE, DROP) } else { (DROP, TAKE) };
    let steps = [
        load(libc::BPF_B, 0),
        Step::Compute {
            operation: libc::BPF_RSH,
            k: 4,
        },
        is(4, 4, 3),
        is(6, 11, DROP),
        // IPv4: the protocol, no later fragment, the first chunk's type behind a header of any length.
        load(libc::BPF_B, 9),
        is(libc::IPPROTO_SCTP as u32, 6, DROP),
        load(libc::BPF_H, 6),
        Step::Jump {
            kind: libc::BPF_JSET,
            k: 0x1fff,
            yes: DROP,
            no: 8,
        },
        Step::HeaderLength,
        Step::Load {
            size: libc::BPF_B,
            mode: libc::BPF_IND,
            k: COMMON_HEADER,
        },
        // No chunk has a type that does not fit into a byte.
        Step::Jump {
            kind: libc::BPF_JGT,
            k: 0xff,
            yes: DROP,
            no: CHUNK,
        },
        // IPv6.
        load(libc::BPF_B, 6),
        is(libc::IPPROTO_SCTP as u32, 13, DROP),
        load(libc::BPF_B, 40 + COMMON_HEADER),
        // DATA, SACK, and what is newer than RFC 9260; in between are handshakes, HEARTBEATs and ends.
        is(0, other, 15),
        is(3, other, 16),
        Step::Jump {
            kind: libc::BPF_JGT,
            k: 14,
            yes: other,
            no: rare,
        },
        Step::Return(0),
        Step::Return(u32::MAX),
    ];
    (0_u8..)
        .zip(steps)
        .map(|(place, step)| step.encode(place))
        .collect()
}

const CHUNK: u8 = 14;
const DROP: u8 = 17;
const TAKE: u8 = 18;
/// Ports, tag, checksum.
const COMMON_HEADER: u32 = 12;
/// Bytes of `struct tpacket_auxdata`.
const AUXILIARY: usize = 20;
/// Bytes of the longest IP packet.
const LONGEST: usize = 65_536;
/// Of each kind at a time: about as many as the kernel keeps for a socket by default. They take a millisecond or two.
const MOST_PACKETS: u32 = 300;

#[cfg(test)]
mod tests {
    use std::{
        mem::MaybeUninit,
        os::{fd::OwnedFd, unix::net::UnixDatagram},
    };

    use sctp_monitor_testkit::frames::{self, Packet};

    use super::*;

    /// How many of a packet sent so many times the kernel lets through to a socket with the filter.
    fn passed(takes_rare: bool, packet: &[u8], times: u32) -> u32 {
        let (from, to) = UnixDatagram::pair().unwrap();
        let to = Socket::from(OwnedFd::from(to));
        to.attach_filter(&filter(takes_rare)).unwrap();
        to.set_nonblocking(true).unwrap();
        let mut passed = 0;
        for _ in 0..times {
            from.send(packet).unwrap();
            passed += u32::from(to.recv(&mut [MaybeUninit::uninit(); 64]).is_ok());
        }
        passed
    }

    /// IP packets with this chunk.
    fn packets(chunk: Vec<u8>) -> [Vec<u8>; 2] {
        let chunks = vec![chunk, frames::data(7, 10)];
        [Packet::v4(7, chunks.clone()), Packet::v6(7, chunks)].map(|packet| packet.ethernet().split_off(14))
    }

    #[test]
    fn one_filter_takes_the_rare_chunks_and_the_other_one_the_others() {
        let rare = [
            frames::init(7, &[]),
            frames::init_ack(7, &[]),
            frames::cookie_echo(),
            frames::cookie_ack(),
            frames::heartbeat(&[7; 8]),
            frames::abort(false),
            frames::shutdown_complete(),
        ];
        for packet in rare.into_iter().flat_map(packets) {
            assert_eq!([passed(true, &packet, 10), passed(false, &packet, 10)], [10, 0]);
        }
        let others = [
            frames::data(7, 10),
            frames::sack(7, &[]),
            frames::i_data(7, 10),
            frames::asconf(7, "10.0.0.1", &[]),
        ];
        for packet in others.into_iter().flat_map(packets) {
            assert_eq!([passed(true, &packet, 10), passed(false, &packet, 10)], [0, 10]);
        }
    }

    #[test]
    fn the_filters_leave_what_is_not_sctp_or_a_later_fragment() {
        for [v4, v6] in [packets(frames::init(7, &[])), packets(frames::sack(7, &[]))] {
            let (mut tcp, mut fragment, mut tcp_v6) = (v4.clone(), v4, v6);
            tcp[9] = 6;
            fragment[7] = 1;
            tcp_v6[6] = 6;
            for packet in [tcp, fragment, tcp_v6, vec![], vec![0x45], vec![0x60; 52]] {
                assert_eq!(
                    passed(true, &packet, 10) + passed(false, &packet, 10),
                    0,
                    "{packet:?}"
                );
            }
        }
    }

    #[test]
    fn the_first_chunk_is_found_behind_ip_options() {
        let [mut packet, _] = packets(frames::init(7, &[]));
        packet[0] = 0x47;
        packet.splice(20..20, [1; 8]);
        assert_eq!(passed(true, &packet, 1), 1);
    }

    #[test]
    fn a_packet_is_right_wrong_or_not_judged() {
        for packet in packets(frames::init(7, &[])) {
            let is_right = |packet: &[u8]| check(packet, 3).map(|checked| checked.is_right);
            assert_eq!(is_right(&packet), Some(true));
            let mut spoiled = packet.clone();
            *spoiled.last_mut().unwrap() ^= 1;
            assert_eq!(is_right(&spoiled), Some(false));
            let cut = &packet[..packet.len() - 4];
            assert_eq!(is_right(cut), None);
        }
        let [mut first_fragment, _] = packets(frames::init(7, &[]));
        first_fragment[6] = 0x20;
        assert_eq!(check(&first_fragment, 3), None);
    }
}
