//! Somebody on the wire who sends frames of his own: forged packets, one by one or as a flood.
//!
//! The frames enter right in front of a host's NIC, past whatever breaks the path: its bridge, filters and relay see
//! nothing of them.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType};

use crate::clock::{MonotonicNs, monotonic_ns};
use crate::fault::Path;
use crate::netns::NetnsError;
use crate::node::Node;
use crate::relay;
use crate::wait;

/// A socket on the wire.
#[derive(Debug)]
pub struct Injector {
    socket: OwnedFd,
    device: String,
    /// Where the device is.
    node: Arc<Node>,
}

/// Frames cannot be injected.
#[derive(Debug, thiserror::Error)]
pub enum InjectError {
    /// The namespace cannot be entered.
    #[error(transparent)]
    Namespace(#[from] NetnsError),
    /// The packet socket could not be opened, or the frame not be sent.
    #[error("cannot {what} `{device}`")]
    Socket {
        /// The operation that failed.
        what: &'static str,
        /// The device.
        device: String,
        /// The system's error.
        source: io::Error,
    },
}

/// What became of a flood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flooded {
    /// Frames that reached the NIC.
    pub arrived: u64,
    /// Frames that the wire lost: a veth holds 256 at a time.
    pub lost: u64,
    /// How long it took.
    pub took: Duration,
}

impl Path {
    /// Stands on this path, right in front of `host`.
    ///
    /// # Errors
    /// When no packet socket can be opened.
    ///
    /// # Panics
    /// When the path has no end at `host`.
    pub fn injector(&self, host: &str) -> Result<Injector, InjectError> {
        Injector::open(self.middle(), self.device_towards(host))
    }

    /// Stands in `host` itself: its frames leave by the host's end of this path as the host's own do.
    ///
    /// # Errors
    /// When no packet socket can be opened.
    ///
    /// # Panics
    /// When the path has no end at `host`.
    pub fn outlet(&self, host: &str) -> Result<Injector, InjectError> {
        let port = &self.ports[self.side_of(host)];
        Injector::open(&port.node, &port.interface)
    }
}

impl Injector {
    fn open(node: &Arc<Node>, device: &str) -> Result<Self, InjectError> {
        let open = || {
            // Without a protocol nothing is received.
            let flags = SockFlag::SOCK_CLOEXEC;
            let socket =
                nix::sys::socket::socket(AddressFamily::Packet, SockType::Raw, flags, None::<SockProtocol>)?;
            relay::bind(&socket, device, 0)?;
            Ok::<_, io::Error>(socket)
        };
        let socket = node.namespace.run(open)?.map_err(|source| InjectError::Socket {
            what: "open a packet socket on",
            device: device.to_owned(),
            source,
        })?;
        Ok(Self {
            socket,
            device: device.to_owned(),
            node: Arc::clone(node),
        })
    }

    /// Sends one frame.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn send(&self, frame: &[u8]) -> Result<(), InjectError> {
        nix::sys::socket::send(self.socket.as_raw_fd(), frame, MsgFlags::empty())
            .map(drop)
            .map_err(|errno| InjectError::Socket {
                what: "send on",
                device: self.device.clone(),
                source: errno.into(),
            })
    }

    /// Sends frames, each so long after the first as its record says, and gives the time of the first. The kernel wakes this
    /// thread up some 50 us late, and later on a machine that has much to do; no frame comes early.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn replay<'a>(
        &self,
        frames: impl IntoIterator<Item = (Duration, &'a [u8])>,
    ) -> Result<MonotonicNs, InjectError> {
        let began_ns = monotonic_ns();
        for (after, frame) in frames {
            wait::until_ns(began_ns + u64::try_from(after.as_nanos()).unwrap_or(u64::MAX));
            self.send(frame)?;
        }
        Ok(began_ns)
    }

    /// Sends `count` frames at most `per_second` in a second, each made by `make` from its number, and ends earlier if
    /// that takes longer than `within`. A frame that finds the wire full is sent again.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn flood(
        &self,
        count: u64,
        per_second: u64,
        within: Duration,
        mut make: impl FnMut(u64) -> Vec<u8>,
    ) -> Result<Flooded, InjectError> {
        let lost_before = self.lost()?;
        let began_ns = monotonic_ns();
        let elapsed_ns = || monotonic_ns() - began_ns;
        let (mut sent, mut refused) = (0, 0);
        while sent < count && u128::from(elapsed_ns()) < within.as_nanos() {
            let due = u128::from(elapsed_ns()) * u128::from(per_second) / 1_000_000_000;
            let due = u64::try_from(due).unwrap_or(u64::MAX).min(count);
            while sent < due {
                match self.send(&make(sent)) {
                    Ok(()) => sent += 1,
                    Err(InjectError::Socket { source, .. }) if is_full(&source) => {
                        refused += 1;
                        break;
                    }
                    Err(error) => return Err(error),
                }
            }
            std::thread::yield_now();
        }
        let took = Duration::from_nanos(elapsed_ns());
        // The device has counted those that were sent again, too.
        let lost = (self.lost()? - lost_before).saturating_sub(refused);
        Ok(Flooded {
            arrived: sent - lost,
            lost,
            took,
        })
    }

    /// Frames that the device dropped so far.
    fn lost(&self) -> Result<u64, InjectError> {
        let error = |source| InjectError::Socket {
            what: "read the counters of",
            device: self.device.clone(),
            source,
        };
        let text = self
            .node
            .namespace
            .run(|| std::fs::read_to_string("/proc/thread-self/net/dev"))?
            .map_err(error)?;
        sent_and_dropped(&text, &self.device)
            .ok_or_else(|| error(io::Error::other("no such device in /proc/net/dev")))
    }
}

/// A veth takes no more at the moment.
fn is_full(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ENOBUFS)
}

/// The transmit side's `drop` of a device in `/proc/net/dev`: the twelfth number after the colon.
fn sent_and_dropped(text: &str, device: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.trim_start().strip_prefix(device)?.strip_prefix(':'))?;
    line.split_whitespace().nth(11)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_are_read_from_the_transmit_side() {
        let text = "Inter-| Receive | Transmit\n  eth10: 9 9 9 9 9 9 9 9 8 8 8 8 8 8 8 8\n   \
                    eth1: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n";
        assert_eq!(sent_and_dropped(text, "eth1"), Some(12));
        assert_eq!(sent_and_dropped(text, "eth2"), None);
    }
}
