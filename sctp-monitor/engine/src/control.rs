//! Handshake and end of an association, from the control chunks themselves.
//!
//! Anyone can forge an INIT. So nothing changes before the third leg: a COOKIE ECHO whose tag is the one that the
//! responder gave in an INIT ACK, which in turn had the tag that the initiator gave in its INIT.

use std::{collections::VecDeque, net::IpAddr, time::Duration};

use sctp_monitor_common::{
    abi::{ControlHeader, FlowKey},
    wire::{
        Address, Chunk, ChunkKind, Frame, ReadPacket as _,
        chunk::chunks,
        control::{cause_name, causes},
        init::Init,
    },
};

use crate::{
    association::Association,
    config::Vantage,
    engine::Engine,
    event::{AssociationId, EndReason, Origin},
    flow::Direction,
    grouping::opposite,
    time::Timestamp,
};

impl Engine {
    /// Takes a packet with control chunks, from its common header on.
    pub(crate) fn handle_control(&mut self, header: &ControlHeader, packet: &[u8]) {
        let now = Timestamp::from_nanos(header.header.time_ns);
        let frame = Frame(packet);
        let Some(tag) = frame.read_u32(TAG_AT) else {
            return;
        };
        for chunk in chunks(&frame, CHUNKS_AT, packet.len()) {
            match chunk.kind() {
                ChunkKind::Init if tag == 0 => self.handshakes.on_init(header, &frame, &chunk, now),
                ChunkKind::InitAck => self.handshakes.on_init_ack(header, tag, &frame, &chunk),
                ChunkKind::CookieEcho => self.on_cookie_echo(&header.key, tag, now),
                ChunkKind::CookieAck => self.on_cookie_ack(&header.key, tag, now),
                ChunkKind::Abort => {
                    let causes = causes(&frame, &chunk)
                        .map(|cause| cause_name(cause.kind))
                        .collect();
                    self.on_end(&header.key, tag, &chunk, EndReason::Abort(causes), now);
                }
                ChunkKind::ShutdownComplete => {
                    self.on_end(&header.key, tag, &chunk, EndReason::Shutdown, now);
                }
                _ => {}
            }
        }
    }

    fn on_cookie_echo(&mut self, key: &FlowKey, tag: u32, now: Timestamp) {
        let Some(handshake) = self.handshakes.answered(key, tag) else {
            return;
        };
        let known = self.by_tag(key, tag);
        if known.is_some_and(|(id, direction)| {
            self.associations
                .get(&id)
                .is_some_and(|known| known.tag(opposite(direction)) == Some(handshake.initiator.tag))
        }) {
            return; // sent again
        }
        self.handshakes.complete(handshake.initiator.tag, tag);
        self.open_handshake(key, &handshake, now);
    }

    /// The third leg: both sides have agreed on their tags.
    fn open_handshake(&mut self, key: &FlowKey, handshake: &Answered, now: Timestamp) {
        let id = self.next_id();
        let initiator_is_local = match self.config.vantage {
            Vantage::Endpoint => handshake.initiator_sent,
            Vantage::Gateway => true,
        };
        let (local, remote, direction) = if initiator_is_local {
            (&handshake.initiator, &handshake.responder, Direction::Sent)
        } else {
            (&handshake.responder, &handshake.initiator, Direction::Received)
        };
        let (local_port, remote_port) = match direction {
            Direction::Sent => (key.src_port, key.dst_port),
            Direction::Received => (key.dst_port, key.src_port),
        };
        let mut association = Association::opening(id, local_port, remote_port, Origin::Handshake, now);
        association.add_addresses(local.addresses.iter().copied(), remote.addresses.iter().copied());
        association.list_paths(now);
        let paths: Vec<_> = association.paths.keys().copied().collect();
        let (local_tag, remote_tag) = (local.tag, remote.tag);
        self.associations.insert(id, association);
        self.learn_tag(id, Direction::Sent, remote_tag);
        self.learn_tag(id, Direction::Received, local_tag);

        // Flows of these address pairs carry the new tags from now on, whatever they were before.
        for path in paths {
            for direction in [Direction::Sent, Direction::Received] {
                let (src, dst, src_port, dst_port) = match direction {
                    Direction::Sent => (path.local, path.remote, local_port, remote_port),
                    Direction::Received => (path.remote, path.local, remote_port, local_port),
                };
                let key = FlowKey {
                    src: src.into(),
                    dst: dst.into(),
                    src_port,
                    dst_port,
                };
                self.take_over(&key, id, direction, now);
            }
        }
    }

    /// Takes a flow away from the association that had it, and ends that one.
    fn take_over(&mut self, key: &FlowKey, id: AssociationId, direction: Direction, now: Timestamp) {
        let Some(slot) = self.by_key.get(key).copied() else {
            return;
        };
        let before = self
            .flows
            .get(&slot)
            .and_then(|flow| flow.member)
            .map(|member| member.association);
        if let Some(before) = before.filter(|before| *before != id) {
            self.end(before, EndReason::Replaced, now);
        }
        self.join(slot, id, direction, now);
    }

    fn on_cookie_ack(&mut self, key: &FlowKey, tag: u32, now: Timestamp) {
        if let Some((id, _)) = self.by_tag(key, tag) {
            self.bring_up(id, now);
        }
    }

    fn on_end(&mut self, key: &FlowKey, tag: u32, chunk: &Chunk, reason: EndReason, now: Timestamp) {
        // A reflected tag is that of the packets which it answers.
        let found = if chunk.reflects_tag() {
            self.by_tag(&key.reversed(), tag)
        } else {
            self.by_tag(key, tag)
        };
        if let Some((id, _)) = found {
            self.end(id, reason, now);
        }
    }
}

/// Handshakes whose third leg has not been seen.
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
    initiator: Side,
    responder: Option<Side>,
}

/// What one endpoint said of itself.
#[derive(Debug, Clone)]
struct Side {
    tag: u32,
    addresses: Vec<IpAddr>,
}

/// A handshake with both sides known.
#[derive(Debug, Clone)]
struct Answered {
    initiator_sent: bool,
    initiator: Side,
    responder: Side,
}

impl Handshakes {
    fn on_init(&mut self, header: &ControlHeader, frame: &Frame<'_>, chunk: &Chunk, now: Timestamp) {
        let Some(initiator) = Side::read(frame, chunk, header.key.src.to_ip()) else {
            return;
        };
        // Sent again: the same INIT, perhaps to another address.
        self.pending
            .retain(|pending| !(pending.key == header.key && pending.initiator.tag == initiator.tag));
        if self.pending.len() >= MAX_PENDING {
            self.pending.pop_front();
        }
        self.pending.push_back(Pending {
            key: header.key,
            began: now,
            initiator_sent: header.interface.is_egress(),
            initiator,
            responder: None,
        });
    }

    fn on_init_ack(&mut self, header: &ControlHeader, tag: u32, frame: &Frame<'_>, chunk: &Chunk) {
        let key = header.key.reversed();
        let Some(responder) = Side::read(frame, chunk, header.key.src.to_ip()) else {
            return;
        };
        // The newest INIT with this tag; the responder may answer from another address.
        let pending = self.pending.iter_mut().rev().find(|pending| {
            pending.initiator.tag == tag
                && (pending.key.src_port, pending.key.dst_port) == (key.src_port, key.dst_port)
                && pending.key.src == key.src
        });
        if let Some(pending) = pending {
            pending.responder = Some(responder);
        }
    }

    /// The handshake that a COOKIE ECHO with this tag completes.
    fn answered(&self, key: &FlowKey, tag: u32) -> Option<Answered> {
        self.pending.iter().rev().find_map(|pending| {
            let responder = pending.responder.as_ref()?;
            let ports = (pending.key.src_port, pending.key.dst_port) == (key.src_port, key.dst_port);
            (ports && responder.tag == tag && pending.initiator.addresses.contains(&key.src.to_ip())).then(
                || Answered {
                    initiator_sent: pending.initiator_sent,
                    initiator: pending.initiator.clone(),
                    responder: responder.clone(),
                },
            )
        })
    }

    /// Forgets a handshake that did what it was for.
    fn complete(&mut self, initiator_tag: u32, responder_tag: u32) {
        self.pending.retain(|pending| {
            let responder = pending.responder.as_ref().map(|responder| responder.tag);
            !(pending.initiator.tag == initiator_tag && responder == Some(responder_tag))
        });
    }

    /// Whether a handshake between these addresses is under way, in either direction.
    pub(crate) fn covers(&self, key: &FlowKey) -> bool {
        self.pending
            .iter()
            .any(|pending| pending.key == *key || pending.key == key.reversed())
    }

    pub(crate) fn expire(&mut self, now: Timestamp) {
        self.pending
            .retain(|pending| now.since(pending.began) < HANDSHAKE_TIME);
    }
}

impl Side {
    fn read(frame: &Frame<'_>, chunk: &Chunk, source: IpAddr) -> Option<Self> {
        let init = Init::read(frame, chunk)?;
        let mut addresses = vec![source];
        for address in Init::addresses(frame, chunk).map(Address::to_ip) {
            if !addresses.contains(&address) && addresses.len() < MAX_ADDRESSES {
                addresses.push(address);
            }
        }
        Some(Self {
            tag: init.initiate_tag,
            addresses,
        })
    }
}

/// Handshakes that are remembered; forged INITs push out forged INITs.
const MAX_PENDING: usize = 1024;
/// Addresses that are believed of one endpoint. Linux binds any number, FreeBSD 1,080; products use 2 to 4.
const MAX_ADDRESSES: usize = 32;
/// How long a handshake may take: Max.Init.Retransmits (8) at the initial RTO is longer, but then the INIT is sent
/// again and begins anew.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

const TAG_AT: usize = 4;
const CHUNKS_AT: usize = 12;
