//! What the driver needs of an SCTP stack, whichever it is: one-to-many sockets (RFC 6458, 3) whose messages and
//! notifications become values in a channel.
//!
//! A stack receives on a thread of its own. That thread takes the time, copies what it is given and sends it on;
//! everything is decided by the driver, on one thread.

pub(crate) mod address;
mod kernel;
pub(crate) mod notification;
mod usrsctp;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use sctp_monitor_lab::clock::MonotonicNs;
use sctp_monitor_lab::endpoint::{EndpointConfig, PathStatus, StackCounters, StackKind};

use notification::Notification;

/// A running stack; there is one in a process.
pub(crate) trait Stack {
    /// Opens socket number `number`, set up as `config` says, bound to all its local addresses and `local_port`.
    fn open(
        &self,
        number: usize,
        config: &EndpointConfig,
        local_port: u16,
        deliveries: Deliveries,
    ) -> io::Result<Box<dyn Socket>>;

    /// What the stack counted since it was started.
    fn counters(&self) -> StackCounters;
}

/// A one-to-many socket. It is never closed: the process ends instead.
pub(crate) trait Socket {
    /// Accepts associations from now on.
    fn listen(&self) -> io::Result<()>;

    /// Sends the INIT. The association is usable once its `COMM_UP` arrives, not when this returns.
    fn connect(&self, addresses: &[IpAddr], port: u16) -> io::Result<()>;

    /// Sends a message; the error is `WouldBlock` when the send buffer is full.
    fn send(&self, association: u32, stream: u16, ppid: u32, message: &[u8]) -> io::Result<()>;

    /// Begins the SHUTDOWN of an association: what is queued goes out first.
    fn shut_down(&self, association: u32) -> io::Result<()>;

    /// Sends an ABORT and forgets the association.
    fn abort(&self, association: u32) -> io::Result<()>;

    /// The port that the socket is bound to.
    fn local_port(&self) -> io::Result<u16>;

    /// The peer's addresses.
    fn peer_addresses(&self, association: u32) -> io::Result<Vec<SocketAddr>>;

    /// How the stack sees the paths to the peer's addresses.
    fn paths(&self, association: u32) -> io::Result<Vec<PathStatus>>;

    /// Makes the path to this peer address the primary one.
    fn set_primary(&self, association: u32, address: IpAddr) -> io::Result<()>;

    /// Binds to one address more, or to one less, and tells the peers of all associations (RFC 5061) if the stack is set up
    /// to do so.
    fn change_address(&self, change: LocalAddressChange, address: IpAddr) -> io::Result<()>;
}

/// What becomes of a local address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LocalAddressChange {
    Add,
    Remove,
}

/// Where a socket's deliveries go.
pub(crate) type Deliveries = Arc<dyn Fn(Delivery) + Send + Sync>;

/// What a socket's thread passed on.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) time_ns: MonotonicNs,
    /// The socket, by the number it was opened with.
    pub(crate) socket: usize,
    /// The association's id, unique within its socket.
    pub(crate) association: u32,
    pub(crate) content: Content,
}

/// A message of the peer, or a word of the stack.
#[derive(Debug)]
pub(crate) enum Content {
    Message {
        bytes: Vec<u8>,
        /// Whether the message ends here; a long one may come in parts.
        is_complete: bool,
    },
    Notification(Notification),
}

/// Starts the stack that was chosen.
pub(crate) fn start(kind: StackKind, config: &EndpointConfig) -> io::Result<Box<dyn Stack>> {
    Ok(match kind {
        StackKind::Usrsctp => Box::new(usrsctp::Usrsctp::start(config)?),
        StackKind::Kernel => Box::new(kernel::Kernel::start(config)?),
    })
}

/// Socket options leave a parameter at its default where it is zero.
fn milliseconds(time: Option<Duration>) -> u32 {
    time.map_or(0, |time| u32::try_from(time.as_millis()).unwrap_or(u32::MAX))
}

/// `AF_INET6` as soon as there is an IPv6 address: such a socket takes IPv4 addresses as well.
fn family(config: &EndpointConfig) -> libc::c_int {
    if config.local.iter().all(IpAddr::is_ipv4) {
        libc::AF_INET
    } else {
        libc::AF_INET6
    }
}

/// Socket addresses as `connectx` takes them.
fn packed(addresses: &[IpAddr], port: u16) -> Vec<u8> {
    let encode = |ip: &IpAddr| address::encode(SocketAddr::new(*ip, port));
    addresses.iter().flat_map(encode).collect()
}
