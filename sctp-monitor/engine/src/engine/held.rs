//! Ring records that wait for a look at a flow record: what an ABORT or ERROR answers may be DATA, and of DATA the ring tells
//! nothing. What comes behind it waits too, so that the order stays.

use std::collections::VecDeque;

use sctp_monitor_common::{
    abi::{ControlHeader, FlowOpened, HeartbeatAcked, HeartbeatSent, IcmpErrorSeen, RingRecord},
    wire::ChunkKind,
};
use serde::{Deserialize, Serialize};

use crate::registry::packet::ControlPacket;

/// What waits, the oldest first.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Held(pub(super) VecDeque<Owned>);

/// A ring record with its packet.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Owned {
    FlowOpened(FlowOpened),
    HeartbeatSent(HeartbeatSent),
    HeartbeatAcked(HeartbeatAcked),
    Control(ControlHeader, Box<[u8]>),
    IcmpError(IcmpErrorSeen),
}

impl Held {
    /// Keeps a record, if it or one before it has to wait; `true` if so.
    pub(super) fn keep(&mut self, record: &RingRecord<'_>) -> bool {
        if self.0.is_empty() && !complains(record) {
            return false;
        }
        self.0.push_back(match record {
            RingRecord::FlowOpened(opened) => Owned::FlowOpened(*opened),
            RingRecord::HeartbeatSent(sent) => Owned::HeartbeatSent(*sent),
            RingRecord::HeartbeatAcked(acked) => Owned::HeartbeatAcked(*acked),
            RingRecord::Control(header, packet) => Owned::Control(*header, (*packet).into()),
            RingRecord::IcmpError(error) => Owned::IcmpError(*error),
        });
        true
    }
}

impl Owned {
    pub(super) fn record(&self) -> RingRecord<'_> {
        match self {
            Self::FlowOpened(opened) => RingRecord::FlowOpened(*opened),
            Self::HeartbeatSent(sent) => RingRecord::HeartbeatSent(*sent),
            Self::HeartbeatAcked(acked) => RingRecord::HeartbeatAcked(*acked),
            Self::Control(header, packet) => RingRecord::Control(*header, packet),
            Self::IcmpError(error) => RingRecord::IcmpError(*error),
        }
    }
}

/// Whether a packet says that another one was not welcome.
pub(super) fn complains(record: &RingRecord<'_>) -> bool {
    let RingRecord::Control(header, packet) = record else {
        return false;
    };
    let packet = ControlPacket::read(header, packet);
    packet.is_some_and(|packet| {
        let mut chunks = packet.chunks();
        chunks.any(|chunk| matches!(chunk.kind(), ChunkKind::Abort | ChunkKind::Error))
    })
}
