//! Packets of one sender have a wrong CRC32c and get no answer, while those of others to the same address are right and are
//! answered: something on the way spoils them, and their receiver drops them (RFC 9260 section 6.8).
//!
//! A checksum that a NIC has still to fill in is wrong as well where the packet is captured; those packets are answered. So
//! without an answer to somebody else nothing is said.
//!
//! Critical: no association comes about.

use std::{collections::HashMap, fmt};

use foldhash::fast::RandomState;
use sctp_monitor_common::abi::FlowKey;
use serde::{Deserialize, Serialize};

use crate::{
    findings::seen::NO_NAMES,
    model::{
        BadChecksum, Event, EventKind, Evidence, Finding, Object, PathId, Schema, Severity, Status, Timestamp,
    },
};

impl BadChecksum {
    pub(crate) const SEVERITY: Severity = Severity::Critical;

    /// What to check next.
    pub(crate) fn check(object: Object) -> String {
        let sender = match object {
            Object::Path(path) => path.local.to_string(),
            Object::Association | Object::Local(_) | Object::Remote(_) => "the sender".to_owned(),
        };
        format!(
            "what changes packets of {sender} on the way: firewall rules that fill in checksums (iptables CHECKSUM), \
             translators and middleboxes; checksum offload of its NIC or virtual switch (`ethtool -K NIC \
             tx-checksum-sctp off`)"
        )
    }
}

impl fmt::Display for BadChecksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { packets, other } = self;
        write!(
            f,
            "bad checksum: {packets} packets have a wrong CRC32c and no answer; those of {other} to the same address are \
             right and are answered"
        )
    }
}

/// The checksums of all flows.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Checksums {
    flows: HashMap<FlowKey, Count, RandomState>,
    /// Flows of which no packet was right or answered so far.
    bad: Vec<FlowKey>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Count {
    right: u32,
    wrong: u32,
    found: Option<Finding>,
}

impl Checksums {
    /// A packet's checksum was looked at. Gives what is to be reported.
    pub(super) fn on_packet(&mut self, key: &FlowKey, is_right: bool, now: Timestamp) -> Vec<Event> {
        if self.flows.len() >= MOST_FLOWS && !self.flows.contains_key(key) {
            return Vec::new();
        }
        let count = self.flows.entry(*key).or_default();
        if is_right {
            count.right = count.right.saturating_add(1);
        } else {
            if count.right + count.wrong == 0 && self.bad.len() < MOST_SUSPECTS {
                self.bad.push(*key);
            }
            count.wrong = count.wrong.saturating_add(1);
        }
        let is_news = !is_right || count.right + count.wrong == 1;
        let suspects = if is_news { self.bad.clone() } else { Vec::new() };
        suspects.iter().filter_map(|key| self.review(key, now)).collect()
    }

    /// What is reported and not over.
    pub(super) fn open(&self) -> impl Iterator<Item = Finding> {
        let suspects = self.bad.iter().filter_map(|key| self.flows.get(key));
        suspects.filter_map(|count| count.found.clone())
    }

    fn review(&mut self, key: &FlowKey, now: Timestamp) -> Option<Event> {
        let evidence = self.evidence(key).map(Evidence::BadChecksum);
        let is_cleared = self.is_cleared(key);
        if is_cleared {
            self.bad.retain(|known| known != key);
        }
        let count = self.flows.get_mut(key)?;
        let object = Object::Path(PathId {
            local: key.src.to_ip(),
            remote: key.dst.to_ip(),
        });
        let status = match (&mut count.found, evidence) {
            (None, Some(evidence)) => {
                count.found = Some(Finding::new(object, NO_NAMES, now, evidence, None));
                Status::Opened
            }
            (Some(finding), Some(evidence)) if finding.evidence.differs(&evidence) => {
                finding.update(NO_NAMES, evidence);
                Status::Updated
            }
            (Some(_), None) => Status::Closed,
            _ => return None,
        };
        let finding = count.found.clone()?;
        if status == Status::Closed {
            count.found = None;
        }
        Some(Event {
            schema: Schema,
            time: now,
            association: None,
            kind: EventKind::Finding { status, finding },
        })
    }

    /// Whether some packet of a flow was right, or answered.
    fn is_cleared(&self, key: &FlowKey) -> bool {
        self.flows.contains_key(&key.reversed()) || self.flows.get(key).is_none_or(|count| count.right > 0)
    }

    /// What speaks against a flow: all its packets are wrong and none is answered, and somebody else's are right and are.
    fn evidence(&self, key: &FlowKey) -> Option<BadChecksum> {
        let count = self.flows.get(key)?;
        let answered = |key: &FlowKey| self.flows.contains_key(&key.reversed());
        if count.wrong < FEWEST || self.is_cleared(key) {
            return None;
        }
        let other = self.flows.iter().find(|(other, count)| {
            other.dst == key.dst
                && other.src != key.src
                && count.right > 0
                && count.wrong == 0
                && answered(other)
        });
        Some(BadChecksum {
            packets: count.wrong,
            other: other?.0.src.to_ip(),
        })
    }
}

/// One packet may be spoiled by chance.
const FEWEST: u32 = 2;
/// Flows that are looked at again with each wrong packet.
const MOST_SUSPECTS: usize = 64;
/// Flows of which checksums are counted; those beyond are left out.
const MOST_FLOWS: usize = 16_384;

#[cfg(test)]
mod tests {
    use super::*;

    fn key(src: u8, dst: u8, v6: bool) -> FlowKey {
        let address = |number: u8| match v6 {
            true => format!("2001:db8::{number}").parse().unwrap(),
            false => std::net::IpAddr::from([10, 0, 0, number]),
        };
        // Hosts 8 and 9 are servers.
        let port = |number| if number < 8 { 8_014 } else { 38_412 };
        FlowKey {
            src: address(src).into(),
            dst: address(dst).into(),
            src_port: port(src),
            dst_port: port(dst),
        }
    }

    /// What was reported of packets from host to host, right or wrong, a second apart.
    fn reported(packets: &[(u8, u8, bool)], v6: bool) -> Vec<(Status, u32)> {
        let mut checksums = Checksums::default();
        let mut reported = Vec::new();
        for (second, (src, dst, is_right)) in (100..).zip(packets) {
            let now = Timestamp::from_nanos(second * 1_000_000_000);
            for event in checksums.on_packet(&key(*src, *dst, v6), *is_right, now) {
                match event.kind {
                    EventKind::Finding { status, finding } => match finding.evidence {
                        Evidence::BadChecksum(bad) => reported.push((status, bad.packets)),
                        other => panic!("{other:?}"),
                    },
                    other => panic!("{other:?}"),
                }
            }
        }
        reported
    }

    #[test]
    fn one_sender_that_is_wrong_and_unanswered_beside_a_right_one_is_found() {
        for v6 in [false, true] {
            let before = [
                (1, 9, true),
                (9, 1, true),
                (2, 9, false),
                (2, 9, false),
                (2, 9, false),
                (2, 9, false),
            ];
            assert_eq!(reported(&before, v6), [(Status::Opened, 2), (Status::Updated, 4)]);
            let after = [(2, 9, false), (2, 9, false), (1, 9, true), (9, 1, true)];
            assert_eq!(reported(&after, v6), [(Status::Opened, 2)]);
        }
    }

    #[test]
    fn an_answer_clears_the_sender() {
        let packets = [
            (1, 9, true),
            (9, 1, true),
            (2, 9, false),
            (2, 9, false),
            (9, 2, true),
        ];
        assert_eq!(
            reported(&packets, false),
            [(Status::Opened, 2), (Status::Closed, 2)]
        );
    }

    #[test]
    fn nobody_is_accused_without_a_sender_that_fares_better() {
        for packets in [
            // Left to the NIC: answered.
            vec![
                (2, 9, false),
                (9, 2, true),
                (2, 9, false),
                (1, 9, true),
                (9, 1, true),
            ],
            // The peer is dead, and this host's NIC fills in checksums.
            vec![(2, 9, false), (2, 9, false), (2, 9, false)],
            vec![(2, 9, false), (2, 9, false), (1, 8, true), (8, 1, true)],
            // Nobody is answered.
            vec![(1, 9, true), (2, 9, false), (2, 9, false), (1, 9, true)],
            // One packet, spoiled by chance.
            vec![(1, 9, true), (9, 1, true), (2, 9, false)],
            vec![
                (1, 9, true),
                (9, 1, true),
                (2, 9, false),
                (2, 9, true),
                (2, 9, false),
            ],
        ] {
            assert_eq!(reported(&packets, false), [], "{packets:?}");
        }
    }
}
