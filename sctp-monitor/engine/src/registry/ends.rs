//! How associations end: by SHUTDOWN or by ABORT, and what is no end although it looks like one.
//!
//! A chunk ends an association only if it has its tag and comes between its addresses. Where a translator shows an endpoint
//! by an address that is in no list, its packets are out of the blue to the other one, who answers them by ABORT: the
//! association lives on, and the operator is told of the address.

use sctp_monitor_common::{
    abi::{FlowKey, IcmpErrorSeen},
    wire::{Chunk, ChunkKind},
};

use crate::{
    config::Vantage,
    model::{
        Abort, AssociationId, Direction, EndReason, ErrorCause, EventKind, FromElsewhere, GaveUp,
        HandshakeAnswer, Reply, Side, Timestamp, UnfinishedHandshake,
    },
    path::flows::Flows,
    registry::{
        Registry,
        association::{Association, Phase, ShutdownAccount},
        causes,
        handshake::Failed,
        packet::ControlPacket,
    },
};

impl Association {
    /// What is to be said of a shutdown that is not complete, if SHUTDOWN was sent more than once.
    pub(super) fn unfinished_shutdown(&self) -> Option<EventKind> {
        let Phase::ShuttingDown { by, since, account } = self.phase() else {
            return None;
        };
        (account.shutdowns > 1).then(|| EventKind::ShutdownUnfinished {
            by: *by,
            shutdowns: account.shutdowns,
            acks: account.acks,
            acked_from: account.acked_from,
            lasting: account.last.since(*since),
        })
    }
}

impl Registry {
    /// An ICMP error. `true` if it answers a handshake.
    pub(crate) fn on_icmp(&mut self, error: &IcmpErrorSeen) -> bool {
        self.handshakes.on_icmp(error)
    }

    /// SHUTDOWN comes from the endpoint that asks, SHUTDOWN ACK from the other one.
    pub(super) fn on_shutdown(&mut self, flows: &Flows, packet: &ControlPacket<'_>, chunk: &Chunk) {
        let Some((id, direction)) = self.spoken_of(packet, chunk) else {
            return;
        };
        let is_own = self.is_between_its_endpoints(flows, id, direction, packet, chunk);
        let Some(association) = self.associations.get_mut(id) else {
            return;
        };
        let sender = Side::sending(direction);
        let by_ack = chunk.is(ChunkKind::ShutdownAck);
        let by = if by_ack { sender.other() } else { sender };
        let (source, destination) = (packet.key().src.to_ip(), packet.key().dst.to_ip());
        if let Phase::ShuttingDown { account, .. } = &mut association.phase {
            match (by_ack, is_own) {
                (true, true) => account.acks += 1,
                (true, false) => account.acked_from = Some(source),
                (false, _) => {
                    account.shutdowns += 1;
                    account.last = packet.time;
                }
            }
            return;
        }
        if association.phase != Phase::Established || !is_own {
            return;
        }
        association.phase = Phase::ShuttingDown {
            by,
            since: packet.time,
            account: ShutdownAccount {
                shutdowns: u64::from(!by_ack),
                last: packet.time,
                acks: u64::from(by_ack),
                acked_from: None,
            },
        };
        let kind = EventKind::ShuttingDown {
            by,
            by_ack,
            source,
            destination,
        };
        self.associations.report(id, kind, packet.time);
    }

    pub(super) fn on_shutdown_complete(&mut self, flows: &Flows, packet: &ControlPacket<'_>, chunk: &Chunk) {
        let Some((id, direction)) = self.spoken_of(packet, chunk) else {
            return;
        };
        if self.is_between_its_endpoints(flows, id, direction, packet, chunk) {
            let by = self.associations.get(id).and_then(Association::shutting_down);
            self.associations.end(id, EndReason::Shutdown { by }, packet.time);
        }
    }

    pub(super) fn on_error(&mut self, flows: &Flows, packet: &ControlPacket<'_>, chunk: &Chunk) {
        let causes = causes::read(&packet.frame, chunk);
        let Some((association, direction)) = self.associations.by_proved_tag_mut(packet.key(), packet.tag)
        else {
            self.handshakes.on_error(packet, &causes);
            return;
        };
        let by = Side::sending(direction);
        let causes = with_streams(causes, association, direction);
        if let Some(times) = association.errors.admits((by, causes.clone()), packet.time) {
            let id = association.id;
            let answers = self.brought_about(flows, packet, &causes);
            let kind = EventKind::AssociationError {
                by,
                source: packet.key().src.to_ip(),
                destination: packet.key().dst.to_ip(),
                causes,
                answers,
                times,
            };
            self.associations.report(id, kind, packet.time);
        }
    }

    pub(super) fn on_abort(&mut self, flows: &Flows, packet: &ControlPacket<'_>, chunk: &Chunk) {
        let t_bit = chunk.reflects_tag();
        let causes = causes::read(&packet.frame, chunk);
        let Some((id, direction)) = self.spoken_of(packet, chunk) else {
            if !self.handshakes.on_abort(packet, t_bit, &causes) {
                self.on_lone_abort(flows, packet, t_bit, causes);
            }
            return;
        };
        if !self.is_between_its_endpoints(flows, id, direction, packet, chunk) {
            return;
        }
        let Some(association) = self.associations.get(id) else {
            return;
        };
        let (source, destination) = (packet.key().src.to_ip(), packet.key().dst.to_ip());
        let asked_for = |cause: &ErrorCause| matches!(cause, ErrorCause::UserInitiated { .. });
        let gave_up = (!t_bit && !causes.iter().any(asked_for))
            .then(|| gave_up(flows, association, direction, packet.time))
            .flatten();
        let causes = with_streams(causes, association, direction);
        let abort = Abort {
            by: Side::sending(direction),
            source,
            destination,
            t_bit,
            answers: self.answered_by_abort(flows, packet, t_bit, &causes),
            causes,
            gave_up,
        };
        self.associations.end(id, EndReason::Abort(abort), packet.time);
    }

    /// An ABORT of which nothing else is known. On a host that terminates SCTP anyone can send such, and its own answer what
    /// anyone sends; between the hosts it may be all that is seen of an association.
    fn on_lone_abort(
        &mut self,
        flows: &Flows,
        packet: &ControlPacket<'_>,
        t_bit: bool,
        causes: Vec<ErrorCause>,
    ) {
        let FlowKey {
            src,
            dst,
            src_port,
            dst_port,
        } = *packet.key();
        let is_late = self.associations.ended_by_tag(packet.key(), packet.tag).is_some()
            || self
                .associations
                .ended_by_tag(&packet.key().reversed(), packet.tag)
                .is_some();
        if self.config.vantage == Vantage::Endpoint
            || is_late
            || self.lone_aborts.admits((src, dst), packet.time).is_none()
        {
            return;
        }
        let answers = self.answered_by_abort(flows, packet, t_bit, &causes);
        let kind = EventKind::AbortUnknown {
            answers,
            source: src.to_ip(),
            destination: dst.to_ip(),
            source_port: src_port,
            destination_port: dst_port,
            tag: packet.tag,
            t_bit,
            causes,
        };
        self.associations.report_apart(kind, packet.time);
    }

    /// Reports the handshakes that came to nothing just now.
    pub(super) fn report_failed(&mut self, flows: &Flows, now: Timestamp) {
        for failed in self.handshakes.take_failed() {
            if self.led_to_an_association(flows, &failed) {
                continue;
            }
            let Failed { account, .. } = failed;
            for answer in &account.answers {
                if let Reply::Abort {
                    source,
                    by_initiator: false,
                    ..
                } = answer.what
                {
                    self.associations
                        .refused(account.initiator, account.responder, source);
                }
            }
            // A cookie comes back only from the address that asked for it; all else anyone can bring about.
            let is_ours = failed.initiator_sent || account.cookie_echoes > 0;
            let refused = |answer: &HandshakeAnswer| matches!(answer.what, Reply::Abort { .. });
            let is_seen = self.config.vantage == Vantage::Gateway || account.answers.iter().any(refused);
            if !is_ours && !is_seen {
                continue;
            }
            let report = self.unfinished.add(account, !is_ours, now);
            self.report_unfinished(report, now);
        }
    }

    /// Reports what has waited long enough.
    pub(super) fn report_due(&mut self, now: Timestamp) {
        let due = self.unfinished.due(now);
        self.report_unfinished(due, now);
    }

    /// Nothing more is seen: what was begun and not finished is reported.
    pub(crate) fn on_end(&mut self, flows: &Flows, now: Timestamp) {
        self.handshakes.give_up();
        self.report_failed(flows, now);
        let rest = self.unfinished.rest(now);
        self.report_unfinished(rest, now);
        let shutdowns: Vec<_> = self
            .associations
            .iter()
            .filter_map(|association| Some((association.id, association.unfinished_shutdown()?)))
            .collect();
        for (id, kind) in shutdowns {
            self.associations.report(id, kind, now);
        }
    }

    fn report_unfinished(&mut self, reports: impl IntoIterator<Item = UnfinishedHandshake>, now: Timestamp) {
        for report in reports {
            let kind = EventKind::HandshakeUnfinished(report);
            self.associations.report_apart(kind, now);
        }
    }

    /// Whether an association came of a handshake after all, of which not all was seen: its answers take another route, or were
    /// not captured.
    fn led_to_an_association(&self, flows: &Flows, failed: &Failed) -> bool {
        let back = failed.key.reversed();
        if self.associations.by_tag(&back, failed.tag).is_some() {
            return true;
        }
        let only_one_way = flows.by_key(&back).is_none();
        let more_than_inits = flows
            .by_key(&failed.key)
            .is_some_and(|flow| !flow.is_out_of_the_blue);
        failed.account.answers.is_empty() && only_one_way && more_than_inits
    }

    /// The association that a chunk speaks of, and the direction of its packet. A reflected tag is that of the packets which
    /// it answers.
    fn spoken_of(&self, packet: &ControlPacket<'_>, chunk: &Chunk) -> Option<(AssociationId, Direction)> {
        let found = if chunk.reflects_tag() {
            let answered = self
                .associations
                .by_proved_tag(&packet.key().reversed(), packet.tag);
            answered.map(|(association, direction)| (association, direction.reversed()))
        } else {
            self.associations.by_proved_tag(packet.key(), packet.tag)
        };
        found.map(|(association, direction)| (association.id, direction))
    }

    /// Whether both addresses are the association's, as far as its lists are known. Reports a chunk of which they are not.
    fn is_between_its_endpoints(
        &mut self,
        flows: &Flows,
        id: AssociationId,
        direction: Direction,
        packet: &ControlPacket<'_>,
        chunk: &Chunk,
    ) -> bool {
        let Some(association) = self.associations.get_mut(id) else {
            return false;
        };
        let Some(unlisted) = association.unlisted(direction, packet.key()) else {
            return true;
        };
        // It follows from another one that is reported.
        let follows = chunk.is(ChunkKind::ShutdownComplete);
        let kind = chunk.kind();
        if follows
            || association
                .strangers
                .admits((kind, unlisted), packet.time)
                .is_none()
        {
            return false;
        }
        let t_bit = chunk.reflects_tag();
        let causes = match kind {
            ChunkKind::Abort => causes::read(&packet.frame, chunk),
            _ => Vec::new(),
        };
        let answers = match kind {
            ChunkKind::Abort => self.answered_by_abort(flows, packet, t_bit, &causes),
            ChunkKind::ShutdownAck => self.answered(packet, |asked| asked == ChunkKind::Shutdown),
            _ => None,
        };
        let seen = FromElsewhere {
            chunk: kind,
            source: packet.key().src.to_ip(),
            destination: packet.key().dst.to_ip(),
            unlisted,
            t_bit,
            causes,
            answers,
        };
        let report = EventKind::AnsweredFromElsewhere(seen);
        self.associations.report(id, report, packet.time);
        false
    }
}

/// An invalid stream says more beside the streams that there are. Whoever sends the ERROR or ABORT received the DATA.
fn with_streams(causes: Vec<ErrorCause>, association: &Association, direction: Direction) -> Vec<ErrorCause> {
    let offered = association.offers();
    let fill = |cause| match cause {
        ErrorCause::InvalidStream { stream, .. } => ErrorCause::InvalidStream {
            stream,
            streams: offered.map(|offers| offers.streams(direction.reversed())),
        },
        other => other,
    };
    causes.into_iter().map(fill).collect()
}

/// What the sender of a packet in this direction retransmitted in vain, if nothing was heard of the other endpoint since.
fn gave_up(flows: &Flows, association: &Association, direction: Direction, now: Timestamp) -> Option<GaveUp> {
    let in_vain = association.in_vain[direction as usize];
    let back = association.flows(direction.reversed());
    let heard_at = flows.all_of(back).map(|flow| flow.heard_at).max()?;
    (in_vain.retransmissions > 0 && heard_at < in_vain.since).then(|| GaveUp {
        retransmissions: in_vain.retransmissions,
        silent_for: now.since(heard_at),
    })
}
