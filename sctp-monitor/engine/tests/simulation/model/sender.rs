//! The sending half of an endpoint: RFC 9260 sections 6 to 8, as Linux does it.

use std::collections::VecDeque;

use sctp_monitor_engine::model::Timestamp;

use super::{
    packet::{Chunk, Sack, Tsn},
    transport::{MTU, Transport},
};

/// How a sender behaves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Habits {
    /// Errors in a row after which new DATA leaves a path for another: 0 with potentially failed (RFC 7829), as Linux
    /// does by default; [`PATH_MAX_RETRANS`] without.
    pub(crate) errors_borne: u32,
    /// A small message waits while any other is unacknowledged (no SCTP_NODELAY).
    pub(crate) nagle: bool,
}

#[derive(Debug)]
pub(crate) struct Sender {
    habits: Habits,
    pub(crate) transports: Vec<Transport>,
    next_tsn: Tsn,
    cum_tsn_ack: Tsn,
    outstanding: VecDeque<Sent>,
    /// Sizes of messages that were not sent yet.
    messages: VecDeque<u16>,
    /// The next retransmission does not wait for room in the window.
    resend_now: bool,
    /// No second cut of the window until this is acknowledged.
    recovers_at: Tsn,
}

/// A DATA chunk that is not acknowledged cumulatively.
#[derive(Debug)]
struct Sent {
    tsn: Tsn,
    bytes: u16,
    /// Where it was last sent, or shall be sent again.
    path: usize,
    state: State,
    /// SACKs that reported later chunks only.
    strikes: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    InFlight,
    /// A gap ack block covers it.
    Arrived,
    ToResend,
}

/// What a SACK says of one path.
#[derive(Debug, Clone, Copy, Default)]
struct News {
    bytes: u32,
    earliest: bool,
    highest: Option<Tsn>,
}

impl Sender {
    pub(crate) fn new(habits: Habits, transports: Vec<Transport>, first_tsn: Tsn) -> Self {
        Self {
            habits,
            transports,
            next_tsn: first_tsn,
            cum_tsn_ack: first_tsn - 1,
            outstanding: VecDeque::new(),
            messages: VecDeque::new(),
            resend_now: false,
            recovers_at: 0,
        }
    }

    /// The application has a message.
    pub(crate) fn push(&mut self, bytes: u16) {
        if self.messages.len() < SEND_BUFFER {
            self.messages.push_back(bytes);
        }
    }

    /// The application has more than can be sent.
    pub(crate) fn fill(&mut self, full_packets: usize) {
        while self.messages.len() < SEND_BUFFER {
            self.messages.extend(std::iter::repeat_n(FRAGMENT, full_packets));
            self.messages.push_back(LAST_FRAGMENT);
        }
    }

    pub(crate) fn is_failing(&self, path: usize) -> bool {
        self.transports[path].errors > self.habits.errors_borne
    }

    /// Failing, but not for as long as to be inactive (RFC 7829): heartbeats ask for it at every RTO.
    pub(crate) fn is_potentially_failed(&self, path: usize) -> bool {
        self.is_failing(path) && self.transports[path].errors <= PATH_MAX_RETRANS
    }

    /// Where new DATA goes: the first path is the primary one.
    pub(crate) fn data_path(&self) -> usize {
        (0..self.transports.len())
            .find(|path| !self.is_failing(*path))
            .or_else(|| (0..self.transports.len()).min_by_key(|path| self.transports[*path].errors))
            .unwrap_or(0)
    }

    /// Another path for what was lost on this one (RFC 9260 section 6.4.1).
    fn other_path(&self, path: usize) -> usize {
        let count = self.transports.len();
        (1..count)
            .map(|step| (path + step) % count)
            .find(|other| !self.is_failing(*other))
            .unwrap_or(path)
    }

    /// T3-rtx of the paths whose time it is.
    pub(crate) fn handle_timeout(&mut self, now: Timestamp) {
        for path in 0..self.transports.len() {
            if self.transports[path].t3_at.is_none_or(|at| at > now) {
                continue;
            }
            self.transports[path].on_t3();
            self.transports[path].flight = 0;
            if self.is_potentially_failed(path) {
                self.transports[path].ask_soon(now);
            }
            let onto = self.other_path(path);
            for sent in &mut self.outstanding {
                if sent.path == path && sent.state == State::InFlight {
                    sent.state = State::ToResend;
                    sent.path = onto;
                }
            }
            self.resend_now = true;
        }
    }

    pub(crate) fn on_sack(&mut self, sack: &Sack, now: Timestamp) {
        // Overtaken by a later one (RFC 9260 section 6.2.1).
        if sack.cum_tsn_ack < self.cum_tsn_ack {
            return;
        }
        let cum_moved = sack.cum_tsn_ack > self.cum_tsn_ack;
        self.cum_tsn_ack = sack.cum_tsn_ack;
        let mut news = [News::default(); MAX_PATHS];
        let mut waits_on = [false; MAX_PATHS];
        for sent in &mut self.outstanding {
            let first_of_path = !std::mem::replace(&mut waits_on[sent.path], true);
            if sent.state == State::Arrived || !sack.covers(sent.tsn) {
                continue;
            }
            let news = &mut news[sent.path];
            if sent.state == State::InFlight {
                news.bytes += u32::from(sent.bytes);
            }
            news.earliest |= first_of_path;
            news.highest = Some(sent.tsn);
            sent.state = State::Arrived;
            let transport = &mut self.transports[sent.path];
            if let Some((tsn, sent_at)) = transport.timed
                && tsn == sent.tsn
            {
                transport.timed = None;
                transport.on_rtt(now.since(sent_at));
            }
        }
        while self
            .outstanding
            .front()
            .is_some_and(|sent| sent.tsn <= sack.cum_tsn_ack)
        {
            self.outstanding.pop_front();
        }
        for (transport, news) in self.transports.iter_mut().zip(&news) {
            if news.highest.is_some() {
                transport.on_acked(news.bytes, news.earliest, cum_moved, now);
            }
        }
        if !sack.gaps.is_empty() {
            self.strike(&news);
        }
    }

    /// Counts the reports that miss a chunk; the third one sends it again (RFC 9260 section 7.2.4). Only what was sent
    /// over the same path says that it is missing, or every failover would look like a loss.
    fn strike(&mut self, news: &[News; MAX_PATHS]) {
        let highest_sent = self.next_tsn - 1;
        for sent in &mut self.outstanding {
            let overtaken = news[sent.path].highest.is_some_and(|highest| highest > sent.tsn);
            if sent.state != State::InFlight || !overtaken || sent.strikes >= STRIKES {
                continue;
            }
            sent.strikes += 1;
            if sent.strikes < STRIKES {
                continue;
            }
            sent.state = State::ToResend;
            let transport = &mut self.transports[sent.path];
            transport.flight = transport.flight.saturating_sub(u32::from(sent.bytes));
            if sent.tsn > self.recovers_at {
                self.recovers_at = highest_sent;
                transport.on_fast_retransmission();
            }
            self.resend_now = true;
        }
    }

    /// The next packet's worth of DATA, and its path.
    pub(crate) fn poll_data(&mut self, now: Timestamp) -> Option<(usize, Vec<Chunk>)> {
        self.poll_resend(now).or_else(|| self.poll_new(now))
    }

    fn poll_resend(&mut self, now: Timestamp) -> Option<(usize, Vec<Chunk>)> {
        let path = self
            .outstanding
            .iter()
            .find(|sent| sent.state == State::ToResend)?
            .path;
        if !self.resend_now && !self.transports[path].has_room() {
            return None;
        }
        self.resend_now = false;
        let mut chunks = Vec::new();
        let mut bytes = 0;
        for sent in &mut self.outstanding {
            if sent.state != State::ToResend || sent.path != path {
                continue;
            }
            let more = u32::from(sent.bytes);
            if bytes > 0 && bytes + more + DATA_HEADER > MTU {
                break;
            }
            bytes += more;
            sent.state = State::InFlight;
            chunks.push(Chunk::Data {
                tsn: sent.tsn,
                bytes: sent.bytes,
            });
            // Karn: nothing is learned from the ack of what was sent twice.
            for transport in &mut self.transports {
                if transport.timed.is_some_and(|(tsn, _)| tsn == sent.tsn) {
                    transport.timed = None;
                }
            }
        }
        self.transports[path].on_data_resent(bytes, now);
        Some((path, chunks))
    }

    fn poll_new(&mut self, now: Timestamp) -> Option<(usize, Vec<Chunk>)> {
        if self.messages.is_empty() {
            return None;
        }
        let path = self.data_path();
        if !self.transports[path].has_room() || self.waits_for_more() {
            return None;
        }
        let mut chunks = Vec::new();
        let (mut bytes, mut room) = (0, MTU);
        while let Some(message) = self.messages.front().copied() {
            let needs = u32::from(message) + DATA_HEADER;
            if needs > room && bytes > 0 {
                break;
            }
            self.messages.pop_front();
            room = room.saturating_sub(needs);
            bytes += u32::from(message);
            let tsn = self.next_tsn;
            self.next_tsn += 1;
            self.outstanding.push_back(Sent {
                tsn,
                bytes: message,
                path,
                state: State::InFlight,
                strikes: 0,
            });
            self.transports[path].timed.get_or_insert((tsn, now));
            chunks.push(Chunk::Data { tsn, bytes: message });
        }
        self.transports[path].on_data_sent(bytes, now);
        Some((path, chunks))
    }

    fn waits_for_more(&self) -> bool {
        let waiting: u32 = self.messages.iter().map(|message| u32::from(*message)).sum();
        self.habits.nagle && !self.outstanding.is_empty() && waiting < MTU
    }
}

/// More than any world has.
const MAX_PATHS: usize = 4;
/// Messages that fit into the socket's send buffer.
const SEND_BUFFER: usize = 2_000;
/// Fills a packet of 1,432 bytes.
const FRAGMENT: u16 = 1_384;
const LAST_FRAGMENT: u16 = 104;
const STRIKES: u8 = 3;
/// RFC 9260 section 16.
pub(crate) const PATH_MAX_RETRANS: u32 = 5;
const DATA_HEADER: u32 = 16;
