//! Network interfaces of a namespace by `ioctl`: one system call, no process, so that a fault takes effect at one
//! instant.
//!
//! A socket belongs to the namespace it was opened in, whichever thread uses it: a [`Control`] socket works from
//! anywhere.

use std::io;
use std::net::UdpSocket;
use std::os::fd::{AsRawFd as _, RawFd};

use crate::netns::{Namespace, NetnsError};

/// A handle on the interfaces of one namespace.
#[derive(Debug)]
pub(crate) struct Control(UdpSocket);

/// An interface could not be read or changed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} interface `{interface}`")]
pub struct InterfaceError {
    /// The operation that failed.
    pub what: &'static str,
    /// The interface's name.
    pub interface: String,
    /// The system's error.
    pub source: io::Error,
}

impl Control {
    pub(crate) fn open(namespace: &Namespace) -> Result<Self, NetnsError> {
        namespace
            .run(|| UdpSocket::bind("0.0.0.0:0"))?
            .map(Self)
            .map_err(|source| NetnsError::Enter {
                namespace: namespace.name().to_owned(),
                source,
            })
    }

    /// Brings an interface administratively up or down.
    pub(crate) fn set_up(&self, interface: &str, up: bool) -> Result<(), InterfaceError> {
        let what = if up { "bring up" } else { "take down" };
        let flags = self.flags(interface)?;
        let up_flag = libc::IFF_UP as libc::c_short;
        let mut request = Request::new(interface, what)?;
        request.0.ifr_ifru.ifru_flags = if up { flags | up_flag } else { flags & !up_flag };
        request.submit(self.0.as_raw_fd(), libc::SIOCSIFFLAGS, what)
    }

    /// Whether the interface is up and has carrier.
    pub(crate) fn is_running(&self, interface: &str) -> Result<bool, InterfaceError> {
        let running = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
        Ok(self.flags(interface)? & running == running)
    }

    /// Makes the stack compute every checksum of what it sends.
    ///
    /// veth leaves checksums to a NIC that does not exist, SCTP's CRC32c with the others: captures would show wrong ones,
    /// and a relayed frame would keep them.
    pub(crate) fn disable_checksum_offload(&self, interface: &str) -> Result<(), InterfaceError> {
        const WHAT: &str = "turn off checksum offload on";
        let mut value = EthtoolValue {
            command: ETHTOOL_STXCSUM,
            data: 0,
        };
        let mut request = Request::new(interface, WHAT)?;
        request.0.ifr_ifru.ifru_data = (&raw mut value).cast();
        request.submit(self.0.as_raw_fd(), libc::SIOCETHTOOL, WHAT)
    }

    /// The interface's own Ethernet address.
    pub(crate) fn hardware_address(&self, interface: &str) -> Result<[u8; 6], InterfaceError> {
        const WHAT: &str = "read the address of";
        let mut request = Request::new(interface, WHAT)?;
        request.submit(self.0.as_raw_fd(), libc::SIOCGIFHWADDR, WHAT)?;
        // SAFETY: SIOCGIFHWADDR succeeded, so the kernel wrote the union's hardware address; the request was zeroed before.
        let bytes = unsafe { request.0.ifr_ifru.ifru_hwaddr.sa_data };
        Ok(std::array::from_fn(|index| bytes[index].cast_unsigned()))
    }

    fn flags(&self, interface: &str) -> Result<libc::c_short, InterfaceError> {
        const WHAT: &str = "read the flags of";
        let mut request = Request::new(interface, WHAT)?;
        request.submit(self.0.as_raw_fd(), libc::SIOCGIFFLAGS, WHAT)?;
        // SAFETY: SIOCGIFFLAGS succeeded, so the kernel wrote the union's flags; the request was zeroed before.
        Ok(unsafe { request.0.ifr_ifru.ifru_flags })
    }
}

/// `struct ifreq` with its name filled in and the rest zero.
struct Request(libc::ifreq);

impl Request {
    fn new(interface: &str, what: &'static str) -> Result<Self, InterfaceError> {
        // SAFETY: ifreq is plain old data, all zero is a value of every member of its union.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        // The last byte stays zero: the kernel wants a terminated name.
        if interface.len() >= request.ifr_name.len() {
            let source = io::Error::from_raw_os_error(libc::ENAMETOOLONG);
            return Err(InterfaceError {
                what,
                interface: interface.to_owned(),
                source,
            });
        }
        for (to, from) in request.ifr_name.iter_mut().zip(interface.bytes()) {
            *to = from as libc::c_char;
        }
        Ok(Self(request))
    }

    fn submit(
        &mut self,
        socket: RawFd,
        number: libc::Ioctl,
        what: &'static str,
    ) -> Result<(), InterfaceError> {
        // SAFETY: the argument is a whole ifreq that outlives the call, as all request numbers used here demand;
        // where its data pointer is read (SIOCETHTOOL) it points to a live EthtoolValue of the caller's frame.
        let result = unsafe { libc::ioctl(socket, number, &raw mut self.0) };
        if result < 0 {
            let source = io::Error::last_os_error();
            let name = self
                .0
                .ifr_name
                .iter()
                .take_while(|byte| **byte != 0)
                .map(|byte| *byte as u8 as char);
            return Err(InterfaceError {
                what,
                interface: name.collect(),
                source,
            });
        }
        Ok(())
    }
}

/// `struct ethtool_value` of linux/ethtool.h.
#[repr(C)]
struct EthtoolValue {
    command: u32,
    data: u32,
}

/// Turns off all transmit checksum features at once, `tx-checksum-sctp` among them (net/ethtool/ioctl.c).
const ETHTOOL_STXCSUM: u32 = 0x17;
