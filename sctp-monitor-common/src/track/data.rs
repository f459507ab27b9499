//! DATA and I-DATA: which TSNs are new, which are retransmitted or come late, and which one is timed.

use super::{
    scratch::{Scratch, bit},
    table::{FlowTable, MAX_SIBLINGS},
    tag_check::TagCheck,
};
use crate::{
    abi::{Counter, FlowRecord, SenderState, tsn_after},
    wire::{
        Chunk, ChunkKind, ReadPacket,
        chunk::{Visit, walk},
        data::Data,
    },
};

#[inline(always)]
pub(super) fn on_data<R: ReadPacket, T: FlowTable>(reader: &R, slot: u32, max_chunks: usize, table: &mut T) {
    let Some((record, links, scratch)) = table.flow_and_scratch(slot) else {
        return;
    };
    let kind = if scratch.has(ChunkKind::Data) {
        ChunkKind::Data
    } else {
        ChunkKind::IData
    };
    let Some(data) = Data::read(reader, scratch.last(kind)) else {
        return table.count(Counter::ChunkTruncated);
    };
    if scratch.tag_check != TagCheck::Own as u32 {
        record.mismatched_mark = data.tsn;
        return;
    }
    if let Some(ppid) = data.ppid {
        record.ppid = ppid;
    }
    let tsn_slot = links.tsn_slot(slot);
    let Some((canonical, links, scratch)) = table.flow_and_scratch(tsn_slot) else {
        return;
    };
    canonical.follow(links);
    scratch.previous_highest = if canonical.sender.data_seen() {
        canonical.sender.highest_tsn
    } else {
        data.tsn // no flow has this one, so a run begins
    };
    if scratch.data_count == 1 {
        scratch.note_tsn(data.tsn, &mut canonical.sender);
    } else {
        let (at, end) = (scratch.chunks_at(), scratch.end());
        let mut note = NoteTsns {
            reader,
            canonical,
            scratch: &mut *scratch,
        };
        walk(reader, at, end, max_chunks, &mut note);
    }
    let old = OldTsns {
        count: scratch.old_tsns,
        first: scratch.first_old_tsn,
        last: scratch.last_old_tsn,
        late: scratch.late_tsns,
        last_late: scratch.last_late_tsn,
        bytes: data.payload_length + HEADERS_LEN,
    };
    if scratch.new_tsns > 0 {
        time_data(slot, table);
    }
    if old.count + old.late > 0 {
        on_retransmission(slot, old, table);
    }
}

/// What stands in front of the user data in a packet of one chunk: IPv4, common header, DATA header.
const HEADERS_LEN: u32 = 20 + 12 + 16;

struct NoteTsns<'a, R> {
    reader: &'a R,
    canonical: &'a mut FlowRecord,
    scratch: &'a mut Scratch,
}

impl<R: ReadPacket> Visit for NoteTsns<'_, R> {
    #[inline(always)]
    fn visit(&mut self, chunk: &Chunk) {
        if chunk.is_data()
            && let Some(tsn) = self.reader.read_u32(chunk.value_at())
        {
            self.scratch.note_tsn(tsn, &mut self.canonical.sender);
        }
    }
}

/// TSNs of one packet that had been seen before, or come late.
#[derive(Debug, Clone, Copy)]
struct OldTsns {
    count: u32,
    first: u32,
    last: u32,
    late: u32,
    last_late: u32,
    /// Bytes of a packet with just the last chunk.
    bytes: u32,
}

impl OldTsns {
    #[inline(always)]
    fn holds(&self, tsn: u32) -> bool {
        !tsn_after(self.first, tsn) && !tsn_after(tsn, self.last)
    }
}

/// Waits for the SACK of a packet's last new chunk, if the flow waits for none.
#[inline(always)]
fn time_data<T: FlowTable>(slot: u32, table: &mut T) {
    let Some((record, _, scratch)) = table.flow_and_scratch(slot) else {
        return;
    };
    if record.highest_sent != scratch.previous_highest {
        record.run_start = scratch.first_new_tsn;
    }
    let (tsn, bytes) = (scratch.last_new_tsn, scratch.total_length);
    record.highest_sent = tsn;
    if record.timed.is_armed() && !record.timed.is_left_over() {
        if record.timed.another_packet() {
            let now_ns = table.now_ns();
            if let Some(record) = table.record(slot) {
                record.second_at_ns = now_ns;
                record.second_tsn = tsn;
            }
        }
        return;
    }
    let now_ns = table.now_ns();
    if let Some(record) = table.record(slot) {
        record.second_at_ns = 0;
        record.watch_size(tsn, bytes);
        record.timed.start(tsn, now_ns);
    }
}

/// Tells the flows of this direction which of their chunks the packet carries again, or late.
#[inline(always)]
fn on_retransmission<T: FlowTable>(slot: u32, old: OldTsns, table: &mut T) {
    if let Some(record) = table.record(slot) {
        record.retransmissions = record.retransmissions.wrapping_add(old.count);
    }
    let now_ns = table.now_ns();
    let mut at = slot;
    for _ in 0..MAX_SIBLINGS {
        let Some((record, links)) = table.flow(at) else {
            return;
        };
        if old.count > 0 {
            if record.timed.is_armed() && old.holds(record.timed.tsn) {
                record.time_retransmission(now_ns);
                record.timed.mark_resent(at != slot);
            }
            if old.holds(record.sized_tsn) {
                record.sized_bytes = 0;
            }
            if record.carried_first(old.last) {
                record.lost = record.lost.wrapping_add(old.count);
                record.lost_bytes = old.bytes;
                if at != slot && tsn_after(old.last, record.timed.tsn) {
                    record.timed.mark_rest_elsewhere();
                }
            }
        }
        if old.late > 0 && record.carried_first(old.last_late) {
            record.late = record.late.wrapping_add(old.late);
            record.lost_bytes = old.bytes;
        }
        at = links.next.slot();
        if at == slot {
            return;
        }
    }
}

/// A TSN that is so far below the highest one was lost and retransmitted; one that comes less late may just have been
/// overtaken. A sender waits for three reports of a gap before it sends again (RFC 9260 section 7.2.4).
const LATE: i32 = 3;

pub(super) const DATA: u32 = bit(ChunkKind::Data) | bit(ChunkKind::IData);

impl Scratch {
    /// Enters a TSN into the state of its direction, and notes what it was there.
    #[inline(always)]
    fn note_tsn(&mut self, tsn: u32, sender: &mut SenderState) {
        let behind = sender.highest_tsn.wrapping_sub(tsn) as i32;
        let after_others = sender.data_seen();
        if sender.sent(tsn) {
            if !after_others || behind < 0 {
                if self.new_tsns == 0 {
                    self.first_new_tsn = tsn;
                }
                self.new_tsns += 1;
                self.last_new_tsn = tsn;
            } else if behind >= LATE {
                self.late_tsns += 1;
                self.last_late_tsn = tsn;
            }
        } else {
            if self.old_tsns == 0 {
                self.first_old_tsn = tsn;
            }
            self.old_tsns += 1;
            self.last_old_tsn = tsn;
        }
    }
}
