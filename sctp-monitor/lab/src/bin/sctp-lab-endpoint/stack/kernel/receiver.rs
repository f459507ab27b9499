//! One thread that receives for all sockets.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use sctp_monitor_lab::clock::monotonic_ns;

use super::super::notification::{Dialect, Notification};
use super::super::{Content, Deliveries, Delivery};
use super::uapi;

/// Waits for all sockets at once and passes on what they receive.
pub(super) struct Receiver {
    epoll: Epoll,
    sockets: Mutex<HashMap<u64, (Arc<OwnedFd>, Deliveries)>>,
}

impl Receiver {
    /// Starts the thread.
    pub(super) fn start() -> io::Result<Arc<Self>> {
        let receiver = Arc::new(Self {
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            sockets: Mutex::default(),
        });
        let running = Arc::clone(&receiver);
        std::thread::Builder::new()
            .name("receiver".to_owned())
            .spawn(move || running.run())?;
        Ok(receiver)
    }

    /// Adds socket number `number`.
    pub(super) fn add(&self, number: usize, fd: &Arc<OwnedFd>, deliveries: Deliveries) -> io::Result<()> {
        let number = number as u64;
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        sockets.insert(number, (Arc::clone(fd), deliveries));
        Ok(self
            .epoll
            .add(fd.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, number))?)
    }

    fn run(&self) {
        let mut ready = [EpollEvent::empty(); 64];
        let mut buffer = vec![0; LONGEST_PART];
        loop {
            let count = match self.epoll.wait(&mut ready, EpollTimeout::NONE) {
                Ok(count) => count,
                Err(nix::errno::Errno::EINTR) => continue,
                Err(errno) => panic!("epoll_wait on sockets that are never closed: {errno}"),
            };
            for event in &ready[..count] {
                let sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
                let (fd, deliveries) = &sockets[&event.data()];
                // An error here is one of an association, which has its notification as well.
                if let Ok(Some((association, content))) = receive(fd, &mut buffer) {
                    deliveries(Delivery {
                        time_ns: monotonic_ns(),
                        socket: event.data() as usize,
                        association,
                        content,
                    });
                }
            }
        }
    }
}

/// One message, or a part of it, or a notification; none for a notification that nobody asked for.
fn receive(fd: &OwnedFd, buffer: &mut [u8]) -> io::Result<Option<(u32, Content)>> {
    let mut control = [0_u64; 16];
    let mut part = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    // SAFETY: msghdr is plain old data, all zero is a message without anything.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control);
    // SAFETY: the message points to a buffer and to control data that outlive the call, with their sizes.
    let length = unsafe { libc::recvmsg(fd.as_raw_fd(), &raw mut message, 0) };
    let length = usize::try_from(length).map_err(|_| io::Error::last_os_error())?;
    let bytes = &buffer[..length];
    if message.msg_flags & uapi::MSG_NOTIFICATION != 0 {
        let parsed = Notification::parse(bytes, &DIALECT);
        return Ok(parsed.map(|(association, word)| (association, Content::Notification(word))));
    }
    let content = Content::Message {
        bytes: bytes.to_vec(),
        is_complete: message.msg_flags & libc::MSG_EOR != 0,
    };
    Ok(association_of(&message).map(|association| (association, content)))
}

/// From the control message that `SCTP_RECVRCVINFO` asks for.
fn association_of(message: &libc::msghdr) -> Option<u32> {
    // SAFETY: the kernel has filled the control data, whose length it has set.
    let mut next = unsafe { libc::CMSG_FIRSTHDR(message) };
    while !next.is_null() {
        // SAFETY: not null, so it points to a whole header inside the control data.
        let header = unsafe { *next };
        if (header.cmsg_level, header.cmsg_type) == (libc::IPPROTO_SCTP, uapi::SCTP_RCVINFO) {
            // SAFETY: this type of control message carries an sctp_rcvinfo, at any alignment.
            let info = unsafe {
                libc::CMSG_DATA(next)
                    .cast::<uapi::sctp_rcvinfo>()
                    .read_unaligned()
            };
            return Some(info.rcv_assoc_id.cast_unsigned());
        }
        // SAFETY: as for the first one.
        next = unsafe { libc::CMSG_NXTHDR(message, next) };
    }
    None
}

/// Both enumerations of states begin at zero.
const DIALECT: Dialect = Dialect {
    association_change: uapi::SCTP_ASSOC_CHANGE,
    peer_address_change: uapi::SCTP_PEER_ADDR_CHANGE,
    first_state: 0,
};

/// A longer message comes in parts.
const LONGEST_PART: usize = 1 << 18;
