//! Forged packets: what claims to be of an association, and is not.
//!
//! Anyone can send packets with an endpoint's address, but not with its verification tag. They change nothing, here as in
//! the stacks (RFC 9260 sections 5.2, 8.4, 8.5); an operator wants to know of them all the same.
//!
//! A wrong tag alone proves no forgery: an endpoint that was restarted has other tags too, and packets of an earlier
//! association may come late. So what is strange is held until the endpoint that it claims to come from goes on as
//! before, with the association's own tag, later than anything can be under way. One that was restarted does not.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use sctp_monitor_common::wire::{Chunk, ChunkKind};
use serde::{Deserialize, Serialize};

use crate::{
    model::{Direction, Forgery, Timestamp},
    path::under_way,
};

/// What is strange about one association, and what is suspected.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Suspicions {
    /// Not yet known to be more than a restart. By the direction in which the sender must go on.
    strange: BTreeMap<(Forgery, Direction), Account>,
    suspected: BTreeMap<Forgery, Account>,
}

/// Packets that are strange in one way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) packets: u64,
    first: Timestamp,
    last: Timestamp,
    /// The last one's verification tag; of INITs the initiate tag.
    pub(crate) tag: u32,
    /// Bit `1 << kind`.
    chunks: u32,
    /// Where they came from: the first few addresses.
    pub(crate) sources: Vec<IpAddr>,
    /// The NIC over which the last one came, if that is known.
    pub(crate) if_index: Option<u32>,
}

impl Account {
    /// One packet.
    pub(super) fn new(tag: u32, source: IpAddr, now: Timestamp) -> Self {
        Self {
            packets: 1,
            first: now,
            last: now,
            tag,
            chunks: 0,
            sources: vec![source],
            if_index: None,
        }
    }

    /// So many packets that came over a NIC.
    pub(super) fn over(self, if_index: u32, packets: u64) -> Self {
        Self {
            packets,
            if_index: Some(if_index),
            ..self
        }
    }

    /// With these chunks.
    pub(super) fn with(self, chunks: &[Chunk]) -> Self {
        let chunks = chunks
            .iter()
            .fold(0, |kinds, chunk| kinds | 1_u32 << chunk.slot());
        Self { chunks, ..self }
    }

    /// The kinds of control chunks that were seen in them.
    pub(crate) fn chunk_kinds(&self) -> Vec<ChunkKind> {
        ChunkKind::ALL
            .iter()
            .copied()
            .filter(|kind| self.chunks & 1 << *kind as u32 != 0)
            .collect()
    }

    /// From the first to the last one.
    pub(crate) fn lasting(&self) -> Duration {
        self.last.since(self.first)
    }

    fn merge(&mut self, other: Self) {
        self.packets = self.packets.saturating_add(other.packets);
        self.first = self.first.min(other.first);
        if other.last >= self.last {
            self.last = other.last;
            self.tag = other.tag;
            self.if_index = other.if_index.or(self.if_index);
        }
        self.chunks |= other.chunks;
        for source in other.sources {
            if self.sources.len() < MOST_SOURCES && !self.sources.contains(&source) {
                self.sources.push(source);
            }
        }
    }
}

impl Suspicions {
    pub(super) fn note(&mut self, forgery: Forgery, direction: Direction, account: Account) {
        match self.strange.get_mut(&(forgery, direction)) {
            Some(known) => known.merge(account),
            None => {
                self.strange.insert((forgery, direction), account);
            }
        }
    }

    /// The sender in this direction was heard with the right tag at `heard_at`.
    pub(super) fn go_on(&mut self, direction: Direction, heard_at: Timestamp) {
        for forgery in [Forgery::WrongTag, Forgery::Init, Forgery::IcmpError] {
            let key = (forgery, direction);
            let goes_on = |account: &Account| heard_at >= account.first + under_way::LONGEST;
            if !self.strange.get(&key).is_some_and(goes_on) {
                continue;
            }
            let Some(account) = self.strange.remove(&key) else {
                continue;
            };
            match self.suspected.get_mut(&forgery) {
                Some(known) => known.merge(account),
                None => {
                    self.suspected.insert(forgery, account);
                }
            }
        }
    }

    /// Drops what is over: none of them came for so long.
    pub(super) fn expire(&mut self, over_after: Duration, now: Timestamp) {
        self.suspected
            .retain(|_, account| now.since(account.last) <= over_after);
    }

    /// Whether nothing is strange.
    pub(super) fn is_empty(&self) -> bool {
        self.suspected.is_empty() && self.strange.is_empty()
    }

    /// What is suspected, if it is so many packets.
    pub(super) fn suspected(&self, packets: u64) -> Vec<(Forgery, Account)> {
        self.suspected
            .iter()
            .filter(|(_, account)| account.packets >= packets)
            .map(|(forgery, account)| (*forgery, account.clone()))
            .collect()
    }

    /// Whether the last packet with a wrong tag in this direction had this one.
    pub(super) fn last_tag_was(&self, direction: Direction, tag: u32) -> bool {
        self.strange
            .get(&(Forgery::WrongTag, direction))
            .is_some_and(|account| account.tag == tag)
    }
}

/// Sources that are named.
const MOST_SOURCES: usize = 4;
