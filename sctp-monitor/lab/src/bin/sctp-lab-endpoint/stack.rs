//! usrsctp behind a safe face: the stack, and one-to-many sockets (RFC 6458, 3) whose callbacks become values in a
//! channel.
//!
//! The stack runs on threads of its own and calls back on them. A callback takes the time, copies what it is given and
//! sends it on; everything is decided by the driver, on one thread.

pub(crate) mod address;
mod ffi;
pub(crate) mod notification;
mod options;

use std::ffi::{c_int, c_void};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ptr::NonNull;
use std::sync::mpsc::Sender;

use sctp_monitor_lab::clock::{MonotonicNs, monotonic_ns};
use sctp_monitor_lab::endpoint::{EndpointConfig, StackCounters};

/// The running stack; there is one in a process.
pub(crate) struct Stack(());

/// A one-to-many socket. It is never closed: the process ends instead.
pub(crate) struct Socket {
    socket: NonNull<ffi::socket>,
}

/// What a callback passed on.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) time_ns: MonotonicNs,
    /// The socket, by the number it was opened with.
    pub(crate) socket: usize,
    /// The association's id, unique within its socket.
    pub(crate) association: u32,
    pub(crate) is_notification: bool,
    /// Whether the message ends here; a long one may come in parts.
    pub(crate) is_complete: bool,
    pub(crate) bytes: Vec<u8>,
}

/// What a socket's callback knows.
struct CallbackContext {
    socket: usize,
    deliveries: Box<dyn Fn(Delivery) + Send + Sync>,
}

impl Stack {
    /// Starts the stack; `udp_port` is the local port of SCTP over UDP, which an endpoint without it does not open.
    pub(crate) fn start(udp_port: Option<u16>) -> Self {
        // SAFETY: called once, before anything else of the library; null callbacks mean raw sockets and no debug output.
        unsafe { ffi::usrsctp_init(udp_port.unwrap_or(0), None, None) };
        // Each stack in a namespace reads every SCTP packet of the namespace: it must not abort the associations of others.
        // SAFETY: sets an integer of the initialised library.
        unsafe { ffi::usrsctp_sysctl_set_sctp_blackhole(2) };
        Self(())
    }

    pub(crate) fn counters(&self) -> StackCounters {
        let mut stat = ffi::sctpstat::default();
        // SAFETY: the library fills the whole structure, whose size is asserted.
        unsafe { ffi::usrsctp_get_stat(&raw mut stat) };
        StackCounters {
            packets_sent: stat.sctps_sendpackets(),
            packets_received: stat.sctps_recvpackets(),
            data_sent: stat.sctps_senddata(),
            data_retransmitted: stat.sctps_sendretransdata(),
            data_received: stat.sctps_recvdata(),
            heartbeats_sent: stat.sctps_sendheartbeat(),
            heartbeats_received: stat.sctps_recvheartbeat(),
            heartbeat_acks_received: stat.sctps_recvheartbeatack(),
            sacks_sent: stat.sctps_sendsacks(),
            sacks_received: stat.sctps_recvsacks(),
        }
    }

    /// Opens socket number `number`, set up as `config` says, bound to all its local addresses and `local_port`.
    pub(crate) fn open<T: From<Delivery> + Send + 'static>(
        &self,
        number: usize,
        config: &EndpointConfig,
        local_port: u16,
        deliveries: &Sender<T>,
    ) -> io::Result<Socket> {
        let is_ipv4_only = config.local.iter().all(IpAddr::is_ipv4);
        let family = if is_ipv4_only {
            libc::AF_INET
        } else {
            libc::AF_INET6
        };
        let deliveries = deliveries.clone();
        let context = Box::new(CallbackContext {
            socket: number,
            // The driver that reads the other end has gone only when the process ends.
            deliveries: Box::new(move |delivery| drop(deliveries.send(delivery.into()))),
        });
        // SAFETY: the stack is running (`self`); the callback has the type the library expects, and its context lives as long
        // as the process.
        let socket = unsafe {
            ffi::usrsctp_socket(
                family,
                libc::SOCK_SEQPACKET,
                ffi::IPPROTO_SCTP,
                Some(on_receive),
                None,
                0,
                Box::into_raw(context).cast(),
            )
        };
        let socket = Socket {
            socket: NonNull::new(socket).ok_or_else(io::Error::last_os_error)?,
        };
        socket.set_up(config)?;
        for ip in &config.local {
            socket.bind(SocketAddr::new(*ip, local_port))?;
        }
        Ok(socket)
    }
}

impl Socket {
    pub(crate) fn listen(&self) -> io::Result<()> {
        // SAFETY: the socket is open.
        check(unsafe { ffi::usrsctp_listen(self.socket.as_ptr(), 1) })
    }

    /// Sends the INIT. The association is usable once its `COMM_UP` arrives, not when this returns.
    pub(crate) fn connect(&self, addresses: &[IpAddr], port: u16) -> io::Result<()> {
        let packed: Vec<u8> = addresses
            .iter()
            .flat_map(|ip| address::encode(SocketAddr::new(*ip, port)))
            .collect();
        let count = c_int::try_from(addresses.len()).map_err(io::Error::other)?;
        // SAFETY: `packed` holds `count` socket addresses one after the other and outlives the call; malloc, behind Rust's
        // allocator, aligns it; the library may leave out the id for a null pointer.
        check(unsafe {
            ffi::usrsctp_connectx(
                self.socket.as_ptr(),
                packed.as_ptr().cast(),
                count,
                std::ptr::null_mut(),
            )
        })
    }

    /// Sends a message; the error is `WouldBlock` when the send buffer is full.
    pub(crate) fn send(&self, association: u32, stream: u16, ppid: u32, message: &[u8]) -> io::Result<()> {
        let info = ffi::sctp_sndinfo {
            snd_sid: stream,
            snd_ppid: ppid.to_be(),
            snd_assoc_id: association,
            ..ffi::sctp_sndinfo::default()
        };
        self.send_with(info, message)
    }

    /// Begins the SHUTDOWN of an association: what is queued goes out first.
    pub(crate) fn shut_down(&self, association: u32) -> io::Result<()> {
        self.send_with(
            ffi::sctp_sndinfo {
                snd_flags: ffi::SCTP_EOF,
                snd_assoc_id: association,
                ..Default::default()
            },
            &[],
        )
    }

    /// Sends an ABORT and forgets the association.
    pub(crate) fn abort(&self, association: u32) -> io::Result<()> {
        self.send_with(
            ffi::sctp_sndinfo {
                snd_flags: ffi::SCTP_ABORT,
                snd_assoc_id: association,
                ..Default::default()
            },
            &[],
        )
    }

    /// The port that the socket is bound to.
    pub(crate) fn local_port(&self) -> io::Result<u16> {
        let bound = self.addresses(
            ffi::SCTP_FUTURE_ASSOC,
            ffi::usrsctp_getladdrs,
            ffi::usrsctp_freeladdrs,
        )?;
        Ok(bound.first().map_or(0, SocketAddr::port))
    }

    /// The peer's addresses.
    pub(crate) fn peer_addresses(&self, association: u32) -> io::Result<Vec<SocketAddr>> {
        self.addresses(association, ffi::usrsctp_getpaddrs, ffi::usrsctp_freepaddrs)
    }

    fn bind(&self, address: SocketAddr) -> io::Result<()> {
        let mut storage = ffi::sockaddr_storage::from(address);
        // SAFETY: the socket is open; `storage` holds one socket address and outlives the call.
        check(unsafe {
            ffi::usrsctp_bindx(
                self.socket.as_ptr(),
                (&raw mut storage).cast(),
                1,
                ffi::SCTP_BINDX_ADD_ADDR,
            )
        })
    }

    fn send_with(&self, mut info: ffi::sctp_sndinfo, message: &[u8]) -> io::Result<()> {
        // SAFETY: message and info outlive the call, their sizes are given, and the info is of the type named; no address is
        // needed where an association is.
        let sent = unsafe {
            ffi::usrsctp_sendv(
                self.socket.as_ptr(),
                message.as_ptr().cast(),
                message.len(),
                std::ptr::null_mut(),
                0,
                (&raw mut info).cast(),
                size_of_val(&info) as libc::socklen_t,
                ffi::SCTP_SENDV_SNDINFO,
                0,
            )
        };
        if sent < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        }
    }

    fn addresses(
        &self,
        association: u32,
        list: unsafe extern "C" fn(*mut ffi::socket, u32, *mut *mut libc::sockaddr) -> c_int,
        free: unsafe extern "C" fn(*mut libc::sockaddr),
    ) -> io::Result<Vec<SocketAddr>> {
        let mut first = std::ptr::null_mut();
        // SAFETY: the socket is open; `list` stores a pointer to an array that it allocates, and answers how many it holds.
        let count = unsafe { list(self.socket.as_ptr(), association, &raw mut first) };
        if count < 0 {
            return Err(io::Error::last_os_error());
        }
        let mut addresses = Vec::new();
        let mut next = first.cast::<u8>().cast_const();
        for _ in 0..count {
            // SAFETY: the library packs the addresses one after the other and each is at least a sockaddr_in; `decode` reads
            // what belongs to a longer one only after its family says so, hence the two steps.
            let start = unsafe { std::slice::from_raw_parts(next, 16) };
            let length = if start[..2] == (libc::AF_INET6 as u16).to_ne_bytes() {
                28
            } else {
                16
            };
            // SAFETY: the family says that this address has so many bytes.
            let whole = unsafe { std::slice::from_raw_parts(next, length) };
            addresses.extend(address::decode(whole).map(|(address, _)| address));
            // SAFETY: the next address, or the end of the array, begins after this one.
            next = unsafe { next.add(length) };
        }
        if count > 0 {
            // SAFETY: `first` came from `list`, its last use is above.
            unsafe { free(first) };
        }
        Ok(addresses)
    }
}

/// Called on a thread of the stack for a message, a notification, or, without data, at the end of a one-to-one socket.
unsafe extern "C" fn on_receive(
    _socket: *mut ffi::socket,
    _from: ffi::sctp_sockstore,
    data: *mut c_void,
    length: usize,
    info: ffi::sctp_rcvinfo,
    flags: c_int,
    context: *mut c_void,
) -> c_int {
    let time_ns = monotonic_ns();
    if !data.is_null() {
        // SAFETY: the context is the one that `Stack::open` leaked for this socket, and only ever read.
        let context = unsafe { &*context.cast::<CallbackContext>() };
        // SAFETY: the library gives `length` bytes at `data`.
        let bytes = unsafe { std::slice::from_raw_parts(data.cast::<u8>(), length) }.to_vec();
        // SAFETY: the library allocated the data with malloc and leaves it to the callback.
        unsafe { libc::free(data) };
        (context.deliveries)(Delivery {
            time_ns,
            socket: context.socket,
            association: info.rcv_assoc_id,
            is_notification: flags & ffi::MSG_NOTIFICATION != 0,
            is_complete: flags & libc::MSG_EOR != 0,
            bytes,
        });
    }
    1
}

fn check(result: c_int) -> io::Result<()> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
