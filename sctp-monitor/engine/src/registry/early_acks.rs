//! Heartbeats whose acknowledgement the programs could not match, because the flows were not tied together yet.
//!
//! A flow's association is known one sweep after its first packet. An acknowledgement whose HEARTBEAT is not found is kept for a
//! while, until that is known too.

use sctp_monitor_common::abi::{AckOutcome, HeartbeatAcked};

use crate::{
    model::{Direction, Timestamp},
    path::{flow::Membership, flows::Flows},
    registry::{Registry, association::Association},
};

impl Registry {
    /// Takes the acknowledgement of a heartbeat. Gives the direction of a path that it proves, if the programs could not.
    pub(crate) fn on_heartbeat_acked(
        &mut self,
        flows: &mut Flows,
        acked: &HeartbeatAcked,
    ) -> Option<Membership> {
        if let Some(flow) = flows.get(acked.header.slot) {
            self.recent.on_answer(&flow.view.key);
        }
        if acked.outcome != AckOutcome::Unmatched as u16 {
            return None;
        }
        let asked = self
            .acknowledging(flows, acked)
            .and_then(|(association, direction)| {
                let slots = association.flows(direction.reversed());
                slots.iter().find_map(|slot| {
                    let sent_at = flows.get(*slot)?.detector.waiting(acked.fingerprint)?;
                    Some((*slot, sent_at))
                })
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
            let association = self.acknowledging(flows, acked);
            association.is_some_and(|(association, _)| !association.is_half())
        };
        let (whole, early) = self
            .early_acks
            .iter()
            .partition::<Vec<HeartbeatAcked>, _>(|acked| is_whole(acked));
        self.early_acks = early.into();
        whole
    }

    /// The association that an acknowledgement is of, and its direction: its flow's, or where that is from an address that is in
    /// no list, the one whose tag it has.
    fn acknowledging(&self, flows: &Flows, acked: &HeartbeatAcked) -> Option<(&Association, Direction)> {
        let flow = flows.get(acked.header.slot)?;
        let Some(member) = flow.member else {
            return self.associations.by_tag(&flow.view.key, flow.view.tag);
        };
        Some((self.associations.get(member.association)?, member.direction))
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
