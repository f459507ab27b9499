//! What the ring tells: control chunks, HEARTBEATs and their acknowledgements, ICMP errors.

use sctp_monitor_common::abi::{
    ControlHeader, FlowKey, FlowRecord, HeartbeatAcked, IcmpErrorSeen, RingRecord,
};

use crate::{
    engine::{Engine, held::complains},
    model::Timestamp,
    registry::packet::ControlPacket,
};

impl Engine {
    /// Takes a ring record. Take all that wait before any flow record: they tell why a flow is there.
    /// [`Engine::handle_held`] follows.
    pub(crate) fn handle_ring(&mut self, record: &RingRecord<'_>) {
        if !self.held.keep(record) {
            self.take_ring_record(record);
        }
    }

    /// Takes the ring records that wait for a look at a flow record, which `record` gives by its slot. To be called when all of the
    /// ring was handed in.
    pub(crate) fn handle_held(&mut self, record: impl Fn(u32) -> Option<FlowRecord>) {
        let held = std::mem::take(&mut self.held);
        for owned in held.0 {
            let waiting = owned.record();
            if let RingRecord::Control(header, _) = &waiting
                && complains(&waiting)
            {
                let at = Timestamp::from_nanos(header.header.time_ns);
                if let Some(sent_at) = self.unacknowledged(&header.key.reversed(), at, &record) {
                    self.registry.on_unacknowledged(header.key.reversed(), sent_at);
                }
            }
            self.take_ring_record(&waiting);
        }
    }

    /// When the last DATA was sent with these addresses and ports, if it is not acknowledged.
    fn unacknowledged(
        &self,
        asked: &FlowKey,
        now: Timestamp,
        record: impl Fn(u32) -> Option<FlowRecord>,
    ) -> Option<Timestamp> {
        let slot = self
            .flows
            .slot_of(asked)
            .or_else(|| self.registry.opened(asked))?;
        let record = record(slot).filter(|record| record.key == *asked && record.timed.is_armed())?;
        [record.timed.sent_at_ns, record.second_at_ns]
            .map(Timestamp::from_nanos)
            .into_iter()
            .filter(|at| *at <= now)
            .max()
    }

    fn take_ring_record(&mut self, record: &RingRecord<'_>) {
        match record {
            RingRecord::Control(header, packet) => self.handle_control(header, packet),
            RingRecord::HeartbeatAcked(acked) => {
                self.handle_ack(acked, Timestamp::from_nanos(acked.header.time_ns));
            }
            RingRecord::IcmpError(error) => self.handle_icmp_error(error),
            // What the flow record says as well, and cannot be lost: here it tells what an ABORT answers.
            RingRecord::FlowOpened(opened) => self.registry.on_opened(opened),
            RingRecord::HeartbeatSent(sent) => self.registry.on_heartbeat_sent(&self.flows, sent),
        }
    }

    /// Takes a packet with control chunks, from its common header on.
    fn handle_control(&mut self, header: &ControlHeader, packet: &[u8]) {
        let Some(packet) = ControlPacket::read(header, packet) else {
            return;
        };
        self.registry.on_packet(&mut self.flows, &packet);
        for chunk in packet.chunks() {
            self.registry.on_chunk(&mut self.flows, &packet, &chunk);
            self.route(packet.time);
        }
    }

    /// Takes the acknowledgements that came before it was known whose they are.
    pub(super) fn match_early_acks(&mut self, now: Timestamp) {
        for acked in self.registry.take_early_acks(&self.flows) {
            self.handle_ack(&acked, now);
        }
    }

    pub(super) fn handle_ack(&mut self, acked: &HeartbeatAcked, now: Timestamp) {
        if let Some(member) = self.registry.on_heartbeat_acked(&mut self.flows, acked) {
            self.conclude(member.association, member.path, now);
        }
    }

    /// The programs compared the tag with the record's; the engine may know by now that the record's was wrong.
    fn handle_icmp_error(&mut self, error: &IcmpErrorSeen) {
        if self.registry.on_icmp(error) {
            return;
        }
        let Some(flow) = self.flows.by_key_mut(&error.key) else {
            return;
        };
        let now = Timestamp::from_nanos(error.header.time_ns);
        // An INIT that nobody remembers: it may be anyone's.
        if flow.view.tag == 0 {
            return;
        }
        if flow.view.tag != error.tag {
            return self.registry.look_into_icmp_error(&self.flows, error, now);
        }
        flow.on_icmp(error, now);
        if let Some(member) = flow.member {
            self.conclude(member.association, member.path, now);
        }
    }
}
