//! Gives each packet the source address that belongs to its path, and hides what the kernel says about routes.
//!
//! usrsctp knows no routes: `sctp_userspace_rtalloc` finds the same one for every destination, so source address selection
//! falls through to "an address of the endpoint", always the one bound last. IPv4 packets leave through a raw socket
//! with `IP_HDRINCL` and carry that address whatever their interface; IPv6 and UDP packets leave the choice to the
//! kernel, which may take an address that the endpoint is not bound to. And when `sendmsg` fails because a route is gone,
//! `sctp_med_chunk_output` drops the packet without counting its chunks as sent: no retransmission timer starts, and the
//! stack never leaves the path.
//!
//! The library calls `sendmsg` by name. The linker resolves the name to the definition here, in the executable, before
//! it looks into libc.

use std::collections::HashMap;
use std::ffi::c_int;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::address;

/// Tells `sendmsg` which addresses the endpoint is bound to; before this it changes nothing.
pub(super) fn choose_among(bound: &[IpAddr]) {
    let _ = SOURCES.set(Sources {
        bound: bound.to_vec(),
        known: Mutex::default(),
    });
}

static SOURCES: OnceLock<Sources> = OnceLock::new();

struct Sources {
    bound: Vec<IpAddr>,
    /// Routes of a host do not change, except that they vanish with their link: an address once found stays right.
    known: Mutex<HashMap<IpAddr, IpAddr>>,
}

impl Sources {
    /// The bound address nearest to the one that the kernel would use, which is that address itself if it is bound. Without
    /// a route, the one nearest to the destination.
    fn for_destination(&self, destination: IpAddr) -> Option<IpAddr> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(source) = known.get(&destination) {
            return Some(*source);
        }
        let Some(kernels_choice) = kernels_choice(destination) else {
            return nearest(&self.bound, destination);
        };
        let source = nearest(&self.bound, kernels_choice)?;
        known.insert(destination, source);
        Some(source)
    }
}

fn kernels_choice(destination: IpAddr) -> Option<IpAddr> {
    let any = if destination.is_ipv4() {
        IpAddr::from([0; 4])
    } else {
        IpAddr::from([0; 16])
    };
    // Connecting a UDP socket sends nothing, it looks up the route.
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((destination, 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// The address that shares the longest prefix with `wanted`.
fn nearest(addresses: &[IpAddr], wanted: IpAddr) -> Option<IpAddr> {
    let shared_bits = |address: &IpAddr| match (address, wanted) {
        (IpAddr::V4(address), IpAddr::V4(wanted)) => {
            Some((address.to_bits() ^ wanted.to_bits()).leading_zeros())
        }
        (IpAddr::V6(address), IpAddr::V6(wanted)) => {
            Some((address.to_bits() ^ wanted.to_bits()).leading_zeros())
        }
        _ => None,
    };
    addresses
        .iter()
        .filter(|address| shared_bits(address).is_some())
        .max_by_key(|address| shared_bits(address))
        .copied()
}

/// Takes the place of libc's `sendmsg` for the stack: the same call with the right source address; a packet that no route
/// takes counts as sent and lost, as it would be a hop further.
///
/// # Safety
/// As for `sendmsg(2)`. The stack owns the packet that the message points to and frees it after the call, so the source
/// address in an IPv4 header may be overwritten.
#[unsafe(no_mangle)]
unsafe extern "C" fn sendmsg(socket: c_int, message: *const libc::msghdr, flags: c_int) -> libc::ssize_t {
    // SAFETY: the caller passes a valid message; it is copied, what it points to stays the caller's.
    let mut message = unsafe { *message };
    let mut control = Control { bytes: [0; 40] };
    // SAFETY: the caller passes a name of the given length, or none.
    let destination = unsafe { name_of(&message) };
    let source = destination.and_then(|destination| SOURCES.get()?.for_destination(destination.ip()));
    match source {
        // SAFETY: the message is the caller's, whose packet may be changed.
        Some(IpAddr::V4(source)) if is_raw(socket) => unsafe { write_ipv4_source(&message, source) },
        Some(source) if message.msg_controllen == 0 => control.attach(&mut message, source),
        _ => {}
    }
    // SAFETY: the message is the caller's but for the control data, which `control` holds until the call returns.
    let sent = unsafe { libc::syscall(libc::SYS_sendmsg, socket, &raw const message, flags) };
    let is_lost = || {
        io::Error::last_os_error()
            .raw_os_error()
            .is_some_and(|errno| LOST.contains(&errno))
    };
    if sent < 0 && is_lost() {
        // SAFETY: the message is the caller's.
        return unsafe { length_of(&message) };
    }
    sent as libc::ssize_t
}

/// No route (the link is down, or there never was one), filtered on the way out, or no room in the device's queue.
const LOST: [c_int; 6] = [
    libc::ENETUNREACH,
    libc::EHOSTUNREACH,
    libc::ENETDOWN,
    libc::EPERM,
    libc::ENOBUFS,
    libc::EADDRNOTAVAIL,
];

/// One control message, `IP_PKTINFO` or `IPV6_PKTINFO`, and where the kernel finds it.
#[repr(C, align(8))]
struct Control {
    bytes: [u8; 40],
}

impl Control {
    /// Lays out a `cmsghdr` (length, level, type) and its `in_pktinfo` or `in6_pktinfo`.
    fn attach(&mut self, message: &mut libc::msghdr, source: IpAddr) {
        let (level, kind, data) = match source {
            // Interface 0 (any), the source, and a destination that only received packets have.
            IpAddr::V4(source) => (
                libc::IPPROTO_IP,
                libc::IP_PKTINFO,
                [&[0; 4], &source.octets()[..], &[0; 4]].concat(),
            ),
            IpAddr::V6(source) => (
                libc::IPPROTO_IPV6,
                libc::IPV6_PKTINFO,
                [&source.octets()[..], &[0; 4]].concat(),
            ),
        };
        let length = 16 + data.len();
        self.bytes[..8].copy_from_slice(&length.to_ne_bytes());
        self.bytes[8..12].copy_from_slice(&level.to_ne_bytes());
        self.bytes[12..16].copy_from_slice(&kind.to_ne_bytes());
        self.bytes[16..length].copy_from_slice(&data);
        message.msg_control = self.bytes.as_mut_ptr().cast();
        message.msg_controllen = length.next_multiple_of(8);
    }
}

/// # Safety
/// `msg_name` points to `msg_namelen` bytes or is null.
unsafe fn name_of(message: &libc::msghdr) -> Option<SocketAddr> {
    if message.msg_name.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    let name =
        unsafe { std::slice::from_raw_parts(message.msg_name.cast::<u8>(), message.msg_namelen as usize) };
    address::decode(name).map(|(address, _)| address)
}

/// # Safety
/// The message's buffers are valid and nobody else uses them.
unsafe fn write_ipv4_source(message: &libc::msghdr, source: Ipv4Addr) {
    const SOURCE_OFFSET: usize = 12;
    const HEADER_LENGTH: usize = 20;
    // SAFETY: the caller's promise; a message without buffers has a length of zero.
    let buffers = unsafe { buffers_of(message) };
    if let Some(first) = buffers.first()
        && first.iov_len >= HEADER_LENGTH
    {
        // SAFETY: the buffer holds at least a whole IPv4 header, whose source is overwritten. The kernel computes the
        // checksum.
        let field = unsafe { first.iov_base.cast::<u8>().add(SOURCE_OFFSET) };
        // SAFETY: as above, four bytes from there on are in the header.
        unsafe { std::ptr::copy_nonoverlapping(source.octets().as_ptr(), field, 4) };
    }
}

/// # Safety
/// The message's buffers are valid.
unsafe fn length_of(message: &libc::msghdr) -> libc::ssize_t {
    // SAFETY: the caller's promise.
    let buffers = unsafe { buffers_of(message) };
    buffers.iter().map(|buffer| buffer.iov_len).sum::<usize>() as libc::ssize_t
}

/// # Safety
/// `msg_iov` points to `msg_iovlen` buffers, or their number is zero.
unsafe fn buffers_of(message: &libc::msghdr) -> &[libc::iovec] {
    if message.msg_iov.is_null() {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts(message.msg_iov, message.msg_iovlen) }
}

/// Raw IPv4 sockets of the stack carry the IP header in the message, UDP sockets do not.
fn is_raw(socket: c_int) -> bool {
    let mut kind: c_int = 0;
    let mut length = size_of_val(&kind) as libc::socklen_t;
    // SAFETY: the kernel writes an int, for which there is room.
    let result = unsafe {
        libc::getsockopt(
            socket,
            libc::SOL_SOCKET,
            libc::SO_TYPE,
            (&raw mut kind).cast(),
            &raw mut length,
        )
    };
    result == 0 && kind == libc::SOCK_RAW
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn the_nearest_address_is_of_the_same_family_and_subnet() {
        let bound = addresses(&["10.1.1.1", "10.1.2.1", "fd00:1:1::1", "fd00:1:2::1"]);
        let nearest = |wanted: &str| nearest(&bound, wanted.parse().unwrap()).unwrap().to_string();
        assert_eq!(nearest("10.1.2.2"), "10.1.2.1");
        assert_eq!(nearest("10.1.1.2"), "10.1.1.1");
        assert_eq!(nearest("fd00:1:2::2"), "fd00:1:2::1");
    }

    #[test]
    fn no_address_of_the_family_is_none() {
        assert_eq!(
            nearest(&addresses(&["10.1.1.1"]), "fd00::1".parse().unwrap()),
            None
        );
    }

    #[test]
    fn control_data_has_the_layout_of_the_c_library() {
        // SAFETY: msghdr is plain old data, all zero is a message without anything.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        let mut control = Control { bytes: [0; 40] };
        control.attach(&mut message, IpAddr::V4(Ipv4Addr::new(10, 1, 1, 1)));
        assert_eq!(message.msg_controllen, 32);
        // SAFETY: CMSG_FIRSTHDR reads the message set up above.
        let first = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
        // SAFETY: the control buffer is 8-aligned and holds a header.
        let header = unsafe { *first };
        assert_eq!((header.cmsg_len, header.cmsg_level, header.cmsg_type), (28, 0, 8));
        assert_eq!(control.bytes[20..24], [10, 1, 1, 1]);

        control.attach(&mut message, IpAddr::V6(std::net::Ipv6Addr::LOCALHOST));
        assert_eq!(message.msg_controllen, 40);
    }
}
