//! Forged packets: what claims to be of an association, and is not.
//!
//! Anyone can send packets with an endpoint's address, but not with its verification tag. They change nothing, here as in
//! the stacks (RFC 9260 sections 5.2, 8.4, 8.5); an operator wants to know of them all the same.
//!
//! A wrong tag alone proves no forgery: an endpoint that was restarted has other tags too, and packets of an earlier
//! association may come late. So what is strange is held until the endpoint that it claims to come from goes on as
//! before, with the association's own tag, later than anything can be under way. One that was restarted does not.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use sctp_monitor_common::{
    abi::{ControlHeader, FlowKey, IcmpErrorSeen},
    wire::{Chunk, ChunkKind, Frame, chunk::chunks},
};

use crate::{
    config::Config,
    engine::Engine,
    model::{AssociationId, Direction, Forgery, Suspicion, Timestamp},
    registry::control::{CHUNKS_AT, TAG_AT},
};

/// What is strange about one association, and what is suspected.
#[derive(Debug, Clone, Default)]
pub(crate) struct Suspicions {
    /// Not yet known to be more than a restart. By the direction in which the sender must go on.
    strange: BTreeMap<(Forgery, Direction), Account>,
    suspected: BTreeMap<Forgery, Account>,
}

/// Packets that are strange in one way.
#[derive(Debug, Clone)]
struct Account {
    packets: u64,
    first: Timestamp,
    last: Timestamp,
    tag: u32,
    /// Bit `1 << kind`.
    chunks: u32,
    sources: Vec<IpAddr>,
    if_index: Option<u32>,
}

impl Account {
    /// One packet.
    fn new(tag: u32, source: IpAddr, now: Timestamp) -> Self {
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
    fn note(&mut self, forgery: Forgery, direction: Direction, account: Account) {
        match self.strange.get_mut(&(forgery, direction)) {
            Some(known) => known.merge(account),
            None => {
                self.strange.insert((forgery, direction), account);
            }
        }
    }

    /// The sender in this direction was heard with the right tag at `heard_at`.
    fn go_on(&mut self, direction: Direction, heard_at: Timestamp) {
        for forgery in [Forgery::WrongTag, Forgery::Init, Forgery::IcmpError] {
            let key = (forgery, direction);
            let goes_on = |account: &Account| heard_at >= account.first + UNDER_WAY;
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

    fn expire(&mut self, config: &Config, now: Timestamp) {
        self.suspected
            .retain(|_, account| now.since(account.last) <= config.spoofing_over_after);
    }
}

impl Engine {
    /// A flow's record tells of packets with another tag.
    pub(crate) fn count_strangers(&mut self, slot: u32, now: Timestamp) {
        let Some(flow) = self.flows.get_mut(&slot).filter(|flow| flow.strangers > 0) else {
            return;
        };
        let packets = std::mem::take(&mut flow.strangers);
        // What this host sends itself is no forgery: it answers what others sent.
        let Some(member) = flow.member.filter(|_| !flow.view.interface.is_egress()) else {
            return;
        };
        let account = Account {
            packets,
            if_index: Some(flow.view.interface.if_index()),
            ..Account::new(flow.mismatched_tag, flow.view.key.src.to_ip(), now)
        };
        self.note(
            member.association,
            member.direction,
            Forgery::WrongTag,
            account,
            now,
        );
    }

    /// A packet with control chunks and with another tag than its flow. The flow's record counts it.
    pub(crate) fn look_into_stranger(&mut self, header: &ControlHeader, packet: &[u8]) {
        let frame = Frame(packet);
        let found: Vec<_> = chunks(&frame, CHUNKS_AT, packet.len()).collect();
        let tag = tag_of(packet);
        let now = Timestamp::from_nanos(header.header.time_ns);
        let reflects = found.iter().any(Chunk::reflects_tag);
        let is = |kind| found.iter().any(|chunk| chunk.kind() == kind);
        // A handshake brings other tags, and so do the answers to an INIT that was forged.
        let claimed = self.claimed(&header.key);
        let explained = self.by_tag(&header.key, tag).is_some()
            || reflects
                && claimed.is_some_and(|(id, direction)| self.is_strange(id, direction.reversed(), tag))
            || (is(ChunkKind::InitAck) || is(ChunkKind::CookieAck) || reflects)
                && self.handshakes.asked_with(&header.key, tag)
            || is(ChunkKind::CookieEcho)
                && self
                    .handshakes
                    .answered(&header.key, tag, self.config.vantage)
                    .is_some();
        if explained {
            if let Some(flow) = self.flows.get_mut(&header.header.slot) {
                flow.explained = flow.explained.saturating_add(1);
            }
            return;
        }
        if let Some((id, direction)) = claimed.filter(|_| !header.interface.is_egress()) {
            let account = Account {
                packets: 0,
                first: now,
                last: now,
                tag,
                chunks: found.iter().fold(0, |kinds, chunk| kinds | 1_u32 << chunk.slot()),
                sources: vec![header.key.src.to_ip()],
                if_index: Some(header.interface.if_index()),
            };
            self.note(id, direction, Forgery::WrongTag, account, now);
        }
    }

    /// An INIT. One that is sent again brings the tag that its sender has anyway.
    pub(crate) fn look_into_init(&mut self, header: &ControlHeader, initiate_tag: u32, now: Timestamp) {
        let Some((id, direction)) = self
            .claimed(&header.key)
            .filter(|_| !header.interface.is_egress())
        else {
            return;
        };
        let own = self
            .associations
            .get(&id)
            .and_then(|a| a.tag(direction.reversed()));
        if own == Some(initiate_tag) {
            return;
        }
        let account = Account {
            if_index: Some(header.interface.if_index()),
            ..Account::new(initiate_tag, header.key.src.to_ip(), now)
        };
        self.note(id, direction, Forgery::Init, account, now);
    }

    /// An ICMP error that quotes another tag.
    pub(crate) fn look_into_icmp_error(&mut self, error: &IcmpErrorSeen, now: Timestamp) {
        let Some((id, direction)) = self.claimed(&error.key) else {
            return;
        };
        let account = Account::new(error.tag, error.reporter.to_ip(), now);
        self.note(id, direction, Forgery::IcmpError, account, now);
    }

    /// What is suspected of an association's packets now.
    pub(crate) fn suspicions(&mut self, id: AssociationId, now: Timestamp) -> Vec<Suspicion> {
        let heard =
            [Direction::Forward, Direction::Return].map(|direction| (direction, self.heard(id, direction)));
        let Some(association) = self.associations.get_mut(&id) else {
            return Vec::new();
        };
        let Some(suspicions) = association.suspicions.as_mut() else {
            return Vec::new();
        };
        for (direction, heard_at) in heard {
            if let Some(heard_at) = heard_at {
                suspicions.go_on(direction, heard_at);
            }
        }
        suspicions.expire(&self.config, now);
        let known: Vec<_> = suspicions
            .suspected
            .iter()
            .filter(|(_, account)| account.packets >= u64::from(self.config.spoofing_packets))
            .map(|(forgery, account)| (*forgery, account.clone()))
            .collect();
        if suspicions.suspected.is_empty() && suspicions.strange.is_empty() {
            association.suspicions = None;
        }
        known
            .into_iter()
            .map(|(forgery, account)| Suspicion {
                forgery,
                packets: account.packets,
                tag: account.tag,
                chunks: kinds(account.chunks),
                interface: account.if_index.and_then(|index| self.nic_name(index)),
                lasting: account.last.since(account.first),
                sources: account.sources,
            })
            .collect()
    }

    /// When an association's own tag was last seen in a direction.
    pub(crate) fn heard(&self, id: AssociationId, direction: Direction) -> Option<Timestamp> {
        let association = self.associations.get(&id)?;
        let flows = association
            .flows(direction)
            .iter()
            .filter_map(|slot| self.flows.get(slot));
        flows.map(|flow| flow.heard_at).max()
    }

    /// Whether the last strange packet in this direction had this tag: a stack answers some of them with it.
    fn is_strange(&self, id: AssociationId, direction: Direction, tag: u32) -> bool {
        let suspicions = self.associations.get(&id).and_then(|a| a.suspicions.as_ref());
        let account = suspicions.and_then(|known| known.strange.get(&(Forgery::WrongTag, direction)));
        account.is_some_and(|account| account.tag == tag)
    }

    /// The association between whose addresses and ports a packet passes, and the direction.
    fn claimed(&self, key: &FlowKey) -> Option<(AssociationId, Direction)> {
        let member = |key: &FlowKey| self.flows.get(self.by_key.get(key)?)?.member;
        let same = member(key).map(|member| (member.association, member.direction));
        same.or_else(|| {
            let member = member(&key.reversed())?;
            Some((member.association, member.direction.reversed()))
        })
    }

    fn note(
        &mut self,
        id: AssociationId,
        direction: Direction,
        forgery: Forgery,
        account: Account,
        now: Timestamp,
    ) {
        let settled_after = self.config.settled_after;
        if let Some(association) = self
            .associations
            .get_mut(&id)
            // Packets of an earlier association between the same addresses and ports may still come.
            .filter(|known| known.is_up() && now.since(known.known_since) >= settled_after)
        {
            association
                .suspicions
                .get_or_insert_default()
                .note(forgery, direction, account);
        }
    }
}

fn tag_of(packet: &[u8]) -> u32 {
    let bytes = packet.get(TAG_AT..TAG_AT + 4);
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .map_or(0, u32::from_be_bytes)
}

fn kinds(bits: u32) -> Vec<ChunkKind> {
    ChunkKind::ALL
        .iter()
        .copied()
        .filter(|kind| bits & 1 << *kind as u32 != 0)
        .collect()
}

/// Sources that are named.
const MOST_SOURCES: usize = 4;

/// What an endpoint sends so long after something strange was not under way then.
const UNDER_WAY: Duration = Duration::from_secs(1);
