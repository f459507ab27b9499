//! Which flow belongs to which association.
//!
//! All packets of one direction of an association carry the same ports and tag, whatever addresses they use. So a
//! flow joins by its tag, if the association knows one of its addresses; the reversed address pair ties both
//! directions, and with them their tags, together. Between hosts of which nothing is known, a tag alone may be the
//! same by chance: there both directions must match.

use sctp_monitor_common::abi::FlowKey;

use crate::{
    config::Vantage,
    model::{AssociationId, Direction, Origin, Timestamp},
    path::{facts::FlowFacts, flows::Flows},
    registry::{Registry, association::Association, nat::is_copy},
};

impl Registry {
    /// Finds the association of a flow that has none, or makes one.
    pub(crate) fn assign(&mut self, flows: &mut Flows, slot: u32, now: Timestamp) {
        let Some(flow) = flows.get(slot) else {
            return;
        };
        let view = &flow.view;
        let key = view.key;
        if view.tag == 0 || self.is_given_up(&key, view.tag) {
            return;
        }
        let by_tags = self
            .associations
            .by_tag(&key, view.tag)
            .or_else(|| self.by_both_tags(flows, view));
        if let Some((association, direction)) = by_tags {
            if is_copy(flows, &key, association, direction)
                || association.unlisted(direction, &key).is_some() && !converse(flows, &key)
            {
                return;
            }
            let id = association.id;
            let is_new_address = association.unlisted(direction, &key).is_some();
            self.associations.join(flows, slot, id, direction, now);
            self.absorb_reverse(flows, &key, id, direction, now);
            // It waited for this one.
            if is_new_address
                && let Some(reverse) = flows.slot_of(&key.reversed())
                && flows.get(reverse).is_some_and(|flow| flow.member.is_none())
            {
                self.assign(flows, reverse, now);
            }
            return;
        }
        // What comes late, or goes on.
        if let Some((association, direction)) = self.associations.ended_by_tag(&key, view.tag) {
            let id = association.id;
            return self.associations.join(flows, slot, id, direction, now);
        }
        let tag = view.tag;
        if flow.speaks && self.complete_by_flow(flows, &key, tag, now) {
            return;
        }
        let Some(flow) = flows.get(slot) else {
            return;
        };
        let view = &flow.view;
        // Whoever sends anything to a host is answered by it, if only by ABORT: that makes no association.
        if flow.is_out_of_the_blue {
            return;
        }
        if let Some((id, direction)) = self.reverse_association(flows, view) {
            self.associations.join(flows, slot, id, direction, now);
            return;
        }
        // A handshake under way explains the flow better than its tag alone. But anyone can forge an INIT: where a tag that no
        // handshake gave is proved, an association is alive.
        let proved = (flow.proofs() > 0).then_some(view.tag);
        if self.handshakes.covers(&key, proved, now) {
            return;
        }
        let direction = self.direction(view);
        let id = self.open_mid_life(&key, direction, now);
        self.associations.join(flows, slot, id, direction, now);
    }

    /// Whether a flow is a late one of an address that its association has given up.
    fn is_given_up(&self, key: &FlowKey, tag: u32) -> bool {
        let (src, dst) = (key.src.to_ip(), key.dst.to_ip());
        let given_up =
            |(association, direction): (&Association, _)| association.is_given_up(direction, src, dst);
        self.associations.candidates(key, tag).any(given_up) && self.associations.by_tag(key, tag).is_none()
    }

    /// The only association that has this flow's tag, and in the other direction that of its reverse flow. It need not
    /// know the addresses: 64 bits do not match by chance.
    fn by_both_tags(&self, flows: &Flows, view: &FlowFacts) -> Option<(&Association, Direction)> {
        let reverse = flows.by_key(&view.key.reversed())?;
        let apart = reverse.member.map(|member| member.association);
        let mut candidates = self
            .associations
            .candidates(&view.key, view.tag)
            .filter(|(association, _)| Some(association.id) != apart);
        let (Some((association, direction)), None) = (candidates.next(), candidates.next()) else {
            return None;
        };
        let tag = association.tag(direction.reversed());
        (tag == Some(reverse.view.tag)).then_some((association, direction))
    }

    /// The reverse flow of one that has joined may have been taken for an association of its own, while nothing else
    /// of its addresses was known.
    fn absorb_reverse(
        &mut self,
        flows: &mut Flows,
        key: &FlowKey,
        id: AssociationId,
        direction: Direction,
        now: Timestamp,
    ) {
        let tag = self
            .associations
            .get(id)
            .and_then(|association| association.tag(direction.reversed()));
        let apart = flows
            .by_key(&key.reversed())
            .filter(|flow| tag.is_none_or(|tag| flow.view.tag == tag))
            .and_then(|flow| flow.member)
            .filter(|member| member.association != id)
            .and_then(|member| self.associations.get(member.association))
            .filter(|apart| apart.is_half() && !apart.is_ended());
        if let Some(part) = apart.map(|apart| apart.id) {
            self.absorb(flows, part, (id, direction.reversed()), now);
        }
    }

    /// The association of the opposite direction, which must not have ended since.
    fn reverse_association(&self, flows: &Flows, view: &FlowFacts) -> Option<(AssociationId, Direction)> {
        let member = flows.by_key(&view.key.reversed())?.member?;
        let association = self.associations.get(member.association)?;
        let direction = member.direction.reversed();
        (!association.is_ended()).then_some((member.association, direction))
    }

    /// Which way a flow goes, by the vantage. Between the hosts nothing tells; the lower address is called local, as far as
    /// is known so far.
    fn direction(&self, view: &FlowFacts) -> Direction {
        let is_forward = match self.config.vantage {
            Vantage::Endpoint => view.interface.is_egress(),
            Vantage::Gateway => view.key.src.to_ip() <= view.key.dst.to_ip(),
        };
        if is_forward {
            Direction::Forward
        } else {
            Direction::Return
        }
    }

    /// Makes an association for a flow whose handshake was not seen.
    fn open_mid_life(&mut self, key: &FlowKey, direction: Direction, now: Timestamp) -> AssociationId {
        let id = self.associations.next_id();
        let mut association =
            Association::opening(id, key, direction, Origin::MidLife, self.sides_mid_life(), now);
        if self.config.unanswered {
            for direction in Direction::BOTH {
                association.may_say(direction);
            }
        }
        self.associations.insert(association);
        id
    }
}

/// Whether both directions between these addresses and ports carry what only endpoints of one association send each other.
/// An address that no list has becomes the association's only so: a stack answers a single packet from it by ABORT.
fn converse(flows: &Flows, key: &FlowKey) -> bool {
    let speaks = |key: &FlowKey| flows.by_key(key).is_some_and(|flow| flow.speaks);
    speaks(key) && speaks(&key.reversed())
}
