//! Which HEARTBEAT ACK answers which HEARTBEAT.
//!
//! By the Heartbeat Info and the ports, whatever addresses they have, as the programs do; but every chunk counts here, and
//! nothing expires. Of several heartbeats with the same information the ack answers the latest one whose path is the
//! reverse of its own, or else the latest one.

use std::{
    collections::{HashMap, VecDeque},
    hash::BuildHasher as _,
};

use foldhash::fast::RandomState;
use sctp_monitor_common::abi::FlowKey;

/// Names a heartbeat: its ports, and the hash of its information.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Info {
    src_port: u16,
    dst_port: u16,
    hash: u64,
}

#[derive(Debug, Clone, Copy)]
struct Sent {
    key: FlowKey,
    /// The entry of the ledger that it is counted in.
    entry: usize,
    time_ns: u64,
    number: u64,
}

/// A heartbeat that was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answered {
    /// The entry of the ledger that the heartbeat is counted in.
    pub(crate) entry: usize,
    /// Time from heartbeat to ack; negative where the capture's clock went back.
    pub(crate) rtt_ns: i64,
    /// Whether the ack came from the address that was probed, to the one that probed.
    pub(crate) same_path: bool,
}

/// Heartbeats without an answer yet.
#[derive(Debug, Default)]
pub(crate) struct Heartbeats {
    hasher: RandomState,
    open: HashMap<Info, Vec<Sent>, RandomState>,
    order: VecDeque<(Info, u64)>,
    sent: u64,
}

impl Heartbeats {
    /// A heartbeat passed.
    pub(crate) fn on_sent(&mut self, key: &FlowKey, info: &[u8], entry: usize, time_ns: u64) {
        self.sent += 1;
        let number = self.sent;
        let info = Info {
            src_port: key.src_port,
            dst_port: key.dst_port,
            hash: self.hasher.hash_one(info),
        };
        self.open.entry(info).or_default().push(Sent {
            key: *key,
            entry,
            time_ns,
            number,
        });
        self.order.push_back((info, number));
        if self.order.len() > MOST_OPEN {
            self.forget_oldest();
        }
    }

    /// An ack passed.
    pub(crate) fn on_ack(&mut self, key: &FlowKey, info: &[u8], time_ns: u64) -> Option<Answered> {
        let info = Info {
            src_port: key.dst_port,
            dst_port: key.src_port,
            hash: self.hasher.hash_one(info),
        };
        let sent = self.open.get_mut(&info)?;
        let reversed = key.reversed();
        let at = sent
            .iter()
            .rposition(|sent| sent.key == reversed)
            .or(sent.len().checked_sub(1))?;
        let heartbeat = sent.remove(at);
        if sent.is_empty() {
            self.open.remove(&info);
        }
        Some(Answered {
            entry: heartbeat.entry,
            rtt_ns: time_ns.wrapping_sub(heartbeat.time_ns).cast_signed(),
            same_path: heartbeat.key == reversed,
        })
    }

    fn forget_oldest(&mut self) {
        let Some((info, number)) = self.order.pop_front() else {
            return;
        };
        if let Some(sent) = self.open.get_mut(&info) {
            sent.retain(|sent| sent.number != number);
            if sent.is_empty() {
                self.open.remove(&info);
            }
        }
    }
}

/// Heartbeats that are waited for: some 10 MiB at most.
const MOST_OPEN: usize = 65_536;

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn key(src: &str, dst: &str) -> FlowKey {
        let address = |text: &str| text.parse::<IpAddr>().unwrap().into();
        FlowKey {
            src: address(src),
            dst: address(dst),
            src_port: 1,
            dst_port: 1,
        }
    }

    #[test]
    fn the_nearest_heartbeat_is_answered() {
        let mut heartbeats = Heartbeats::default();
        let (there, other) = (key("10.0.0.1", "10.0.0.2"), key("10.0.0.1", "10.0.0.3"));
        heartbeats.on_sent(&there, b"info", 0, 100);
        heartbeats.on_sent(&other, b"info", 1, 200);
        let answered = |entry, rtt_ns, same_path| {
            Some(Answered {
                entry,
                rtt_ns,
                same_path,
            })
        };
        let back = there.reversed();
        assert_eq!(heartbeats.on_ack(&back, b"else", 300), None);
        assert_eq!(heartbeats.on_ack(&back, b"info", 300), answered(0, 200, true));
        assert_eq!(heartbeats.on_ack(&back, b"info", 150), answered(1, -50, false));
        assert_eq!(heartbeats.on_ack(&back, b"info", 300), None);
    }

    #[test]
    fn a_flood_is_forgotten() {
        let mut heartbeats = Heartbeats::default();
        let there = key("10.0.0.1", "10.0.0.2");
        for number in 0..=MOST_OPEN {
            heartbeats.on_sent(&there, &number.to_be_bytes(), 0, 0);
        }
        assert_eq!(heartbeats.open.len(), MOST_OPEN);
        assert_eq!(
            heartbeats.on_ack(&there.reversed(), &0_usize.to_be_bytes(), 1),
            None
        );
    }
}
