//! Handshakes that are not complete.
//!
//! Anyone can forge an INIT, so one is only remembered here, and forged ones push out forged ones. An INIT ACK counts
//! if it has the tag that the initiator gave, a COOKIE ECHO if it has the one that the responder gave. The handshake is
//! complete at COOKIE ACK, or at the first packet behind it that only an established association sends: until then nothing is
//! up, and a COOKIE ECHO may be refused, or go nowhere. What came of it all, the account of the handshake says.

use std::{collections::VecDeque, net::IpAddr};

use sctp_monitor_common::{
    abi::{FlowKey, IcmpErrorSeen},
    wire::Chunk,
};
use serde::{Deserialize, Serialize};

use crate::{
    config::Vantage,
    model::{ErrorCause, Reply, Timestamp},
    registry::{
        handshake::{Answered, Endpoint, Failed, HANDSHAKE_TIME, Pending},
        packet::ControlPacket,
    },
};

/// Those that are remembered.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Handshakes {
    pending: VecDeque<Pending>,
    /// Those that came to nothing, until somebody takes them.
    failed: Vec<Failed>,
}

impl Handshakes {
    pub(crate) fn on_init(&mut self, packet: &ControlPacket<'_>, chunk: &Chunk, vantage: Vantage) {
        let key = packet.key();
        let Some(initiator) = Endpoint::read(packet, chunk) else {
            return;
        };
        let again = self
            .pending
            .iter()
            .position(|pending| pending.key == *key && pending.initiator.tag == initiator.tag);
        let index = if let Some(index) = again {
            index
        } else {
            let new = Pending::new(packet, initiator, vantage);
            if self.pending.len() >= MAX_PENDING {
                // Nobody makes this host send an INIT, or the initiator echo a cookie.
                let may_be_forged = |pending: &Pending| !pending.initiator_sent && pending.echoed.is_none();
                let oldest = match self.pending.iter().position(may_be_forged) {
                    Some(oldest) => oldest,
                    None if may_be_forged(&new) => return,
                    None => 0,
                };
                self.failed.extend(self.pending.remove(oldest).map(Pending::fail));
            }
            self.pending.push_back(new);
            self.pending.len() - 1
        };
        if let Some(pending) = self.pending.get_mut(index) {
            pending.began = packet.time;
            pending.on_sent(packet.time);
            let account = &mut pending.account;
            account.inits += 1;
            account.init_bytes = account.init_bytes.max(packet.header.packet_length);
        }
    }

    pub(crate) fn on_init_ack(&mut self, packet: &ControlPacket<'_>, chunk: &Chunk, vantage: Vantage) {
        let Some(responder) = Endpoint::read(packet, chunk) else {
            return;
        };
        let key = packet.key().reversed();
        let asked = |pending: &Pending| pending.initiator.tag == packet.tag && pending.has_ports_of(&key);
        // The responder may answer from another address.
        let same_source = self
            .pending
            .iter()
            .rposition(|pending| asked(pending) && pending.key.src == key.src);
        // Between the hosts, the initiator's address may be another one on the responder's side.
        let translated = || {
            self.pending.iter().rposition(|pending| {
                vantage == Vantage::Gateway
                    && asked(pending)
                    && pending.key.dst == key.dst
                    && !pending.initiator.addresses.contains(&key.src.to_ip())
            })
        };
        let Some(pending) = same_source
            .or_else(translated)
            .and_then(|index| self.pending.get_mut(index))
        else {
            return;
        };
        if pending.key.src != key.src {
            pending.seen_as = Some(key.src.to_ip());
        }
        let asked_at = pending.key.dst.to_ip();
        let reply = Reply::InitAck {
            source: key.dst.to_ip(),
            lists_asked: responder.addresses.contains(&asked_at),
        };
        pending.on_reply(reply, packet.time);
        let account = &mut pending.account;
        if (account.inits, account.init_acks) == (1, 0) {
            pending.times.init = Some(packet.time.since(pending.began));
        }
        account.init_acks += 1;
        account.init_ack_bytes = account.init_ack_bytes.max(packet.header.packet_length);
        pending.responders.retain(|known| known.tag != responder.tag);
        if pending.responders.len() == MAX_RESPONDERS {
            pending.responders.remove(0);
        }
        pending.responders.push(responder);
    }

    /// A COOKIE ECHO. Gives the handshake of which it is the third leg.
    pub(crate) fn on_cookie_echo(
        &mut self,
        packet: &ControlPacket<'_>,
        vantage: Vantage,
    ) -> Option<Answered> {
        let (key, tag) = (packet.key(), packet.tag);
        let index = self
            .pending
            .iter()
            .rposition(|pending| pending.is_echoed_by(key, tag))?;
        let pending = self.pending.get_mut(index)?;
        pending.echoed = Some((*key, tag));
        pending.echoed_at = packet.time;
        pending.on_sent(packet.time);
        let account = &mut pending.account;
        account.cookie_echoes += 1;
        account.cookie_echo_bytes = account.cookie_echo_bytes.max(packet.header.packet_length);
        self.with_tag(index, tag, vantage)
    }

    /// A COOKIE ACK. Gives the handshake that it completes, unless it comes from an address that is not the responder's.
    pub(crate) fn on_cookie_ack(&mut self, packet: &ControlPacket<'_>, vantage: Vantage) -> Option<Answered> {
        let index = self.acknowledged(packet.key(), packet.tag)?;
        let pending = self.pending.get_mut(index)?;
        let source = packet.key().src.to_ip();
        let (echoed, tag) = pending.echoed?;
        let mut responders = pending.responders.iter();
        let listed = responders.any(|known| known.tag == tag && known.addresses.contains(&source));
        if !listed && source != echoed.dst.to_ip() {
            pending.on_reply(Reply::CookieAck { source }, packet.time);
            return None;
        }
        if pending.account.cookie_echoes == 1 {
            pending.times.cookie = Some(packet.time.since(pending.echoed_at));
        }
        self.with_tag(index, tag, vantage)
    }

    /// The handshake that is complete, because packets of an established association come from its responder: with these
    /// addresses and ports and this tag. `sent_with` is the tag of what goes the opposite way.
    pub(crate) fn completed_by(
        &self,
        key: &FlowKey,
        tag: u32,
        sent_with: Option<u32>,
        vantage: Vantage,
    ) -> Option<Answered> {
        let index = self.pending.iter().position(|pending| {
            pending.initiator.tag == tag
                && pending.has_ports_of(&key.reversed())
                && pending.knows(&key.reversed())
        })?;
        let pending = self.pending.get(index)?;
        let echoed = pending.echoed.map(|(_, tag)| tag);
        let known = |tag: &u32| pending.responders.iter().any(|known| known.tag == *tag);
        let tag = echoed.or_else(|| sent_with.filter(known))?;
        self.with_tag(index, tag, vantage)
    }

    /// An ABORT. `true` if it is of a handshake, which is over by it unless it comes from an address that is not the
    /// responder's.
    pub(crate) fn on_abort(
        &mut self,
        packet: &ControlPacket<'_>,
        t_bit: bool,
        causes: &[ErrorCause],
    ) -> bool {
        let (key, tag) = (packet.key(), packet.tag);
        let back = key.reversed();
        let has_responder = |pending: &Pending| pending.responders.iter().any(|known| known.tag == tag);
        let from_responder = self.pending.iter().rposition(|pending| {
            pending.has_ports_of(&back)
                && if t_bit {
                    pending.echoed.is_some() && has_responder(pending)
                } else {
                    pending.initiator.tag == tag
                }
        });
        let from_initiator = || {
            let is_it = |pending: &Pending| !t_bit && pending.has_ports_of(key) && has_responder(pending);
            self.pending.iter().rposition(is_it)
        };
        let by_initiator = from_responder.is_none();
        let Some(index) = from_responder.or_else(from_initiator) else {
            return false;
        };
        let source = key.src.to_ip();
        let pending = &mut self.pending[index];
        let reply = Reply::Abort {
            source,
            by_initiator,
            t_bit,
            causes: causes.to_vec(),
        };
        pending.on_reply(reply, packet.time);
        let asked = if by_initiator { &back } else { key };
        let is_between = pending.knows(&asked.reversed());
        if is_between && let Some(pending) = self.pending.remove(index) {
            self.failed.push(pending.fail());
        }
        true
    }

    /// An ERROR. `true` if it answers a handshake.
    pub(crate) fn on_error(&mut self, packet: &ControlPacket<'_>, causes: &[ErrorCause]) -> bool {
        let back = packet.key().reversed();
        let mut pending = self.pending.iter_mut().rev();
        let found =
            pending.find(|pending| pending.initiator.tag == packet.tag && pending.has_ports_of(&back));
        let Some(pending) = found else {
            return false;
        };
        let reply = Reply::Error {
            source: packet.key().src.to_ip(),
            causes: causes.to_vec(),
        };
        pending.on_reply(reply, packet.time);
        true
    }

    /// An ICMP error that quotes an INIT, which has no tag but gives one, or a COOKIE ECHO. `true` if it is of a handshake. One that
    /// quotes too little of an INIT proves nothing; one with a tag that no INIT gave is forged, or late.
    pub(crate) fn on_icmp(&mut self, error: &IcmpErrorSeen) -> bool {
        let mut pending = self.pending.iter_mut().rev();
        let found = pending.find(|pending| match (error.tag, error.initiate_tag) {
            (0, 0) => pending.key == error.key,
            (0, given) => pending.key == error.key && pending.initiator.tag == given,
            (tag, _) => pending.echoed == Some((error.key, tag)),
        });
        let Some(pending) = found else {
            return false;
        };
        let reply = Reply::Icmp {
            what: error.message(),
            reporter: error.reporter.to_ip(),
            quotes_tag: (error.tag, error.initiate_tag) != (0, 0),
        };
        pending.on_reply(reply, Timestamp::from_nanos(error.header.time_ns));
        true
    }

    /// Whether a packet answers, with the tag that it gave, an INIT that is remembered.
    pub(crate) fn asked_with(&self, answer: &FlowKey, tag: u32) -> bool {
        self.acknowledged_by_tag(answer, tag).is_some()
    }

    /// Whether a packet is the COOKIE ECHO of a handshake that is remembered.
    pub(crate) fn is_echo(&self, key: &FlowKey, tag: u32) -> bool {
        self.pending.iter().any(|pending| pending.is_echoed_by(key, tag))
    }

    /// Forgets a handshake that did what it was for, and the one that the responder began at the same time (RFC 9260
    /// section 5.2.1), however often a translator shows them.
    pub(crate) fn complete(&mut self, key: &FlowKey, tags: [u32; 2]) {
        self.pending.retain(|pending| {
            let same_ports = pending.has_ports_of(key) || pending.has_ports_of(&key.reversed());
            !(same_ports && tags.contains(&pending.initiator.tag))
        });
    }

    /// Whether a handshake between these addresses is under way, in either direction. What is listed counts once both have
    /// listed theirs: an INIT alone may be forged. So a handshake covers no tag that is `proved` and that it does not give.
    pub(crate) fn covers(&self, key: &FlowKey, proved: Option<u32>, now: Timestamp) -> bool {
        let reversed = key.reversed();
        let explains = |pending: &Pending| proved.is_none_or(|tag| pending.gives(tag));
        self.pending
            .iter()
            .filter(|pending| explains(pending))
            .any(|pending| {
                let translated = pending.seen_as == Some(reversed.src.to_ip())
                    && pending.key.dst == reversed.dst
                    && pending.has_ports_of(&reversed);
                let listed = [key, &reversed]
                    .into_iter()
                    .any(|key| pending.echoed.is_some() && pending.has_ports_of(key) && pending.knows(key));
                let is_it = pending.key == *key || pending.key == reversed || translated || listed;
                is_it && now.since(pending.account.last) < HANDSHAKE_TIME
            })
    }

    /// Gives up the handshakes whose initiator was silent for longer than it waits before it sends again.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        let mut index = 0;
        while let Some(pending) = self.pending.get(index) {
            if now < pending.given_up_at() {
                index += 1;
            } else if let Some(pending) = self.pending.remove(index) {
                self.failed.push(pending.fail());
            }
        }
    }

    /// Gives up all of them: nothing more is seen.
    pub(crate) fn give_up(&mut self) {
        self.failed.extend(self.pending.drain(..).map(Pending::fail));
    }

    /// Takes those that came to nothing.
    pub(crate) fn take_failed(&mut self) -> Vec<Failed> {
        std::mem::take(&mut self.failed)
    }

    fn acknowledged_by_tag(&self, answer: &FlowKey, tag: u32) -> Option<usize> {
        let asked = answer.reversed();
        self.pending
            .iter()
            .rposition(|pending| pending.initiator.tag == tag && pending.has_ports_of(&asked))
    }

    fn acknowledged(&self, key: &FlowKey, tag: u32) -> Option<usize> {
        let asked = key.reversed();
        // Where a translator shows it twice, the first one is the initiator's own.
        self.pending.iter().position(|pending| {
            pending.initiator.tag == tag && pending.has_ports_of(&asked) && pending.echoed.is_some()
        })
    }

    /// A handshake with the responder that gave this tag.
    fn with_tag(&self, index: usize, tag: u32, vantage: Vantage) -> Option<Answered> {
        let pending = self.pending.get(index)?;
        let responder = pending.responders.iter().find(|known| known.tag == tag)?;
        let seen_as = match vantage {
            Vantage::Gateway => pending.seen_as.or_else(|| self.twin(pending)),
            Vantage::Endpoint => None,
        };
        Some(Answered {
            initiator_sent: pending.initiator_sent,
            initiator: pending.initiator.clone(),
            responder: responder.clone(),
            seen_as,
            source: pending.key.src.to_ip(),
            began: pending.began,
            times: pending.times,
            key: pending.echoed.map_or(pending.key, |(key, _)| key),
        })
    }

    /// The source of the same INIT behind a translator, where both of its sides are watched.
    fn twin(&self, inside: &Pending) -> Option<IpAddr> {
        self.pending
            .iter()
            .find(|outside| {
                let source = outside.key.src.to_ip();
                outside.initiator.tag == inside.initiator.tag
                    && outside.began >= inside.began
                    && outside.key.reversed().src == inside.key.dst
                    && outside.has_ports_of(&inside.key)
                    && !inside.initiator.addresses.contains(&source)
            })
            .map(|outside| outside.key.src.to_ip())
    }
}

/// Handshakes that are remembered; forged INITs push out forged INITs.
const MAX_PENDING: usize = 1024;
/// Answers to one INIT that are remembered: it is retransmitted eight times at most, and answered late rarely.
const MAX_RESPONDERS: usize = 4;
