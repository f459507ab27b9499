//! Sends probes: HEARTBEATs into the associations of this host.
//!
//! They leave by raw IP sockets, from the path's own address, and not by packet sockets: so the kernel finds their way as it does for
//! the stack's packets, by the routes and the neighbour table of now. A frame to an Ethernet address that was learned once would go
//! astray where a router has changed its address, and a path that works would look dead. What a firewall on this host drops does not
//! leave, and is not waited for.
//!
//! The socket's protocol is one that no packet has, so nothing is ever received by it.

use std::{
    io::{self, IoSlice},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6},
    os::fd::{AsRawFd as _, OwnedFd},
};

use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, SockaddrIn6,
    sendmsg, socket,
};
use sctp_monitor_common::{
    abi::{PROBE_INFO_LEN, ProbeInfo},
    wire::emit::{EmitError, Heartbeat, IpHeader},
};
use sctp_monitor_engine::{ProbeRequest, model::Timestamp};

use crate::clock::Clock;

/// Why a probe was not sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// It cannot be written.
    #[error("the packet cannot be written")]
    Emit(#[from] EmitError),
    /// This host has no sockets of the address family.
    #[error("this host has no sockets for {0}")]
    NoFamily(IpAddr),
    /// The kernel refused it, or the clock cannot be read.
    #[error("the kernel refused it")]
    Refused(#[from] nix::Error),
}

/// The sockets that probes leave by, and the key that they are recognised by.
#[derive(Debug)]
pub struct Sender {
    v4: OwnedFd,
    v6: Option<OwnedFd>,
    key: [u64; 2],
    buffer: [u8; LONGEST],
}

impl Sender {
    /// Opens the sockets.
    ///
    /// # Errors
    /// If this is not allowed: it takes CAP_NET_RAW.
    pub fn open(key: [u64; 2]) -> io::Result<Self> {
        let raw = |family| {
            let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
            socket(family, SockType::Raw, flags, SockProtocol::Raw)
        };
        Ok(Self {
            v4: raw(AddressFamily::Inet)?,
            v6: raw(AddressFamily::Inet6).ok(),
            key,
            buffer: [0; LONGEST],
        })
    }

    /// Sends a probe; gives the time that it names.
    ///
    /// # Errors
    /// [`SendError`].
    pub fn send(&mut self, request: &ProbeRequest) -> Result<Timestamp, SendError> {
        let (src, dst) = (request.key.src.to_ip(), request.key.dst.to_ip());
        let header = IpHeader::between(src, dst)?;
        let at = Clock::now()?;
        let probe = ProbeInfo {
            index: request.index,
            generation: request.generation,
            sequence: request.sequence,
            sent_at_ns: at.as_nanos(),
        };
        let mut info = [0; LONGEST];
        let length = usize::from(request.chunk_length).saturating_sub(Heartbeat::CHUNK_OVERHEAD);
        let too_long = EmitError::InfoTooLong { length };
        let info = info.get_mut(..length.max(PROBE_INFO_LEN)).ok_or(too_long)?;
        info[..PROBE_INFO_LEN].copy_from_slice(&probe.to_bytes(self.key, request.ack_tag, request.says));
        let heartbeat = Heartbeat {
            src_port: request.key.src_port,
            dst_port: request.key.dst_port,
            tag: request.tag,
            info,
        };
        let (front, rest) = self.buffer.split_at_mut(header.header_length());
        let payload = heartbeat.emit(rest)?;
        header.emit(payload, front)?;
        let packet = &self.buffer[..header.header_length() + payload];
        match (src, dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => send_v4(&self.v4, packet, src, dst)?,
            (IpAddr::V6(src), IpAddr::V6(dst)) => {
                let v6 = self.v6.as_ref().ok_or(SendError::NoFamily(src.into()))?;
                send_v6(v6, packet, src, dst)?;
            }
            _ => return Err(EmitError::TwoFamilies.into()),
        }
        Ok(at)
    }
}

/// The source address decides on the way where routes depend on it.
fn send_v4(socket: &OwnedFd, packet: &[u8], src: Ipv4Addr, dst: Ipv4Addr) -> nix::Result<()> {
    let from = libc::in_pktinfo {
        ipi_ifindex: 0,
        ipi_spec_dst: libc::in_addr {
            s_addr: u32::from_ne_bytes(src.octets()),
        },
        ipi_addr: libc::in_addr { s_addr: 0 },
    };
    sendmsg(
        socket.as_raw_fd(),
        &[IoSlice::new(packet)],
        &[ControlMessage::Ipv4PacketInfo(&from)],
        MsgFlags::empty(),
        Some(&SockaddrIn::from(SocketAddrV4::new(dst, 0))),
    )
    .map(drop)
}

fn send_v6(socket: &OwnedFd, packet: &[u8], src: Ipv6Addr, dst: Ipv6Addr) -> nix::Result<()> {
    let from = libc::in6_pktinfo {
        ipi6_addr: libc::in6_addr {
            s6_addr: src.octets(),
        },
        ipi6_ifindex: 0,
    };
    sendmsg(
        socket.as_raw_fd(),
        &[IoSlice::new(packet)],
        &[ControlMessage::Ipv6PacketInfo(&from)],
        MsgFlags::empty(),
        Some(&SockaddrIn6::from(SocketAddrV6::new(dst, 0, 0, 0))),
    )
    .map(drop)
}

/// Bytes of the longest packet.
const LONGEST: usize = 1_024;
