//! Dropping packets in the middle, by nftables, and the instant at which it began.
//!
//! Filters sit where frames leave the middle (the egress hook of the port to the receiver), which is after a relay that
//! delays them, and never touch ARP or neighbour discovery: with those lost, the healthy direction would die as well a few
//! seconds later.
//!
//! `nft` returns up to 40 ms after its transaction took effect, because the kernel makes it wait for the old rules to be
//! freed. So the instant is that of the kernel's notification, which it sends as it commits.

use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
use nix::sys::socket::{AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType};

use crate::clock::{MonotonicNs, monotonic_ns};
use crate::netns::NetnsError;
use crate::node::Node;
use crate::tool::{self, ToolError};

/// The packet filter of a namespace.
#[derive(Debug)]
pub(crate) struct PacketFilter {
    node: Arc<Node>,
    /// Hears of every transaction in the namespace; locked while one is under way.
    commits: Mutex<OwnedFd>,
}

/// What one direction of a path drops.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// All SCTP, plain or in UDP.
    pub(crate) sctp: bool,
    /// Packets at random.
    pub(crate) lost: Loss,
    /// IP packets of more than so many bytes.
    pub(crate) larger_than: Option<u16>,
}

/// A share of all packets, in hundredths of a per cent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Loss(u32);

impl PacketFilter {
    pub(crate) fn new(node: Arc<Node>) -> Result<Self, NetnsError> {
        let commits = node.namespace.run(listen)?.map_err(|source| NetnsError::Enter {
            namespace: node.namespace.name().to_owned(),
            source,
        })?;
        Ok(Self {
            node,
            commits: Mutex::new(commits),
        })
    }

    /// Makes the filter of what leaves by each of these devices the only one in `table`; answers when that was in force.
    pub(crate) fn replace(
        &self,
        table: &str,
        filters: [(&str, Filter); 2],
    ) -> Result<MonotonicNs, ToolError> {
        let mut script = format!("table netdev {table} {{}}\ndelete table netdev {table}\n");
        for (device, filter) in filters {
            if filter != Filter::default() {
                script += &format!(
                    "table netdev {table} {{ chain {device} {{\n\
                     type filter hook egress device \"{device}\" priority 0; policy accept;\n{}}}\n}}\n",
                    filter.rules()
                );
            }
        }
        self.commit(&script)
    }

    fn commit(&self, script: &str) -> Result<MonotonicNs, ToolError> {
        let commits = self.commits.lock().unwrap_or_else(PoisonError::into_inner);
        forget_the_past(&commits);
        std::thread::scope(|scope| {
            let nft = scope.spawn(|| tool::run(self.node.namespace.command("nft").args(["-f", "-"]), script));
            let mut committed = [PollFd::new(commits.as_fd(), PollFlags::POLLIN)];
            // nft may fail and nothing be committed: look now and then whether it has ended.
            while matches!(
                nix::poll::poll(&mut committed, LOOK_EVERY_MS),
                Ok(0) | Err(Errno::EINTR)
            ) && !nft.is_finished()
            {}
            let committed_at_ns = monotonic_ns();
            nft.join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            Ok(committed_at_ns)
        })
    }
}

impl Filter {
    fn rules(self) -> String {
        let mut rules = String::from(
            "meta protocol arp accept\n\
             icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept\n",
        );
        if self.sctp {
            rules += "meta l4proto sctp drop\nudp dport 9899 drop\n";
        }
        if let Some(bytes) = self.larger_than {
            // IPv6 counts without its own header.
            rules += &format!(
                "ip length > {bytes} drop\nip6 length > {} drop\n",
                bytes.saturating_sub(40)
            );
        }
        match self.lost {
            Loss(0) => {}
            // nft refuses a comparison that is always true.
            Loss::ALL => rules += "drop\n",
            Loss(lost) => rules += &format!("numgen random mod {} < {lost} drop\n", Loss::ALL.0),
        }
        rules
    }
}

impl Loss {
    const ALL: Self = Self(10_000);

    /// What is impossible becomes none or all.
    pub(crate) fn of_percent(percent: f64) -> Self {
        Self((percent.clamp(0.0, 100.0) * f64::from(Self::ALL.0) / 100.0).round() as u32)
    }
}

/// A socket that hears of nftables transactions in the current namespace.
fn listen() -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket = nix::sys::socket::socket(
        AddressFamily::Netlink,
        SockType::Raw,
        flags,
        SockProtocol::NetlinkNetFilter,
    )?;
    nix::sys::socket::bind(
        socket.as_raw_fd(),
        &NetlinkAddr::new(0, 1 << (NFNLGRP_NFTABLES - 1)),
    )?;
    Ok(socket)
}

fn forget_the_past(commits: &OwnedFd) {
    let mut buffer = [0; 1 << 16];
    // ENOBUFS says that some were lost, not that none is left.
    while let Ok(_) | Err(Errno::ENOBUFS) =
        nix::sys::socket::recv(commits.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT)
    {}
}

/// linux/netfilter/nfnetlink.h
const NFNLGRP_NFTABLES: u32 = 7;

const LOOK_EVERY_MS: u8 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_held_to_the_possible() {
        assert_eq!(
            [0.5, 20.0, 100.0].map(Loss::of_percent),
            [Loss(50), Loss(2_000), Loss::ALL]
        );
        assert_eq!([-1.0, 400.0].map(Loss::of_percent), [Loss(0), Loss::ALL]);
    }

    #[test]
    fn neighbour_discovery_passes_every_filter_first() {
        let all = Filter {
            sctp: true,
            lost: Loss(2_000),
            larger_than: Some(1_000),
        };
        let rules = all.rules();
        let lines: Vec<_> = rules.lines().collect();
        assert!(lines[..2].iter().all(|line| line.ends_with("accept")));
        assert!(lines[2..].iter().all(|line| line.ends_with("drop")));
        assert!(rules.contains("ip6 length > 960 drop"));
    }
}
