//! The associations by id and by tag: how they begin and end, and which flows and addresses are theirs.
//!
//! Every verb keeps the tag index, the paths and what the programs know of the flows in step with the associations, and
//! queues what others must know of it.

use std::{
    collections::{BTreeMap, VecDeque},
    net::IpAddr,
};

use sctp_monitor_common::abi::FlowKey;
use serde::{Deserialize, Serialize};

use crate::{
    model::{AssociationId, Direction, End, EndReason, Event, EventKind, PathId, Schema, Side, Timestamp},
    path::{
        flow::{Flow, Membership},
        flows::Flows,
        state::Path,
        under_way,
    },
    registry::{
        asconf::AddressesChanged,
        association::{Association, Phase},
        change::Change,
        links::{forget_tag, relink, remove_tags, set_tag, tell_tag},
        tags::TagIndex,
    },
};

/// All associations that are known.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Associations {
    pub(super) by_id: BTreeMap<AssociationId, Association>,
    pub(super) tags: TagIndex,
    last_id: u64,
    changes: VecDeque<Change>,
}

impl Associations {
    /// The oldest decision that nobody has taken yet.
    pub(super) fn poll_change(&mut self) -> Option<Change> {
        self.changes.pop_front()
    }

    pub(super) fn get(&self, id: AssociationId) -> Option<&Association> {
        self.by_id.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: AssociationId) -> Option<&mut Association> {
        self.by_id.get_mut(&id)
    }

    /// All associations, by id.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Association> {
        self.by_id.values()
    }

    /// All associations, by id.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Association> {
        self.by_id.values_mut()
    }

    /// The association whose packets between these ports carry this tag, and their direction: the one that knows most
    /// of the two addresses, and at least one.
    pub(super) fn by_tag(&self, key: &FlowKey, tag: u32) -> Option<(&Association, Direction)> {
        self.best(key, tag, |_, _| true)
    }

    /// The same, if the tag was proved: what a packet's chunks say of an association is believed by that alone.
    pub(super) fn by_proved_tag(&self, key: &FlowKey, tag: u32) -> Option<(&Association, Direction)> {
        self.best(key, tag, |association, direction| {
            association.said_tag(direction).is_some()
        })
    }

    fn best(
        &self,
        key: &FlowKey,
        tag: u32,
        counts: impl Fn(&Association, Direction) -> bool,
    ) -> Option<(&Association, Direction)> {
        let (src, dst) = (key.src.to_ip(), key.dst.to_ip());
        self.candidates(key, tag)
            .filter(|(association, direction)| counts(association, *direction))
            .filter_map(|(association, direction)| {
                let given_up = association.is_given_up(direction, src, dst);
                let known = association.addresses_known(direction, src, dst);
                (known > 0 && !given_up).then_some((known, association, direction))
            })
            .max_by_key(|(known, association, _)| (*known, association.id))
            .map(|(_, association, direction)| (association, direction))
    }

    /// The same, to be changed.
    pub(super) fn by_proved_tag_mut(
        &mut self,
        key: &FlowKey,
        tag: u32,
    ) -> Option<(&mut Association, Direction)> {
        let (id, direction) = self
            .by_proved_tag(key, tag)
            .map(|(association, direction)| (association.id, direction))?;
        Some((self.by_id.get_mut(&id)?, direction))
    }

    /// The associations whose packets between these ports carry this tag, and the direction in which they do.
    pub(super) fn candidates(
        &self,
        key: &FlowKey,
        tag: u32,
    ) -> impl Iterator<Item = (&Association, Direction)> {
        self.claims(key, tag).filter(|(known, _)| !known.is_ended())
    }

    /// The association that is over and whose packets between these addresses and ports carried this tag.
    pub(super) fn ended_by_tag(&self, key: &FlowKey, tag: u32) -> Option<(&Association, Direction)> {
        let (src, dst) = (key.src.to_ip(), key.dst.to_ip());
        let mut ended = self.claims(key, tag).filter(|(known, _)| known.is_ended());
        ended.find(|(known, direction)| known.addresses_known(*direction, src, dst) == 2)
    }

    /// The same, whether they are over or not.
    fn claims(&self, key: &FlowKey, tag: u32) -> impl Iterator<Item = (&Association, Direction)> {
        self.tags
            .candidates(key, tag)
            .iter()
            .filter_map(|(id, direction)| Some((self.by_id.get(id)?, *direction)))
    }

    /// A number for an association that is to be added.
    pub(super) fn next_id(&mut self) -> AssociationId {
        self.last_id += 1;
        AssociationId(self.last_id)
    }

    pub(super) fn insert(&mut self, association: Association) {
        self.by_id.insert(association.id, association);
    }

    /// Forgets an association.
    pub(super) fn remove(&mut self, id: AssociationId) {
        if let Some(association) = self.by_id.remove(&id) {
            remove_tags(&mut self.tags, &association);
        }
    }

    /// Sets the tag of one direction, by which its flows will be found.
    pub(super) fn learn_tag(&mut self, id: AssociationId, direction: Direction, tag: u32) {
        if let Some(association) = self.by_id.get_mut(&id) {
            set_tag(&mut self.tags, association, direction, tag);
        }
    }

    /// Corrects the tag of one direction, and tells the programs.
    pub(super) fn replace_tag(
        &mut self,
        flows: &mut Flows,
        id: AssociationId,
        direction: Direction,
        tag: u32,
    ) {
        if let Some(association) = self.by_id.get_mut(&id)
            && association.tag(direction) != Some(tag)
        {
            set_tag(&mut self.tags, association, direction, tag);
            relink(&mut self.changes, flows, association);
        }
    }

    /// The tag of one direction is another association's: nothing is known of it any more.
    pub(super) fn forget_tag(&mut self, flows: &mut Flows, id: AssociationId, direction: Direction) {
        if let Some(association) = self.by_id.get_mut(&id) {
            forget_tag(&mut self.tags, association, direction);
            relink(&mut self.changes, flows, association);
        }
    }

    /// The tag of one direction is certain: tells the programs.
    pub(super) fn vouch(&mut self, flows: &mut Flows, id: AssociationId, direction: Direction) {
        if let Some(association) = self.by_id.get_mut(&id)
            && association.vouch(direction, true)
        {
            association.tags_are_doubted = false;
            relink(&mut self.changes, flows, association);
        }
    }

    /// The tags of an association are certain no longer: they must be proved again.
    pub(super) fn doubt_tags(&mut self, flows: &mut Flows, id: AssociationId) {
        let Some(association) = self.by_id.get_mut(&id).filter(|known| !known.tags_are_doubted) else {
            return;
        };
        association.tags_are_doubted = true;
        for direction in Direction::BOTH {
            association.vouch(direction, false);
            for slot in association.flows(direction) {
                if let Some(flow) = flows.get_mut(*slot) {
                    flow.prove_again();
                }
            }
        }
        relink(&mut self.changes, flows, association);
    }

    /// Makes a flow part of an association.
    pub(super) fn join(
        &mut self,
        flows: &mut Flows,
        slot: u32,
        id: AssociationId,
        direction: Direction,
        now: Timestamp,
    ) {
        self.leave(flows, slot);
        let (Some(flow), Some(association)) = (flows.get_mut(slot), self.by_id.get_mut(&id)) else {
            return;
        };
        let (src, dst) = (flow.view.key.src.to_ip(), flow.view.key.dst.to_ip());
        let path_id = association.path_of(direction, src, dst);
        flow.member = Some(Membership {
            association: id,
            path: path_id,
            direction,
        });
        flow.foreign_packets = 0;
        let tag = flow.view.tag;
        // What came with another tag was not the association's.
        if association.tag(direction).is_some_and(|known| known != tag) && tag != 0 {
            flow.heard_at = Timestamp::default();
        }
        association.local.learn(path_id.local);
        association.remote.learn(path_id.remote);
        association
            .paths
            .entry(path_id)
            .or_insert_with(|| Path::new(now))
            .set_flow(direction, Some(slot));
        association.flows_mut(direction).push(slot);
        if association.confirmed_by_handshake == Some(path_id) {
            flow.detector.on_handshake(association.known_since);
        }
        if association.is_established() {
            association.list_paths(now);
        }
        if association.tag(direction).is_none() {
            set_tag(&mut self.tags, association, direction, tag);
        }
        if flow.proofs() > 0 && association.tag(direction) == Some(tag) {
            association.may_say(direction);
        }
        relink(&mut self.changes, flows, association);
    }

    /// Tells the programs whether each packet of an association passes on two paths, by direction, if that is news.
    pub(super) fn set_copies(&mut self, flows: &mut Flows, id: AssociationId, copies: [bool; 2]) {
        if let Some(association) = self.by_id.get_mut(&id)
            && association.copies != copies
        {
            association.copies = copies;
            relink(&mut self.changes, flows, association);
        }
    }

    /// Takes a flow out of its association.
    pub(super) fn leave(&mut self, flows: &mut Flows, slot: u32) {
        let Some(flow) = flows.get_mut(slot) else {
            return;
        };
        let Some(member) = flow.member.take() else {
            return;
        };
        // Its tag stays what it was last known to be.
        let tag = flow.links.tag;
        tell_tag(&mut self.changes, slot, flow, tag);
        let Some(association) = self.by_id.get_mut(&member.association) else {
            return;
        };
        association
            .flows_mut(member.direction)
            .retain(|known| *known != slot);
        if let Some(path) = association.paths.get_mut(&member.path) {
            path.set_flow(member.direction, None);
        }
        relink(&mut self.changes, flows, association);
    }

    /// Forgets a flow. Gives the association that it leaves without any, unless that is over.
    pub(super) fn forget_flow(&mut self, flows: &mut Flows, slot: u32) -> Option<AssociationId> {
        let member = flows.get(slot)?.member;
        self.leave(flows, slot);
        if let Some(key) = flows.forget(slot) {
            self.changes.push_back(Change::Release { slot, key });
        }
        let association = self.by_id.get(&member?.association)?;
        (!association.has_flows() && !association.is_ended()).then_some(association.id)
    }

    /// Tells the programs of a tag that a flow without an association has.
    pub(super) fn tell_tag(&mut self, slot: u32, flow: &mut Flow, tag: u32) {
        tell_tag(&mut self.changes, slot, flow, tag);
    }

    /// Reports something of an association.
    pub(super) fn report(&mut self, id: AssociationId, kind: EventKind, now: Timestamp) {
        if let Some(association) = self.by_id.get(&id) {
            self.changes.push_back(association.report(kind, now));
        }
    }

    /// Enough is known of an association: reports it.
    pub(super) fn establish(&mut self, id: AssociationId, now: Timestamp) {
        let Some(association) = self.by_id.get_mut(&id).filter(|known| known.is_opening()) else {
            return;
        };
        association.phase = Phase::Established;
        association.list_paths(now);
        let kind = EventKind::AssociationUp {
            origin: association.origin,
            local: association.local.iter().copied().collect(),
            remote: association.remote.iter().copied().collect(),
            offers: association.offers,
            restarts: association.restarts,
            one_sided: association.is_one_sided(),
        };
        self.changes.push_back(association.report(kind, now));
        for side in [Side::Local, Side::Remote] {
            for translation in association.addresses(side).translations() {
                let kind = EventKind::Translated {
                    side,
                    address: translation.address,
                    seen_as: translation.seen_as,
                };
                self.changes.push_back(association.report(kind, now));
            }
        }
        self.changes.push_back(Change::Established(id));
    }

    /// An association is over. Its tags are remembered with it: its packets may come late, and make no new one.
    pub(super) fn end(&mut self, id: AssociationId, reason: EndReason, now: Timestamp) {
        let Some(association) = self.by_id.get_mut(&id).filter(|known| !known.is_ended()) else {
            return;
        };
        let was_established = association.is_established();
        let left = association.unfinished_shutdown();
        association.phase = Phase::Ended {
            at: now,
            end: reason.clone(),
            was_reported: was_established,
        };
        if !was_established {
            remove_tags(&mut self.tags, association);
        }
        if let Some(kind) = left.filter(|_| !matches!(reason, EndReason::Shutdown { .. })) {
            self.changes.push_back(association.report(kind, now));
        }
        self.changes.push_back(Change::Ended(association.reference()));
        if was_established {
            let end = End::new(reason, association.sides);
            let kind = EventKind::AssociationDown { end };
            self.changes.push_back(association.report(kind, now));
        }
    }

    /// DATA of an association was acknowledged. One that had ended before goes on: whatever was taken for its end was none.
    pub(super) fn go_on(&mut self, id: AssociationId, acked_at: Timestamp, now: Timestamp) {
        let Some(association) = self.by_id.get_mut(&id) else {
            return;
        };
        let Phase::Ended {
            at,
            end: EndReason::Abort(_) | EndReason::Shutdown { .. },
            was_reported: true,
        } = association.phase
        else {
            return;
        };
        if acked_at <= at + under_way::LONGEST {
            return;
        }
        association.phase = Phase::Established;
        let kind = EventKind::AssociationGoesOn {
            ended_ago: acked_at.since(at),
        };
        self.changes.push_back(association.report(kind, now));
        self.changes.push_back(Change::Established(id));
    }

    /// A responder refused a handshake.
    pub(super) fn refused(&mut self, initiator: IpAddr, responder: IpAddr, by: IpAddr) {
        let refused = Change::Refused {
            initiator,
            responder,
            by,
        };
        self.changes.push_back(refused);
    }

    /// Reports something that is of no association.
    pub(super) fn report_apart(&mut self, kind: EventKind, now: Timestamp) {
        self.changes.push_back(Change::Report(Box::new(Event {
            schema: Schema,
            time: now,
            association: None,
            kind,
        })));
    }

    /// Nothing is known of a path any more, unless a flow of it is.
    pub(super) fn begin_path_anew(&mut self, id: AssociationId, path: PathId, now: Timestamp) {
        let Some(association) = self.by_id.get_mut(&id).filter(|known| !known.is_ended()) else {
            return;
        };
        if association
            .path(&path)
            .is_none_or(|path| path.any_flow().is_some())
        {
            return;
        }
        association.paths.remove(&path);
        self.changes
            .push_back(Change::PathRemoved(association.reference(), path));
        if association.is_established() {
            association.list_paths(now);
        }
    }

    /// The addresses of one endpoint have changed: lists new paths, and removes those of addresses that are gone.
    pub(super) fn on_addresses_changed(
        &mut self,
        flows: &mut Flows,
        id: AssociationId,
        side: Side,
        changed: AddressesChanged,
        now: Timestamp,
    ) {
        let Some(association) = self.by_id.get_mut(&id) else {
            return;
        };
        if association.is_established() {
            association.list_paths(now);
        }
        let gone: Vec<PathId> = association
            .paths
            .keys()
            .copied()
            .filter(|path| changed.removed.contains(&side.of(path)))
            .collect();
        let mut slots = Vec::new();
        for path_id in gone {
            let removed = Change::PathRemoved(association.reference(), path_id);
            self.changes.push_back(removed);
            if let Some(path) = association.paths.remove(&path_id) {
                slots.extend(
                    Direction::BOTH
                        .into_iter()
                        .filter_map(|direction| path.flow(direction)),
                );
            }
        }
        for slot in slots {
            self.leave(flows, slot);
        }
        // What changes before an association is reported as established is in that report.
        if let Some(association) = self.by_id.get(&id).filter(|known| known.is_established())
            && changed.any()
        {
            let AddressesChanged {
                added,
                removed,
                primary,
            } = changed;
            let kind = EventKind::AddressesChanged {
                side,
                added,
                removed,
                primary,
            };
            self.changes.push_back(association.report(kind, now));
        }
    }
}
