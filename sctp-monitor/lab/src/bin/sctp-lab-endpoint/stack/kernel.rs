//! The running kernel's own SCTP by its sockets (RFC 6458, as Linux has it).

mod counters;
mod options;
mod receiver;
mod uapi;

use std::ffi::c_int;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::Arc;

use sctp_monitor_lab::endpoint::{EndpointConfig, PathStatus, StackCounters};

use self::counters::Counters;
use self::receiver::Receiver;
use super::address::sockaddr_storage;
use super::{Deliveries, LocalAddressChange, Socket, Stack};

/// The kernel's stack, which was running before.
pub(crate) struct Kernel {
    receiver: Arc<Receiver>,
    at_start: Counters,
}

struct KernelSocket {
    fd: Arc<OwnedFd>,
}

impl Kernel {
    /// Starts to receive. The kernel's UDP port (RFC 6951) is a setting of the network namespace.
    pub(crate) fn start(config: &EndpointConfig) -> io::Result<Self> {
        if let Some(port) = config.udp_encap {
            open_udp_port(port)?;
        }
        Ok(Self {
            receiver: Receiver::start()?,
            at_start: Counters::read()?,
        })
    }
}

impl Stack for Kernel {
    fn open(
        &self,
        number: usize,
        config: &EndpointConfig,
        local_port: u16,
        deliveries: Deliveries,
    ) -> io::Result<Box<dyn Socket>> {
        let fd = sctp_monitor_lab::endpoint::stack::open_socket(super::family(config))?;
        let socket = KernelSocket { fd: Arc::new(fd) };
        socket.set_up(config)?;
        socket.set_addresses(
            uapi::SCTP_SOCKOPT_BINDX_ADD,
            &super::packed(&config.local, local_port),
        )?;
        self.receiver.add(number, &socket.fd, deliveries)?;
        Ok(Box::new(socket))
    }

    fn counters(&self) -> StackCounters {
        // The file was there at the start.
        Counters::read().map_or_else(|_| StackCounters::default(), |now| now.since(&self.at_start))
    }
}

impl Socket for KernelSocket {
    fn listen(&self) -> io::Result<()> {
        // SAFETY: listen takes two integers.
        check(unsafe { libc::listen(self.fd.as_raw_fd(), BACKLOG) })
    }

    fn connect(&self, addresses: &[IpAddr], port: u16) -> io::Result<()> {
        let packed = super::packed(addresses, port);
        match self.set_addresses(uapi::SCTP_SOCKOPT_CONNECTX, &packed) {
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => Ok(()),
            result => result,
        }
    }

    fn send(&self, association: u32, stream: u16, ppid: u32, message: &[u8]) -> io::Result<()> {
        let info = uapi::sctp_sndinfo {
            snd_sid: stream,
            snd_ppid: ppid.to_be(),
            snd_assoc_id: options::id(association),
            ..Default::default()
        };
        self.send_with(info, message)
    }

    fn shut_down(&self, association: u32) -> io::Result<()> {
        self.end(association, uapi::SCTP_EOF)
    }

    fn abort(&self, association: u32) -> io::Result<()> {
        self.end(association, uapi::SCTP_ABORT)
    }

    fn local_port(&self) -> io::Result<u16> {
        let bound = self.list(
            uapi::SCTP_GET_LOCAL_ADDRS,
            uapi::SCTP_FUTURE_ASSOC.cast_unsigned(),
        )?;
        Ok(bound.first().map_or(0, SocketAddr::port))
    }

    fn peer_addresses(&self, association: u32) -> io::Result<Vec<SocketAddr>> {
        self.list(uapi::SCTP_GET_PEER_ADDRS, association)
    }

    fn paths(&self, association: u32) -> io::Result<Vec<PathStatus>> {
        self.path_statuses(association)
    }

    fn set_primary(&self, association: u32, address: IpAddr) -> io::Result<()> {
        self.set_primary_address(association, address)
    }

    fn change_address(&self, change: LocalAddressChange, address: IpAddr) -> io::Result<()> {
        let option = match change {
            LocalAddressChange::Add => uapi::SCTP_SOCKOPT_BINDX_ADD,
            LocalAddressChange::Remove => uapi::SCTP_SOCKOPT_BINDX_REM,
        };
        self.set_addresses(option, &super::packed(&[address], self.local_port()?))
    }
}

impl KernelSocket {
    fn end(&self, association: u32, snd_flags: u16) -> io::Result<()> {
        let info = uapi::sctp_sndinfo {
            snd_flags,
            snd_assoc_id: options::id(association),
            ..Default::default()
        };
        self.send_with(info, &[])
    }

    fn send_with(&self, info: uapi::sctp_sndinfo, message: &[u8]) -> io::Result<()> {
        // A cmsghdr (length, level, type) and its data, as CMSG_LEN and CMSG_SPACE lay them out.
        #[repr(C, align(8))]
        struct Control {
            header: libc::cmsghdr,
            info: uapi::sctp_sndinfo,
        }
        let mut control = Control {
            header: libc::cmsghdr {
                cmsg_len: size_of::<Control>(),
                cmsg_level: libc::IPPROTO_SCTP,
                cmsg_type: uapi::SCTP_SNDINFO,
            },
            info,
        };
        let mut part = libc::iovec {
            iov_base: message.as_ptr().cast_mut().cast(),
            iov_len: message.len(),
        };
        // SAFETY: msghdr is plain old data, all zero is a message without anything.
        let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
        header.msg_iov = &raw mut part;
        header.msg_iovlen = 1;
        header.msg_control = (&raw mut control).cast();
        header.msg_controllen = size_of_val(&control);
        // Not libc's `sendmsg`: in this program that is usrsctp's, which hides what the kernel says of routes.
        // SAFETY: the message points to a buffer, only read, and to control data; both outlive the call.
        let sent = unsafe { libc::syscall(libc::SYS_sendmsg, self.fd.as_raw_fd(), &raw const header, 0) };
        check(if sent < 0 { -1 } else { 0 })
    }
}

/// Opens the namespace's port for SCTP over UDP, unless it is open.
fn open_udp_port(port: u16) -> io::Result<()> {
    let cannot = |error: io::Error| {
        io::Error::new(
            error.kind(),
            format!("SCTP over UDP needs net.sctp.udp_port={port} (Linux 5.11 or newer, root): {error}"),
        )
    };
    let current = std::fs::read_to_string(UDP_PORT).map_err(cannot)?;
    if current.trim() == port.to_string() {
        return Ok(());
    }
    std::fs::write(UDP_PORT, port.to_string()).map_err(cannot)
}

const UDP_PORT: &str = "/proc/sys/net/sctp/udp_port";

/// The associations that may come up at once.
const BACKLOG: c_int = 1024;

fn check(result: c_int) -> io::Result<()> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
