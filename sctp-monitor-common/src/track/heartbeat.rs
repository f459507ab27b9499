//! HEARTBEAT and HEARTBEAT ACK: what is waited for, and which address pair an ack answers.
//!
//! An ack is matched by the Heartbeat Information, not by addresses: it may come from another address of the peer.

use core::sync::atomic::{Ordering, compiler_fence};

use bytemuck::Pod;

use super::{
    links::choose_reverse,
    probe::is_of_an_agent,
    proof::{answers_mark, prove},
    table::{FlowTable, MAX_SIBLINGS},
    tag_check::TagCheck,
    trust::rare,
};
use crate::{
    abi::{
        AckOutcome, Counter, FlowKey, FlowRecord, HEARTBEAT_SLOTS, HeartbeatAcked, HeartbeatSent, Interface,
        NO_SLOT, OutstandingHeartbeat, RareKind, RingHeader, RingKind,
    },
    wire::{Chunk, ChunkKind, ReadPacket, Readable, Reading, heartbeat::HeartbeatInfo},
};

#[inline(always)]
pub(super) fn on_heartbeat<P: Readable, T: FlowTable>(
    frame: &P,
    slot: u32,
    interface: Interface,
    table: &mut T,
) {
    let chunk = *table.scratch().last(ChunkKind::Heartbeat);
    if is_of_an_agent(frame, slot, &chunk, interface, table) {
        return;
    }
    let Some(info) = frame.read_by(Info(chunk)) else {
        return table.count(Counter::ChunkTruncated);
    };
    let now_ns = table.now_ns();
    let Some((record, _, scratch)) = table.flow_and_scratch(slot) else {
        return;
    };
    let padded = scratch.has(ChunkKind::Pad);
    if scratch.tag_check != TagCheck::Own as u32 {
        record.mark(scratch.tag, info.fingerprint);
        return;
    }
    let entry = OutstandingHeartbeat {
        sent_at_ns: now_ns,
        fingerprint: info.fingerprint,
        chunk_length: info.chunk_length,
        padded: u16::from(padded),
    };
    // The older one gives way. A free entry is the oldest there is.
    if record.outstanding[0].sent_at_ns <= record.outstanding[1].sent_at_ns {
        record.outstanding[0] = entry;
    } else {
        record.outstanding[1] = entry;
    }
    let header = RingHeader {
        kind: RingKind::HeartbeatSent as u32,
        slot,
        time_ns: now_ns,
    };
    let sent = HeartbeatSent {
        header,
        fingerprint: info.fingerprint,
        chunk_length: info.chunk_length,
        padded: u16::from(padded),
    };
    emit(&sent, slot, interface, table);
}

/// Tells user space, unless there are too many. The flow table has what detection needs.
#[inline(always)]
fn emit<R: Pod, T: FlowTable>(record: &R, slot: u32, interface: Interface, table: &mut T) {
    let Some(key) = table.record(slot).map(|record| record.key) else {
        return;
    };
    let rare = rare(RareKind::Heartbeat as u32, slot, &key, interface, table);
    if table.admits(&rare, Counter::HeartbeatLimited) {
        table.emit(record, false);
    }
}

/// Looks for the heartbeat that the ack answers: first on the reversed address pair, then on the other flows of that
/// direction of the association.
#[inline(always)]
pub(super) fn on_heartbeat_ack<P: Readable, T: FlowTable>(
    frame: &P,
    slot: u32,
    interface: Interface,
    table: &mut T,
) {
    let chunk = *table.scratch().last(ChunkKind::HeartbeatAck);
    if is_of_an_agent(frame, slot, &chunk, interface, table) {
        return;
    }
    let Some(info) = frame.read_by(Info(chunk)) else {
        return table.count(Counter::ChunkTruncated);
    };
    let now_ns = table.now_ns();
    let mut acked = HeartbeatAcked {
        header: RingHeader {
            kind: RingKind::HeartbeatAcked as u32,
            slot,
            time_ns: now_ns,
        },
        fingerprint: info.fingerprint,
        chunk_length: info.chunk_length,
        outcome: AckOutcome::Unmatched as u16,
        heartbeat_slot: NO_SLOT,
        reserved: 0,
        rtt_ns: 0,
    };
    let flow = table.flow(slot);
    let mut first = NO_SLOT;
    if let Some((key, pair, reverse)) = flow.map(|(record, links)| (record.key, record.pair, links.reverse)) {
        first = choose_reverse(slot, pair, reverse, table);
        let mut at = first;
        for _ in 0..MAX_SIBLINGS {
            let Some((record, links)) = table.flow(at) else {
                break;
            };
            let next = links.next.slot();
            if !record.is_outdated(links)
                && let Some(index) = outstanding(record, info)
            {
                let entry = record.outstanding[index % HEARTBEAT_SLOTS];
                acked.rtt_ns = now_ns.saturating_sub(entry.sent_at_ns);
                acked.heartbeat_slot = at;
                acked.outcome = answer(record, &key, now_ns, acked.rtt_ns) as u16;
                // Whoever sees that the wait is over sees the answer.
                compiler_fence(Ordering::Release);
                record.outstanding[index % HEARTBEAT_SLOTS].sent_at_ns = 0;
                break;
            }
            at = next;
            if at == first {
                break;
            }
        }
    }
    if acked.heartbeat_slot != NO_SLOT {
        prove(slot, acked.heartbeat_slot, 0, table);
    } else if answers_mark(first, info.fingerprint, table) {
        prove(slot, first, info.fingerprint, table);
    }
    if table.scratch().tag_check != TagCheck::Own as u32 {
        return;
    }
    if acked.heartbeat_slot == NO_SLOT {
        table.count(Counter::HeartbeatAckUnmatched);
    }
    emit(&acked, slot, interface, table);
}

/// Which of the record's heartbeats waits for this ack.
#[inline(always)]
fn outstanding(record: &FlowRecord, info: HeartbeatInfo) -> Option<usize> {
    (0..HEARTBEAT_SLOTS).find(|index| {
        let entry = &record.outstanding[*index];
        entry.sent_at_ns != 0
            && entry.fingerprint == info.fingerprint
            && entry.chunk_length == info.chunk_length
    })
}

/// Enters an ack that came over the flow `ack` into the record of the flow that carried the heartbeat.
#[inline(always)]
fn answer(record: &mut FlowRecord, ack: &FlowKey, now_ns: u64, rtt_ns: u64) -> AckOutcome {
    record.heartbeats_answered = record.heartbeats_answered.wrapping_add(1);
    record.answered_at_ns = now_ns;
    record.heartbeat_rtt.sample(rtt_ns);
    if record.key.dst.is(ack.src) {
        return AckOutcome::SamePath;
    }
    record.answered_elsewhere = record.answered_elsewhere.wrapping_add(1);
    record.ack_source = ack.src;
    AckOutcome::OtherPath
}

/// Reads the information in a HEARTBEAT or in a HEARTBEAT ACK.
struct Info(Chunk);

impl Reading for Info {
    type Output = Option<HeartbeatInfo>;

    #[inline(always)]
    fn read<R: ReadPacket>(self, reader: &R) -> Self::Output {
        HeartbeatInfo::read(reader, &self.0)
    }
}
