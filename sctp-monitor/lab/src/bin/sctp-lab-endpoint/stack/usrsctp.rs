//! A safe interface to usrsctp.
//!
//! The stack runs on threads of its own and calls back on them.

mod ffi;
mod options;
mod source_address;

use std::ffi::{c_int, c_void};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ptr::NonNull;

use sctp_monitor_lab::clock::monotonic_ns;
use sctp_monitor_lab::endpoint::{EndpointConfig, PathStatus, StackCounters};

use super::notification::{Dialect, Notification};
use super::{
    Content, Deliveries, Delivery, LocalAddressChange, Socket, Stack, address, address::sockaddr_storage,
};

/// The running stack.
pub(crate) struct Usrsctp(());

struct UsrsctpSocket {
    socket: NonNull<ffi::socket>,
}

/// What a socket's callback knows.
struct CallbackContext {
    socket: usize,
    deliveries: Deliveries,
}

impl Usrsctp {
    /// Starts the stack; without UDP encapsulation it opens no UDP port.
    pub(crate) fn start(config: &EndpointConfig) -> io::Result<Self> {
        if config.timers.pf_max_retrans.is_some() {
            let message =
                "usrsctp does not let anybody set PotentiallyFailed.Max.Retrans; leave --pf-max-retrans out";
            return Err(io::Error::new(io::ErrorKind::Unsupported, message));
        }
        source_address::choose_among(&config.local);
        // SAFETY: called once, before anything else of the library; null callbacks mean raw sockets and no debug output.
        unsafe { ffi::usrsctp_init(config.udp_encap.unwrap_or(0), None, None) };
        if !config.out_of_the_blue {
            // Each stack in a namespace reads every SCTP packet of the namespace: it must not abort the associations of others.
            // SAFETY: sets an integer of the initialised library.
            unsafe { ffi::usrsctp_sysctl_set_sctp_blackhole(2) };
        }
        Ok(Self(()))
    }
}

impl Stack for Usrsctp {
    fn open(
        &self,
        number: usize,
        config: &EndpointConfig,
        local_port: u16,
        deliveries: Deliveries,
    ) -> io::Result<Box<dyn Socket>> {
        // The driver that reads the other end has gone only when the process ends.
        let context = Box::new(CallbackContext {
            socket: number,
            deliveries,
        });
        // SAFETY: the stack is running (`self`); the callback has the type the library expects, and its context lives as long
        // as the process.
        let socket = unsafe {
            ffi::usrsctp_socket(
                super::family(config),
                libc::SOCK_SEQPACKET,
                ffi::IPPROTO_SCTP,
                Some(on_receive),
                None,
                0,
                Box::into_raw(context).cast(),
            )
        };
        let socket = UsrsctpSocket {
            socket: NonNull::new(socket).ok_or_else(io::Error::last_os_error)?,
        };
        socket.set_up(config)?;
        for ip in &config.local {
            socket.bindx(SocketAddr::new(*ip, local_port), ffi::SCTP_BINDX_ADD_ADDR)?;
        }
        Ok(Box::new(socket))
    }

    fn counters(&self) -> StackCounters {
        let mut stat = ffi::sctpstat::default();
        // SAFETY: the library fills the whole structure, whose size is asserted.
        unsafe { ffi::usrsctp_get_stat(&raw mut stat) };
        StackCounters {
            packets_sent: stat.sctps_sendpackets(),
            packets_received: stat.sctps_recvpackets(),
            data_sent: stat.sctps_senddata(),
            data_retransmitted: Some(stat.sctps_sendretransdata()),
            data_received: stat.sctps_recvdata(),
            heartbeats_sent: Some(stat.sctps_sendheartbeat()),
            heartbeats_received: Some(stat.sctps_recvheartbeat()),
            heartbeat_acks_received: Some(stat.sctps_recvheartbeatack()),
            sacks_sent: Some(stat.sctps_sendsacks()),
            sacks_received: Some(stat.sctps_recvsacks()),
        }
    }
}

impl Socket for UsrsctpSocket {
    fn listen(&self) -> io::Result<()> {
        // SAFETY: the socket is open.
        check(unsafe { ffi::usrsctp_listen(self.socket.as_ptr(), 1) })
    }

    fn connect(&self, addresses: &[IpAddr], port: u16) -> io::Result<()> {
        let packed = super::packed(addresses, port);
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

    fn send(&self, association: u32, stream: u16, ppid: u32, message: &[u8]) -> io::Result<()> {
        let info = ffi::sctp_sndinfo {
            snd_sid: stream,
            snd_ppid: ppid.to_be(),
            snd_assoc_id: association,
            ..ffi::sctp_sndinfo::default()
        };
        self.send_with(info, message)
    }

    fn shut_down(&self, association: u32) -> io::Result<()> {
        self.send_with(
            ffi::sctp_sndinfo {
                snd_flags: ffi::SCTP_EOF,
                snd_assoc_id: association,
                ..Default::default()
            },
            &[],
        )
    }

    fn abort(&self, association: u32) -> io::Result<()> {
        self.send_with(
            ffi::sctp_sndinfo {
                snd_flags: ffi::SCTP_ABORT,
                snd_assoc_id: association,
                ..Default::default()
            },
            &[],
        )
    }

    fn local_port(&self) -> io::Result<u16> {
        let bound = self.addresses(
            ffi::SCTP_FUTURE_ASSOC,
            ffi::usrsctp_getladdrs,
            ffi::usrsctp_freeladdrs,
        )?;
        Ok(bound.first().map_or(0, SocketAddr::port))
    }

    fn peer_addresses(&self, association: u32) -> io::Result<Vec<SocketAddr>> {
        self.addresses(association, ffi::usrsctp_getpaddrs, ffi::usrsctp_freepaddrs)
    }

    fn paths(&self, association: u32) -> io::Result<Vec<PathStatus>> {
        self.path_statuses(association)
    }

    fn set_primary(&self, association: u32, address: IpAddr) -> io::Result<()> {
        self.set_primary_address(association, address)
    }

    fn change_address(&self, change: LocalAddressChange, address: IpAddr) -> io::Result<()> {
        let flags = match change {
            LocalAddressChange::Add => ffi::SCTP_BINDX_ADD_ADDR,
            LocalAddressChange::Remove => ffi::SCTP_BINDX_REM_ADDR,
        };
        self.bindx(SocketAddr::new(address, self.local_port()?), flags)
    }
}

impl UsrsctpSocket {
    fn bindx(&self, address: SocketAddr, flags: c_int) -> io::Result<()> {
        let mut storage = sockaddr_storage::from(address);
        // SAFETY: the socket is open; `storage` holds one socket address and outlives the call.
        check(unsafe { ffi::usrsctp_bindx(self.socket.as_ptr(), (&raw mut storage).cast(), 1, flags) })
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
        // SAFETY: the context is the one that `open` leaked for this socket, and only ever read.
        let context = unsafe { &*context.cast::<CallbackContext>() };
        // SAFETY: the library gives `length` bytes at `data`.
        let bytes = unsafe { std::slice::from_raw_parts(data.cast::<u8>(), length) }.to_vec();
        // SAFETY: the library allocated the data with malloc and leaves it to the callback.
        unsafe { libc::free(data) };
        let message = if flags & ffi::MSG_NOTIFICATION == 0 {
            let is_complete = flags & libc::MSG_EOR != 0;
            Some((info.rcv_assoc_id, Content::Message { bytes, is_complete }))
        } else {
            Notification::parse(&bytes, &DIALECT).map(|(id, word)| (id, Content::Notification(word)))
        };
        if let Some((association, content)) = message {
            (context.deliveries)(Delivery {
                time_ns,
                socket: context.socket,
                association,
                content,
            });
        }
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

/// Both enumerations of states begin at one.
const DIALECT: Dialect = Dialect {
    association_change: ffi::SCTP_ASSOC_CHANGE,
    peer_address_change: ffi::SCTP_PEER_ADDR_CHANGE,
    first_state: 1,
};
