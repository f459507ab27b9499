//! What a flow's newest record tells of its association: where new DATA goes, and whether enough is known to report it.

use std::time::Duration;

use crate::{
    config::Vantage,
    model::{AssociationId, Direction, EventKind, Missing, Origin, Timestamp},
    path::{
        flow::{Flow, Membership},
        flows::Flows,
    },
    registry::{
        Registry,
        association::{Association, InVain},
    },
};

impl Registry {
    /// The newest record of a flow of an association was weighed.
    pub(crate) fn on_observed(&mut self, flows: &mut Flows, slot: u32, member: Membership, now: Timestamp) {
        let Some(flow) = flows.get_mut(slot) else {
            return;
        };
        let id = member.association;
        if let Some(acked_at) = flow.acked_at {
            self.associations.go_on(id, acked_at, now);
        }
        let has_new_data = flow.new_data_at.is_some();
        if let Some((kind, at)) = self.follow_data(flow, member) {
            self.associations.report(id, kind, at);
        }
        if has_new_data && !self.comes_twice(member) {
            self.look_at_primary(flows, member, now);
        }
        self.vouch(flows, slot, member);
        self.meet_reverse(flows, slot, now);
        let id = flows
            .get(slot)
            .and_then(|flow| flow.member)
            .map_or(id, |member| member.association);
        self.establish_if_known(flows, id, now);
        // The endpoints may have changed their names with that.
        let flow = flows.get(slot);
        if let Some((member, missing)) = flow
            .and_then(|flow| Some((flow.member?, flow.lacking()?)))
            .filter(|_| self.config.may_lack_packets)
        {
            self.report_lack(member, missing, now);
        }
    }

    /// Whether the peer's packets come on two paths each.
    fn comes_twice(&self, member: Membership) -> bool {
        let association = self.associations.get(member.association);
        member.direction == Direction::Return
            && association.is_some_and(|known| known.copies[Direction::Return as usize])
    }

    /// New DATA of the peer came over another path than before: what becomes of that one is seen by looking, if nothing comes there any
    /// more.
    fn look_at_primary(&self, flows: &mut Flows, member: Membership, now: Timestamp) {
        let association = self.associations.get(member.association);
        let is_peer = self.config.vantage == Vantage::Endpoint && member.direction == Direction::Return;
        let Some(association) = association.filter(|known| is_peer && known.is_established()) else {
            return;
        };
        let primary = association.primary[Direction::Return as usize].path();
        let left = primary.filter(|primary| *primary != member.path);
        let slot = left.and_then(|path| association.path(&path)?.flow(Direction::Return));
        if let Some(slot) = slot {
            flows.look_by(slot, now + MOVED);
        }
    }

    /// Reports once of an established association what the capture lacks.
    fn report_lack(&mut self, member: Membership, missing: Missing, now: Timestamp) {
        let known = self.associations.get_mut(member.association);
        let Some(association) = known.filter(|known| known.is_established() && !known.lacks_packets) else {
            return;
        };
        association.lacks_packets = true;
        let kind = EventKind::CaptureLacks {
            direction: member.direction,
            missing,
        };
        self.associations.report(member.association, kind, now);
    }

    /// Follows new DATA from path to path. What is to be reported is as old as the first of it.
    fn follow_data(&mut self, flow: &mut Flow, member: Membership) -> Option<(EventKind, Timestamp)> {
        let (acked_at, new_data_at) = (flow.acked_at.take(), flow.new_data_at.take());
        let retransmitted = std::mem::take(&mut flow.retransmitted);
        let comes_twice = self.comes_twice(member);
        let association = self.associations.get_mut(member.association)?;
        let in_vain = &mut association.in_vain[member.direction as usize];
        if acked_at.is_some() {
            *in_vain = InVain::default();
        } else if retransmitted > 0 {
            if in_vain.retransmissions == 0 {
                in_vain.since = flow.view.last_seen;
            }
            in_vain.retransmissions += retransmitted;
        }
        if comes_twice {
            // Which of two comes first says nothing of where the peer sends it.
            return None;
        }
        let primary = &mut association.primary[member.direction as usize];
        if let Some(at) = acked_at {
            primary.on_acked(member.path, at);
        }
        let moved = primary.on_new_data(member.path, new_data_at?)?;
        let kind = EventKind::DataMoved {
            direction: member.direction,
            from: moved.from,
            to: moved.to,
            gap: moved.gap,
        };
        association.is_established().then_some((kind, moved.at))
    }

    /// Reports an association of which both directions are known, and proved.
    pub(super) fn establish_if_known(&mut self, flows: &mut Flows, id: AssociationId, now: Timestamp) {
        let association = self.associations.get(id).filter(|known| known.is_opening());
        let is_known = |known: &Association| !known.is_one_sided() && known.origin == Origin::MidLife;
        if association.is_some_and(is_known) {
            self.tie_by_both_tags(flows, id, now);
            // One that is part of another is not there any more.
            self.establish(flows, id, now);
        }
    }
}

/// How soon is looked what becomes of a path that DATA may have left.
const MOVED: Duration = Duration::from_millis(300);
