//! A sender's packets have a wrong CRC32c and get no answer: something on the way spoils them, and their receiver drops them (RFC
//! 9260 section 6.8).
//!
//! A checksum that a NIC has still to fill in is wrong as well where the packet is captured; those packets are answered. So a
//! sender is accused only beside proof that the checksums seen here are whole: another sender to the same address is right and is
//! answered, or this one was right itself until now. Live only a sample of the packets is looked at, so whether they are answered
//! is asked of the flows; and a packet with another tag than the association's is nobody's.
//!
//! Critical: no association comes about, or its packets do not arrive any more.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    net::IpAddr,
    time::Duration,
};

use foldhash::fast::RandomState;
use sctp_monitor_common::abi::FlowKey;
use serde::{Deserialize, Serialize};

use crate::{
    findings::seen::NO_NAMES,
    model::{
        BadChecksum, Event, EventKind, Evidence, Finding, Object, PathId, Schema, Severity, Status, Timestamp,
    },
    path::flows::Flows,
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
        write!(
            f,
            "bad checksum: {} packets have a wrong CRC32c and no answer; ",
            self.packets
        )?;
        match self.other {
            Some(other) => write!(
                f,
                "those of {other} to the same address are right and are answered"
            ),
            None => f.write_str("those before were right and were answered"),
        }
    }
}

/// The checksums of all flows.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Checksums {
    flows: HashMap<FlowKey, Count, RandomState>,
    /// When what was counted is judged.
    due: Option<Timestamp>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Count {
    right: u32,
    /// Since the last one that was right.
    wrong: u32,
    /// The first of those that are wrong.
    wrong_since: Timestamp,
    last_seen: Timestamp,
    found: Option<Finding>,
}

impl Checksums {
    /// A packet's checksum was looked at.
    pub(super) fn on_packet(&mut self, key: &FlowKey, is_right: bool, now: Timestamp) {
        if self.flows.len() >= MOST_FLOWS && !self.flows.contains_key(key) {
            self.flows
                .retain(|_, count| count.found.is_some() || now.since(count.last_seen) < QUIET);
            if self.flows.len() >= MOST_FLOWS {
                return;
            }
        }
        let count = self.flows.entry(*key).or_default();
        count.last_seen = now;
        let is_first = count.right + count.wrong == 0;
        if is_right {
            let was_wrong = std::mem::take(&mut count.wrong) > 0;
            count.right = count.right.saturating_add(1);
            // It may be an answer to one who is accused, or one who fares better.
            if !was_wrong && !is_first && self.due.is_none() {
                return;
            }
        } else {
            if count.wrong == 0 {
                count.wrong_since = now;
            }
            count.wrong = count.wrong.saturating_add(1);
        }
        let soon = now + SOON;
        self.due = Some(self.due.map_or(soon, |due| due.min(soon)));
    }

    /// When what was counted is judged.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.due
    }

    /// What is reported and not over.
    pub(super) fn open(&self) -> impl Iterator<Item = Finding> {
        self.flows.values().filter_map(|count| count.found.clone())
    }

    /// Judges what was counted. Gives what is to be reported.
    pub(super) fn handle_timeout(&mut self, flows: &Flows, now: Timestamp) -> Vec<Event> {
        if self.due.is_none_or(|due| due > now) {
            return Vec::new();
        }
        let around = Around::of(&self.flows, flows);
        let of_suspects = |(key, count): (&FlowKey, &Count)| {
            let evidence = around.evidence(key, count, now);
            (count.wrong > 0 || count.found.is_some()).then_some((*key, evidence))
        };
        let mut suspects: Vec<_> = self.flows.iter().filter_map(of_suspects).collect();
        // Which of them are reported, and in which order, does not depend on the map's.
        suspects.sort_unstable_by_key(|(key, _)| (pair(key), key.src_port, key.dst_port));
        let mut events = Vec::new();
        let mut open = self.open().count();
        for (key, evidence) in suspects {
            let Some(count) = self.flows.get_mut(&key) else {
                continue;
            };
            if count.found.is_some() || open < MOST_OPEN {
                let event = count.settle(&key, evidence, now);
                open += usize::from(matches!(&event, Some((Status::Opened, _))));
                events.extend(event.map(|(_, event)| event));
            }
        }
        // A finding ends some time behind the last packet.
        let last = self.flows.values().filter(|count| count.found.is_some());
        self.due = last
            .map(|count| count.last_seen + OVER)
            .max()
            .map(|at| at.max(now + SOON));
        events
    }
}

impl Count {
    fn settle(
        &mut self,
        key: &FlowKey,
        evidence: Option<BadChecksum>,
        now: Timestamp,
    ) -> Option<(Status, Event)> {
        let evidence = evidence.map(Evidence::BadChecksum);
        let object = Object::Path(PathId {
            local: key.src.to_ip(),
            remote: key.dst.to_ip(),
        });
        let status = match (&mut self.found, evidence) {
            (None, Some(evidence)) => {
                self.found = Some(Finding::new(object, NO_NAMES, now, evidence, None));
                Status::Opened
            }
            (Some(finding), Some(evidence)) if finding.evidence.differs(&evidence) => {
                finding.update(NO_NAMES, evidence);
                Status::Updated
            }
            (Some(_), None) => Status::Closed,
            _ => return None,
        };
        let finding = self.found.clone()?;
        if status == Status::Closed {
            self.found = None;
        }
        let event = Event {
            schema: Schema,
            time: now,
            association: None,
            kind: EventKind::Finding { status, finding },
        };
        Some((status, event))
    }
}

/// What else is known when a sender is judged.
struct Around<'a> {
    counts: &'a HashMap<FlowKey, Count, RandomState>,
    flows: &'a Flows,
    /// By receiver, two senders that are right and are answered, if there are so many: one may be the accused.
    fare_better: HashMap<IpAddr, [Option<IpAddr>; 2], RandomState>,
    /// Who sends whom some packets that are right.
    right: HashSet<(IpAddr, IpAddr), RandomState>,
}

impl<'a> Around<'a> {
    fn of(counts: &'a HashMap<FlowKey, Count, RandomState>, flows: &'a Flows) -> Self {
        let mut around = Self {
            counts,
            flows,
            fare_better: HashMap::default(),
            right: HashSet::default(),
        };
        if counts.values().all(|count| count.wrong == 0) {
            return around;
        }
        for (key, count) in counts.iter().filter(|(_, count)| count.right > 0) {
            let (src, dst) = pair(key);
            around.right.insert((src, dst));
            if count.wrong == 0 && around.answers(key, None) {
                let known = around.fare_better.entry(dst).or_default();
                // The lowest two: which they are must not depend on the map's order.
                let mut all: Vec<_> = known.iter().flatten().copied().chain([src]).collect();
                all.sort_unstable();
                all.dedup();
                *known = [all.first().copied(), all.get(1).copied()];
            }
        }
        around
    }

    /// What speaks against a flow.
    fn evidence(&self, key: &FlowKey, count: &Count, now: Timestamp) -> Option<BadChecksum> {
        let lasts = now.since(count.wrong_since) >= SOON;
        if !lasts || now.since(count.last_seen) >= OVER {
            return None;
        }
        if count.right > 0 {
            let is_spoiled =
                count.wrong >= FEWEST_IN_A_ROW && self.is_unanswered_since(key, count.wrong_since);
            return is_spoiled.then_some(BadChecksum {
                packets: count.wrong,
                other: None,
            });
        }
        let (src, dst) = pair(key);
        let is_spoiled = count.wrong >= FEWEST
            && !self.right.contains(&(src, dst))
            && !self.answers(key, Some(count.wrong_since));
        let fare_better = self.fare_better.get(&dst)?;
        let other = fare_better.iter().flatten().find(|other| **other != src)?;
        is_spoiled.then_some(BadChecksum {
            packets: count.wrong,
            other: Some(*other),
        })
    }

    /// Whether anything came back to a sender, since a time if one is given.
    fn answers(&self, key: &FlowKey, since: Option<Timestamp>) -> bool {
        let back = key.reversed();
        let flow = self.flows.by_key(&back);
        self.counts.contains_key(&back)
            || flow.is_some_and(|flow| since.is_none_or(|since| flow.view.last_seen >= since))
    }

    /// Whether an association's packets were answered once, and not since then.
    fn is_unanswered_since(&self, key: &FlowKey, since: Timestamp) -> bool {
        let Some(flow) = self.flows.by_key(key).filter(|flow| flow.member.is_some()) else {
            return false;
        };
        let answered_at = flow.acked_at.max(flow.view.answered_at);
        answered_at.is_some_and(|at| at < since)
    }
}

fn pair(key: &FlowKey) -> (IpAddr, IpAddr) {
    (key.src.to_ip(), key.dst.to_ip())
}

/// One packet may be spoiled by chance.
const FEWEST: u32 = 2;
/// On a way that spoils one packet in a hundred, so many in a row are one in a hundred million.
const FEWEST_IN_A_ROW: u32 = 4;
/// An answer has come by then, and the engine has seen it; the first retransmission of an INIT as well (RTO.Initial, RFC 9260
/// section 16).
const SOON: Duration = Duration::from_secs(1);
/// Nothing is said any more of who has sent nothing for so long: ten times the longest RTO.
const OVER: Duration = Duration::from_secs(600);
/// Who has sent nothing for so long makes room.
const QUIET: Duration = Duration::from_secs(60);
/// Senders that are accused at a time: an attacker can forge any number.
const MOST_OPEN: usize = 64;
/// Flows of which checksums are counted; those beyond are left out.
const MOST_FLOWS: usize = 16_384;

#[cfg(test)]
mod tests {
    use super::*;

    fn key(src: u8, dst: u8, v6: bool) -> FlowKey {
        let address = |number: u8| match v6 {
            true => format!("2001:db8::{number}").parse().unwrap(),
            false => IpAddr::from([10, 0, 0, number]),
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

    /// What was reported of packets from host to host, right or wrong, a second apart, and in the seconds behind them.
    fn reported(packets: &[(u8, u8, bool)], v6: bool) -> Vec<(Status, u32)> {
        let mut checksums = Checksums::default();
        let flows = Flows::new(Duration::from_nanos(1));
        let mut reported = Vec::new();
        let packets = packets.iter().copied().map(Some).chain([None; 3]);
        for (second, packet) in (100..).zip(packets) {
            let now = Timestamp::from_nanos(second * 1_000_000_000);
            if let Some((src, dst, is_right)) = packet {
                checksums.on_packet(&key(src, dst, v6), is_right, now);
            }
            let due = now + SOON - Duration::from_nanos(1);
            for event in checksums.handle_timeout(&flows, due) {
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
