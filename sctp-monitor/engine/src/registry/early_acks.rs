//! Heartbeats whose acknowledgement the programs could not match, because the flows were not tied together yet.
//!
//! A flow's association is known one sweep after its first packet; an acknowledgement that comes sooner is kept until then.

use sctp_monitor_common::abi::{AckOutcome, HeartbeatAcked};

use crate::{
    model::Timestamp,
    path::{flow::Membership, flows::Flows},
    registry::Registry,
};

impl Registry {
    /// Takes the acknowledgement of a heartbeat. Gives the direction of a path that it proves, if the programs could not.
    pub(crate) fn on_heartbeat_acked(
        &mut self,
        flows: &mut Flows,
        acked: &HeartbeatAcked,
    ) -> Option<Membership> {
        if acked.outcome != AckOutcome::Unmatched as u16 {
            return None;
        }
        let flow = flows.get(acked.header.slot);
        let member = flow.and_then(|flow| flow.member);
        let joined = member.and_then(|member| {
            let association = self.associations.get(member.association)?;
            Some((association, member.direction))
        });
        // From an address that is in no list: whoever sent it knows the tag.
        let by_tag = || self.associations.by_tag(&flow?.view.key, flow?.view.tag);
        let found = joined.or_else(by_tag).and_then(|(association, direction)| {
            let slots = association.flows(direction.reversed());
            slots.iter().find_map(|slot| {
                let sent_at = flows.get(*slot)?.detector.waiting(acked.fingerprint)?;
                Some((*slot, sent_at))
            })
        });
        let Some((slot, sent_at)) = found else {
            if member.is_none() {
                if self.early_acks.len() >= MAX_EARLY_ACKS {
                    self.early_acks.pop_front();
                }
                self.early_acks.push_back(*acked);
            }
            return None;
        };
        let now = Timestamp::from_nanos(acked.header.time_ns);
        let flow = flows.get_mut(slot)?;
        flow.detector
            .on_answered_elsewhere(acked.fingerprint, now.since(sent_at), now);
        flow.member
    }

    /// Takes out the acknowledgements that came over the flow in a slot: it may have an association now.
    pub(crate) fn take_early_acks(&mut self, slot: u32) -> Vec<HeartbeatAcked> {
        if self.early_acks.is_empty() {
            return Vec::new();
        }
        let is_early = |acked: &HeartbeatAcked| acked.header.slot == slot;
        let early = self.early_acks.iter().copied().filter(is_early).collect();
        self.early_acks.retain(|acked| !is_early(acked));
        early
    }
}

/// Acknowledgements that are kept until their flow's association is known.
const MAX_EARLY_ACKS: usize = 256;
