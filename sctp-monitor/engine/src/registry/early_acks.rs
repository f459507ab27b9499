//! Heartbeats whose acknowledgement the programs could not match, because the flows were not tied together yet.
//!
//! A flow's association is known one sweep after its first packet. An acknowledgement whose HEARTBEAT is not found is kept for a
//! while, until that is known too.

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
        let member = flows.get(acked.header.slot).and_then(|flow| flow.member);
        let association = member.and_then(|member| self.associations.get(member.association));
        let (Some(member), Some(association)) = (member, association) else {
            self.keep(acked);
            return None;
        };
        let slots = association.flows(member.direction.reversed());
        let asked = slots.iter().find_map(|slot| {
            let sent_at = flows.get(*slot)?.detector.waiting(acked.fingerprint)?;
            Some((*slot, sent_at))
        });
        let Some((slot, sent_at)) = asked else {
            self.keep(acked);
            return None;
        };
        let at = Timestamp::from_nanos(acked.header.time_ns);
        let source = flows.get(acked.header.slot)?.view.key.src.to_ip();
        let flow = flows.get_mut(slot)?;
        flow.on_matched(acked.fingerprint, sent_at, source, at);
        flow.member
    }

    /// Takes out the acknowledgements that were kept and may be matched now: their flow has an association.
    pub(crate) fn take_early_acks(&mut self, flows: &Flows) -> Vec<HeartbeatAcked> {
        let is_whole = |acked: &HeartbeatAcked| {
            let member = flows.get(acked.header.slot).and_then(|flow| flow.member);
            let association = member.and_then(|member| self.associations.get(member.association));
            association.is_some_and(|association| !association.is_one_sided())
        };
        let (whole, early) = self
            .early_acks
            .iter()
            .partition::<Vec<HeartbeatAcked>, _>(|acked| is_whole(acked));
        self.early_acks = early.into();
        whole
    }

    fn keep(&mut self, acked: &HeartbeatAcked) {
        if self.early_acks.len() >= MAX_EARLY_ACKS {
            self.early_acks.pop_front();
        }
        self.early_acks.push_back(*acked);
    }
}

/// Acknowledgements that are kept until their HEARTBEAT is found.
const MAX_EARLY_ACKS: usize = 256;
