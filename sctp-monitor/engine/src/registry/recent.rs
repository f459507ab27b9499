//! The packets that passed last, as far as others answer them by ABORT: what does an ABORT answer?

use std::{collections::VecDeque, time::Duration};

use sctp_monitor_common::{
    abi::FlowKey,
    wire::{Chunk, ChunkKind},
};

use crate::{
    model::{Answered, Timestamp},
    path::under_way,
    registry::packet::ControlPacket,
};

/// The last few of them.
#[derive(Debug, Default)]
pub(super) struct Recent {
    seen: VecDeque<Seen>,
    /// Flows that began lately, by slot: nothing else is known of them yet.
    opened: VecDeque<(u32, FlowKey)>,
}

#[derive(Debug)]
struct Seen {
    key: FlowKey,
    chunk: ChunkKind,
    at: Timestamp,
}

impl Recent {
    /// A packet with control chunks.
    pub(super) fn on_packet(&mut self, packet: &ControlPacket<'_>, chunks: &[Chunk]) {
        if let Some(first) = chunks.first()
            && !first.is(ChunkKind::Abort)
        {
            self.note(*packet.key(), first.kind(), packet.time);
        }
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

    /// The packet that an ABORT with a reflected tag answers: the last one between the same addresses and ports.
    pub(super) fn answered_by(&self, answer: &FlowKey, at: Timestamp) -> Option<Answered> {
        let asked = answer.reversed();
        let mut seen = self.seen.iter().rev();
        let seen = seen.find(|seen| seen.key == asked && at.since(seen.at) <= ROUND_TRIP)?;
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
