//! Which flow belongs to which association.
//!
//! All packets of one direction of an association carry the same ports and tag, whatever addresses they use. So a
//! flow joins by its tag; the reversed address pair ties both directions, and with them their tags, together.

use std::time::Duration;

use sctp_monitor_common::abi::{FlowKey, NO_SLOT};

use crate::{
    association::{Association, Path},
    config::Vantage,
    engine::{Engine, Output},
    event::{AssociationId, EndReason, Origin, PathId},
    flow::{Direction, FlowView, Membership},
    time::Timestamp,
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
        let by_tag = self.by_tag(&key, view.tag);
        if let Some((id, direction)) = by_tag.or_else(|| self.reverse_association(&view)) {
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

    /// The association whose packets between these ports carry this tag, and their direction. Where both ports are the
    /// same, a tag alone does not tell a packet from one that goes the other way with a reflected tag.
    pub(crate) fn by_tag(&self, key: &FlowKey, tag: u32) -> Option<(AssociationId, Direction)> {
        let (id, direction) = self.by_tag.get(&(key.src_port, key.dst_port, tag)).copied()?;
        let between = self
            .associations
            .get(&id)?
            .direction_between(key.src.to_ip(), key.dst.to_ip());
        between
            .is_none_or(|between| between == direction)
            .then_some((id, direction))
    }

    /// The association of the opposite direction, which must be up: it may have ended since.
    fn reverse_association(&self, view: &FlowView) -> Option<(AssociationId, Direction)> {
        let reverse = self.by_key.get(&view.key.reversed())?;
        let member = self.flows.get(reverse)?.member?;
        let association = self.associations.get(&member.association)?;
        let direction = opposite(member.direction);
        (!association.is_ended()).then_some((member.association, direction))
    }

    /// Which way a flow goes, by the vantage. Between the hosts nothing tells; the lower address is called local.
    fn direction(&self, view: &FlowView) -> Direction {
        let sent = match self.config.vantage {
            Vantage::Endpoint => view.interface.is_egress(),
            Vantage::Gateway => view.key.src.to_ip() <= view.key.dst.to_ip(),
        };
        if sent {
            Direction::Sent
        } else {
            Direction::Received
        }
    }

    /// Makes an association for a flow whose handshake was not seen.
    fn open_mid_life(&mut self, view: &FlowView, direction: Direction, now: Timestamp) -> AssociationId {
        let (local_port, remote_port) = match direction {
            Direction::Sent => (view.key.src_port, view.key.dst_port),
            Direction::Received => (view.key.dst_port, view.key.src_port),
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
        association.set_tag(direction, tag);
        let ports = match direction {
            Direction::Sent => (association.local_port, association.remote_port),
            Direction::Received => (association.remote_port, association.local_port),
        };
        self.by_tag.insert((ports.0, ports.1, tag), (id, direction));
    }

    /// Makes a flow part of an association.
    pub(crate) fn join(&mut self, slot: u32, id: AssociationId, direction: Direction, now: Timestamp) {
        self.leave(slot);
        let Some(flow) = self.flows.get_mut(&slot) else {
            return;
        };
        let (src, dst) = (flow.view.key.src.to_ip(), flow.view.key.dst.to_ip());
        let path_id = match direction {
            Direction::Sent => PathId {
                local: src,
                remote: dst,
            },
            Direction::Received => PathId {
                local: dst,
                remote: src,
            },
        };
        flow.member = Some(Membership {
            association: id,
            path: path_id,
            direction,
        });
        let tag = flow.view.tag;
        let Some(association) = self.associations.get_mut(&id) else {
            return;
        };
        association.add_addresses([path_id.local], [path_id.remote]);
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
            // A flow without a tag learns it from its next packet.
            Some(known) if known != tag && tag != 0 => self.output(Output::SetTag { slot, tag: known }),
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
            self.end(id, EndReason::Silent(self.config.idle_after), now);
        }
    }

    /// Tells the records of an association's flows of each other.
    fn relink(&mut self, id: AssociationId) {
        let Some(association) = self.associations.get(&id) else {
            return;
        };
        let mut links = Vec::new();
        for direction in [Direction::Sent, Direction::Received] {
            let flows = association.flows(direction);
            let any_reverse = association
                .flows(opposite(direction))
                .first()
                .copied()
                .unwrap_or(NO_SLOT);
            for (index, slot) in flows.iter().enumerate() {
                let member = self.flows.get(slot).and_then(|flow| flow.member);
                let reverse = member
                    .and_then(|member| association.paths.get(&member.path))
                    .and_then(|path| path.flow(opposite(direction)))
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

    /// An association whose packets have all had other tags for a while, in both directions, was restarted without
    /// being seen. Forged packets cannot do that: the true ones would match in between.
    pub(crate) fn replace_restarted(&mut self, now: Timestamp) {
        let restarted: Vec<_> = self
            .associations
            .values()
            .filter(|association| association.is_up() && self.is_restarted(association, now))
            .map(|association| association.id)
            .collect();
        for id in restarted {
            let Some(association) = self.associations.get(&id) else {
                continue;
            };
            let slots: Vec<_> = association
                .sent
                .iter()
                .chain(&association.received)
                .copied()
                .collect();
            self.end(id, EndReason::Replaced, now);
            for slot in &slots {
                self.leave(*slot);
            }
            for slot in slots {
                if let Some(flow) = self.flows.get_mut(&slot) {
                    // A flow that was silent meanwhile learns its tag from its next packet.
                    let mismatching = flow.mismatching_since.take().is_some();
                    flow.view.tag = if mismatching { flow.mismatched_tag } else { 0 };
                    let tag = flow.view.tag;
                    self.output(Output::SetTag { slot, tag });
                }
                self.assign(slot, now);
            }
        }
    }

    fn is_restarted(&self, association: &Association, now: Timestamp) -> bool {
        let mismatching = |slots: &[u32]| {
            slots.is_empty()
                || slots.iter().any(|slot| {
                    self.flows.get(slot).is_some_and(|flow| {
                        flow.mismatched_tag != 0
                            && flow
                                .mismatching_since
                                .is_some_and(|since| now.since(since) >= RESTART_AFTER)
                    })
                })
        };
        let any = !(association.sent.is_empty() && association.received.is_empty());
        any && mismatching(&association.sent) && mismatching(&association.received)
    }
}

/// The other direction.
pub(crate) fn opposite(direction: Direction) -> Direction {
    match direction {
        Direction::Sent => Direction::Received,
        Direction::Received => Direction::Sent,
    }
}

/// How long both directions must carry nothing but other tags until the association counts as restarted: longer than
/// packets of the old one may be under way.
const RESTART_AFTER: Duration = Duration::from_secs(1);
