//! Tags that were not given in a handshake: who may be believed.
//!
//! The programs believe the first tag that comes on a flow, take another one that is proved in its place, and count the proofs
//! (see `track::proof` in the common crate). What follows from that is decided here: whose tag is certain, and what is not
//! to be said before.

use crate::{
    model::{AssociationId, Direction, EndReason, Timestamp},
    path::{flow::Membership, flows::Flows},
    registry::{Registry, association::Association},
};

impl Association {
    /// Whether its endpoint in this direction was heard: packets with the right tag came, as far as can be known.
    pub(super) fn is_heard(&self, flows: &Flows, direction: Direction) -> bool {
        let slots = self.flows(direction);
        !slots.is_empty()
            && (self.is_vouched(direction) || flows.all_of(slots).any(|flow| flow.view.proofs > 0))
    }

    /// Whether anything of it was proved. A packet alone is no sign of an association: anyone can send it.
    pub(super) fn is_proved(&self, flows: &Flows) -> bool {
        Direction::BOTH
            .into_iter()
            .any(|direction| self.is_heard(flows, direction))
    }
}

impl Registry {
    /// The programs may have taken another tag for a flow's, because it was proved: then all that came before was forged, or of
    /// an earlier association.
    pub(crate) fn follow_tag(
        &mut self,
        flows: &mut Flows,
        slot: u32,
        (tag, proofs): (u32, u16),
        now: Timestamp,
    ) {
        let Some(flow) = flows
            .get_mut(slot)
            .filter(|_| proofs > 0 || self.config.unanswered)
        else {
            return;
        };
        let key = flow.view.key;
        let Some(Membership {
            association: id,
            direction,
            ..
        }) = flow.member
        else {
            // Nor is what ICMP errors with the other tag said of it.
            if flow.links.tag == 0 && ![0, tag].contains(&flow.view.tag) {
                flow.view.tag = tag;
                flow.begin_association(now);
            }
            return;
        };
        let is_other = |known: &Association| {
            !known.is_vouched(direction)
                && !known.is_ended()
                && known.tag(direction).is_some_and(|known| known != tag)
        };
        if tag == 0 || !self.associations.get(id).is_some_and(is_other) {
            return;
        }
        if self
            .associations
            .get(id)
            .is_some_and(|known| known.tags_are_doubted)
        {
            self.replace_proved(flows, slot, id, tag, now);
            return;
        }
        flow.view.tag = tag;
        flow.begin_association(now);
        if self.associations.by_tag(&key, tag).is_some() {
            self.associations.leave(flows, slot);
            self.end_if_empty(id, now);
            self.assign(flows, slot, now);
        } else {
            self.associations.replace_tag(flows, id, direction, tag);
            self.associations.part_from_strangers(flows, id, direction);
        }
    }

    /// Vouches for the tags that were proved often enough. One that was proved once may be spoken of.
    pub(crate) fn vouch(&mut self, flows: &mut Flows, slot: u32, member: Membership) {
        let Some(flow) = flows.get(slot) else {
            return;
        };
        let (proofs, tag) = (flow.proofs(), flow.view.tag);
        let Some(known) = self.associations.get_mut(member.association) else {
            return;
        };
        // A flow may be joined by its addresses alone, and carry another tag.
        let is_its = known.tag(member.direction) == Some(tag);
        if proofs > 0 && is_its {
            known.may_say(member.direction);
        }
        if proofs >= CERTAIN && is_its {
            self.associations
                .vouch(flows, member.association, member.direction);
        }
    }

    /// Both directions of an address pair are of one association. Forged packets may have put them into two, before their tags were
    /// proved: then the one of them whose opposite direction was forged parts from its flows.
    pub(crate) fn meet_reverse(&mut self, flows: &mut Flows, slot: u32, now: Timestamp) {
        let Some(own) = self.proved(flows, slot) else {
            return;
        };
        let reverse = flows
            .get(slot)
            .and_then(|flow| flows.slot_of(&flow.view.key.reversed()));
        let other = reverse.and_then(|reverse| self.proved(flows, reverse));
        let Some(other) = other.filter(|other| other.id != own.id) else {
            return;
        };
        // Two that have proved tags are two associations.
        let lacks = |known: &Proved, tag| known.opposite.is_none_or(|opposite| opposite == tag);
        if !lacks(&own, other.tag) || !lacks(&other, own.tag) {
            return;
        }
        let (whole, part) = if (own.is_opening, own.id) < (other.is_opening, other.id) {
            (own, other)
        } else {
            (other, own)
        };
        let known = self.associations.get(part.id);
        let slots = known.map_or(&[][..], |known| known.flows(part.direction));
        let has_tag = |slot: &u32| flows.get(*slot).is_some_and(|flow| flow.view.tag == part.tag);
        let slots: Vec<_> = slots.iter().copied().filter(has_tag).collect();
        let direction = whole.direction.reversed();
        self.associations
            .replace_tag(flows, whole.id, direction, part.tag);
        for slot in slots {
            self.associations.join(flows, slot, whole.id, direction, now);
        }
        self.associations.part_from_strangers(flows, whole.id, direction);
        self.associations.forget_tag(flows, part.id, part.direction);
        self.end_if_empty(part.id, now);
    }

    /// The association of a flow whose tag is proved, if that is its own.
    fn proved(&self, flows: &Flows, slot: u32) -> Option<Proved> {
        let flow = flows.get(slot).filter(|flow| flow.proofs() > 0)?;
        let Membership {
            association,
            direction,
            ..
        } = flow.member?;
        let known = self.associations.get(association)?;
        let tag = known.said_tag(direction)?;
        (tag == flow.view.tag && !known.is_ended()).then(|| Proved {
            id: association,
            direction,
            tag,
            opposite: known.said_tag(direction.reversed()),
            is_opening: known.is_opening(),
        })
    }

    /// Ends an association of which no flow is left: what it was known by was forged, or of one before.
    fn end_if_empty(&mut self, id: AssociationId, now: Timestamp) {
        if self.associations.get(id).is_some_and(|known| !known.has_flows()) {
            self.associations.end(id, EndReason::Replaced, now);
        }
    }
}

/// One direction of an association whose tag is proved.
struct Proved {
    id: AssociationId,
    direction: Direction,
    tag: u32,
    /// The tag of the other direction, if that is proved.
    opposite: Option<u32>,
    is_opening: bool,
}

/// Proofs without another one in between that make a tag certain. A blind sender hits one of 4,096 TSNs that may be under way by
/// 2^-20 a packet, and one that does is refuted by the next genuine answer.
const CERTAIN: u16 = 3;
