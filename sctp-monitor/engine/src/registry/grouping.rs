//! Which flow belongs to which association.
//!
//! All packets of one direction of an association carry the same ports and tag, whatever addresses they use. So a
//! flow joins by its tag, if the association knows one of its addresses; the reversed address pair ties both
//! directions, and with them their tags, together. Between hosts of which nothing is known, a tag alone may be the
//! same by chance: there both directions must match.

use sctp_monitor_common::abi::{FlowKey, NO_SLOT};

use crate::{
    config::Vantage,
    engine::{Engine, Output},
    model::{AssociationId, Direction, EndReason, Origin, Timestamp},
    path::{
        flow::{FlowFacts, Membership},
        state::Path,
    },
    registry::association::Association,
};

impl Engine {
    /// Finds the association of a flow that has none, or makes one.
    pub(crate) fn assign(&mut self, slot: u32, now: Timestamp) {
        let Some(view) = self.flows.get(&slot).map(|flow| flow.view.clone()) else {
            return;
        };
        let key = view.key;
        if view.tag == 0 {
            return;
        }
        if self.is_given_up(&key, view.tag) {
            return;
        }
        let by_tags = self.by_tag(&key, view.tag).or_else(|| self.by_both_tags(&view));
        if let Some((id, direction)) = by_tags {
            if self.is_copy(&key, id, direction) {
                return;
            }
            self.join(slot, id, direction, now);
            self.absorb_reverse(&key, id, direction, now);
            return;
        }
        // Whoever sends anything to a host is answered by it, if only by ABORT: that makes no association.
        if self.flows.get(&slot).is_some_and(|flow| flow.is_aside) {
            return;
        }
        if let Some((id, direction)) = self.reverse_association(&view) {
            self.join(slot, id, direction, now);
            return;
        }
        // A handshake under way explains the flow better than its tag alone.
        if self.handshakes.covers(&key) {
            return;
        }
        let direction = self.direction(&view);
        let id = self.open_mid_life(&view, direction, now);
        self.join(slot, id, direction, now);
    }

    /// The association whose packets between these ports carry this tag, and their direction: the one that knows most
    /// of the two addresses, and at least one.
    pub(crate) fn by_tag(&self, key: &FlowKey, tag: u32) -> Option<(AssociationId, Direction)> {
        let (src, dst) = (key.src.to_ip(), key.dst.to_ip());
        self.tags
            .candidates(key, tag)
            .iter()
            .filter_map(|(id, direction)| {
                let association = self.associations.get(id)?;
                let given_up = association.is_given_up(*direction, src, dst);
                let known = association.addresses_known(*direction, src, dst);
                (known > 0 && !given_up).then_some((known, *id, *direction))
            })
            .max_by_key(|(known, id, _)| (*known, *id))
            .map(|(_, id, direction)| (id, direction))
    }

    /// Whether a flow is a late one of an address that its association has given up.
    fn is_given_up(&self, key: &FlowKey, tag: u32) -> bool {
        let (src, dst) = (key.src.to_ip(), key.dst.to_ip());
        self.by_tag(key, tag).is_none()
            && self.tags.candidates(key, tag).iter().any(|(id, direction)| {
                self.associations
                    .get(id)
                    .is_some_and(|association| association.is_given_up(*direction, src, dst))
            })
    }

    /// The only association that has this flow's tag, and in the other direction that of its reverse flow. It need not
    /// know the addresses: 64 bits do not match by chance.
    fn by_both_tags(&self, view: &FlowFacts) -> Option<(AssociationId, Direction)> {
        let reverse = self.flows.get(self.by_key.get(&view.key.reversed())?)?;
        let apart = reverse.member.map(|member| member.association);
        let mut candidates = self
            .tags
            .candidates(&view.key, view.tag)
            .iter()
            .filter(|(id, _)| Some(*id) != apart);
        let (Some((id, direction)), None) = (candidates.next(), candidates.next()) else {
            return None;
        };
        let tag = self.associations.get(id)?.tag(direction.reversed());
        (tag == Some(reverse.view.tag)).then_some((*id, *direction))
    }

    /// The reverse flow of one that has joined may have been taken for an association of its own, while nothing else
    /// of its addresses was known.
    fn absorb_reverse(&mut self, key: &FlowKey, id: AssociationId, direction: Direction, now: Timestamp) {
        let tag = self
            .associations
            .get(&id)
            .and_then(|a| a.tag(direction.reversed()));
        let reverse = self
            .by_key
            .get(&key.reversed())
            .and_then(|slot| self.flows.get(slot))
            .filter(|flow| tag.is_none_or(|tag| flow.view.tag == tag));
        let Some(apart) = reverse
            .and_then(|flow| flow.member)
            .map(|member| member.association)
            .filter(|apart| *apart != id)
        else {
            return;
        };
        let Some(association) = self.associations.get(&apart) else {
            return;
        };
        if !association.is_one_sided() || association.is_ended() {
            return;
        }
        let was_up = association.is_up();
        let slots = [association.sent.as_slice(), &association.received].concat();
        for slot in slots {
            self.join(slot, id, direction.reversed(), now);
        }
        self.end(apart, EndReason::PartOf { association: id }, now);
        if !was_up {
            self.associations.remove(&apart);
        }
    }

    /// The association of the opposite direction, which must be up: it may have ended since.
    fn reverse_association(&self, view: &FlowFacts) -> Option<(AssociationId, Direction)> {
        let reverse = self.by_key.get(&view.key.reversed())?;
        let member = self.flows.get(reverse)?.member?;
        let association = self.associations.get(&member.association)?;
        let direction = member.direction.reversed();
        (!association.is_ended()).then_some((member.association, direction))
    }

    /// Which way a flow goes, by the vantage. Between the hosts nothing tells; the lower address is called local.
    fn direction(&self, view: &FlowFacts) -> Direction {
        let sent = match self.config.vantage {
            Vantage::Endpoint => view.interface.is_egress(),
            Vantage::Gateway => view.key.src.to_ip() <= view.key.dst.to_ip(),
        };
        if sent {
            Direction::Forward
        } else {
            Direction::Return
        }
    }

    /// Makes an association for a flow whose handshake was not seen.
    fn open_mid_life(&mut self, view: &FlowFacts, direction: Direction, now: Timestamp) -> AssociationId {
        let (local_port, remote_port) = match direction {
            Direction::Forward => (view.key.src_port, view.key.dst_port),
            Direction::Return => (view.key.dst_port, view.key.src_port),
        };
        let id = self.next_id();
        let association = Association::opening(id, local_port, remote_port, Origin::MidLife, now);
        self.associations.insert(id, association);
        id
    }

    /// Sets the tag of one direction, by which its flows will be found.
    pub(crate) fn learn_tag(&mut self, id: AssociationId, direction: Direction, tag: u32) {
        let Some(association) = self.associations.get_mut(&id) else {
            return;
        };
        let ports = association.ports(direction);
        if let Some(before) = association.tag(direction) {
            self.tags.remove(ports, before, id, direction);
        }
        association.set_tag(direction, tag);
        self.tags.insert(ports, tag, id, direction);
    }

    /// No packet is one of this association any more.
    pub(crate) fn forget_tags(&mut self, id: AssociationId) {
        let Some(association) = self.associations.get(&id) else {
            return;
        };
        for direction in [Direction::Forward, Direction::Return] {
            if let Some(tag) = association.tag(direction) {
                self.tags.remove(association.ports(direction), tag, id, direction);
            }
        }
    }

    /// Makes a flow part of an association.
    pub(crate) fn join(&mut self, slot: u32, id: AssociationId, direction: Direction, now: Timestamp) {
        self.leave(slot);
        let Some(flow) = self.flows.get_mut(&slot) else {
            return;
        };
        let Some(association) = self.associations.get_mut(&id) else {
            return;
        };
        let (src, dst) = (flow.view.key.src.to_ip(), flow.view.key.dst.to_ip());
        let path_id = association.path_of(direction, src, dst);
        flow.member = Some(Membership {
            association: id,
            path: path_id,
            direction,
        });
        flow.strangers = 0;
        let tag = flow.view.tag;
        association.local.learn(path_id.local);
        association.remote.learn(path_id.remote);
        association
            .paths
            .entry(path_id)
            .or_insert_with(|| Path::new(now))
            .set_flow(direction, Some(slot));
        association.flows_mut(direction).push(slot);
        if association.is_up() {
            association.list_paths(now);
        }
        match association.tag(direction) {
            None => self.learn_tag(id, direction, tag),
            // A flow without a tag learns it from its next packet. What came with another one was not the association's.
            Some(known) if known != tag && tag != 0 => {
                flow.heard_at = Timestamp::default();
                self.output(Output::SetTag { slot, tag: known });
            }
            Some(_) => {}
        }
        self.relink(id);
    }

    /// Takes a flow out of its association.
    pub(crate) fn leave(&mut self, slot: u32) {
        let Some(member) = self.flows.get_mut(&slot).and_then(|flow| flow.member.take()) else {
            return;
        };
        let Some(association) = self.associations.get_mut(&member.association) else {
            return;
        };
        association
            .flows_mut(member.direction)
            .retain(|known| *known != slot);
        if let Some(path) = association.paths.get_mut(&member.path) {
            path.set_flow(member.direction, None);
        }
        self.relink(member.association);
    }

    /// Forgets a flow, and an association that has no other.
    pub(crate) fn remove_flow(&mut self, slot: u32, now: Timestamp) {
        let association = self
            .flows
            .get(&slot)
            .and_then(|flow| flow.member)
            .map(|member| member.association);
        let silent = self.flows.get(&slot).map(|flow| now.since(flow.view.last_seen));
        self.leave(slot);
        if let Some(flow) = self.flows.remove(&slot) {
            let key = flow.view.key;
            self.by_key.remove(&key);
            self.output(Output::Release { slot, key });
        }
        let empty = association.filter(|id| {
            self.associations
                .get(id)
                .is_some_and(|a| a.sent.is_empty() && a.received.is_empty() && !a.is_ended())
        });
        if let Some(id) = empty {
            let reason = match silent {
                Some(silent) if silent <= self.config.idle_after => {
                    EndReason::CrowdedOut { silent_for: silent }
                }
                _ => EndReason::Silent {
                    silent_for: self.config.idle_after,
                },
            };
            self.end(id, reason, now);
        }
    }

    /// Tells the records of an association's flows of each other.
    fn relink(&mut self, id: AssociationId) {
        let Some(association) = self.associations.get(&id) else {
            return;
        };
        let mut links = Vec::new();
        for direction in [Direction::Forward, Direction::Return] {
            let flows = association.flows(direction);
            let any_reverse = association
                .flows(direction.reversed())
                .first()
                .copied()
                .unwrap_or(NO_SLOT);
            for (index, slot) in flows.iter().enumerate() {
                let member = self.flows.get(slot).and_then(|flow| flow.member);
                let reverse = member
                    .and_then(|member| association.paths.get(&member.path))
                    .and_then(|path| path.flow(direction.reversed()))
                    .unwrap_or(any_reverse);
                let sibling = flows[(index + 1) % flows.len()];
                links.push((*slot, (flows[0], reverse, sibling)));
            }
        }
        for (slot, link) in links {
            if let Some(flow) = self.flows.get_mut(&slot)
                && flow.link != Some(link)
            {
                flow.link = Some(link);
                let (data_slot, reverse_slot, sibling_slot) = link;
                self.output(Output::Link {
                    slot,
                    data_slot,
                    reverse_slot,
                    sibling_slot,
                });
            }
        }
    }
}
