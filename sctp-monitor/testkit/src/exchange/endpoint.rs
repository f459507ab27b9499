//! An SCTP endpoint as far as its packets show it: DATA with one time-out, retransmissions on another path, fast
//! retransmissions, SACKs of every second packet. No windows: it never has much under way.

use std::collections::{BTreeMap, BTreeSet};

use crate::frames;

/// A chunk that can be sent, with TSNs counted from the first on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Chunk {
    Data {
        number: u32,
        payload: usize,
    },
    Sack {
        cumulative: u32,
        gaps: Vec<(u16, u16)>,
    },
    Heartbeat(u64),
    HeartbeatAck(u64),
    Shutdown {
        cumulative: u32,
    },
    /// One that needs no state.
    Made(Vec<u8>),
}

impl Chunk {
    /// Its bytes; TSNs of the sender, and of the receiver, begin there.
    pub(super) fn bytes(&self, [ours, theirs]: [u32; 2]) -> Vec<u8> {
        match self {
            Self::Data { number, payload } => frames::data(ours.wrapping_add(*number), *payload),
            Self::Sack { cumulative, gaps } => frames::sack(theirs.wrapping_add(*cumulative), gaps),
            Self::Heartbeat(nonce) => frames::heartbeat(&info(*nonce)),
            Self::HeartbeatAck(nonce) => frames::heartbeat_ack(&info(*nonce)),
            Self::Shutdown { cumulative } => frames::shutdown(theirs.wrapping_add(*cumulative)),
            Self::Made(bytes) => bytes.clone(),
        }
    }
}

/// As long as Linux's.
fn info(nonce: u64) -> Vec<u8> {
    nonce.to_be_bytes().repeat(5)
}

/// What an endpoint sends, and over which path.
pub(super) type Outgoing = (usize, Vec<Chunk>);

/// One side of an association.
#[derive(Debug)]
pub(super) struct Endpoint {
    paths: usize,
    /// Numbers count from 1 on: 0 is the TSN before the first.
    next_number: u32,
    flying: BTreeMap<u32, Flying>,
    /// Paths on which a time-out ran out, until they have answered.
    suspected: Vec<bool>,
    /// Time-outs in a row.
    pub(super) back_off: u32,
    /// Counts restarts of the time-out: only the last one may run out.
    pub(super) time_out: u64,
    /// All DATA up to it was received.
    cumulative: u32,
    beyond: BTreeSet<u32>,
    /// Packets with DATA since the last SACK.
    unacknowledged: u32,
    /// The path by which DATA last came.
    came_over: usize,
    /// Counts SACKs: a delayed one is not sent if another was.
    pub(super) sacks: u64,
    answers_awaited: BTreeMap<u64, usize>,
}

/// A DATA chunk that is not acknowledged.
#[derive(Debug)]
struct Flying {
    payload: usize,
    path: usize,
    /// SACKs that report it missing.
    missing: u32,
    /// The time-out ran out; it is to be sent again.
    is_lost: bool,
    /// It was sent again.
    is_again: bool,
}

impl Endpoint {
    pub(super) fn new(paths: usize) -> Self {
        Self {
            paths,
            next_number: 1,
            flying: BTreeMap::new(),
            suspected: vec![false; paths],
            back_off: 0,
            time_out: 0,
            cumulative: 0,
            beyond: BTreeSet::new(),
            unacknowledged: 0,
            came_over: 0,
            sacks: 0,
            answers_awaited: BTreeMap::new(),
        }
    }

    /// All that it has sent is acknowledged.
    pub(super) fn is_idle(&self) -> bool {
        self.flying.is_empty()
    }

    /// All DATA up to it was received.
    pub(super) fn cumulative(&self) -> u32 {
        self.cumulative
    }

    /// The path for new DATA: the first that is not suspected.
    pub(super) fn path(&self) -> usize {
        self.suspected
            .iter()
            .position(|suspected| !suspected)
            .unwrap_or(0)
    }

    /// A new message. A SACK that waits goes along.
    pub(super) fn send_message(&mut self, payload: usize) -> Outgoing {
        let path = self.path();
        let number = self.next_number;
        self.next_number += 1;
        if self.flying.is_empty() {
            self.time_out += 1;
        }
        self.flying.insert(
            number,
            Flying {
                payload,
                path,
                missing: 0,
                is_lost: false,
                is_again: false,
            },
        );
        let sack = (self.unacknowledged > 0 && path == self.came_over).then(|| self.sack());
        (
            path,
            sack.into_iter()
                .chain([Chunk::Data { number, payload }])
                .collect(),
        )
    }

    /// The time-out ran out: the oldest chunk is sent again on another path, the others when that is acknowledged.
    pub(super) fn on_time_out(&mut self) -> Option<Outgoing> {
        let path = self.flying.first_key_value()?.1.path;
        self.suspected[path] = true;
        self.back_off += 1;
        self.time_out += 1;
        for flying in self.flying.values_mut() {
            flying.is_lost = true;
        }
        let other = (path + 1) % self.paths;
        Some((other, self.send_lost(other)?))
    }

    /// Sends the oldest chunk that was lost.
    fn send_lost(&mut self, path: usize) -> Option<Vec<Chunk>> {
        let (number, flying) = self.flying.iter_mut().find(|(_, flying)| flying.is_lost)?;
        flying.is_lost = false;
        flying.is_again = true;
        flying.missing = 0;
        flying.path = path;
        Some(vec![Chunk::Data {
            number: *number,
            payload: flying.payload,
        }])
    }

    /// A heartbeat.
    pub(super) fn send_heartbeat(&mut self, path: usize, nonce: u64) -> Outgoing {
        self.answers_awaited.insert(nonce, path);
        (path, vec![Chunk::Heartbeat(nonce)])
    }

    /// Takes a packet; gives what it answers at once, and whether a SACK is to be sent later.
    pub(super) fn receive(&mut self, path: usize, chunks: &[Chunk]) -> (Vec<Outgoing>, bool) {
        let mut answers = Vec::new();
        let mut has_data = false;
        let mut at_once = false;
        for chunk in chunks {
            match chunk {
                Chunk::Data { number, .. } => {
                    has_data = true;
                    at_once |= !self.take_data(*number);
                }
                Chunk::Sack { cumulative, gaps } => answers.extend(self.take_sack(*cumulative, gaps)),
                Chunk::Heartbeat(nonce) => answers.push((path, vec![Chunk::HeartbeatAck(*nonce)])),
                Chunk::HeartbeatAck(nonce) => {
                    if let Some(path) = self.answers_awaited.remove(nonce) {
                        self.suspected[path] = false;
                    }
                }
                Chunk::Shutdown { .. } | Chunk::Made(_) => {}
            }
        }
        if has_data {
            self.came_over = path;
            self.unacknowledged += 1;
            if at_once || self.unacknowledged >= 2 {
                answers.push((path, vec![self.sack()]));
            }
        }
        (answers, has_data && self.unacknowledged > 0)
    }

    /// Whether it is the next one, and nothing is missing.
    fn take_data(&mut self, number: u32) -> bool {
        let is_next = number == self.cumulative + 1 && self.beyond.is_empty();
        if number > self.cumulative {
            self.beyond.insert(number);
        }
        while self.beyond.remove(&(self.cumulative + 1)) {
            self.cumulative += 1;
        }
        is_next
    }

    /// The SACK that was delayed.
    pub(super) fn send_delayed_sack(&mut self) -> Option<Outgoing> {
        (self.unacknowledged > 0).then(|| (self.came_over, vec![self.sack()]))
    }

    fn sack(&mut self) -> Chunk {
        self.unacknowledged = 0;
        self.sacks += 1;
        let mut gaps: Vec<(u16, u16)> = Vec::new();
        for number in &self.beyond {
            let offset = (number - self.cumulative) as u16;
            match gaps.last_mut() {
                Some((_, end)) if *end + 1 == offset => *end = offset,
                _ => gaps.push((offset, offset)),
            }
        }
        Chunk::Sack {
            cumulative: self.cumulative,
            gaps,
        }
    }

    fn take_sack(&mut self, cumulative: u32, gaps: &[(u16, u16)]) -> Vec<Outgoing> {
        let is_acknowledged = |number: u32| {
            let in_gap = |(start, end): &(u16, u16)| {
                (cumulative + u32::from(*start)..=cumulative + u32::from(*end)).contains(&number)
            };
            number <= cumulative || gaps.iter().any(in_gap)
        };
        let oldest = self.flying.keys().next().copied();
        for (number, flying) in &self.flying {
            if is_acknowledged(*number) && !flying.is_again {
                self.suspected[flying.path] = false;
            }
        }
        // RFC 9260 would wait for gap blocks to become cumulative: a peer may take them back. Ours does not.
        self.flying.retain(|number, _| !is_acknowledged(*number));
        if self.flying.keys().next().copied() != oldest {
            self.back_off = 0;
            self.time_out += 1;
        }
        let highest = gaps
            .last()
            .map_or(cumulative, |(_, end)| cumulative + u32::from(*end));
        let mut again = Vec::new();
        for (number, flying) in self.flying.range_mut(..highest) {
            flying.missing += 1;
            if flying.missing == 3 && !flying.is_again {
                flying.is_again = true;
                let chunk = Chunk::Data {
                    number: *number,
                    payload: flying.payload,
                };
                again.push((flying.path, vec![chunk]));
            }
        }
        let path = self.path();
        if self.back_off == 0 {
            // Two for each SACK, as a window that opens.
            again.extend((0..2).filter_map(|_| Some((path, self.send_lost(path)?))));
        }
        again
    }
}
