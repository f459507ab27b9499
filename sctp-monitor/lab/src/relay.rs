//! A wire with a delay: a thread that carries frames between two devices through packet sockets.
//!
//! It stands in for netem, which the test machines' kernel does not have. Frames keep their order, jitter or not: a frame
//! never leaves before the one that came in before it. The delay counts from the moment the thread reads a frame, which
//! is tens of microseconds after it arrived on an idle machine.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
use nix::sys::eventfd::EventFd;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, sockopt};
use nix::sys::time::TimeSpec;

use crate::clock::{MonotonicNs, monotonic_ns};
use crate::netns::{Namespace, NetnsError};

/// A running relay; dropping it ends the thread, frames still under way leave at once.
#[derive(Debug)]
pub(crate) struct Relay {
    settings: Arc<Settings>,
    stop: Arc<EventFd>,
    thread: Option<JoinHandle<()>>,
}

/// Frames cannot be relayed.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The namespace cannot be entered.
    #[error(transparent)]
    Namespace(#[from] NetnsError),
    /// A packet socket could not be set up.
    #[error("cannot open a packet socket on `{device}`")]
    Socket {
        /// The device.
        device: String,
        /// The system's error.
        source: io::Error,
    },
    /// No event descriptor or thread.
    #[error("cannot start a relay")]
    Start(#[source] io::Error),
}

/// What may change while the relay runs.
#[derive(Debug)]
struct Settings {
    delay_ns: AtomicU64,
    jitter_ns: AtomicU64,
    broken: AtomicBool,
}

/// The frames under way from one socket to the other.
struct Direction {
    from: Arc<OwnedFd>,
    to: Arc<OwnedFd>,
    under_way: VecDeque<(MonotonicNs, Vec<u8>)>,
}

impl Relay {
    /// Carries frames between two devices of `namespace` that nothing else connects.
    pub(crate) fn start(
        namespace: &Namespace,
        devices: [&str; 2],
        delay: Duration,
        jitter: Duration,
    ) -> Result<Self, RelayError> {
        let open = |device: &str| {
            open_socket(device)
                .map(Arc::new)
                .map_err(|source| RelayError::Socket {
                    device: device.to_owned(),
                    source,
                })
        };
        let (left, right) =
            namespace.run(|| Ok::<_, RelayError>((open(devices[0])?, open(devices[1])?)))??;
        let settings = Arc::new(Settings {
            delay_ns: AtomicU64::new(nanoseconds(delay)),
            jitter_ns: AtomicU64::new(nanoseconds(jitter)),
            broken: AtomicBool::new(false),
        });
        let stop = Arc::new(EventFd::new().map_err(|errno| RelayError::Start(errno.into()))?);
        let directions = [Direction::new(&left, &right), Direction::new(&right, &left)];
        let thread = {
            let (settings, stop) = (Arc::clone(&settings), Arc::clone(&stop));
            std::thread::Builder::new()
                .name(format!("relay {}", devices[0]))
                .spawn(move || carry(directions, &settings, &stop))
                .map_err(RelayError::Start)?
        };
        Ok(Self {
            settings,
            stop,
            thread: Some(thread),
        })
    }

    pub(crate) fn set_delay(&self, delay: Duration, jitter: Duration) {
        self.settings
            .delay_ns
            .store(nanoseconds(delay), Ordering::Relaxed);
        self.settings
            .jitter_ns
            .store(nanoseconds(jitter), Ordering::Relaxed);
    }

    /// A broken relay loses what it carries.
    pub(crate) fn set_broken(&self, broken: bool) {
        self.settings.broken.store(broken, Ordering::SeqCst);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let asked = self.stop.write(1);
        if let (Ok(_), Some(thread)) = (asked, self.thread.take()) {
            let _ = thread.join();
        }
    }
}

impl Direction {
    fn new(from: &Arc<OwnedFd>, to: &Arc<OwnedFd>) -> Self {
        Self {
            from: Arc::clone(from),
            to: Arc::clone(to),
            under_way: VecDeque::new(),
        }
    }

    fn receive(&mut self, settings: &Settings, random: &mut Random, buffer: &mut [u8]) {
        while let Ok(length) = nix::sys::socket::recv(self.from.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT) {
            let jitter_ns = settings.jitter_ns.load(Ordering::Relaxed);
            let delay_ns = settings.delay_ns.load(Ordering::Relaxed) + random.below(2 * jitter_ns + 1);
            let due_ns = monotonic_ns() + delay_ns.saturating_sub(jitter_ns);
            let after_the_last = self.under_way.back().map_or(0, |(due_ns, _)| *due_ns);
            self.under_way
                .push_back((due_ns.max(after_the_last), buffer[..length].to_vec()));
        }
    }

    fn send_due(&mut self, settings: &Settings, now_ns: MonotonicNs) {
        while let Some((_, frame)) = self.under_way.pop_front_if(|(due_ns, _)| *due_ns <= now_ns) {
            if !settings.broken.load(Ordering::SeqCst) {
                // What a filter drops, or a link that is down refuses, is lost: that is what links do.
                let _ = nix::sys::socket::send(self.to.as_raw_fd(), &frame, MsgFlags::MSG_DONTWAIT);
            }
        }
    }
}

fn carry(mut directions: [Direction; 2], settings: &Settings, stop: &EventFd) {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut buffer = vec![0; LARGEST_FRAME];
    loop {
        let now_ns = monotonic_ns();
        let next_due_ns = directions
            .iter()
            .filter_map(|direction| Some(direction.under_way.front()?.0))
            .min();
        let timeout =
            next_due_ns.map(|due_ns| TimeSpec::from(Duration::from_nanos(due_ns.saturating_sub(now_ns))));
        let fds = [
            stop.as_fd(),
            directions[0].from.as_fd(),
            directions[1].from.as_fd(),
        ];
        let mut fds = fds.map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        let woken = nix::poll::ppoll(&mut fds, timeout, None);
        let stopped = fds[0].any().unwrap_or(false) || woken.is_err_and(|errno| errno != Errno::EINTR);
        for direction in &mut directions {
            direction.receive(settings, &mut random, &mut buffer);
            direction.send_due(settings, if stopped { MonotonicNs::MAX } else { monotonic_ns() });
        }
        if stopped {
            return;
        }
    }
}

/// A socket that sees what arrives on `device` of the current namespace, and sends out of it.
fn open_socket(device: &str) -> io::Result<OwnedFd> {
    // Without a protocol nothing is received until the socket is bound, so nothing from other devices either.
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket = nix::sys::socket::socket(AddressFamily::Packet, SockType::Raw, flags, None::<SockProtocol>)?;
    nix::sys::socket::setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER)?;
    let on: libc::c_int = 1;
    // SAFETY: the option takes an int, which outlives the call, and its length is given.
    let ignored = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_IGNORE_OUTGOING,
            (&raw const on).cast(),
            size_of_val(&on) as libc::socklen_t,
        )
    };
    Errno::result(ignored)?;
    bind(&socket, device, libc::ETH_P_ALL as u16)?;
    Ok(socket)
}

/// Binds a packet socket to a device of the thread's namespace, to receive this protocol; 0 receives nothing.
pub(crate) fn bind(socket: &OwnedFd, device: &str, protocol: u16) -> io::Result<()> {
    let index = nix::net::if_::if_nametoindex(device)?;
    // SAFETY: sockaddr_ll is plain old data, all zero is a value of it.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as libc::sa_family_t;
    address.sll_protocol = protocol.to_be();
    address.sll_ifindex = i32::try_from(index).map_err(io::Error::other)?;
    let length = size_of_val(&address) as libc::socklen_t;
    // SAFETY: the address is a whole sockaddr_ll that outlives the call, its length is given.
    let bound = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) };
    Errno::result(bound)?;
    Ok(())
}

/// xorshift64* (Vigna 2016): jitter needs no better, and two runs get the same.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % bound
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX / 4)
}

/// More than any MTU of a veth.
const LARGEST_FRAME: usize = 1 << 17;

/// Holds a burst of some thousand frames while the thread waits for a CPU.
const RECEIVE_BUFFER: usize = 8 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_below_its_bound_and_spreads() {
        let mut random = Random(1);
        let drawn: Vec<_> = (0..1_000).map(|_| random.below(10)).collect();
        assert!((0..10).all(|value| drawn.contains(&value)));
        assert!(drawn.iter().all(|value| *value < 10));
        assert_eq!(random.below(1), 0);
    }
}
