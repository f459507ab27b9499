//! Handshakes whose third leg has not been seen.
//!
//! Anyone can forge an INIT, so one is only remembered here, and forged ones push out forged ones. An INIT ACK counts
//! if it has the tag that the initiator gave, a COOKIE ECHO if it has the one that the responder gave.

use std::{collections::VecDeque, net::IpAddr, time::Duration};

use sctp_monitor_common::{
    abi::{ControlHeader, FlowKey},
    wire::{Address, Chunk, Frame, init::Init},
};

use crate::{
    config::Vantage,
    model::{Offer, Timestamp},
    registry::addresses::MAX_ADDRESSES,
};

#[derive(Debug, Default)]
pub(crate) struct Handshakes {
    pending: VecDeque<Pending>,
}

#[derive(Debug, Clone)]
struct Pending {
    /// The INIT's addresses and ports.
    key: FlowKey,
    began: Timestamp,
    /// The INIT left this host.
    initiator_sent: bool,
    initiator: Endpoint,
    /// What the responder answered, the newest last: a stack answers every retransmitted INIT with another tag,
    /// and the initiator takes the answer that comes first.
    responders: Vec<Endpoint>,
    /// The responder knows the initiator's address as this one.
    seen_as: Option<IpAddr>,
}

/// What one endpoint said of itself.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub(crate) tag: u32,
    /// The packet's source, and those that it lists.
    pub(crate) addresses: Vec<IpAddr>,
    /// Those that it lists.
    pub(crate) listed: Vec<IpAddr>,
    pub(crate) offer: Offer,
}

/// A handshake with both endpoints known.
#[derive(Debug, Clone)]
pub(crate) struct Answered {
    pub(crate) initiator_sent: bool,
    pub(crate) initiator: Endpoint,
    pub(crate) responder: Endpoint,
    /// The responder knows the source of the INIT as this address.
    pub(crate) seen_as: Option<IpAddr>,
    /// The source of the INIT.
    pub(crate) source: IpAddr,
    /// When the INIT was sent.
    pub(crate) began: Timestamp,
}

impl Handshakes {
    pub(crate) fn on_init(
        &mut self,
        header: &ControlHeader,
        frame: &Frame<'_>,
        chunk: &Chunk,
        now: Timestamp,
    ) {
        let Some(initiator) = Endpoint::read(frame, chunk, header.key.src.to_ip()) else {
            return;
        };
        let again = self
            .pending
            .iter_mut()
            .find(|pending| pending.key == header.key && pending.initiator.tag == initiator.tag);
        if let Some(again) = again {
            again.began = now;
            return;
        }
        if self.pending.len() >= MAX_PENDING {
            self.pending.pop_front();
        }
        self.pending.push_back(Pending {
            key: header.key,
            began: now,
            initiator_sent: header.interface.is_egress(),
            initiator,
            responders: Vec::new(),
            seen_as: None,
        });
    }

    pub(crate) fn on_init_ack(
        &mut self,
        key: &FlowKey,
        tag: u32,
        frame: &Frame<'_>,
        chunk: &Chunk,
        vantage: Vantage,
    ) {
        let Some(responder) = Endpoint::read(frame, chunk, key.src.to_ip()) else {
            return;
        };
        let key = key.reversed();
        let asked = |pending: &Pending| {
            pending.initiator.tag == tag
                && (pending.key.src_port, pending.key.dst_port) == (key.src_port, key.dst_port)
        };
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
        pending.responders.retain(|known| known.tag != responder.tag);
        if pending.responders.len() == MAX_RESPONDERS {
            pending.responders.remove(0);
        }
        pending.responders.push(responder);
    }

    /// The handshake that a COOKIE ECHO with this tag completes.
    pub(crate) fn answered(&self, key: &FlowKey, tag: u32, vantage: Vantage) -> Option<Answered> {
        self.pending.iter().rev().find_map(|pending| {
            let ports = (pending.key.src_port, pending.key.dst_port) == (key.src_port, key.dst_port);
            let source = pending.initiator.addresses.contains(&key.src.to_ip());
            if !ports || !source {
                return None;
            }
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
            })
        })
    }

    /// Whether a packet answers, with the tag that it gave, an INIT that is remembered.
    pub(crate) fn asked_with(&self, answer: &FlowKey, tag: u32) -> bool {
        self.pending.iter().any(|pending| {
            pending.initiator.tag == tag
                && (pending.key.src_port, pending.key.dst_port) == (answer.dst_port, answer.src_port)
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
                    && (outside.key.src_port, outside.key.dst_port)
                        == (inside.key.src_port, inside.key.dst_port)
                    && !inside.initiator.addresses.contains(&source)
            })
            .map(|outside| outside.key.src.to_ip())
    }

    /// Forgets a handshake that did what it was for, and the one that the responder began at the same time (RFC 9260
    /// section 5.2.1).
    pub(crate) fn complete(&mut self, tags: [u32; 2]) {
        let [one, other] = tags;
        self.pending.retain(|pending| {
            let answered_with = match pending.initiator.tag {
                tag if tag == one => other,
                tag if tag == other => one,
                _ => return true,
            };
            !pending
                .responders
                .iter()
                .any(|responder| responder.tag == answered_with)
        });
    }

    /// Whether a handshake between these addresses is under way, in either direction.
    pub(crate) fn covers(&self, key: &FlowKey) -> bool {
        let reversed = key.reversed();
        self.pending.iter().any(|pending| {
            let translated = pending.seen_as == Some(reversed.src.to_ip())
                && pending.key.dst == reversed.dst
                && (pending.key.src_port, pending.key.dst_port) == (reversed.src_port, reversed.dst_port);
            pending.key == *key || pending.key == reversed || translated
        })
    }

    pub(crate) fn expire(&mut self, now: Timestamp) {
        self.pending
            .retain(|pending| now.since(pending.began) < HANDSHAKE_TIME);
    }
}

impl Endpoint {
    /// Where the packet came from.
    pub(crate) fn source(&self) -> IpAddr {
        self.addresses[0]
    }

    fn read(frame: &Frame<'_>, chunk: &Chunk, source: IpAddr) -> Option<Self> {
        // A tag of 0 is forbidden (RFC 9260 section 3.3.2).
        let init = Init::read(frame, chunk).filter(|init| init.initiate_tag != 0)?;
        let mut listed = Vec::new();
        for address in Init::addresses(frame, chunk).map(Address::to_ip) {
            if !listed.contains(&address) && listed.len() < MAX_ADDRESSES {
                listed.push(address);
            }
        }
        let others = listed.iter().copied().filter(|address| *address != source);
        Some(Self {
            tag: init.initiate_tag,
            addresses: [source].into_iter().chain(others).take(MAX_ADDRESSES).collect(),
            listed,
            offer: Offer::read(&init, frame, chunk),
        })
    }
}

/// Handshakes that are remembered; forged INITs push out forged INITs.
const MAX_PENDING: usize = 1024;
/// Answers to one INIT that are remembered: it is retransmitted eight times at most, and answered late rarely.
const MAX_RESPONDERS: usize = 4;
/// How long a handshake may take: Max.Init.Retransmits (8) at the initial RTO is longer, but then the INIT is
/// retransmitted and begins anew.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
