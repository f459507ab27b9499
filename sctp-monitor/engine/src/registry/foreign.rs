//! Packets with a tag that is not their association's: which of them are strange.
//!
//! A handshake brings other tags, and so do the answers to an INIT that was forged: these are explained. What is not is
//! noted with the association that the packet claims to be of; what follows from it, [`Suspicions`] says.
//!
//! [`Suspicions`]: crate::registry::forgery::Suspicions

use sctp_monitor_common::{
    abi::{FlowKey, IcmpErrorSeen},
    wire::{Chunk, ChunkKind},
};

use crate::{
    model::{AssociationId, Direction, Forgery, Timestamp},
    path::flows::Flows,
    registry::{Registry, association::Association, forgery::Account, packet::ControlPacket},
};

impl Registry {
    /// A flow's record may tell of packets with another tag.
    pub(crate) fn count_foreign(&mut self, flows: &mut Flows, slot: u32, now: Timestamp) {
        let Some(flow) = flows.get_mut(slot).filter(|flow| flow.foreign_packets > 0) else {
            return;
        };
        let packets = std::mem::take(&mut flow.foreign_packets);
        let (key, tag) = (flow.view.key, flow.mismatched_tag);
        if self.complete_by_flow(flows, &key, tag, now) {
            return;
        }
        let Some(flow) = flows.get(slot) else {
            return;
        };
        // What this host sends itself is no forgery: it answers what others sent.
        let Some(member) = flow.member.filter(|_| !flow.view.interface.is_egress()) else {
            return;
        };
        let account = Account::new(flow.mismatched_tag, flow.view.key.src.to_ip(), now)
            .over(flow.view.interface.if_index(), packets);
        self.note(
            member.association,
            member.direction,
            Forgery::WrongTag,
            account,
            now,
        );
    }

    /// A packet with control chunks and with another tag than its flow. The flow's record counts it.
    pub(crate) fn look_into_foreign(&mut self, flows: &mut Flows, packet: &ControlPacket<'_>) {
        let header = packet.header;
        let found: Vec<_> = packet.chunks().collect();
        let claimed = claimed(flows, packet.key());
        if self.explains(packet, &found, claimed) {
            self.explained += 1;
            if let Some(flow) = flows.get_mut(header.header.slot) {
                flow.explained = flow.explained.saturating_add(1);
            }
            return;
        }
        if let Some((id, direction)) = claimed.filter(|_| !header.interface.is_egress()) {
            let account = Account::new(packet.tag, packet.key().src.to_ip(), packet.time)
                .over(header.interface.if_index(), 0)
                .with(&found);
            self.note(id, direction, Forgery::WrongTag, account, packet.time);
        }
    }

    /// Whether a handshake brings this tag, or the packet answers an INIT that was forged.
    fn explains(
        &self,
        packet: &ControlPacket<'_>,
        chunks: &[Chunk],
        claimed: Option<(AssociationId, Direction)>,
    ) -> bool {
        let (key, tag) = (packet.key(), packet.tag);
        let reflects = chunks.iter().any(Chunk::reflects_tag);
        let is = |kind| chunks.iter().any(|chunk| chunk.kind() == kind);
        let answers_strange = || {
            claimed.is_some_and(|(id, direction)| {
                let suspicions = self
                    .associations
                    .get(id)
                    .and_then(|known| known.suspicions.as_ref());
                // A stack answers some strange packets with the tag that they had.
                suspicions.is_some_and(|known| known.last_tag_was(direction.reversed(), tag))
            })
        };
        self.associations.by_tag(key, tag).is_some()
            || reflects && answers_strange()
            || [
                ChunkKind::InitAck,
                ChunkKind::CookieAck,
                ChunkKind::Abort,
                ChunkKind::Error,
            ]
            .into_iter()
            .any(is)
                && self.handshakes.asked_with(key, tag)
            || is(ChunkKind::CookieEcho) && self.handshakes.is_echo(key, tag)
    }

    /// An INIT. One that is retransmitted brings the tag that its sender has anyway.
    pub(super) fn look_into_init(&mut self, flows: &Flows, packet: &ControlPacket<'_>, initiate_tag: u32) {
        let interface = packet.header.interface;
        let Some((id, direction)) = claimed(flows, packet.key()).filter(|_| !interface.is_egress()) else {
            return;
        };
        let own = self
            .associations
            .get(id)
            .and_then(|association| association.tag(direction.reversed()));
        if own != Some(initiate_tag) {
            let account = Account::new(initiate_tag, packet.key().src.to_ip(), packet.time)
                .over(interface.if_index(), 1);
            self.note(id, direction, Forgery::Init, account, packet.time);
        }
    }

    /// An ICMP error that quotes another tag.
    pub(crate) fn look_into_icmp_error(&mut self, flows: &Flows, error: &IcmpErrorSeen, now: Timestamp) {
        if let Some((id, direction)) = claimed(flows, &error.key) {
            let account = Account::new(error.tag, error.reporter.to_ip(), now);
            self.note(id, direction, Forgery::IcmpError, account, now);
        }
    }

    /// What is suspected of an association's packets now.
    pub(crate) fn suspected(
        &mut self,
        flows: &Flows,
        id: AssociationId,
        now: Timestamp,
    ) -> Vec<(Forgery, Account)> {
        let Some(association) = self.associations.get_mut(id) else {
            return Vec::new();
        };
        let heard = Direction::BOTH.map(|direction| heard(flows, association, direction));
        let Some(suspicions) = association.suspicions.as_mut() else {
            return Vec::new();
        };
        for (direction, heard_at) in Direction::BOTH.into_iter().zip(heard) {
            if let Some(heard_at) = heard_at {
                suspicions.go_on(direction, heard_at);
            }
        }
        suspicions.expire(self.config.spoofing_over_after, now);
        let suspected = suspicions.suspected(u64::from(self.config.spoofing_packets));
        if suspicions.is_empty() {
            association.suspicions = None;
        }
        suspected
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
            .get_mut(id)
            // Packets of an earlier association between the same addresses and ports may still come.
            .filter(|known| known.is_established() && now.since(known.known_since) >= settled_after)
        {
            association
                .suspicions
                .get_or_insert_default()
                .note(forgery, direction, account);
        }
    }
}

/// When an association's own tag was last seen in a direction.
fn heard(flows: &Flows, association: &Association, direction: Direction) -> Option<Timestamp> {
    let slots = association.flows(direction);
    flows.all_of(slots).map(|flow| flow.heard_at).max()
}

/// The association between whose addresses and ports a packet passes, and the direction.
fn claimed(flows: &Flows, key: &FlowKey) -> Option<(AssociationId, Direction)> {
    let member = |key: &FlowKey| flows.by_key(key)?.member;
    let same = member(key).map(|member| (member.association, member.direction));
    same.or_else(|| {
        let member = member(&key.reversed())?;
        Some((member.association, member.direction.reversed()))
    })
}
