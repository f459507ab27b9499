//! How associations begin, from the control chunks themselves.
//!
//! Anyone can forge an INIT. So nothing changes before the fourth leg: a COOKIE ACK with the tag that the initiator gave in
//! its INIT, behind a COOKIE ECHO whose tag is the one that the responder gave in an INIT ACK. Every other chunk counts only
//! with the tag of the association that it is about.

use sctp_monitor_common::{
    abi::FlowKey,
    wire::{Chunk, ChunkKind, init::Init},
};

use crate::{
    config::Vantage,
    model::{AssociationId, Direction, EndReason, Offers, Origin, Side, Sides, Timestamp, Translation},
    path::flows::Flows,
    registry::{
        Registry,
        address_list::AddressList,
        association::Association,
        handshake::{Answered, Endpoint},
        nat::is_copy,
        packet::ControlPacket,
    },
};

impl Registry {
    /// Takes a packet before its chunks.
    pub(crate) fn on_packet(&mut self, flows: &mut Flows, packet: &ControlPacket<'_>) {
        if packet.header.tag_mismatch != 0 {
            self.look_into_foreign(flows, packet);
        }
        let chunks: Vec<_> = packet.chunks().collect();
        self.recent.on_packet(packet, &chunks);
    }

    /// Takes one chunk of a packet.
    pub(crate) fn on_chunk(&mut self, flows: &mut Flows, packet: &ControlPacket<'_>, chunk: &Chunk) {
        let (frame, tag, vantage) = (&packet.frame, packet.tag, self.config.vantage);
        match chunk.kind() {
            ChunkKind::Init if tag == 0 => {
                if let Some(init) = Init::read(frame, chunk) {
                    self.look_into_init(flows, packet, init.initiate_tag);
                }
                self.handshakes.on_init(packet, chunk, vantage);
            }
            ChunkKind::InitAck => self.handshakes.on_init_ack(packet, chunk, vantage),
            ChunkKind::CookieEcho => self.on_cookie_echo(flows, packet),
            ChunkKind::CookieAck => self.on_cookie_ack(flows, packet),
            ChunkKind::Error => self.on_error(flows, packet, chunk),
            ChunkKind::Asconf => self.on_asconf(packet, chunk),
            ChunkKind::AsconfAck => self.on_asconf_ack(flows, packet, chunk),
            ChunkKind::Shutdown | ChunkKind::ShutdownAck => self.on_shutdown(flows, packet, chunk),
            ChunkKind::Abort => self.on_abort(flows, packet, chunk),
            ChunkKind::ShutdownComplete => self.on_shutdown_complete(flows, packet, chunk),
            _ => {}
        }
        self.report_failed(flows, packet.time);
    }

    /// The third leg. It changes nothing yet, but for an association that is known already: retransmitted, or both endpoints
    /// began at the same time (RFC 9260 section 5.2.1).
    fn on_cookie_echo(&mut self, flows: &mut Flows, packet: &ControlPacket<'_>) {
        let (key, tag, now) = (packet.key(), packet.tag, packet.time);
        let Some(handshake) = self.handshakes.on_cookie_echo(packet, self.config.vantage) else {
            return;
        };
        if let Some((id, direction)) = self.known_to(&handshake, key, tag) {
            self.complete(&handshake);
            self.confirm(flows, id, direction, &handshake, now);
        }
    }

    fn on_cookie_ack(&mut self, flows: &mut Flows, packet: &ControlPacket<'_>) {
        let now = packet.time;
        if let Some(handshake) = self.handshakes.on_cookie_ack(packet, self.config.vantage) {
            return self.establish_handshake(flows, &handshake, now);
        }
        let found = self.associations.by_proved_tag(packet.key(), packet.tag);
        if let Some(id) = found.map(|(association, _)| association.id) {
            self.establish(flows, id, now);
        }
    }

    /// A flow carries what only an established association sends, with this tag: its handshake is complete, though
    /// COOKIE ACK was not seen. `true` if there is such a handshake.
    pub(super) fn complete_by_flow(
        &mut self,
        flows: &mut Flows,
        key: &FlowKey,
        tag: u32,
        now: Timestamp,
    ) -> bool {
        let opposite = flows.by_key(&key.reversed()).map(|flow| flow.view.tag);
        let vantage = self.config.vantage;
        let Some(handshake) = self.handshakes.completed_by(key, tag, opposite, vantage) else {
            return false;
        };
        self.establish_handshake(flows, &handshake, now);
        true
    }

    /// Both endpoints have agreed on their tags.
    fn establish_handshake(&mut self, flows: &mut Flows, handshake: &Answered, now: Timestamp) {
        let key = handshake.key;
        let known = self.known_to(handshake, &key, handshake.responder.tag);
        self.complete(handshake);
        let id = match known {
            Some((id, direction)) => {
                self.confirm(flows, id, direction, handshake, now);
                id
            }
            None => self.open_handshake(flows, &key, handshake, now),
        };
        self.establish(flows, id, now);
    }

    fn complete(&mut self, handshake: &Answered) {
        let tags = [handshake.initiator.tag, handshake.responder.tag];
        self.handshakes.complete(&handshake.key, tags);
    }

    /// The association of a handshake, and the direction of its COOKIE ECHO, if it is known already: by the responder's tag,
    /// and by the initiator's.
    fn known_to(&self, handshake: &Answered, key: &FlowKey, tag: u32) -> Option<(AssociationId, Direction)> {
        let to_responder = self.associations.by_tag(key, tag);
        let to_initiator = self
            .associations
            .by_tag(&key.reversed(), handshake.initiator.tag)
            .map(|(association, direction)| (association, direction.reversed()));
        let known = match (to_responder, to_initiator) {
            (Some(known), Some(same)) if (known.0.id, known.1) == (same.0.id, same.1) => Some(known),
            (Some(known), None) | (None, Some(known)) if collides(known.0, handshake) => Some(known),
            _ => None,
        };
        known.map(|(association, direction)| (association.id, direction))
    }

    /// What a handshake says of an association that is known already: its tags, and the lists of one that was joined
    /// mid-life.
    fn confirm(
        &mut self,
        flows: &mut Flows,
        id: AssociationId,
        direction: Direction,
        handshake: &Answered,
        now: Timestamp,
    ) {
        let Answered {
            initiator, responder, ..
        } = handshake;
        let direction = self.begun_by(flows, id, direction);
        self.associations.replace_tag(flows, id, direction, responder.tag);
        self.associations
            .replace_tag(flows, id, direction.reversed(), initiator.tag);
        for direction in Direction::BOTH {
            self.associations.vouch(flows, id, direction);
        }
        let initiator_is = Side::sending(direction);
        let Some(association) = self.associations.get_mut(id) else {
            return;
        };
        if association.origin == Origin::Handshake {
            return;
        }
        if association.is_opening() {
            association.origin = Origin::Handshake;
        }
        association.offers = Some(offers(initiator, responder, initiator_is));
        association.handshake_times = handshake.times;
        self.correct_addresses(flows, id, initiator_is, &initiator.addresses, now);
        self.correct_addresses(flows, id, initiator_is.other(), &responder.addresses, now);
    }

    /// Makes an association of a handshake.
    fn open_handshake(
        &mut self,
        flows: &mut Flows,
        key: &FlowKey,
        handshake: &Answered,
        now: Timestamp,
    ) -> AssociationId {
        let id = self.associations.next_id();
        let initiator_is_local = match self.config.vantage {
            Vantage::Endpoint => handshake.initiator_sent,
            Vantage::Gateway => true,
        };
        let (initiator, direction) = if initiator_is_local {
            (Side::Local, Direction::Forward)
        } else {
            (Side::Remote, Direction::Return)
        };
        let sides = match self.config.vantage {
            Vantage::Endpoint => Sides::ThisHost,
            Vantage::Gateway => Sides::Initiator,
        };
        let mut association = Association::opening(id, key, direction, Origin::Handshake, sides, now);
        association.offers = Some(offers(&handshake.initiator, &handshake.responder, initiator));
        association.handshake_times = handshake.times;
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
        association.lists = [
            (initiator, &handshake.initiator),
            (initiator.other(), &handshake.responder),
        ]
        .map(|(side, endpoint)| AddressList::new(side, endpoint))
        .into();
        association.confirmed_by_handshake =
            Some(association.path_of(direction, key.src.to_ip(), key.dst.to_ip()));
        let keys = flow_keys(&association);
        self.compare_lists(flows, &mut association, &keys);
        association.restarts = self.end_predecessors(flows, &association, &keys, now);
        self.associations.insert(association);
        self.associations
            .learn_tag(id, direction, handshake.responder.tag);
        self.associations
            .learn_tag(id, direction.reversed(), handshake.initiator.tag);
        // Flows of these address pairs carry the new tags from now on, whatever they were before.
        for (key, direction) in keys {
            let known = self.associations.get(id);
            let Some(slot) = flows
                .slot_of(&key)
                .filter(|_| !known.is_some_and(|known| is_copy(flows, &key, known, direction)))
            else {
                continue;
            };
            if let Some(flow) = flows.get_mut(slot).filter(|flow| flow.member.is_some()) {
                flow.begin_association(now);
            }
            self.associations.join(flows, slot, id, direction, now);
        }
        id
    }

    /// Compares what the endpoints list with what they, and others, listed before.
    fn compare_lists(&self, flows: &Flows, new: &mut Association, keys: &[(FlowKey, Direction)]) {
        let before = keys.iter().find_map(|(key, _)| flows.by_key(key)?.member);
        let before = before.and_then(|member| self.associations.get(member.association));
        for list in &mut new.lists {
            if let Some(before) = before {
                list.compare(before);
            }
            let port = match list.side {
                Side::Local => new.local_port,
                Side::Remote => new.remote_port,
            };
            list.find_other(port, &self.associations);
        }
    }

    /// Ends the associations whose flows a new one takes away, and gives the one that it restarts.
    fn end_predecessors(
        &mut self,
        flows: &Flows,
        new: &Association,
        keys: &[(FlowKey, Direction)],
        now: Timestamp,
    ) -> Option<AssociationId> {
        let mut before: Vec<_> = keys
            .iter()
            .filter_map(|(key, _)| flows.by_key(key)?.member)
            .map(|member| member.association)
            .collect();
        before.sort_unstable();
        before.dedup();
        let mut restarted = None;
        for id in before {
            let Some(old) = self.associations.get(id).filter(|old| !old.is_ended()) else {
                continue;
            };
            if old.is_established() && old.is_restarted_by(new) {
                restarted = Some(id);
                self.associations.end(id, EndReason::Restarted, now);
            } else if !old.is_established() || old.overlaps(new) {
                self.associations.end(id, EndReason::Replaced, now);
            }
        }
        restarted
    }
}

/// Whether an association became known while this handshake was under way. If they share one tag, the endpoints
/// began at the same time and one of them gave two; the later one counts (RFC 9260 section 5.2.4, action B).
fn collides(association: &Association, handshake: &Answered) -> bool {
    handshake.began <= association.known_since
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
