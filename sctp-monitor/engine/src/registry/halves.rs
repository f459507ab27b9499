//! Parts of associations that were joined mid-life: which of them are of one association.
//!
//! A flow alone makes half an association: one direction, one address pair. What is never seen whole may be two halves, or several
//! paths, in one direction or in both. They are tied together by what does not match by chance: the tags of both directions between
//! two ports; the tag of one, once it is clear that no opposite direction will tell more; a HEARTBEAT of one half that is
//! acknowledged in the other. A half is not reported while another one may be its opposite direction.

use std::{collections::HashMap, net::IpAddr};

use foldhash::fast::RandomState;
use sctp_monitor_common::abi::HeartbeatAcked;
use serde::{Deserialize, Serialize};

use crate::{
    config::HEARTBEAT_WITHIN,
    model::{AssociationId, Direction, EndReason, Timestamp},
    path::{flow::Flow, flows::Flows},
    registry::{Registry, association::Association},
};

impl Registry {
    /// Reports the associations of which enough is known by now, and ties halves together before.
    pub(crate) fn establish_known(&mut self, flows: &mut Flows, now: Timestamp) {
        self.tie_by_heartbeats(flows, now);
        let is_due = |association: &&Association| association.is_opening() && self.is_old(association, now);
        let due: Vec<_> = self
            .associations
            .iter()
            .filter(is_due)
            .map(|due| due.id)
            .collect();
        for id in due {
            if !self.associations.get(id).is_some_and(Association::is_half) {
                self.tie_by_both_tags(flows, id, now);
            } else if let Some(whole) = self.twin(flows, id) {
                self.absorb(flows, id, whole, now);
            }
        }
        self.establish_lasting(flows, true, now);
    }

    /// Nothing more will be seen: reports what was held back.
    pub(crate) fn establish_rest(&mut self, flows: &mut Flows, now: Timestamp) {
        self.establish_lasting(flows, false, now);
    }

    /// Reports what has lasted. If `hold`, what may be part of another half only once it is old.
    fn establish_lasting(&mut self, flows: &mut Flows, hold: bool, now: Timestamp) {
        let is_due = |association: &&Association| {
            association.is_opening()
                && self.is_old(association, now)
                && self.lasts(flows, association)
                && (self.config.unanswered || association.is_proved(flows))
        };
        let due: Vec<_> = self.associations.iter().filter(is_due).collect();
        let any_half = due.iter().any(|association| association.is_half());
        let halves = if hold && any_half {
            self.halves(flows)
        } else {
            HashMap::default()
        };
        let is_held = |association: &Association| {
            let is_young = now.since(association.known_since) < HEARTBEAT_WITHIN;
            let mut ends = ends(flows, association);
            association.is_half() && is_young && ends.any(|end| halves.contains_key(&end.opposite()))
        };
        let due: Vec<_> = due
            .into_iter()
            .filter(|due| !is_held(due))
            .map(|due| due.id)
            .collect();
        for id in due {
            self.establish(flows, id, now);
        }
    }

    /// The halves that are known, by the ends of their flows.
    fn halves(&self, flows: &Flows) -> HashMap<End, AssociationId, RandomState> {
        let is_half = |association: &&Association| association.is_half() && !association.is_ended();
        let halves = self.associations.iter().filter(is_half);
        halves
            .flat_map(|half| ends(flows, half).map(|end| (end, half.id)))
            .collect()
    }

    fn is_old(&self, association: &Association, now: Timestamp) -> bool {
        now.since(association.known_since) >= self.config.one_sided_after
    }

    /// Whether its packets come over some time. A burst of them is cheap to forge, and nobody answered.
    fn lasts(&self, flows: &Flows, association: &Association) -> bool {
        let long = self.config.one_sided_after / 2;
        association
            .slots()
            .filter_map(|slot| flows.get(slot))
            .any(|flow| flow.view.last_seen.since(flow.view.first_seen) >= long)
    }

    /// Another association between the same ports whose tags are the same, as far as both are known; and the direction in which
    /// it has the part's first flow. One that was reported comes first, then the oldest.
    fn twin(&self, flows: &Flows, id: AssociationId) -> Option<(AssociationId, Direction)> {
        let part = self.associations.get(id)?;
        let first = flows.get(part.slots().next()?)?;
        let opposite = part.tag(first.member?.direction.reversed());
        let candidates = self.associations.candidates(&first.view.key, first.view.tag);
        candidates
            .filter(|(other, _)| other.id != id && !other.is_ended())
            .filter(|(other, direction)| {
                let tags = opposite.zip(other.tag(direction.reversed()));
                tags.is_none_or(|(own, others)| own == others)
            })
            .min_by_key(|(other, _)| (other.is_opening(), other.id))
            .map(|(other, direction)| (other.id, direction))
    }

    /// Ties an association of which both directions are known to another one with the same tags: 64 bits do not match by chance.
    pub(super) fn tie_by_both_tags(&mut self, flows: &mut Flows, id: AssociationId, now: Timestamp) {
        let is_whole = |id| self.associations.get(id).is_some_and(|known| !known.is_half());
        if let Some(whole) = self
            .twin(flows, id)
            .filter(|(whole, _)| is_whole(*whole) && is_whole(id))
        {
            self.absorb(flows, id, whole, now);
        }
    }

    /// Ties halves together of which one acknowledges what the other one asks.
    fn tie_by_heartbeats(&mut self, flows: &mut Flows, now: Timestamp) {
        let patience = self.config.unanswered_after;
        self.early_acks
            .retain(|acked| now.since(Timestamp::from_nanos(acked.header.time_ns)) < patience);
        let half_of = |acked: &HeartbeatAcked| {
            let member = flows.get(acked.header.slot)?.member?;
            let association = self.associations.get(member.association)?;
            (association.is_half() && !association.is_ended()).then_some(association.id)
        };
        let acks = self.early_acks.iter();
        let acks: Vec<_> = acks.filter_map(|acked| Some((*acked, half_of(acked)?))).collect();
        if acks.is_empty() {
            return;
        }
        let halves = self.halves(flows);
        for (acked, part) in acks {
            if let Some((whole, direction)) = self.asker(flows, &halves, &acked) {
                self.absorb(flows, part, (whole, direction.reversed()), now);
            }
        }
    }

    /// The half that waits for this acknowledgement, and the direction in which it asks.
    fn asker(
        &self,
        flows: &Flows,
        halves: &HashMap<End, AssociationId, RandomState>,
        acked: &HeartbeatAcked,
    ) -> Option<(AssociationId, Direction)> {
        let end = End::receiving(flows.get(acked.header.slot)?).opposite();
        let half = self.associations.get(*halves.get(&end)?)?;
        let waits =
            |flow: &Flow| End::sending(flow) == end && flow.detector.waiting(acked.fingerprint).is_some();
        Direction::BOTH
            .into_iter()
            .find(|direction| flows.all_of(half.flows(*direction)).any(waits))
            .map(|direction| (half.id, direction))
    }

    /// Makes the flows of a part those of another association, where the first of them goes in this direction.
    pub(super) fn absorb(
        &mut self,
        flows: &mut Flows,
        part: AssociationId,
        (whole, direction): (AssociationId, Direction),
        now: Timestamp,
    ) {
        let Some(known) = self.associations.get(part) else {
            return;
        };
        let directions = known
            .slots()
            .filter_map(|slot| Some((slot, flows.get(slot)?.member?.direction)));
        let (slots, was_established): (Vec<_>, _) = (directions.collect(), known.is_established());
        let Some((_, first)) = slots.first().copied() else {
            return;
        };
        for (slot, own) in slots {
            let joined = if own == first {
                direction
            } else {
                direction.reversed()
            };
            self.associations.join(flows, slot, whole, joined, now);
        }
        let reason = EndReason::PartOf { association: whole };
        self.associations.end(part, reason, now);
        if !was_established {
            self.associations.remove(part);
        }
        self.establish_if_known(flows, whole, now);
    }
}

/// One end of a flow: its address and port, the port of the other end, and whether it sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct End {
    address: IpAddr,
    ports: (u16, u16),
    sends: bool,
}

impl End {
    fn sending(flow: &Flow) -> Self {
        let key = &flow.view.key;
        Self {
            address: key.src.to_ip(),
            ports: (key.src_port, key.dst_port),
            sends: true,
        }
    }

    fn receiving(flow: &Flow) -> Self {
        let key = &flow.view.key;
        Self {
            address: key.dst.to_ip(),
            ports: (key.dst_port, key.src_port),
            sends: false,
        }
    }

    /// The same end in the opposite direction.
    fn opposite(self) -> Self {
        Self {
            sends: !self.sends,
            ..self
        }
    }
}

fn ends(flows: &Flows, association: &Association) -> impl Iterator<Item = End> {
    let slots = association.slots().filter_map(|slot| flows.get(slot));
    slots.flat_map(|flow| [End::sending(flow), End::receiving(flow)])
}
