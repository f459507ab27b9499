//! Handshake and end of an association, from the control chunks themselves.
//!
//! Anyone can forge an INIT. So nothing changes before the third leg: a COOKIE ECHO whose tag is the one that the
//! responder gave in an INIT ACK, which in turn had the tag that the initiator gave in its INIT. Every other chunk
//! counts only with the tag of the association that it is about.

use sctp_monitor_common::{
    abi::{ControlHeader, FlowKey},
    wire::{Chunk, ChunkKind, Frame, ReadPacket as _, chunk::chunks, init::Init},
};

use crate::{
    config::Vantage,
    engine::{Engine, Output},
    model::{AssociationId, Direction, EndReason, EventKind, Offers, Origin, Side, Timestamp, Translation},
    registry::{
        association::{Association, Phase},
        errors::cause_words,
        handshake::{Answered, Endpoint},
    },
};

impl Engine {
    /// Takes a packet with control chunks, from its common header on.
    pub(crate) fn handle_control(&mut self, header: &ControlHeader, packet: &[u8]) {
        let now = Timestamp::from_nanos(header.header.time_ns);
        let frame = Frame(packet);
        let key = &header.key;
        let Some(tag) = frame.read_u32(TAG_AT) else {
            return;
        };
        if header.tag_mismatch != 0 {
            self.look_into_stranger(header, packet);
        }
        for chunk in chunks(&frame, CHUNKS_AT, packet.len()) {
            match chunk.kind() {
                ChunkKind::Init if tag == 0 => {
                    if let Some(init) = Init::read(&frame, &chunk) {
                        self.look_into_init(header, init.initiate_tag, now);
                    }
                    self.handshakes.on_init(header, &frame, &chunk, now);
                }
                ChunkKind::InitAck => {
                    let vantage = self.config.vantage;
                    self.handshakes.on_init_ack(key, tag, &frame, &chunk, vantage);
                }
                ChunkKind::CookieEcho => self.on_cookie_echo(key, tag, now),
                ChunkKind::CookieAck => self.on_cookie_ack(key, tag, now),
                ChunkKind::Error => self.on_error(key, tag, cause_words(&frame, &chunk), now),
                ChunkKind::Asconf => self.on_asconf(key, tag, &frame, &chunk),
                ChunkKind::AsconfAck => self.on_asconf_ack(key, tag, &frame, &chunk, now),
                ChunkKind::Shutdown | ChunkKind::ShutdownAck => {
                    self.on_shutdown(key, tag, chunk.kind(), now);
                }
                ChunkKind::Abort => {
                    let causes = cause_words(&frame, &chunk);
                    self.on_end(key, tag, &chunk, EndReason::Abort { causes }, now);
                }
                ChunkKind::ShutdownComplete => self.on_end(key, tag, &chunk, EndReason::Shutdown, now),
                _ => {}
            }
        }
    }

    fn on_cookie_echo(&mut self, key: &FlowKey, tag: u32, now: Timestamp) {
        let Some(handshake) = self.handshakes.answered(key, tag, self.config.vantage) else {
            return;
        };
        self.handshakes
            .complete([handshake.initiator.tag, handshake.responder.tag]);
        // By the responder's tag, and by the initiator's.
        let to_responder = self.by_tag(key, tag);
        let to_initiator = self
            .by_tag(&key.reversed(), handshake.initiator.tag)
            .map(|(id, direction)| (id, direction.reversed()));
        let known = match (to_responder, to_initiator) {
            // Sent again, or both endpoints began at the same time (RFC 9260 section 5.2.1).
            (Some(known), Some(same)) if known == same => Some(known),
            (Some(known), None) | (None, Some(known)) if self.collides(known.0, &handshake) => Some(known),
            _ => None,
        };
        match known {
            Some(known) => self.confirm(known, &handshake, now),
            None => self.open_handshake(key, &handshake, now),
        }
    }

    /// Whether an association became known while this handshake was under way. If they share one tag, the endpoints
    /// began at the same time and one of them gave two; the later one counts (RFC 9260 section 5.2.4, action B).
    fn collides(&self, id: AssociationId, handshake: &Answered) -> bool {
        self.associations
            .get(&id)
            .is_some_and(|association| handshake.began <= association.known_since)
    }

    /// What a handshake says of an association that is known already: its tags, and the lists of one that was joined
    /// mid-life.
    fn confirm(&mut self, known: (AssociationId, Direction), handshake: &Answered, now: Timestamp) {
        let (id, direction) = known;
        self.replace_tag(id, direction, handshake.responder.tag);
        self.replace_tag(id, direction.reversed(), handshake.initiator.tag);
        let initiator = Side::sending(direction);
        let Some(association) = self.associations.get_mut(&id) else {
            return;
        };
        if association.origin == Origin::Handshake {
            return;
        }
        association.offers = Some(offers(&handshake.initiator, &handshake.responder, initiator));
        self.correct_addresses(id, initiator, &handshake.initiator.addresses, now);
        self.correct_addresses(id, initiator.other(), &handshake.responder.addresses, now);
    }

    fn replace_tag(&mut self, id: AssociationId, direction: Direction, tag: u32) {
        let Some(association) = self.associations.get(&id) else {
            return;
        };
        if association.tag(direction) == Some(tag) {
            return;
        }
        let slots = association.flows(direction).to_vec();
        self.learn_tag(id, direction, tag);
        for slot in slots {
            self.output(Output::SetTag { slot, tag });
        }
    }

    /// The third leg: both sides have agreed on their tags.
    fn open_handshake(&mut self, key: &FlowKey, handshake: &Answered, now: Timestamp) {
        let id = self.next_id();
        let initiator_is_local = match self.config.vantage {
            Vantage::Endpoint => handshake.initiator_sent,
            Vantage::Gateway => true,
        };
        let (initiator, direction) = if initiator_is_local {
            (Side::Local, Direction::Forward)
        } else {
            (Side::Remote, Direction::Return)
        };
        let (local_port, remote_port) = match direction {
            Direction::Forward => (key.src_port, key.dst_port),
            Direction::Return => (key.dst_port, key.src_port),
        };
        let mut association = Association::opening(id, local_port, remote_port, Origin::Handshake, now);
        association.offers = Some(offers(&handshake.initiator, &handshake.responder, initiator));
        for (side, endpoint) in [
            (initiator, &handshake.initiator),
            (initiator.other(), &handshake.responder),
        ] {
            for address in &endpoint.addresses {
                association.addresses_mut(side).list(*address);
            }
        }
        if let Some(seen_as) = handshake.seen_as {
            association.addresses_mut(initiator).translate(Translation {
                address: handshake.source,
                seen_as,
            });
        }
        association.list_paths(now);
        let keys = flow_keys(&association);
        association.restarts = self.end_predecessors(&association, &keys, now);
        self.associations.insert(id, association);
        self.learn_tag(id, direction, handshake.responder.tag);
        self.learn_tag(id, direction.reversed(), handshake.initiator.tag);
        // Flows of these address pairs carry the new tags from now on, whatever they were before.
        for (key, direction) in keys {
            if let Some(slot) = self.by_key.get(&key).copied()
                && !self.is_copy(&key, id, direction)
            {
                if let Some(flow) = self.flows.get_mut(&slot).filter(|flow| flow.member.is_some()) {
                    flow.detector.on_new_association();
                }
                self.join(slot, id, direction, now);
            }
        }
    }

    /// Ends the associations whose flows a new one takes away, and gives the one that it restarts.
    fn end_predecessors(
        &mut self,
        new: &Association,
        keys: &[(FlowKey, Direction)],
        now: Timestamp,
    ) -> Option<AssociationId> {
        let mut before: Vec<_> = keys
            .iter()
            .filter_map(|(key, _)| self.flows.get(self.by_key.get(key)?)?.member)
            .map(|member| member.association)
            .collect();
        before.sort_unstable();
        before.dedup();
        let mut restarted = None;
        for id in before {
            let Some(old) = self.associations.get(&id).filter(|old| !old.is_ended()) else {
                continue;
            };
            if old.is_up() && old.is_restarted_by(new) {
                restarted = Some(id);
                self.end(id, EndReason::Restarted, now);
            } else if !old.is_up() || old.overlaps(new) {
                self.end(id, EndReason::Replaced, now);
            }
        }
        restarted
    }

    fn on_cookie_ack(&mut self, key: &FlowKey, tag: u32, now: Timestamp) {
        if let Some((id, _)) = self.by_tag(key, tag) {
            self.bring_up(id, now);
        }
    }

    /// SHUTDOWN comes from the endpoint that asks, SHUTDOWN ACK from the other one.
    fn on_shutdown(&mut self, key: &FlowKey, tag: u32, kind: ChunkKind, now: Timestamp) {
        let Some((id, direction)) = self.by_tag(key, tag) else {
            return;
        };
        let Some(association) = self.associations.get_mut(&id) else {
            return;
        };
        if association.phase != Phase::Up {
            return;
        }
        let sender = Side::sending(direction);
        let by = match kind {
            ChunkKind::Shutdown => sender,
            _ => sender.other(),
        };
        association.phase = Phase::ShuttingDown { by, since: now };
        self.report(id, EventKind::ShuttingDown { by }, now);
    }

    fn on_error(&mut self, key: &FlowKey, tag: u32, causes: Vec<String>, now: Timestamp) {
        let Some((id, direction)) = self.by_tag(key, tag) else {
            return;
        };
        let by = Side::sending(direction);
        let admitted = self
            .associations
            .get_mut(&id)
            .is_some_and(|association| association.errors.admits(by, &causes, now));
        if admitted {
            self.report(id, EventKind::AssociationError { by, causes }, now);
        }
    }

    fn on_end(&mut self, key: &FlowKey, tag: u32, chunk: &Chunk, reason: EndReason, now: Timestamp) {
        // A reflected tag is that of the packets which it answers.
        let found = if chunk.reflects_tag() {
            let answered = key.reversed();
            self.by_tag(&answered, tag)
                .filter(|(id, direction)| self.is_between_its_endpoints(*id, *direction, &answered))
        } else {
            self.by_tag(key, tag)
        };
        if let Some((id, _)) = found {
            self.end(id, reason, now);
        }
    }

    /// Whether both addresses are the association's, as far as its lists are known. One that a translator makes up for a
    /// path of its own is not: its heartbeats are a stranger's to the peer, who answers them by ABORT, and that ends nothing.
    fn is_between_its_endpoints(&self, id: AssociationId, direction: Direction, key: &FlowKey) -> bool {
        self.associations.get(&id).is_some_and(|association| {
            association.origin != Origin::Handshake
                || association.addresses_known(direction, key.src.to_ip(), key.dst.to_ip()) == 2
        })
    }
}

fn offers(initiator: &Endpoint, responder: &Endpoint, initiator_is: Side) -> Offers {
    match initiator_is {
        Side::Local => Offers {
            local: initiator.offer,
            remote: responder.offer,
        },
        Side::Remote => Offers {
            local: responder.offer,
            remote: initiator.offer,
        },
    }
}

/// The flows of all paths of an association in both directions, those behind a translator last.
fn flow_keys(association: &Association) -> Vec<(FlowKey, Direction)> {
    let shown = |side: Side, own| {
        let translations = association.addresses(side).translations().iter();
        translations.filter(move |t| t.address == own).map(|t| t.seen_as)
    };
    let mut pairs: Vec<_> = association
        .paths
        .keys()
        .map(|path| (path.local, path.remote))
        .collect();
    for path in association.paths.keys() {
        pairs.extend(shown(Side::Local, path.local).map(|seen_as| (seen_as, path.remote)));
        pairs.extend(shown(Side::Remote, path.remote).map(|seen_as| (path.local, seen_as)));
    }
    let (local_port, remote_port) = association.ports(Direction::Forward);
    pairs
        .into_iter()
        .flat_map(|(local, remote)| {
            let sent = FlowKey {
                src: local.into(),
                dst: remote.into(),
                src_port: local_port,
                dst_port: remote_port,
            };
            [(sent, Direction::Forward), (sent.reversed(), Direction::Return)]
        })
        .collect()
}

/// Offsets from the common header on.
pub(crate) const TAG_AT: usize = 4;
pub(crate) const CHUNKS_AT: usize = 12;
