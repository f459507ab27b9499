//! The packets that passed last, as far as others answer them: what does an ABORT, ERROR or SHUTDOWN ACK answer?

use std::{collections::VecDeque, time::Duration};

use sctp_monitor_common::{
    abi::FlowKey,
    wire::{Chunk, ChunkKind},
};
use serde::{Deserialize, Serialize};

use crate::{
    model::{Answered, Timestamp},
    path::under_way,
    registry::packet::ControlPacket,
};

/// The last few of them.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Recent {
    seen: VecDeque<Seen>,
    /// Flows that began lately, by slot: nothing else is known of them yet.
    opened: VecDeque<(u32, FlowKey)>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Seen {
    key: FlowKey,
    chunk: ChunkKind,
    at: Timestamp,
}

impl Recent {
    /// A packet with control chunks.
    pub(super) fn on_packet(&mut self, packet: &ControlPacket<'_>, chunks: &[Chunk]) {
        let Some(first) = chunks.first().map(Chunk::kind) else {
            return;
        };
        if !matches!(first, ChunkKind::Abort | ChunkKind::Error) {
            self.on_answer(packet.key());
        }
        if first != ChunkKind::Abort {
            self.note(*packet.key(), first, packet.time);
        }
    }

    /// An endpoint that complains of nothing sends what answers the other one, or may: an ABORT that follows answers something
    /// later.
    pub(super) fn on_answer(&mut self, key: &FlowKey) {
        let asked = key.reversed();
        self.seen.retain(|seen| seen.key != asked);
    }

    /// A flow began.
    pub(super) fn on_opened(&mut self, slot: u32, key: FlowKey) {
        if self.opened.len() == MOST {
            self.opened.pop_front();
        }
        self.opened.push_back((slot, key));
    }

    /// A HEARTBEAT on the flow in a slot, which has this key as far as is known otherwise.
    pub(super) fn on_heartbeat(&mut self, slot: u32, known: Option<FlowKey>, at: Timestamp) {
        let mut opened = self.opened.iter().rev();
        let opened = opened.find(|(opened, _)| *opened == slot).map(|(_, key)| *key);
        if let Some(key) = opened.or(known) {
            self.note(key, ChunkKind::Heartbeat, at);
        }
    }

    /// The slot of a flow that began lately.
    pub(super) fn opened(&self, key: &FlowKey) -> Option<u32> {
        let mut opened = self.opened.iter().rev();
        opened.find(|(_, opened)| opened == key).map(|(slot, _)| *slot)
    }

    /// DATA that is not acknowledged.
    pub(super) fn on_unacknowledged(&mut self, key: FlowKey, sent_at: Timestamp) {
        self.note(key, ChunkKind::Data, sent_at);
    }

    /// The packet that another one answers: the last of these kinds between the same addresses and ports.
    pub(super) fn answered_by(
        &self,
        answer: &FlowKey,
        may_be: impl Fn(ChunkKind) -> bool,
        at: Timestamp,
    ) -> Option<Answered> {
        let asked = answer.reversed();
        let is_it = |seen: &&Seen| {
            let in_time = seen.at <= at && at.since(seen.at) <= ROUND_TRIP;
            seen.key == asked && in_time && may_be(seen.chunk)
        };
        let seen = self.seen.iter().filter(is_it).max_by_key(|seen| seen.at)?;
        Some(Answered {
            chunk: seen.chunk,
            source: asked.src.to_ip(),
            destination: asked.dst.to_ip(),
            after: at.since(seen.at),
        })
    }

    fn note(&mut self, key: FlowKey, chunk: ChunkKind, at: Timestamp) {
        if self.seen.len() == MOST {
            self.seen.pop_front();
        }
        self.seen.push_back(Seen { key, chunk, at });
    }
}

/// Packets that are remembered: an answer comes within a round trip, and these are rare.
const MOST: usize = 256;
/// An answer that comes later answers something else.
const ROUND_TRIP: Duration = under_way::LONGEST;
